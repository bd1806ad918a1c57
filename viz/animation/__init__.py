"""The backward sweep as an animation."""
