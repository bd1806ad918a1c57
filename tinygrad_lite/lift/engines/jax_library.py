"""JAX, imported when it is needed, and the width of its numbers."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any


def import_jax() -> Any:
    """Import the module ``jax``.

    Raises:
        ImportError: It is not installed; the message names the extra.
    """
    try:
        return importlib.import_module("jax")
    except ImportError as error:
        raise ImportError("engine 'jax' needs JAX: pip install 'tinygrad-lite[jax]'") from error


def use_x64(wide: bool = True) -> AbstractContextManager[None]:
    """Give JAX 64-bit numbers, or none, while active. ``jax_enable_x64`` is left as it is elsewhere.

    >>> with use_x64():
    ...     import_jax().numpy.zeros(2).dtype
    dtype('float64')
    """
    return _enable_x64()(wide)


@functools.cache
def _enable_x64() -> Callable[[bool], AbstractContextManager[None]]:
    found: Callable[[bool], AbstractContextManager[None]] | None = getattr(import_jax(), "enable_x64", None)
    if found is None:  # before JAX 0.8; jax.experimental has it no more since 0.10
        found = importlib.import_module("jax.experimental").enable_x64
    return found


def is_traced_by_jax(array: Any) -> bool:
    """Whether it is JAX's stand-in for an array, whose numbers are not known yet."""
    return isinstance(array, import_jax().core.Tracer)
