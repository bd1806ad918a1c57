"""What runs a program: one function for each engine, behind one narrow interface.

An engine is a module with ``build(groups, **options)``, which gives a function from a list of arrays, one for each
input group, to a list of arrays, one for each result. To add one, add its row here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.groups import Groups

#: The module of each engine.
ENGINES = {
    "numpy": "tinygrad_lite.lift.numpy_engine",
    "numba": "tinygrad_lite.lift.numba_engine",
    "jax": "tinygrad_lite.lift.jax_engine",
}


def build(engine: str, program: Groups, options: dict[str, Any]) -> Callable[[list[Any]], list[Any]]:
    """The program as a function of arrays.

    Raises:
        ImportError: The engine's library is not installed; the message names the extra.
        LiftError: There is no such engine.
    """
    module = importlib.import_module(ENGINES[checked(engine)])
    run: Callable[[list[Any]], list[Any]] = module.build(program, **options)
    return run


def checked(engine: str) -> str:
    """The engine's name, if there is one of that name."""
    if engine not in ENGINES:
        raise LiftError(f"there is no engine {engine!r}: choose one of {', '.join(ENGINES)}")
    return engine
