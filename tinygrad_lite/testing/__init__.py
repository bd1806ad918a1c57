"""Property tests for derivatives."""
