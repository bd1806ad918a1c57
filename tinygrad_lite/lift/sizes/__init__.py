"""Programs for sizes that were never traced: aligned from traces of a few small sizes, and proved at the size asked."""
