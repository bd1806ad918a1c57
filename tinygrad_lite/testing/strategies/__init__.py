"""Hypothesis strategies, and the points where derivatives are hard."""
