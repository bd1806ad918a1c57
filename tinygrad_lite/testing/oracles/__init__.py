"""What a derivative is, found in independent ways: 60-digit truth, dual numbers, finite differences, other
libraries."""
