"""Optimisers, learning rates over time, clipping, scaling of gradients."""
