"""The ulp profile of a derivative: measured, as a table, as a plot."""
