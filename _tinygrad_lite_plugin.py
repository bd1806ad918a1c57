"""What pytest and hypothesis load when they start: small, and without importing tinygrad_lite.

A plugin within the package would import it before coverage is measured, and would slow every test run on the machine.
"""

from __future__ import annotations


def register_strategies() -> None:
    """What hypothesis calls when it is imported."""
