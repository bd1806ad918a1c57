"""The mode in which ``lift`` records a function: what depends on its inputs keeps its number to itself.

What is refused, and what is said then, is in :mod:`tinygrad_lite.trace_errors`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Final, NamedTuple

from tinygrad_lite.errors import TraceError
from tinygrad_lite.modes import Mode
from tinygrad_lite.node.state import STATE
from tinygrad_lite.value import Value


class Demand(NamedTuple):
    """What a function demands of a number that it takes, where it raises for any other: it lies in a closed interval.

    >>> demand = Demand("target", "is {}, and a class index is a whole number from 0 to 2", 0, 2, 1)
    >>> demand.admits(2.0), demand.admits(1.5), demand.message(3.0, "[4]")
    (True, False, 'target[4] is 3, and a class index is a whole number from 0 to 2')
    """

    #: What messages call it.
    what: str
    #: The rest of the message, with {} for the number.
    said: str
    low: float
    high: float
    #: If not 0, then only low, low + step, low + 2 step ... are meant.
    step: float = 0.0
    #: ``"ValueError"``; ``"IndexError"``, where a number that is no index at all is a TypeError; ``"index_of"``, as
    #: that function raises.
    error: str = "ValueError"
    #: A number that the function does take, but treats in a way of its own, which is another graph.
    other: float = math.nan

    def admits(self, number: float) -> bool:
        """Whether the number is as demanded; NaN never is."""
        return self.low <= number <= self.high and (not self.step or (number - self.low) % self.step == 0.0)

    def message(self, number: float, place: str = "") -> str:
        """Return what to say of one that is not."""
        return f"{self.what}{place} {self.said.replace('{}', repr(float(number)).removesuffix('.0'))}"


class Trace(NamedTuple):
    """What ``lift`` is tracing."""

    #: by id; those of enclosing traces too
    inputs: dict[int, Value]
    refusals: list[TraceError]
    #: what the function demands of numbers that are not known yet; those of enclosing traces too
    demands: list[tuple[Value, Demand]]
    #: leaves that are older are inputs too: the function closes over them
    since: int = 0


#: None outside of ``tracing``.
_trace: Final[ContextVar[Trace | None]] = ContextVar("trace", default=None)


class tracing(Mode):  # noqa: N801 (as the other ones)
    """Inside, nothing takes a number of the inputs out of the graph: what would raises TraceError.

    That is every comparison, ``bool``, ``.data``, ``.item()``, ``float`` and so on of a Value that depends on an input,
    as the graph that is recorded has to be right for all numbers of the inputs. Other Values are as always. An error
    that the function caught, or that became another one, is raised at the end of the block. Recording takes no longer.

    Args:
        inputs: The nodes that stand for the inputs.
        since: A time on the engine's clock: leaves that are older count as inputs too.

    Raises:
        TraceError: At what is refused.

    >>> x = Value(2.0, label="x")
    >>> with tracing([x]):
    ...     y = x if x > 0.0 else -x
    Traceback (most recent call last):
    ...
    tinygrad_lite.errors.TraceError: ...
    >>> with tracing([x]):
    ...     y = x.greater(0.0).where(x, -x)
    """

    variable = _trace

    def __init__(self, inputs: Sequence[Value], since: int = 0) -> None:
        super().__init__()
        self._inputs = tuple(inputs)
        self._since = since

    def _recreate_cm(self) -> tracing:
        return tracing(self._inputs, self._since)

    def __enter__(self) -> None:
        outer = _trace.get()
        own = {id(x): x for x in self._inputs}
        since = self._since if outer is None else max(self._since, outer.since)
        demands: list[tuple[Value, Demand]] = [] if outer is None else outer.demands
        self.inside = Trace(own if outer is None else {**outer.inputs, **own}, [], demands, since)
        super().__enter__()

    def __exit__(self, *exception: object) -> None:
        trace = _trace.get()
        assert trace is not None
        super().__exit__(*exception)
        error = exception[1]
        if trace.refusals and (error is None or isinstance(error, Exception)):
            raise trace.refusals[0]

    def _count(self, change: int) -> None:
        STATE.tracing += change


def active_trace() -> Trace | None:
    """Return what is being traced here."""
    return _trace.get() if STATE.tracing != 0 else None


def is_tracing() -> bool:
    """Whether ``lift`` is tracing a function here: the numbers that Values hold are then examples, and nothing else.

    >>> is_tracing()
    False
    """
    return active_trace() is not None


def is_traced(node: object) -> bool:
    """Whether it is a Value that depends on the inputs of what ``lift`` is tracing here.

    Found by a walk over the graph below it, which ends at the first input.

    >>> x = Value(2.0)
    >>> with tracing([x]):
    ...     is_traced(x * 3.0), is_traced(Value(3.0))
    (True, False)
    """
    trace = active_trace()
    if trace is None or not isinstance(node, Value):
        return False
    if node.is_leaf:
        return id(node) in trace.inputs or node._stamp < trace.since
    stack = [node]
    seen = {id(node)}
    while stack:
        reached = stack.pop()
        if id(reached) in trace.inputs or (reached._stamp < trace.since and reached.is_leaf):
            return True
        for parent in reached.parents:
            if id(parent) not in seen:
                seen.add(id(parent))
                stack.append(parent)
    return False


def demanded(node: object, demand: Demand) -> bool:
    """Whether its number is not known yet, as ``lift`` is tracing: what is demanded of it is checked in each call then.

    >>> x, demand = Value(2.0), Demand("x", "is {}, and should be positive", 0.0, math.inf)
    >>> with tracing([x]):
    ...     demanded(x, demand), demanded(Value(3.0), demand)
    (True, False)
    """
    if not is_traced(node):
        return False
    trace = active_trace()
    assert trace is not None
    assert isinstance(node, Value)
    trace.demands.append((node, demand))
    return True


STATE.is_traced = is_traced
