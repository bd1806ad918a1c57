"""How notebooks show what the engine and ``lift`` make: as pictures, which ``viz`` draws.

Both ask here, and know nothing of ``viz``. The package's ``__init__`` has registered who draws, to be imported when it
is first asked.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, Final

Drawer = Callable[..., dict[str, str]]

_DRAWERS: Final[list[Drawer]] = []


def register(draw: Drawer) -> None:
    """Say who draws.

    Args:
        draw: Called as ``draw(shown, include, exclude)``, gives what :func:`mimebundle` does.
    """
    _DRAWERS[:] = [draw]


def mimebundle(
    shown: Any, include: Container[str] | None = None, exclude: Container[str] | None = None
) -> dict[str, str]:
    """Give an object in the forms that a notebook can show, by MIME type.

    Args:
        shown: The object.
        include: The MIME types that are wanted; all, if not given.
        exclude: The MIME types that are not.

    >>> from tinygrad_lite import Value
    >>> mimebundle(Value(2.0), include={"text/plain"})
    {'text/plain': 'Value(data=2.0, grad=0.0)'}
    """
    return _DRAWERS[0](shown, include, exclude)
