"""From a function and its arguments to a scalar graph as arrays of numbers, and when it has to be traced again."""
