"""One way to write each thing: rewrites of the scalar graph."""
