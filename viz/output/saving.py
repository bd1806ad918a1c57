"""Pictures as files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_lite.files.atomic import write_atomically
from tinygrad_lite.value import Value
from tinygrad_lite.viz.output.rendering import FORMATS, Picture, render

if TYPE_CHECKING:
    from graphviz import Digraph

    from tinygrad_lite.lift.stages import Passes


def save(
    picture: Value | Sequence[Value] | Digraph | Passes | Picture,
    path: str | os.PathLike[str],
    *,
    dpi: int | None = None,
    **options: Any,
) -> Path:
    """Write a picture to a file, in the format that the name's suffix says.

    The file is there whole or not at all: it is written under another name, and then renamed.

    Args:
        picture: The Value at the end of the graph, or several, or what :func:`draw` or :func:`network` gave; the passes
            of ``lift``, for a page.
        path: Ends in ``.svg``, ``.png``, ``.pdf`` or ``.dot``; for a Value also in ``.json``, for the graph as data, or
            in ``.html``, for a page to explore it.
        dpi: Dots an inch of a PNG; 144 if not given.
        options: For a Value: those of :func:`draw`, or as :func:`render` says for JSON and HTML.

    Returns:
        The path.

    Raises:
        ValueError: The suffix is another one, or as :func:`render`.
        RenderError, TypeError: As :func:`render`.
        OSError: The file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Value(2.0, label="a"), f"{folder}/a.dot").name
    'a.dot'
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"the picture comes first, and then the path, as in save(y, 'y.svg'): {path!r} is no path")
    target = Path(path)
    suffix = target.suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise ValueError(f"the name of a picture ends in one of {known}: not {target.name!r}")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(target.parent)!r} to write {target.name!r} to: make it first")
    write_atomically(target, render(picture, suffix, dpi=dpi, **options))
    return target
