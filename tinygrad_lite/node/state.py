"""The engine's only global state: what hot paths read of it, and what files above the engine do for it.

A mode, a trace or a limit changes what the engine does; none of them is known to it. It reads a number, and where that
is not 0 it calls what the file that is named here has installed when it was imported.
"""

from __future__ import annotations

from _thread import RLock
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, final

from mypy_extensions import i64


@final
class State:
    """What is the same for all graphs; see :data:`STATE`."""

    __slots__ = (
        "add_attribute",
        "clock",
        "evaluated",
        "initialise",
        "is_traced",
        "kept",
        "mode",
        "modes",
        "narrow",
        "record",
        "refuse_if_traced",
        "singular",
        "sweep_slowly",
        "tracing",
    )

    #: What holds here while modes are active anywhere: 0, :data:`NO_GRAD` or another number; of ``modes``, as the next.
    mode: ContextVar[int]
    #: What ``record`` does in other modes than ``no_grad()``.
    record: Callable[..., Any]
    #: What ``forward`` does after it has evaluated a node, while a mode is active or there are narrow nodes.
    evaluated: Callable[..., None]
    #: The sweep under ``detect_anomaly()``, over narrow nodes, or where derivatives may be infinite: of ``limits``.
    sweep_slowly: Callable[..., None]
    #: Whether ``lift`` is tracing here and a node depends on the inputs: of ``trace_mode``.
    is_traced: Callable[..., bool]
    #: Raises, while ``lift`` is tracing here, if a node (or the other one) depends on the inputs: of ``trace_errors``.
    refuse_if_traced: Callable[..., None]
    #: What ``Value(data, (x, y), "+")`` does: of ``attributes``, as the next.
    initialise: Callable[..., None]
    #: Makes a name an attribute that nodes of the compiled build may have.
    add_attribute: Callable[[str], None]

    def __init__(self) -> None:
        #: Ticks when a leaf's data changes, or whether it is frozen. Each node keeps the time when it was evaluated.
        self.clock: i64 = 0
        #: How many modes (``no_grad``, ``detect_anomaly``) are active in any thread; see ``tinygrad_lite.modes``.
        self.modes: i64 = 0
        #: Whether any node was ever recorded in a narrower format than float; see ``tinygrad_lite.narrow_formats``.
        self.narrow: bool = False
        #: Whether any node was ever recorded where a derivative of it is infinite; see ``tinygrad_lite.limits.limits``.
        self.singular: bool = False
        #: How many nodes stand in orders that are kept, of all roots together.
        self.kept: i64 = 0
        #: How many functions ``lift`` is tracing in any thread; see ``tinygrad_lite.trace_mode``.
        self.tracing: i64 = 0


STATE: Final = State()

#: What ``STATE.mode`` is where ``no_grad()`` is all that holds.
NO_GRAD: Final[i64] = 1

#: Held while a graph is sorted and swept: both write into nodes that other threads' graphs may share.
LOCK: Final = RLock()
