"""Checkpointing: loops keep the states of few steps, and compute others again where the gradient needs them."""
