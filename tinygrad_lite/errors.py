"""The exceptions that are this package's own. Where a float operation raises, a Value raises the same class."""

from __future__ import annotations


class GraphError(RuntimeError):
    """The graph cannot do what was asked: it is stale, or the node is not of the kind that can."""


class StaleGraphError(GraphError):
    """A leaf was changed after the graph was evaluated: its numbers are partly old.

    >>> import tinygrad_lite as tg
    >>> a = tg.Value(2.0, label="a")
    >>> b = a * a
    >>> a.data = 3.0
    >>> b.backward()
    Traceback (most recent call last):
    ...
    tinygrad_lite.errors.StaleGraphError: ...
    >>> b.forward().data
    9.0
    """


class AnomalyError(ArithmeticError):
    """Inside ``detect_anomaly()``: an operation made a NaN or an infinity out of finite numbers."""


class LiftError(Exception):
    """A function cannot be lifted, or a program is not right; the message says why and what to do instead."""


class TraceError(LiftError, GraphError):
    """While ``lift`` traced a function, it asked for what a program cannot follow, such as a number of its inputs.

    The message names the Value, the line of yours that asked, and what to write instead.
    """
