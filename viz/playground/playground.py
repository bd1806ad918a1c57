"""What the playground's page asks, and the answers: text becomes a graph, whose leaves can then be set.

The page runs this in a worker, in a Python of its own. Formulas are read by :mod:`tinygrad_lite.expressions` and never
run; programs are run, with the names of ``tinygrad_lite`` at hand.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from typing import Any, ClassVar

from tinygrad_lite.errors import StaleGraphError
from tinygrad_lite.expressions import ExpressionError, parse
from tinygrad_lite.value import Value
from tinygrad_lite.viz.explorer.explorer_data import graph_data
from tinygrad_lite.viz.explorer.graph_page import explorer_page
from tinygrad_lite.viz.explorer.live_graph import RequestError, Session
from tinygrad_lite.viz.playground.clicking import apply, operations
from tinygrad_lite.viz.playground.program import ProgramError, graph_of, run
from tinygrad_lite.viz.playground.writing import identifiers, program_of

#: The numbers of a formula's names, until the reader chooses others: no two alike, so that no derivative is by chance.
FIRST_NUMBERS = (2.0, -3.0, 10.0, 0.5, -1.5, 4.0, 1.0, -0.5)
#: The characters of output that a page shows.
PRINTED = 20_000


class Playground:
    """Answers the page's requests, one at a time.

    A request is a dict. ``do`` says what to do: ``"formula"`` and ``"program"`` read ``text``, with the numbers
    ``values`` by name. The others are about the graph that was read last. ``"live"``, with that graph's ``number``,
    passes ``request`` on to :class:`~tinygrad_lite.viz.explorer.live_graph.Session`; ``"apply"`` writes the operation
    ``name`` on ``operands`` into the program; ``"page"`` and ``"program text"`` are for saving.

    >>> playground = Playground()
    >>> answer = playground.answer({"do": "formula", "text": "a*b", "values": {"b": 5.0}})
    >>> answer["values"], answer["graph"]["numbers"]["adjoint"]
    ({'a': 2.0, 'b': 5.0}, [5.0, 2.0, 1.0])
    >>> playground.answer({"do": "formula", "text": "tanh(a"})["error"]["start"]
    4
    """

    def __init__(self) -> None:
        self.session: Session | None = None
        self.text = ""
        self.is_program = False
        self.names: Mapping[str, Any] = {}
        self.called: list[str] = []
        self.number = 0

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do what a request asks for.

        Args:
            request: As above.

        Returns:
            What JSON can hold; ``error`` says what could not be done: its ``message``, and where it stands in the text,
            from ``start`` to ``stop``, if that is known.
        """
        try:
            return self._answers[request["do"]](self, request)
        except ExpressionError as error:
            return {"error": {"message": str(error), **_place(error, request["text"])}}
        except (ArithmeticError, ValueError, TypeError) as error:
            return {"error": {"message": str(error) or type(error).__name__}}

    # ------------------------------------------------------------------------------------------------ text

    def _formula(self, request: Mapping[str, Any]) -> dict[str, Any]:
        text = request["text"]
        expression = parse(text)
        given = request.get("values", {})
        numbers = dict(zip(expression.names, _first_numbers(len(expression.names)), strict=True))
        values = {name: float(given.get(name, number)) for name, number in numbers.items()}
        root = expression.evaluate(values)
        if not root.is_leaf and "L" not in expression.names:
            root.label = "L"  # the text itself is beside the graph
        answer = self._show(root, {}, text, is_program=False)
        return {**answer, "values": values}

    def _program(self, request: Mapping[str, Any]) -> dict[str, Any]:
        text = request["text"]
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                names, last = run(text)
            answer = self._show(graph_of(text, names, last), names, text, is_program=True)
            self._set_by_name(request.get("values", {}), answer)
        except ProgramError as error:
            answer = {"error": {"message": str(error), "start": error.start, "stop": error.stop}}
        return {**answer, "printed": printed.getvalue()[:PRINTED]}

    def _show(self, root: Value, names: Mapping[str, Any], text: str, *, is_program: bool) -> dict[str, Any]:
        """Return the graph, and make it the one that other requests are about."""
        notes = []
        try:
            graph = graph_data(root, names=names)
        except StaleGraphError:
            root.forward()
            notes.append(
                "Leaves were changed after this graph was evaluated (by a training step, say): "
                "it was evaluated again, with its leaves as they are now."
            )
            graph = graph_data(root, names=names)
        self.session = Session(root)
        self.number += 1
        self.names, self.text, self.is_program = names, text, is_program
        self.called = [node.get("name", "") for node in graph["nodes"]]
        return {"graph": graph, "number": self.number, "notes": notes, "variables": self._variables()}

    def _variables(self) -> list[dict[str, Any]]:
        """Return what a click may mean: the program's variables that are Values, with their places in the graph."""
        order = self._shown().order
        if not self.is_program:
            return [{"name": name, "node": k} for k, name in enumerate(identifiers(order)) if name]
        place = {id(node): k for k, node in enumerate(order)}
        return [
            {"name": name, "node": place.get(id(thing))}
            for name, thing in self.names.items()
            if isinstance(thing, Value)
        ]

    def _set_by_name(self, values: Mapping[str, float], answer: dict[str, Any]) -> None:
        """Set the leaves that a link has other numbers for than the program."""
        places = dict(reversed(self._leaves()))
        wanted = {str(places[name]): number for name, number in values.items() if name in places}
        if not wanted:
            return
        try:
            found = self._shown().answer({"set": wanted})
        except RequestError as error:
            answer["notes"].append(str(error))
            return
        answer["notes"] += [found["error"]] if "error" in found else []
        if "numbers" in found:
            answer["graph"]["numbers"] = found["numbers"]

    # ------------------------------------------------------------------------------------------------ the graph

    def _live(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self.session is None or request.get("number") != self.number:
            return {"answer": {}}  # of a graph that is no longer there: its leaves are others
        session = self.session
        try:
            answer = session.answer(request["request"])
        except RequestError as error:
            return {"answer": {"error": str(error)}}
        return {"answer": answer, "values": {name: session.order[k].data for name, k in reversed(self._leaves())}}

    def _leaves(self) -> list[tuple[str, int]]:
        """Return the leaves that can be set, by name and place; of several with one name, the first is meant."""
        nodes = zip(self.called, self._shown().order, strict=True)
        return [(name, k) for k, (name, node) in enumerate(nodes) if name and node.is_leaf and not node.is_constant]

    def _as_program(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"text": program_of(self._shown().order)}

    def _apply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        text, names = self.text, self.names
        if not self.is_program:
            text = program_of(self._shown().order) if self.session else ""
            names, _ = run(text)
        return {"text": apply(text, names, request["name"], request["operands"])}

    def _operations(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"operations": operations()}

    # ------------------------------------------------------------------------------------------------ saving

    def _page(self, request: Mapping[str, Any]) -> dict[str, Any]:
        title = self.text if not self.is_program and len(self.text) < 60 else "Gradient graph"
        return {"page": explorer_page(self._shown().root, names=self.names, title=title)}

    def _program_text(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if not self.is_program:
            return {"text": program_of(self._shown().order, whole=True)}
        head = "" if "tinygrad_lite" in self.text else "from tinygrad_lite import *\n\n"
        return {"text": f"{head}{self.text.rstrip()}\n"}

    def _shown(self) -> Session:
        if self.session is None:
            raise ValueError("There is no graph yet: write a formula, such as tanh(a*b + c).")
        return self.session

    _answers: ClassVar = {
        "formula": _formula, "program": _program, "live": _live, "apply": _apply,
        "operations": _operations, "page": _page, "program text": _program_text,
        "as program": _as_program,
    }  # fmt: skip


def _first_numbers(count: int) -> list[float]:
    rounds = len(FIRST_NUMBERS)
    return [round(FIRST_NUMBERS[k % rounds] + k // rounds / 100, 2) for k in range(count)]


def _place(error: ExpressionError, text: str) -> dict[str, int]:
    """Where an error is in the text: parse() leaves out the space before it."""
    if error.start is None or error.stop is None:
        return {}
    left_out = len(text) - len(text.lstrip())
    return {"start": error.start + left_out, "stop": error.stop + left_out}
