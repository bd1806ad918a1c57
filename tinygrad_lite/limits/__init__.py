"""Derivatives where the chain rule alone does not give them: limits at 0·inf, and what a choice leaves out."""
