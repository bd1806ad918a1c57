"""Where gradients vanish or explode, layer by layer."""
