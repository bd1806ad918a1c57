"""Programs as fused loops over reused memory."""
