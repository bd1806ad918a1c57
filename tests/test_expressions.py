"""Text becomes the graph that Python's operators would record, or an error that points at it; it is never run."""

from __future__ import annotations

import ast
import builtins
import contextlib
import math
import operator
import re
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinygrad_lite import Value, functions, topological_order
from tinygrad_lite.expressions import FUNCTIONS, MAX_LENGTH, OPERATORS, ExpressionError, parse
from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.operations.ops import TABLE

VARIABLES = {"a": 2.0, "b": -3.25, "x1": 0.5}

numbers = st.floats(0.0, 100.0).map(repr) | st.integers(0, 99).map(str) | st.just("1e-3")
leaves = numbers | st.sampled_from([*VARIABLES, "pi", "e"])
arithmetic = st.recursive(
    leaves,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner)
        | st.builds("{} {} {}".format, inner, st.sampled_from(["+", "-", "*"]), inner)
        | st.builds("({})**{}".format, inner, st.sampled_from(["2", "-1", "0.5"]))
        | st.builds("{}({})".format, st.sampled_from(["-", "+", "--", "abs"]), inner)
        | st.builds("{}({})".format, st.sampled_from(["sin", "exp", "sqrt", "tanh"]), inner)
    ),
    max_leaves=12,
)


def as_floats(text: str) -> str:
    """The same with every whole number written as a float: Values hold floats."""
    tree = ast.parse(text, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) is int:
            node.value = float(node.value)
    return ast.unparse(tree)


@given(text=arithmetic)
def test_values_are_pythons_own(text: str) -> None:
    names = {name: getattr(math, name) for name in ("sin", "exp", "sqrt", "tanh", "pi", "e")}
    expression = parse(text)
    variables = {name: VARIABLES[name] for name in expression.names}
    try:
        expected = eval(as_floats(text), {"abs": abs, **names, **VARIABLES})
        if isinstance(expected, complex):  # where a Value raises, as math.pow does
            raise ValueError("complex")
    except (ArithmeticError, ValueError, TypeError):
        with pytest.raises(ExpressionError):
            expression.evaluate(variables)
        return
    found = expression.evaluate(variables).data
    assert found == expected or (math.isnan(found) and math.isnan(expected))
    assert math.copysign(1.0, found) == math.copysign(1.0, expected) or math.isnan(found)


@given(text=arithmetic)
def test_names_are_in_the_order_of_appearance(text: str) -> None:
    found = re.findall(r"\b(a|b|x1)\b", text)
    assert parse(text).names == tuple(dict.fromkeys(found))


@given(text=st.text() | st.text("ab1+-*/%().,[]=<>!~^&|'\" \n\\#:;{}@_lambdforitywsx"))
@example("a\x00")
@example("\ud800")
@example("1if 1else 2")
@example("0x" + "f" * 3000)
@example("9" * 5000)
@example("'\\d'")
def test_any_text_gives_an_expression_or_an_expression_error(text: str) -> None:
    try:
        parse(text)
    except ExpressionError as error:
        assert str(error)  # noqa: PT017 (either outcome is right)


@pytest.mark.parametrize(
    "text", ["(" * 5000, "-" * 9999 + "a", "a" + "+a" * 4999, "a**" * 3333 + "a", "[" * 150 + "]" * 150]
)
def test_deep_nesting_is_an_expression_or_an_error(text: str) -> None:
    try:
        parse(text)
    except ExpressionError as error:
        assert "nested" in str(error) or "parenthes" in str(error)  # noqa: PT017 (either outcome is right)


ATTACKS = [
    "__import__('os').system('true')",
    "().__class__.__mro__[1].__subclasses__()",
    "open('/etc/passwd')",
    "exec('1')",
    "eval('1')",
    "(lambda: 1)()",
    "[x for x in (1, 2)]",
    "f'{__import__}'",
    "sin.__globals__",
    "a.__class__",
    "(a := 1)",
    "tanh(*[1])",
    "clamp(**{})",
    "sum(x for x in [1])",
    "print(1)",
    "9**9**9**9 if 1 else 1",
    "a and b",
    "not a",
    "a if b else c",
    "a < b",
    "a @ b",
    "a ^ b",
    "True",
    "-True",
    "None",
    "...",
    "'text'",
    "b'bytes'",
    "1j",
    "{1: 2}",
    "{1}",
    "[1][a]",
    "[1][0:1]",
    "a, *b",
    "await a",
    "a # b",
    "import os",
    "a = 1",
    "a; b",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_what_is_not_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


def test_nothing_is_compiled_to_code_or_run(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    watching = True

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event in ("exec", "import", "open", "os.system", "subprocess.Popen"):
            events.append(event)

    for name in ("eval", "exec"):
        monkeypatch.setattr(builtins, name, lambda *_: events.append("builtin"))
    parse("a").evaluate({"a": 1.0})
    sys.addaudithook(audit)
    try:
        for text in [*ATTACKS, "tanh(a*b + sum(a, b))"]:
            with contextlib.suppress(ExpressionError):
                parse(text).evaluate({"a": 1.0, "b": 2.0})
    finally:
        watching = False
    assert events == []


def test_the_allow_list_is_the_operation_table() -> None:
    assert set(FUNCTIONS) == {op.name for op in TABLE.values() if op.public}
    assert set(OPERATORS.values()) <= set(FUNCTIONS)
    assert all(callable(getattr(operator, name)) for name in OPERATORS.values())


@pytest.mark.parametrize("name", sorted(name for name, op in FUNCTIONS.items() if op.arity != NARY))
def test_every_function_of_the_table_records_its_operation(name: str) -> None:
    names = "abc"[: FUNCTIONS[name].arity]
    data = {"a": 0.75, "b": 0.5, "c": 0.875} if name != "acosh" else {"a": 1.5}
    root = parse(f"{name}({', '.join(names)})").evaluate({x: data[x] for x in names})
    leaves = [Value(data[x]) for x in names]
    assert root.op == name
    assert root.data == getattr(functions, name)(*leaves).data


@pytest.mark.parametrize(
    ("text", "operation", "operands"),
    [
        ("sum(a, b, 1)", "sum", 3),
        ("sum([a, b, 1])", "sum", 3),
        ("mean(a, b)", "mean", 2),
        ("dot([a, b], [3, 4])", "dot", 5),
        ("dot([a, b], [3, 4], 1)", "dot", 5),
        ("dot([a, b], [3, 4], bias=1)", "dot", 5),
        ("softmax([a, b])[1]", "softmax", 3),
        ("softmax(a, b)[1]", "softmax", 3),
        ("lookup([a, b, 3], 1)", "lookup", 4),
        ("leaky_relu(a + b, slope=0.1)", "leaky_relu", 2),
        ("clamp(a + b, low=0, high=1)", "clamp", 3),
    ],
)
def test_calls_record_one_node(text: str, operation: str, operands: int) -> None:
    expression = parse(text)
    root = expression.evaluate({name: {"a": 2.0, "b": 0.5}[name] for name in expression.names})
    assert (root.op, len(root.parents)) == (operation, operands)


def test_the_graph_is_as_written() -> None:
    root = parse("tanh(a*b + 2*a)").evaluate({"a": 2.0, "b": -3.0})
    order = topological_order(root, leaves=True)
    assert [node.op for node in order if node.op] == ["tanh", "add", "mul", "mul"]
    assert sorted(node.label for node in order if node.is_leaf and not node.is_constant) == ["a", "b"]
    assert [node.label for node in order if not node.is_leaf] == ["tanh(a*b + 2*a)", "", "", ""]
    assert [node.data for node in order if node.is_constant] == [2.0]


def test_arithmetic_of_numbers_alone_is_recorded_too() -> None:
    root = parse("2*pi").evaluate({})
    assert (root.data, root.op, [x.label for x in root.parents]) == (2 * math.pi, "mul", ["", "pi"])


def test_a_value_is_used_as_it_is() -> None:
    a = Value(3.0, "mine")
    root = parse("a*a").evaluate({"a": a})
    root.backward()
    assert (a.grad, a.label) == (6.0, "mine")
    node = a * 2.0
    assert parse("x").evaluate({"x": node}) is node
    assert node.label == ""


def test_each_evaluation_records_a_graph_of_its_own() -> None:
    expression = parse("a*a")
    one, other = expression.evaluate({"a": 1.0}), expression.evaluate({"a": 2.0})
    assert (one.data, other.data) == (1.0, 4.0)


def test_long_expressions_make_short_labels() -> None:
    label = parse(" + ".join(["a"] * 200)).evaluate({"a": 1.0}).label
    assert len(label) <= 80
    assert label.endswith("…")


def message(text: str, **variables: float) -> str:
    with pytest.raises(ExpressionError) as caught:
        parse(text).evaluate(variables)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "part", "says"),
    [
        ("1 + tanhh(a)", "tanhh", "did you mean tanh"),
        ("max(a, b)", "max", "did you mean maximum"),
        ("ln(a)", "ln", "log"),
        ("2 + (a^2)", "a^2", "a**b"),
        ("a + (b > 1)", "b > 1", "greater"),
        ("math.sin(a)", "math.sin", "by its name alone"),
        ("1 + sin", "sin", "write sin(x)"),
        ("clamp(a)", "clamp(a)", "clamp(x, low, high)"),
        ("é + clamp(a, lo=1)", "lo=1", "clamp(x, low, high)"),
        ("tanh(*a)", "*a", "write the operands out"),
        ("a + 'x'", "'x'", "made of numbers, names"),
        ("a b", "b", "cannot be read"),
        ("x" + " + x" * 60 + " + 1j + x" + " + x" * 60, "1j", "made of numbers"),
    ],
)
def test_errors_point_at_the_part_that_is_wrong(text: str, part: str, says: str) -> None:
    why, line, carets = message(text).split("\n")
    assert says in why
    assert line[carets.index("^") : carets.index("^") + len(part)] == part


@pytest.mark.parametrize(
    ("text", "variables", "part", "cause"),
    [
        ("1 + 1/a", {"a": 0.0}, "1/a", ZeroDivisionError),
        ("2*log(a)", {"a": -1.0}, "log(a)", ValueError),
        ("10**a + 1", {"a": 400.0}, "10**a", OverflowError),
        ("1 + tanh([a])", {"a": 1.0}, "tanh([a])", TypeError),
        ("softmax([a, a])[2]", {"a": 1.0}, "softmax([a, a])[2]", IndexError),
    ],
)
def test_errors_of_operations_point_at_them(
    text: str, variables: dict[str, float], part: str, cause: type[Exception]
) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text).evaluate(variables)
    _, line, carets = str(caught.value).split("\n")
    assert line[carets.index("^") : carets.rindex("^") + 1] == part
    assert isinstance(caught.value.__cause__, cause)


def test_an_empty_sum_is_a_constant() -> None:
    assert parse("sum()").evaluate({}).is_constant
    assert parse("a + prod([])").evaluate({"a": 2.0}).data == 3.0


def test_a_list_is_not_a_result() -> None:
    assert "[0]" in message("[a, a]", a=1.0)


def test_missing_and_superfluous_variables_are_named() -> None:
    assert "needs a number for a, b" in message("a + b*c", c=1.0)
    assert "has only a, not z" in message("a", a=1.0, z=2.0)
    assert "constant" in message("a*e", a=1.0, e=2.0)
    assert "no variables" in message("1", a=1.0)


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_expression_is_refused(text: str) -> None:
    assert "empty" in message(text)


def test_length_is_limited() -> None:
    assert "10,000" in message("a" * (MAX_LENGTH + 1))


def test_lines_are_joined() -> None:
    assert parse("\n  a +\n\tb ").evaluate({"a": 1.0, "b": 2.0}).label == "a +  b"


def test_messages_hold_no_control_characters() -> None:
    assert "\x1b" not in message("a + '\x1b[31m'")


def test_an_expression_shows_its_text() -> None:
    assert repr(parse("a + 1")) == "parse('a + 1')"


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "logsumexp"])
def test_a_call_of_a_function_of_any_number_is_explained(name: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(f"{name}(a, b, ...)")):
        parse(f"{name}(a, x=b)").evaluate({"a": 1.0, "b": 2.0})


def test_only_a_list_has_items() -> None:
    with pytest.raises(ExpressionError, match="has items to pick"):
        parse("sin(a)[0]").evaluate({"a": 1.0})
