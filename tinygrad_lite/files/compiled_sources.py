"""The sources of compiled modules, for tracebacks: they name files as they were called where they were compiled."""

from __future__ import annotations

import functools
import linecache
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_SUFFIXES: Final = (".so", ".pyd")


def show_in_tracebacks(modules: Mapping[str, Any], package: str) -> None:
    """Let tracebacks, Python's and IPython's, find the lines of modules that are compiled.

    A file is read when a traceback first shows it. Modules that are not compiled, or whose source is not there, are
    left as they are.

    Args:
        modules: By their names, as ``sys.modules`` has them.
        package: The package whose modules are meant.

    >>> show_in_tracebacks({}, "tinygrad_lite")
    """
    for name, module in modules.items():
        above, _, last = name.rpartition(".")
        if not name.startswith(f"{package}.") or not str(getattr(module, "__file__", "")).endswith(_SUFFIXES):
            continue
        # Not where __file__ says: all compiled modules give the folder of the one library that they are in.
        source = Path(modules[above].__path__[0], f"{last}.py")
        # As linecache keeps what a loader gives: a function that is asked for the text when a line is wanted.
        cache: dict[str, Any] = linecache.cache
        cache.setdefault(name.replace(".", "/") + ".py", (functools.partial(_text, source),))


def _text(source: Path) -> str | None:
    try:
        return source.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
