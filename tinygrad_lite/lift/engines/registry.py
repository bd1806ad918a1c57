"""What runs a program: one row for each engine, behind one narrow interface.

An engine is a module with ``build(groups, **options)``, which gives a function from a list of arrays, one for each
input group, to a list of arrays, one for each result. To add one, add its row here. (The tape runs what was traced, and
has a ``build`` that says so: :mod:`tinygrad_lite.lift.tape_program` makes its programs.)
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.ir.groups import Groups


@dataclass(frozen=True)
class Engine:
    """What runs programs.

    Attributes:
        module: The module with its ``build``.
        library: The package that it needs.
        extra: The extra of this package that installs the library; "" for what is always there.
    """

    module: str
    library: str
    extra: str = ""


ENGINES: Final = {
    "numpy": Engine("tinygrad_lite.lift.engines.numpy_engine", "numpy"),
    "numba": Engine("tinygrad_lite.lift.engines.numba_engine", "numba", extra="fast"),
    "jax": Engine("tinygrad_lite.lift.engines.jax_engine", "jax", extra="jax"),
    "tape": Engine("tinygrad_lite.lift.engines.tape_engine", "numpy"),
}


def build(engine: str, program: Groups, options: dict[str, Any]) -> Callable[[list[Any]], list[Any]]:
    """Make a function of arrays of the program.

    Raises:
        ImportError: The engine's library is not installed; the message names the extra.
        LiftError: There is no such engine.
    """
    module = importlib.import_module(ENGINES[check_engine(engine)].module)
    run: Callable[[list[Any]], list[Any]] = module.build(program, **options)
    return run


def check_engine(engine: str) -> str:
    """Raise unless there is an engine of that name; give the name."""
    if engine not in ENGINES:
        raise LiftError(f"there is no engine {engine!r}: choose one of {', '.join(ENGINES)}")
    return engine


def check_options(engine: str, options: dict[str, Any]) -> None:
    """Raise unless the engine has options of these names.

    Raises:
        LiftError: It has not; the message lists those that there are.

    >>> check_options("jax", {"dtpye": "float32"})
    Traceback (most recent call last):
    ...
    tinygrad_lite.errors.LiftError: engine 'jax' has no option 'dtpye': there are dtype, devices
    """
    if options:
        parameters = inspect.signature(importlib.import_module(ENGINES[engine].module).build).parameters
        known = [name for name in parameters if name not in ("program", "axes")]
        for name in options:
            if name not in known:
                there = f"there are {', '.join(known)}" if known else "there are none"
                raise LiftError(f"engine {engine!r} has no option {name!r}: {there}")
