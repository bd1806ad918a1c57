"""The hypothesis strategies: all that they draw is valid, all that matters is drawn, and failures shrink."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

import tinygrad_lite as tg
from tinygrad_lite import StaleGraphError, Value, nn
from tinygrad_lite.operations.operation import NARY, Interval, Op
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.testing.checks.hypothesis_bridge import drawn_report
from tinygrad_lite.testing.oracles.verdicts import Finding, FunctionError, Report, Verdict
from tinygrad_lite.testing.strategies import sampling
from tinygrad_lite.testing.strategies.strategies import (
    Formula,
    Node,
    expressions,
    expressions_with_points,
    operand,
    operands,
    parameters,
    values,
)

OPS = [pytest.param(op, id=op.name) for op in TABLE.values()]
PUBLIC = [op for op in TABLE.values() if op.public]
GENERATED = settings(phases=[Phase.generate])  # what is drawn is looked at, and nothing fails
SEARCH = settings(max_examples=2000, database=None, phases=[Phase.generate, Phase.shrink], report_multiple_bugs=False)


def drawn(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """So many examples; a health check that fails raises."""
    found = []

    @settings(max_examples=count, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
    @given(strategy)
    def collect(x: Any) -> None:
        found.append(x)

    collect()
    return found


def smallest(strategy: st.SearchStrategy[Any], condition: Callable[[Any], Any]) -> Any:
    """The example that a failure shrinks to."""
    return find(strategy, condition, settings=SEARCH)


def names(f: Formula) -> list[str]:
    return [node.op.name for node in f.nodes]


def as_code(f: Formula) -> Callable[..., Any]:
    """The function that the repr is code of."""
    namespace: dict[str, Any] = {}
    exec("from tinygrad_lite import *", namespace)
    if not repr(f).startswith("def "):
        return eval(repr(f), namespace)  # type: ignore[no-any-return]
    exec(repr(f), namespace)
    return namespace["f"]  # type: ignore[no-any-return]


# ---------------------------------------------------------------------------------------------------- values


@given(values(-2.5, 1e300, label="x"), values(allow_nan=True, allow_infinity=True), values())
def test_values_are_leaves_within_their_bounds(bounded: Value, any_number: Value, finite: Value) -> None:
    assert all(v.is_leaf and not v.is_constant and v.grad == 0.0 for v in (bounded, any_number, finite))
    assert -2.5 <= bounded.data <= 1e300
    assert bounded.label == "x"
    assert finite.label == ""
    assert math.isfinite(finite.data)


@pytest.mark.parametrize("condition", [math.isnan, math.isinf], ids=lambda f: f.__name__)
def test_nan_and_infinity_are_drawn_on_request(condition: Callable[[float], bool]) -> None:
    strategy = values(allow_nan=condition is math.isnan, allow_infinity=condition is math.isinf)
    assert condition(smallest(strategy, lambda v: condition(v.data)).data)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.291, 0.299), (-7.0, -6.995), (1e-300, 2e-300), (3.0, None)])
def test_narrow_bounds_hold(low: float, high: float | None) -> None:
    assert all(low <= v.data <= (high or math.inf) for v in drawn(values(low, high), 50))


def test_bounds_that_no_number_is_within_are_refused_as_by_floats() -> None:
    with pytest.raises(InvalidArgument):
        drawn(values(2.0, 1.0), 1)
    with pytest.raises(InvalidArgument):
        drawn(values(1.0, 2.0, allow_nan=True), 1)


@pytest.mark.parametrize(
    ("condition", "simplest"),
    [
        (lambda x: True, 0.0),
        (lambda x: x > 0.1, 1.0),
        (lambda x: x < 0.0, -1.0),
        (lambda x: x != int(x), 0.5),
        (lambda x: 0.28 < abs(x) < 0.35, 0.3),
        (lambda x: x > 1e200, 2e200),
    ],
)
def test_a_value_shrinks_to_few_digits(condition: Callable[[float], bool], simplest: float) -> None:
    assert smallest(values(), lambda v: condition(v.data)).data == simplest


@given(st.from_type(Value))
def test_a_strategy_for_the_type_value_is_registered(v: Value) -> None:
    assert math.isfinite(v.data)


def test_functions_of_annotated_values_are_built() -> None:
    def length(x: Value, y: Value) -> Value:
        return tg.hypot(x, y)

    assert all(v.op == "hypot" for v in drawn(st.builds(length), 5))


def test_a_report_says_how_to_make_the_value() -> None:
    @given(values(label="x"))
    def fails(v: Value) -> None:
        assert v.data < 1.0

    with pytest.raises(AssertionError) as caught:
        fails()
    assert "Value(1.0, label='x')" in "".join(caught.value.__notes__)


# -------------------------------------------------------------------------------------------------- operands


@GENERATED
@given(st.sampled_from([(op, k) for op in TABLE.values() for k in range(max(op.arity, 1))]).flatmap(
    lambda pair: st.tuples(st.just(pair), operand(*pair))
))  # fmt: skip
def test_an_operand_lies_in_its_domain(drawn: tuple[tuple[Op, int], float]) -> None:
    (op, k), x = drawn
    assert type(x) is float
    assert sampling.contains(op.domain[k], x)
    assert not op.domain[k].whole or x == int(x)


@pytest.mark.parametrize(
    ("name", "k", "condition"),
    [
        ("relu", 0, lambda x: x == 0.0),
        ("sin", 0, lambda x: x in sampling.SPOTS and x != round(x, 2)),
        ("sin", 0, lambda x: x not in sampling.SPOTS and math.nextafter(x, 1e300) in sampling.SPOTS),
        ("log", 0, lambda x: x < 1e-290),
        ("log", 0, lambda x: x > 1e290),
        ("asin", 0, lambda x: x == -1.0),
        ("asin", 0, lambda x: 0.999999 < x < 1.0),
        ("atanh", 0, lambda x: x == math.nextafter(1.0, 0.0)),
        ("log1p", 0, lambda x: x < -0.999999999),
        ("exp", 0, lambda x: 709.0 < x < 710.0),
        ("hardtanh", 1, lambda x: x < -1e200),
        ("softmax", 0, lambda x: x < -900.0),
    ],
)
def test_an_operand_reaches_the_hard_places(name: str, k: int, condition: Callable[[float], bool]) -> None:
    assert condition(smallest(operand(name, k), condition))


@pytest.mark.parametrize("op", OPS)
def test_operands_are_drawn_where_the_operation_is_finite(op: Op) -> None:
    for xs in drawn(operands(op), 10):
        assert math.isfinite(op.forward(xs) if op.arity == NARY else op.forward(*xs))
        if op.arity != NARY:
            assert all(map(sampling.contains, op.domain, xs))
            assert len(xs) == op.arity
        elif op.name == "dot":
            assert len(xs) in range(3, 14, 2)
        elif op.operands[-1] == "index":
            assert 2 <= len(xs) <= 7
            assert int(xs[-1]) in range(len(xs) - 1)
        else:
            assert 1 <= len(xs) <= 6


# (The kink of pow is at the open end of its domain.)
@pytest.mark.parametrize("op", [op for op in PUBLIC if op.kink and op.name != "pow"], ids=lambda op: op.name)
def test_kinks_are_drawn_and_can_be_left_out(op: Op) -> None:
    assert op.kink is not None
    assert op.kink(*smallest(operands(op), lambda xs: op.kink(*xs)))
    assert not any(op.kink(*xs) for xs in drawn(operands(op, kinks=False), 12))


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("hypot", lambda xs: xs[0] == xs[1] not in (0.0, 1.0)),
        ("atan2", lambda xs: xs[0] == -xs[1] not in (0.0, 1.0)),
        ("sub", lambda xs: 0.0 < abs(xs[0] - xs[1]) < 1e-14 * abs(xs[0])),
        ("add", lambda xs: 0.0 < abs(xs[0] + xs[1]) < 1e-14 * abs(xs[0])),
        ("mul", lambda xs: abs(xs[0]) > 1e250 and 0.1 < abs(xs[0] * xs[1]) < 3.0),
        ("pow", lambda xs: xs[0] > 1.0 and xs[0] ** xs[1] > 1e300),
        ("where", lambda xs: xs[0] == 1.0 and xs[1] == -xs[2] != 0.0),
        ("sum", lambda xs: len(xs) == 4 and abs(sum(xs)) < 1e-12 * max(map(abs, xs))),
    ],
)
def test_operands_are_related(name: str, condition: Callable[[list[float]], bool]) -> None:
    assert condition(smallest(operands(name), condition))


def test_an_operand_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"atan2 has the operands y, x, and no operand 2"):
        operand("atan2", 2)
    with pytest.raises(KeyError, match="did you mean tanh"):
        operand("tanhh")


# ----------------------------------------------------------------------------------------------- expressions


def outcome(f: Callable[..., Any], point: list[float]) -> list[str] | str:
    """The bits of the value on floats and on Values, and of the gradient; or which error is raised."""
    leaves = [Value(x) for x in point]
    try:
        on_values = f(*leaves)  # first: where floats have a complex power, as code, Values have none
        on_floats = f(*point)
    except (ArithmeticError, ValueError) as error:
        return type(error).__name__
    assert type(on_floats) is float
    on_values.backward()
    return [x.hex() for x in (on_floats, on_values.data, *(leaf.grad for leaf in leaves))]


@given(expressions(), st.lists(st.floats(-4.0, 4.0), min_size=2, max_size=2))
def test_the_repr_of_an_expression_is_code_of_the_same_function(f: Formula, point: list[float]) -> None:
    code = as_code(f)
    assert outcome(code, list(f.point)) == outcome(f, list(f.point))
    assert outcome(code, point) == outcome(f, point)


@pytest.mark.parametrize(
    ("nodes", "code"),
    [
        ((("pow", -2.0, 0),), "lambda x: pow(-2.0, x)"),
        ((("sub", 0, -2.0), ("mul", 1, -0.0)), "lambda x: (x - -2.0) * -0.0"),
        ((("add", 0, 1.5), ("sub", 0, 1), ("truediv", 2, 0)), "lambda x: (x - (x + 1.5)) / x"),
        ((("neg", 0), ("pos", 1), ("abs", 2)), "lambda x: abs(+-x)"),
        ((("softmax", 0, 2.0, 1.0),), "lambda x: softmax([x, 2.0])[1]"),
        ((("lookup", 3.0, 0, -1.0),), "lambda x: lookup([3.0, x], -1)"),
        ((("dot", 0, 2.0, 0, 3.0, 0.5),), "lambda x: dot([x, 2.0], [x, 3.0], 0.5)"),
        ((("mod", 0, 2.0), ("floordiv", 1, 0), ("logsumexp", 2, 1.0)), "lambda x: logsumexp([x % 2.0 // x, 1.0])"),
        ((("neg", 0), ("sum", 1, 1)), "def f(x):\n    a = -x\n    return sum([a, a])"),
        ((), "lambda x: x"),
    ],
)
def test_how_operations_are_written(nodes: tuple[tuple[Any, ...], ...], code: str) -> None:
    f = Formula(("x",), tuple(Node(TABLE[name], parts) for name, *parts in nodes), len(nodes), (0.5,))  # type: ignore[misc]
    assert repr(f) == code
    assert outcome(f, [0.75]) == outcome(as_code(f), [0.75])


def test_an_expression_that_is_deeper_than_the_parser_allows_is_written_in_steps() -> None:
    sine = TABLE["sin"]
    f = Formula(("a",), tuple(Node(sine, (k,)) for k in range(700)), 700, (1.0,))
    assert "    b = sin(" in repr(f)
    assert "    a = " not in repr(f), "a is the input"
    assert outcome(f, [1.0]) == outcome(as_code(f), [1.0])


@given(expressions(inputs=3, max_nodes=7))
def test_every_node_is_finite_at_the_point_and_needed(f: Formula) -> None:
    assert f.inputs == ("x", "y", "z")
    assert len(f.point) == 3
    assert len(f.nodes) <= 7
    assert math.isfinite(f(*f.point))
    used = {f.output}
    for k, (op, parts) in enumerate(f.nodes):
        assert math.isfinite(Formula(f.inputs, f.nodes, 3 + k, f.point)(*f.point))
        assert all(part < 3 + k for part in parts if isinstance(part, int))
        assert any(isinstance(part, int) for part in parts), "an operation on constants alone is no node of a graph"
        assert op.public
        used.update(part for part in parts if isinstance(part, int))
    assert used >= set(range(3, 3 + len(f.nodes)))


@given(expressions())
def test_the_recorded_graph_has_the_nodes_of_the_expression(f: Formula) -> None:
    result = f(*map(Value, f.point))
    order = tg.topological_order(result) if f.nodes else []
    assert sorted(node.op for node in order) == sorted(names(f))


@pytest.mark.parametrize("op", PUBLIC, ids=lambda op: op.name)
def test_every_operation_occurs(op: Op) -> None:
    first = settings(SEARCH, phases=[Phase.generate])
    assert find(expressions([op, "neg"], max_nodes=3), lambda f: op.name in names(f), settings=first)


def test_expressions_are_varied() -> None:
    found = drawn(expressions(), 250)
    assert len({name for f in found for name in names(f)}) > 50
    assert sum(repr(f).startswith("def") for f in found) > 25
    assert sum(len(f.nodes) > 6 for f in found) > 25
    assert sum(not f.nodes for f in found) < 75
    counts = [len(parts) for f in found for op, parts in f.nodes if op.operands == ("xs",)]
    assert min(counts) == 1
    assert max(counts) == 4
    assert any(isinstance(part, float) for f in found for _, parts in f.nodes for part in parts)
    assert any(op.kink and op.kink(*numbers(f, parts)) for f in found for op, parts in f.nodes)


def numbers(f: Formula, parts: tuple[int | float, ...]) -> list[float]:
    """The operands' numbers at the point."""
    return [Formula(f.inputs, f.nodes, part, f.point)(*f.point) if isinstance(part, int) else part for part in parts]


@given(expressions(["tanh", TABLE["maximum"], "lookup"], inputs=7, constants=False, kinks=False, max_value=0.5))
def test_operations_constants_kinks_and_bounds_are_as_asked(f: Formula) -> None:
    assert f.inputs == ("x1", "x2", "x3", "x4", "x5", "x6", "x7")
    assert set(names(f)) <= {"tanh", "maximum", "lookup"}
    assert all(-3.0 <= x <= 0.5 for x in f.point)
    for op, parts in f.nodes:
        assert not any(isinstance(part, float) for part in parts[: -1 if op.name == "lookup" else None])
        assert op.name != "maximum" or not op.kink(*numbers(f, parts))  # type: ignore[misc]


@given(expressions(["clamp", "hardtanh", "neg"]))
def test_bounds_are_in_their_order(f: Formula) -> None:
    for op, parts in f.nodes:
        assert op.name == "neg" or numbers(f, parts)[1] <= numbers(f, parts)[2]


@given(expressions(max_nodes=0))
def test_without_nodes_it_is_one_of_its_inputs(f: Formula) -> None:
    assert f(2.0, 3.0) == [2.0, 3.0][f.output]


@given(expressions_with_points("tanh"))
def test_a_point_may_be_drawn_along(pair: tuple[Formula, list[float]]) -> None:
    f, point = pair
    assert point == list(f.point)


def test_an_operation_of_ones_own_may_occur() -> None:
    cube = tg.define("cube_in_expressions", lambda x: x**3, lambda m, x, z: 3.0 * x * x)
    f = smallest(expressions(["cube_in_expressions", "mul"], inputs=1), lambda f: len(set(names(f))) == 2)
    assert sorted(names(f)) == ["cube_in_expressions", "mul"]
    x = Value(2.0)
    f(x).backward()
    assert eval(repr(f), {"cube_in_expressions": cube})(2.0) == f(2.0)


@pytest.mark.parametrize(
    ("strategy", "condition", "simplest"),
    [
        (expressions(), lambda f: True, "lambda x, y: x"),
        (expressions(inputs=1), lambda f: "tanh" in names(f), "lambda x: tanh(x)"),
        (expressions(["add", "dot"]), lambda f: "dot" in names(f), "lambda x, y: dot([x], [x], x)"),
        (expressions(["log", "exp"]), lambda f: "log" in names(f) and f.point[0] <= 0.0, "lambda x, y: log(exp(x))"),
        (
            expressions(["neg", "tanh"], inputs=1),
            lambda f: len(f.nodes) == 6 and names(f)[-1] == "tanh",
            "lambda x: tanh(-----x)",
        ),
    ],
)
def test_an_expression_shrinks_to_the_smallest_graph(
    strategy: st.SearchStrategy[Formula], condition: Callable[[Formula], Any], simplest: str
) -> None:
    assert repr(smallest(strategy, condition)) == simplest


def test_a_shared_node_shrinks_to_two_nodes() -> None:
    f = smallest(expressions(), lambda f: repr(f).startswith("def"))
    assert len(f.nodes) == 2
    assert f.nodes[1].operands == (2, 2)
    assert f.point == (0.0, 0.0)


def test_a_report_shows_the_expression_as_code() -> None:
    @given(expressions_with_points(["tanh", "mul"], inputs=1))
    def fails(pair: tuple[Formula, list[float]]) -> None:
        assert not pair[0].nodes

    with pytest.raises(AssertionError) as caught:
        fails()
    assert "(lambda x: tanh(x), [0.0])" in "".join(caught.value.__notes__)


def test_an_expression_has_a_signature_and_insists_on_it() -> None:
    f = smallest(expressions(), lambda f: f.nodes)
    assert list(inspect.signature(f).parameters) == ["x", "y"]
    with pytest.raises(TypeError, match="takes 2 arguments, not 1"):
        f(1.0)


def test_what_expressions_cannot_be_made_of_is_refused() -> None:
    with pytest.raises(ValueError, match="not of tanh_derivative"):
        expressions(["tanh", "tanh_derivative"])
    with pytest.raises(ValueError, match="not of none at all"):
        expressions([])
    with pytest.raises(ValueError, match="at least one input, not 0"):
        expressions(inputs=0)


# ------------------------------------------------------------------------------------------------ parameters


def test_parameters_get_new_numbers_and_nothing_else_changes() -> None:
    model = nn.MLP(2, [2, 1], activation="tanh", seed=0)
    nn.name_parameters(model)
    leaves, labels = model.parameters(), [p.label for p in model.parameters()]
    before = model([1.0, 2.0])
    seen = set()

    @given(parameters(model, -0.5, 2.0))
    def look(module: nn.MLP) -> None:
        assert module is model
        assert all(p is q for p, q in zip(module.parameters(), leaves, strict=True))
        assert [p.label for p in leaves] == labels
        assert all(-0.5 <= p.data <= 2.0 and p.grad == 0.0 for p in leaves)
        seen.add(tuple(p.data for p in leaves))
        module([1.0, 2.0]).backward()

    look()
    assert len(seen) > settings().max_examples // 2
    with pytest.raises(StaleGraphError):
        before.backward()
    before.forward().backward()
    assert before.data == model([1.0, 2.0]).data


def test_parameters_shrink_to_simple_numbers() -> None:
    model = nn.Neuron(2, activation="tanh")
    found: list[list[float]] = []

    @given(parameters(model, -1.0, 9.0))
    def fails(neuron: nn.Neuron) -> None:
        found.append([p.data for p in neuron.parameters()])
        assert neuron.w[1].data < 0.25

    with pytest.raises(AssertionError):
        fails()
    assert found[-1] == [0.0, 1.0, 0.0]


def test_a_report_says_the_parameters() -> None:
    @given(parameters(nn.Neuron(1, activation="tanh")))
    def fails(neuron: nn.Neuron) -> None:
        assert neuron.b.data == 0.0

    with pytest.raises(AssertionError) as caught:
        fails()
    assert "1 parameter" not in "".join(caught.value.__notes__)
    assert "[0.0, 1.0]" in "".join(caught.value.__notes__)


def test_a_large_model_repeats_its_numbers() -> None:
    model = nn.MLP(2, [16, 16, 1], activation="tanh", seed=0)

    @settings(max_examples=10)
    @given(parameters(model))
    def look(module: nn.MLP) -> None:
        data = [p.data for p in module.parameters()]
        assert len(data) == 337
        assert data[251:] == data[:86]

    look()


# ---------------------------------------------------------------------------------------------- drawn points


def report_on(x: float, verdict: Verdict) -> Report:
    return Report("f", repr(x), [Finding("x", "", 1, x, x, x, 0.0, "a test", verdict)])


def wrong_from_two_on(x: float, y: float) -> Report:
    assert y == 7.0
    if x < 0.0:
        raise FunctionError("x is negative", outside_domain=True)
    return report_on(x, Verdict.WRONG if x >= 2.0 else Verdict.KINK if x == 0.0 else Verdict.CORRECT)


def test_a_wrong_report_is_that_of_the_simplest_point() -> None:
    assert drawn_report(wrong_from_two_on, [st.floats(-50.0, 50.0), 7.0], 20, seed=3).point == "2.0"


def test_a_right_report_is_the_gravest_and_counts_what_was_skipped() -> None:
    found = drawn_report(wrong_from_two_on, [st.sampled_from([0.0, 1.0, -1.0, 1.5]), 7.0], 50, seed=0)
    assert found.verdict is Verdict.KINK
    assert found.skipped >= 1
    with pytest.raises(FunctionError, match="x is negative"):
        drawn_report(wrong_from_two_on, [st.floats(-2.0, -1.0), 7.0], 20, seed=0)


def test_the_points_depend_on_the_seed_alone() -> None:
    def points(seed: int) -> list[float]:
        seen: list[float] = []
        drawn_report(lambda x: seen.append(x) or report_on(x, Verdict.CORRECT), [st.floats()], examples=9, seed=seed)  # type: ignore[func-returns-value]
        assert len(seen) == 9
        return [x.hex() for x in seen]  # type: ignore[return-value]

    assert points(1) == points(1) != points(2)


def test_other_errors_of_the_check_are_not_swallowed() -> None:
    def broken(x: float) -> Report:
        raise FunctionError("not deterministic")

    with pytest.raises(FunctionError, match="not deterministic"):
        drawn_report(broken, [st.floats()], 5, seed=0)


def test_a_custom_domain_is_drawn_from() -> None:
    tg.define("within_two_and_three", lambda x: x, lambda m, x, z: 1.0, domain=(Interval(2.0, 3.0, open="both"),))
    assert all(2.0 < x < 3.0 for x in drawn(operand("within_two_and_three"), 200))
