"""The program beside the function: whether they agree, why not, and what is demanded of numbers at each call."""
