"""The playground's answers: the right graph with the right numbers, or an error that points at its place."""

from __future__ import annotations

import ast
import html
import json
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite import Value
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.value import topological_order
from tinygrad_lite.viz.explorer.explorer_data import evaluation_order
from tinygrad_lite.viz.playground.clicking import operations
from tinygrad_lite.viz.playground.examples import EXAMPLES
from tinygrad_lite.viz.playground.playground import Playground
from tinygrad_lite.viz.playground.program import ProgramError, graph_of, run
from tinygrad_lite.viz.playground.site import files
from tinygrad_lite.viz.playground.writing import program_of


def program(text: str, **more: Any) -> dict[str, Any]:
    return Playground().answer({"do": "program", "text": text, **more})


def formula(text: str, **values: float) -> dict[str, Any]:
    return Playground().answer({"do": "formula", "text": text, "values": values})


def gradients(answer: dict[str, Any]) -> dict[str, float]:
    graph = answer["graph"]
    pairs = zip(graph["nodes"], graph["numbers"]["adjoint"], strict=True)
    return {node["name"]: adjoint for node, adjoint in pairs if "op" not in node and "name" in node}


# --------------------------------------------------------------------------------------------------- formulas


@given(a=st.floats(-2, 2), b=st.floats(-2, 2), c=st.floats(-2, 2))
def test_a_formula_has_the_gradients_of_calculus(a: float, b: float, c: float) -> None:
    found = gradients(formula("tanh(a*b + c)", a=a, b=b, c=c))
    slope = 1.0 / math.cosh(a * b + c) ** 2
    assert found == pytest.approx({"a": slope * b, "b": slope * a, "c": slope}, rel=1e-12, abs=1e-300)


def test_new_names_get_numbers_and_others_keep_theirs() -> None:
    answer = formula("a*b + c", b=7.0)
    assert answer["values"] == {"a": 2.0, "b": 7.0, "c": 10.0}
    many = "+".join(f"x{k}" for k in range(20))
    assert len(set(formula(many)["values"].values())) == 20
    assert "x" not in formula("y", x=1.0)["values"]


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("tanh(a) + foo(b)", "foo", "did you mean floor"),
        ("   a ^ b", "a ^ b", "a power is written a**b"),
        ("a + math.tanh(b)", "math.tanh", "a function is written by its name alone"),
        ("a +\n log(b)", "log(b)", "clamp or maximum"),
        ("a + $", "$", "cannot be read"),
    ],
)
def test_an_error_of_a_formula_shows_its_place(text: str, place: str, says: str) -> None:
    error = formula(text, b=-1.0)["error"]
    assert text[error["start"] : error["stop"]] == place
    assert says in error["message"]


# --------------------------------------------------------------------------------------------------- programs


def test_a_program_is_ordinary_python() -> None:
    answer = program(
        "def f(x):\n    return x * x\na = Value(3.0)\ny = a\nfor _ in range(2):\n    y = f(y)\nprint(y.data)"
    )
    assert gradients(answer) == {"a": 4 * 27.0}
    assert answer["printed"] == "81.0\n"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a = Value(2.0)\nb = a * 3\nc = Value(5.0)", 6.0),
        ("a = Value(2.0)\nb = a * 3\na", 2.0),
        ("a = Value(2.0)", 2.0),
        ("a = Value(2.0)\nb = a * 3\nb, = [b * 2]\ndef f():\n    z = 1", 12.0),
        ("a = Value(2.0)\nfor y in [a * 2, a * 4]:\n    pass", 8.0),
        ("a = Value(2.0)\na *= 5\nn = 1", 10.0),
    ],
)
def test_the_graph_is_that_of_what_was_made_last(text: str, data: float) -> None:
    assert graph_of(text, *run(text)).data == data


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("a = Value(2.0)\nb = tahn(a)", "tahn", "line 2: NameError: name 'tahn' is not defined"),
        ("é = 1; b = log(Value(0.0))", "log(Value(0.0))", "clamp or maximum"),
        ("def f(x):\n    return 1 / x\nf(0)", "1 / x", "line 2: ZeroDivisionError"),
        ("import no_such_library", "import no_such_library", "nothing else can be installed"),
        ("import sys\nsys.exit('stop')", "sys.exit('stop')", "SystemExit: stop"),
        ("raise ValueError", "raise ValueError", "line 1: ValueError"),
        ("a = (1", "(", "was never closed"),
        ("if True:\nx", "x", "expected an indented block"),
    ],
)
def test_an_error_of_a_program_shows_its_place(text: str, place: str, says: str) -> None:
    error = program(text)["error"]
    assert text[error["start"] : error["stop"]] == place
    assert says in error["message"]


@pytest.mark.parametrize("text", ["", "x = 1", "[Value(1.0), Value(2.0)]", "a = '\0'", "(" * 300 + "1" + ")" * 300])
def test_a_program_without_a_graph_says_what_to_write(text: str) -> None:
    error = program(text)["error"]
    assert error["message"]
    with pytest.raises(ProgramError):
        graph_of(text, *run(text))


def test_a_program_that_prints_before_it_fails_shows_both() -> None:
    answer = program("print('here')\n1/0")
    assert answer["printed"] == "here\n"
    assert "ZeroDivisionError" in answer["error"]["message"]


def test_a_graph_whose_leaves_were_changed_is_evaluated_again_and_says_so() -> None:
    answer = program("a = Value(2.0)\nL = a * a\nL.backward()\na.data = 5.0")
    assert gradients(answer) == {"a": 10.0}
    assert "changed" in answer["notes"][0]


def test_a_programs_leaves_take_the_numbers_of_a_link() -> None:
    text = "a = Value(2.0, label='a')\nL = log(a)"
    assert gradients(program(text, values={"a": 4.0, "b": 1.0})) == {"a": 0.25}
    refused = program(text, values={"a": -4.0})
    assert gradients(refused) == {"a": 0.5}
    assert "log" in refused["notes"][0]


@pytest.mark.parametrize("number", [5.0, math.inf])
def test_a_number_is_given_to_the_leaf_of_that_name_and_never_to_another_node(number: float) -> None:
    text = "print('ran')\na = Value(2.0)\nb = Value(3.0, label='c')\nc = a*b\nL = c*c"
    answer = program(text, values={"c": number})
    assert answer["printed"] == "ran\n"
    assert answer["graph"]["numbers"]["data"][-1] == ((2 * number) ** 2 if number == 5.0 else 36.0)
    assert bool(answer["notes"]) == (number != 5.0)


# --------------------------------------------------------------------------------------------------- the graph shown


def test_leaves_can_be_set_and_their_numbers_are_told() -> None:
    playground = Playground()
    assert playground.answer({"do": "live", "number": 0, "request": {}}) == {"answer": {}}
    number = playground.answer({"do": "formula", "text": "a*b"})["number"]
    answer = playground.answer({"do": "live", "number": number, "request": {"set": {"0": 4.0}}})
    assert answer["values"] == {"a": 4.0, "b": -3.0}
    assert answer["answer"]["numbers"]["data"][-1] == -12.0
    assert "error" in playground.answer({"do": "live", "number": number, "request": {"set": {"2": 1.0}}})["answer"]


def test_what_is_asked_about_a_graph_that_is_gone_sets_no_leaf_of_another() -> None:
    playground = Playground()
    old = playground.answer({"do": "formula", "text": "a*b"})["number"]
    playground.answer({"do": "formula", "text": "c + 1"})
    for asked in ({"number": old, "request": {"set": {"0": 4.0}}}, {}):
        assert playground.answer({"do": "live", **asked}) == {"answer": {}}
    assert playground.session is not None
    assert playground.session.order[0].data == 2.0


@pytest.mark.parametrize("do", ["apply", "page", "program text"])
def test_without_a_graph_the_page_is_told(do: str) -> None:
    request = {"do": do, "name": "tanh", "operands": ["a"]}
    assert "message" in Playground().answer(request)["error"]


# --------------------------------------------------------------------------------------------------- clicks


def test_clicks_write_python_that_makes_the_graph() -> None:
    playground = Playground()
    playground.answer({"do": "formula", "text": "tanh(a*b)", "values": {"a": 0.5, "b": 0.25}})
    text = playground.answer({"do": "apply", "name": "Value", "operands": []})["text"]
    answer = playground.answer({"do": "program", "text": text})
    assert {variable["name"]: variable["node"] for variable in answer["variables"]}["c"] is None
    text = playground.answer({"do": "apply", "name": "mul", "operands": ["L", "c"]})["text"]
    assert text.endswith("c = Value(1.0, label='c')\nv2 = L * c")
    assert gradients(playground.answer({"do": "program", "text": text}))["c"] == math.tanh(0.125)


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation["name"])
def test_every_operation_of_the_table_can_be_clicked(operation: dict[str, Any]) -> None:
    count = (
        operation["takes"][0]
        if operation["takes"][0] > 1
        else operation["takes"][-1]
        if len(operation["takes"]) > 2
        else 1
    )
    names = "abcdefghijkl"[:count]
    numbers = "\n".join(f"{name} = Value({0.25 + k / 8})" for k, name in enumerate(names))
    playground = Playground()
    if operation["name"] == "acosh":
        numbers = "a = Value(2.0)"
    playground.answer({"do": "program", "text": numbers})
    text = playground.answer({"do": "apply", "name": operation["name"], "operands": list(names)})["text"]
    made, last = run(text)
    assert graph_of(text, made, last).op == operation["name"]


def test_the_operations_are_those_of_the_table() -> None:
    assert [operation["name"] for operation in operations()] == [op.name for op in TABLE.values() if op.public]


@pytest.mark.parametrize(
    ("name", "operands", "says"),
    [("nothing", ["a"], "no operation"), ("tanh", ["z"], "no variable"), ("mul", ["a"], "takes 2 operands")],
)
def test_what_cannot_be_applied_is_refused(name: str, operands: list[str], says: str) -> None:
    playground = Playground()
    playground.answer({"do": "formula", "text": "a + 1"})
    assert says in playground.answer({"do": "apply", "name": name, "operands": operands})["error"]["message"]


@pytest.mark.parametrize(
    "text",
    ["a*b + c", "sum([a, b, 2.0])*pi", "dot([a, b], [b, c], 1.0)", "softmax([a, b])[1] ** c", "lambda_ + Value", "-a"],
)
def test_a_formula_written_as_a_program_is_the_same_graph(text: str) -> None:
    playground = Playground()
    shown = playground.answer({"do": "formula", "text": text})["graph"]
    written = program_of(playground.session.order)
    root = graph_of(written, *run(written))
    assert root.data == shown["numbers"]["data"][-1]
    assert [node.op for node in evaluation_order(root, 100) if node.op] == [
        node["op"] for node in shown["nodes"] if "op" in node
    ]
    names = [variable["name"] for variable in playground._variables()]
    assert len(set(names)) == len(names)
    assert set(names) == set(run(written)[0]) - {"sum"}


# --------------------------------------------------------------------------------------------------- examples and files


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
def test_examples_are_shown_and_saved(example: Any) -> None:
    playground = Playground()
    answer = playground.answer({"do": example.kind, "text": example.text, "values": example.values})
    assert "error" not in answer
    assert all(isinstance(x, float) and math.isfinite(x) for x in answer["graph"]["numbers"]["adjoint"])
    assert any(gradients(answer).values())
    json.dumps(answer, allow_nan=False)
    page = playground.answer({"do": "page"})["page"]
    assert page.startswith("<!DOCTYPE html>")
    assert "'unsafe" not in page.partition("</head>")[0]
    text = playground.answer({"do": "program text"})["text"]
    space: dict[str, Any] = {}
    exec(compile(ast.parse(text), "saved", "exec"), space)
    ends = [thing for name, thing in space.items() if isinstance(thing, Value) and name in ("L", "loss")]
    assert ends[0].data == answer["graph"]["numbers"]["data"][-1]
    assert len(topological_order(ends[0], leaves=True)) == len(answer["graph"]["nodes"])


def test_the_page_admits_its_own_files_alone() -> None:
    made = files({"engine.zip": b"abc"}, "salt")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', made["index.html"])
    policy = html.unescape(policy)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert "http" not in policy
    assert "unsafe-inline" not in policy
    assert "'unsafe-eval" not in policy
    assert made["index.html"] != files({"engine.zip": b"abc"}, "pepper")["index.html"]
    assert not [name for name, text in made.items() if "://" in text.replace("http://www.w3.org", "")]
