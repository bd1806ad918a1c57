"""Losses as functions, and the same as modules."""
