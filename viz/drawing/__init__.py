"""``draw``: what a picture says, then how Graphviz is told."""
