"""``lift``: the tensor program inside a function written one scalar at a time.

The package is the function too: ``tinygrad_lite.lift(f)`` and ``from tinygrad_lite.lift import lift`` are the same.

>>> import tinygrad_lite as tg
>>> @tg.lift(batch=(None, None, 0))
... def neuron(w, b, x):
...     return tg.relu(sum(wi * xi for wi, xi in zip(w, x)) + b)
>>> neuron([1.0, -2.0], 0.5, [[3.0, 1.0], [0.0, 1.0], [2.0, 0.5]])
1.0
>>> print(neuron.source)
def program(w, b, x):
    z1 = w @ x + b  # (n,)
    t2 = mean(relu(z1))
    return (t2,)
<BLANKLINE>

What the passes do is told by the docstring of each, in the order in which :mod:`~tinygrad_lite.lift.passes` calls them:

1. :mod:`~tinygrad_lite.lift.tracing.trace`: the function's scalar graph, as arrays of numbers.
2. :mod:`~tinygrad_lite.lift.canonical.canonicalize`: one way to write each thing.
3. :mod:`~tinygrad_lite.lift.grouping.grouping`: isomorphic scalars become groups; for their grids
   :mod:`~tinygrad_lite.lift.grouping.index_maps`, and :mod:`~tinygrad_lite.lift.grouping.contractions` for sums of
   products.
4. :mod:`~tinygrad_lite.lift.grouping.cleanup`: samples, equal constants, the order of axes;
   :mod:`~tinygrad_lite.lift.source.naming`.
5. :mod:`~tinygrad_lite.lift.source.emit`: readable source; or loops, for numba
   (:mod:`~tinygrad_lite.lift.loops.loop_writer`).
6. :mod:`~tinygrad_lite.lift.checking.equivalence_check`: the program beside the function, on fresh inputs.
"""

import sys
import types
from typing import Any

from tinygrad_lite.errors import LiftError, TraceError
from tinygrad_lite.lift.ir.groups import Group, Groups
from tinygrad_lite.lift.ir.report import Report
from tinygrad_lite.lift.lifting import Lifted, lift
from tinygrad_lite.lift.loading import load
from tinygrad_lite.lift.program import Program
from tinygrad_lite.lift.stages import Pass, Passes, Stage

__all__ = [
    "Group",
    "Groups",
    "LiftError",
    "Lifted",
    "Pass",
    "Passes",
    "Program",
    "Report",
    "Stage",
    "TraceError",
    "lift",
    "load",
]


class _CallablePackage(types.ModuleType):
    """This package, called as the function that it is about."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return lift(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
