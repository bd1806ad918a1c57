"""The colours of all pictures, and what all matplotlib figures have in common."""
