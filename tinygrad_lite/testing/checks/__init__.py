"""The checks: of the engine's derivatives, of derivatives that someone wrote, of products with Jacobians."""
