"""Programs as readable source: names, brackets, statements."""
