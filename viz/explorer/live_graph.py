"""A graph in a live page's hands: the page sets leaves, and the graph is evaluated and differentiated again."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tinygrad_lite.value import Value
from tinygrad_lite.viz.explorer.explorer_data import evaluation_order, finite, numbers

#: What an operation raises outside its domain.
_OUTSIDE = (ArithmeticError, ValueError)
#: A curve has so many points; of a large graph fewer, so that no more than so many nodes are evaluated.
_POINTS, _FEWEST, _NODES = 81, 9, 200_000
#: The steps whose errors are told: two a decade.
_STEPS = [10.0 ** (-k / 2) for k in range(33)]


class RequestError(ValueError):
    """A request that no page of ours sends; the message says what is wrong with it."""


class Session:
    """A graph, and the answers to a page's requests about it.

    A request is a dict. ``set`` maps the number of a leaf, in the page's order, to its new number; ``difference`` asks
    for a finite difference, ``{"node": 3, "step": 1e-6}``; ``curve`` for the output against a leaf, and for the errors
    of finite differences against their steps, ``{"node": 3, "low": -2.0, "high": 2.0}``. Each may be left out.

    Args:
        root: The node at the end of the graph.
        max_nodes: How many nodes the graph may have.

    Attributes:
        order: The nodes, by their numbers: leaves first, each after its operands, the output last.

    Raises:
        TypeError, ValueError: As :func:`tinygrad_lite.viz.explore`.

    >>> a = Value(3.0, label="a")
    >>> session = Session(a * a)
    >>> answer = session.answer({"set": {"0": 5.0}, "difference": {"node": 0, "step": 1e-3}})
    >>> answer["numbers"]["data"], answer["numbers"]["adjoint"], round(answer["difference"]["quotient"], 6)
    ([5.0, 25.0], [10.0, 1.0], 10.0)
    """

    def __init__(self, root: Value, max_nodes: int = 5000) -> None:
        self.root = root
        self.order = evaluation_order(root, max_nodes)
        self._one_at_a_time = threading.Lock()

    def answer(self, request: object) -> dict[str, Any]:
        """Do what a request asks for.

        Args:
            request: As above; it may come from anywhere, and is checked.

        Returns:
            ``numbers`` as :func:`tinygrad_lite.viz.explorer.explorer_data.numbers`; ``difference`` with ``node``, and
            with ``quotient`` or ``error``; ``curve`` with ``node``, ``x``, ``y`` (nan where the graph is not defined),
            ``steps`` and ``errors``; ``error``, if the graph cannot be evaluated there: its leaves then have their old
            numbers.

        Raises:
            RequestError: It is not such a request. Nothing is changed.
        """
        new, difference, curve = self._read(request)
        with self._one_at_a_time:
            answer: dict[str, Any] = {}
            try:
                error = self._set(new)
                if error:
                    answer["error"] = error
                answer["numbers"] = self._differentiated()
            except _OUTSIDE as trouble:  # a leaf was set elsewhere, to where the graph is not defined
                return {"error": _first_line(trouble)}
            if difference is not None:
                answer["difference"] = self._difference(*difference)
            if curve is not None:
                answer["curve"] = self._curve(*curve)
            return answer

    # --------------------------------------------------------------------------------------------- requests

    def _read(
        self, request: object
    ) -> tuple[dict[Value, float], tuple[int, float] | None, tuple[int, float, float] | None]:
        if not isinstance(request, Mapping) or not set(request) <= {"set", "difference", "curve"}:
            raise RequestError("a request is an object with 'set', 'difference' and 'curve', or some of these")
        wanted = request.get("set", {})
        if not isinstance(wanted, Mapping):
            raise RequestError("'set' maps the numbers of leaves to numbers")
        new = {self._leaf(place): _number(number) for place, number in wanted.items()}
        return new, self._read_difference(request.get("difference")), self._read_curve(request.get("curve"))

    def _read_difference(self, difference: object) -> tuple[int, float] | None:
        if difference is None:
            return None
        if not isinstance(difference, Mapping) or set(difference) != {"node", "step"}:
            raise RequestError("'difference' has 'node' and 'step'")
        self._leaf(difference["node"])
        step = _number(difference["step"])
        if not 0.0 < step <= 1e3:
            raise RequestError(f"the step of a finite difference is more than 0, and at most 1000: not {step!r}")
        return int(difference["node"]), step

    def _read_curve(self, curve: object) -> tuple[int, float, float] | None:
        if curve is None:
            return None
        if not isinstance(curve, Mapping) or set(curve) != {"node", "low", "high"}:
            raise RequestError("'curve' has 'node', 'low' and 'high'")
        self._leaf(curve["node"])
        low, high = _number(curve["low"]), _number(curve["high"])
        if not (low < high and math.isfinite(high - low)):
            raise RequestError(f"a curve goes from a number to a greater one, not from {low!r} to {high!r}")
        return int(curve["node"]), low, high

    def _leaf(self, place: object) -> Value:
        text = str(place) if type(place) in (int, str) else ""
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < len(self.order)):
            raise RequestError(f"there is no node {place!r:.40}")
        node = self.order[int(text)]
        if not node.is_leaf or node.is_constant:
            raise RequestError(f"node {text} is no leaf that can be set")
        return node

    # --------------------------------------------------------------------------------------------- the graph

    def _set(self, new: Mapping[Value, float]) -> str:
        """Set leaves and evaluates; where that fails, puts everything back and says why."""
        old = {leaf: leaf.data for leaf in new}
        try:
            self._evaluate(new)
        except _OUTSIDE as error:
            self._evaluate(old)
            return _first_line(error)
        return ""

    def _evaluate(self, new: Mapping[Value, float]) -> float:
        for leaf, number in new.items():
            leaf.data = number
        return self.root.forward().data

    def _differentiated(self) -> dict[str, Any]:
        self.root.forward()  # a leaf may have been set elsewhere too
        self.root.zero_grad()
        self.root.backward()
        return numbers(self.order)

    def _difference(self, place: int, step: float) -> dict[str, Any]:
        leaf = self.order[place]
        x = leaf.data
        try:
            quotient = self._quotient(leaf, x, step)
        except _OUTSIDE as error:
            return {"node": place, "error": _first_line(error)}
        finally:
            self._evaluate({leaf: x})
        if quotient is None:
            return {"node": place, "error": f"h = {step:g} is too small: next to {x:g}, floats lie farther apart."}
        return {"node": place, "quotient": finite(quotient)}

    def _quotient(self, leaf: Value, x: float, step: float) -> float | None:
        """(f(x + h) − f(x − h)) / 2h, with the h that the floats x + h and x − h really have; None: they have none."""
        high, low = x + step, x - step
        if high == low:
            return None
        return (self._evaluate({leaf: high}) - self._evaluate({leaf: low})) / (high - low)

    def _curve(self, place: int, low: float, high: float) -> dict[str, Any]:
        """Return the output against a leaf, and how far finite differences are from the gradient, by their steps."""
        leaf = self.order[place]
        x, gradient = leaf.data, leaf.grad
        count = max(_FEWEST, min(_POINTS, _NODES // len(self.order)))
        places = [low + (high - low) * k / (count - 1) for k in range(count)]
        try:
            values = [self._attempt(partial(self._evaluate, {leaf: at})) for at in places]
            quotients = [self._attempt(partial(self._quotient, leaf, x, step)) for step in _STEPS]
        finally:
            self._evaluate({leaf: x})
        return {
            "node": place,
            "x": places,
            "y": list(map(finite, values)),
            "steps": _STEPS,
            "errors": [finite(abs(quotient - gradient)) for quotient in quotients],
        }

    @staticmethod
    def _attempt(evaluate: Callable[[], float | None]) -> float:
        """Return what it evaluates to; nan outside the domain."""
        try:
            found = evaluate()
        except _OUTSIDE:
            return math.nan
        return math.nan if found is None else found


def _number(number: object) -> float:
    if isinstance(number, (int, float)) and not isinstance(number, bool):
        try:
            found = float(number)
        except OverflowError:  # JSON's integers have no bound
            found = math.inf
        if math.isfinite(found):
            return found
    raise RequestError(f"{number!r:.40} is no finite number")


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
