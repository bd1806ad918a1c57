"""The classic picture of a network: columns of circles, and its training in motion."""
