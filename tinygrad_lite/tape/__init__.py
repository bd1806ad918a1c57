"""The tape: a scalar graph as one row of instructions, and the compiled loop that walks it."""
