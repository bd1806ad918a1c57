"""What the code of a function names: the globals it reads, the attributes, and whether it is the user's own.

Read from the bytecode, with that of the functions and classes inside it. Nothing is run.
"""

from __future__ import annotations

import dis
import functools
import sys
import sysconfig
from pathlib import Path
from types import CodeType
from typing import Final, NamedTuple

_GLOBALS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_ATTRIBUTES: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"})
#: What reads attributes whose names stand nowhere in the code.
_ANY: Final = frozenset({"vars", "asdict", "astuple", "attrgetter", "__dict__", "dir", "eval", "exec"})
#: What makes text that is no constant.
_MADE: Final = ("BUILD_STRING", "FORMAT_")


class Named(NamedTuple):
    """What a piece of code names."""

    globals: tuple[str, ...]
    attributes: frozenset[str]
    modules: tuple[str, ...]
    #: Whether it may read any attribute there is.
    any_attribute: bool


@functools.lru_cache(maxsize=4096)
def find_names(code: CodeType) -> Named:
    """Find what a piece of code names, with the code inside it.

    >>> def area(circle):
    ...     return math.pi * circle.radius**2
    >>> find_names(area.__code__)
    Named(globals=('math',), attributes=frozenset({...}), modules=(), any_attribute=False)
    """
    names: dict[str, None] = {}
    attributes: set[str] = set()
    modules: dict[str, None] = {}
    reads_any = False
    stack = [code]
    while stack:
        inner = stack.pop()
        stack += [constant for constant in inner.co_consts if isinstance(constant, CodeType)]
        for instruction in dis.get_instructions(inner):
            if instruction.opname in _GLOBALS:
                names[instruction.argval] = None
            elif instruction.opname in _ATTRIBUTES:
                attributes.add(instruction.argval)
            elif instruction.opname == "IMPORT_NAME":
                modules[instruction.argval] = None
        if "getattr" in inner.co_names:
            attributes.update([text for text in inner.co_consts if isinstance(text, str) and text.isidentifier()])
            reads_any = reads_any or _makes_names(inner)
    reads_any = reads_any or not _ANY.isdisjoint({*names, *attributes})
    return Named(tuple(names), frozenset(attributes), tuple(modules), reads_any)


def _makes_names(code: CodeType) -> bool:
    """Whether ``getattr`` is given anything but a constant name, as far as can be seen."""
    waiting = False
    for instruction in dis.get_instructions(code):
        if instruction.opname in _GLOBALS and instruction.argval == "getattr":
            waiting = True
        elif waiting and instruction.opname == "LOAD_CONST" and isinstance(instruction.argval, str):
            waiting = False
        elif instruction.opname.startswith(_MADE) or (waiting and instruction.opname.startswith(("CALL", "BINARY_"))):
            return True
    return waiting


def is_library(module: str | None) -> bool:
    """Whether a module is Python's, this library's, or installed from elsewhere: what it reads is not looked into.

    >>> is_library("numpy.linalg"), is_library("tinygrad_lite"), is_library("__main__")
    (True, True, False)
    """
    return module is not None and _is_library(module.partition(".")[0])


@functools.lru_cache(maxsize=1024)
def _is_library(package: str) -> bool:
    if package == "__main__":
        return False
    if package in ("tinygrad_lite", "builtins"):
        return True
    file = getattr(sys.modules.get(package), "__file__", None)
    if file is None:
        return package in sys.stdlib_module_names
    path = Path(file).resolve()
    if not {"site-packages", "dist-packages"}.isdisjoint(path.parts):
        return True
    standard = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}
    return not standard.isdisjoint(path.parents)
