"""Plots and animations of a training run."""
