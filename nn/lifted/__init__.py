"""The same training steps as lifted programs."""
