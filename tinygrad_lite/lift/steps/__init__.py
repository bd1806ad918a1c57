"""Loops over time: groups that repeat step after step become one group with the steps as an axis."""
