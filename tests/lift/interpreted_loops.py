"""The loops that are compiled, run by Python: the same text, in a memory that is checked.

Where a test is about what is written, and not about what the compiler makes of it, this stands in for the compiler.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import currently_in_test_context, note

from tinygrad_lite.lift.engines import numba_engine
from tinygrad_lite.lift.loops import vector_functions


class CheckedMemory:
    """What the loops read and write, as plain Python, where a place outside is an error."""

    def __init__(self, array: np.ndarray, start: int) -> None:
        assert array.flags.c_contiguous
        self.array, self.start = array.reshape(-1), start

    def __getitem__(self, place: int) -> float:
        assert 0 <= place + self.start < self.array.size
        return self.array[place + self.start].item()

    def __setitem__(self, place: int, value: float) -> None:
        assert 0 <= place + self.start < self.array.size
        self.array[place + self.start] = value


def interpret(program: Any, writer: Any, fastmath: Any) -> Callable[..., int]:
    """The kernel's text, run by Python: what ``numba_engine._compile`` returns."""
    names = {"math": math, "inf": math.inf, "pointer": CheckedMemory, "constant": CheckedMemory.__getitem__}
    # The compiler is told that these loops may run in any order.
    names["backwards"] = lambda size: reversed(range(size))
    namespace = {**names, **vars(vector_functions)}
    text = "\n".join([*[part for part, _ in writer.parts], writer.write_kernel()])
    text = text.replace("for b in range(", "for b in backwards(")
    if currently_in_test_context():
        note(text)
    exec(text, namespace)
    return namespace["kernel"]


@contextmanager
def without_compiler() -> Iterator[pytest.MonkeyPatch]:
    """Programs made for engine ``"numba"`` run as Python."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba_engine, "_compile", interpret)
        yield patch
