"""What ``fit`` is made of: data, steps, epochs, callbacks, checkpoints."""
