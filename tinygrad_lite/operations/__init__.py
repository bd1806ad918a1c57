"""The operation table, what a record says, and the arithmetic that its rules run in."""
