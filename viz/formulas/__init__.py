"""Formulas as trees, written as text, LaTeX and MathML."""
