"""The operation table: every record is whole, its rule runs in every arithmetic and is as accurate as it says."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import json
import math
import operator
import random
import string
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite.dispatch import VALUE, record_operation
from tinygrad_lite.node import codes
from tinygrad_lite.operations import numerics
from tinygrad_lite.operations.arithmetic import FLOAT, array, evaluate_rule, reason
from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import BY_CODE, TABLE, find
from tinygrad_lite.testing.oracles import exact as reference
from tinygrad_lite.testing.strategies import sampling
from tinygrad_lite.value import Value

ROOT = Path(__file__).resolve().parents[2]
OPS = [pytest.param(op, id=op.name) for op in TABLE.values()]
PUBLIC = [pytest.param(op, id=op.name) for op in TABLE.values() if op.public]


def rule(op: Op, m: Any, operands: list[Any], z: Any) -> list[Any]:
    """All partials in the arithmetic m."""
    return op.derivatives(m, operands, z)


def hexes(numbers: Any) -> list[str]:
    return [float(x).hex() for x in numbers]


@pytest.mark.parametrize("op", OPS)
def test_every_record_is_whole(op: Op) -> None:
    count = 1 if op.arity == NARY else op.arity
    assert op.doc.endswith(".")
    assert op.symbol
    assert len(op.partials) == count
    assert len(op.textbook) == count
    assert len(op.domain) == count
    assert len(op.operands) == op.arity or op.arity == NARY
    assert len(op.defaults) <= len(op.operands)
    assert bool(op.convention) == (op.kink is not None)
    assert bool(op.bound_reason) == (op.bound > 4.0)
    assert op.definition is not None or hasattr(reference.ARITHMETIC, op.name)
    assert BY_CODE[op.code] is op
    assert not op.numpy or hasattr(np, op.numpy)


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in TABLE.values() if op.arity != NARY])
def test_every_record_says_in_one_way_how_arrays_and_in_one_way_how_loops_compute_it(op: Op) -> None:
    on_arrays = [way for way in (op.numpy, op.special, op.stable) if way]
    assert len(on_arrays) == 1 or (not on_arrays and op.definition is not None)
    in_loops = [way for way in (op.source, op.stable, op.forward is getattr(math, op.name, None)) if way]
    assert len(in_loops) == 1 or (not in_loops and op.definition is not None)
    assert not op.special or hasattr(pytest.importorskip("scipy.special"), op.special)
    placeholders = {field for _, field, _, _ in string.Formatter().parse(op.source) if field is not None}
    assert not op.source or placeholders == {str(k) for k in range(op.arity)}


@pytest.mark.parametrize("op", PUBLIC)
def test_every_public_record_is_a_function_and_a_method(op: Op) -> None:
    assert op.name in tg.functions.__all__
    assert callable(getattr(tg, op.name))
    if op.arity != NARY:
        assert callable(getattr(Value, op.name))


@pytest.mark.parametrize("op", OPS)
def test_a_rule_on_values_records_the_numbers_that_it_gives_on_floats(op: Op) -> None:
    for point in sampling.points(op, 20, seed=1):
        node = record_operation(op, [Value(x) for x in point])
        on_floats = [evaluate_rule(lambda m, *xs, k=k: rule(op, m, list(xs[:-1]), xs[-1])[k], (*point, node.data))
                     for k in range(len(point))]  # fmt: skip
        try:
            on_values = rule(op, VALUE, list(node.parents), node)
        except (ArithmeticError, ValueError):
            continue  # only inside a sweep do rules give IEEE limits
        found = [x.data if isinstance(x, Value) else x for x in on_values]
        assert hexes(found) == hexes(on_floats), point


@pytest.mark.parametrize("op", OPS)
def test_a_rule_on_arrays_gives_the_numbers_that_it_gives_on_floats(op: Op) -> None:
    drawn = [
        p for p in sampling.points(op, 60, seed=2) if all(abs(x) < 1e100 and (x == 0 or abs(x) > 1e-100) for x in p)
    ]
    n = max(map(len, drawn))
    drawn = [p for p in drawn if len(p) == n]
    zs = [float(op.forward(p) if op.arity == NARY else op.forward(*p)) for p in drawn]
    columns = list(np.array(drawn).T)
    with np.errstate(all="ignore"):
        on_arrays = [np.broadcast_to(np.asarray(x, float), len(zs)) for x in rule(op, array(), columns, np.array(zs))]
    for i, (point, z) in enumerate(zip(drawn, zs, strict=True)):
        try:
            on_floats = rule(op, FLOAT, list(point), z)
        except ZeroDivisionError:
            assert not all(math.isfinite(column[i]) for column in on_arrays), point
            continue
        for k, expected in enumerate(on_floats):
            # NumPy's exp, log and pow are not math's to the last bit; errors grow by the size of their argument.
            got = float(on_arrays[k][i])
            assert got == pytest.approx(float(expected), rel=1e-11, abs=1e-290), (point, k)


@pytest.mark.parametrize("op", OPS)
def test_partials_are_accurate_to_their_bound(op: Op) -> None:
    for point in [*sampling.points(op, settings().max_examples, seed=3), *hard_points(op)]:
        ours = record_operation(op, [Value(x) for x in point]).partials
        for k in range(len(point) - (op.operands[-1] == "index")):
            try:
                truth = reference.partial(op, point, k)
            except (ArithmeticError, ValueError):
                continue
            assert reference.ulps(ours[k], truth) <= op.bound, (point, k, ours[k], reference.mp.nstr(truth, 20))


@pytest.mark.parametrize(
    ("name", "point"),
    [
        ("gelu", [-37.04451660836135]),
        ("softmax", [-9.950806208734189, -28.48653945821123, 19.305509956362684, -28.3061952896721, 0.0]),
        ("prod", [-2.656403449390757e-175, -1.00280706495739e-149, -37.5, 371.87020438836157, 0.14050822737003144]),
    ],
)
def test_rare_points_are_accurate_to_their_bound(name: str, point: list[float]) -> None:
    op = TABLE[name]
    ours = record_operation(op, [Value(x) for x in point]).partials
    errors = [reference.ulps(ours[k], reference.partial(op, point, k)) for k in range(len(point) - (name == "softmax"))]
    assert max(errors) <= op.bound


def hard_points(op: Op) -> list[list[float]]:
    """Points at which a rule was once wrong."""
    return {
        "pow": [[5e-324, -5e-324], [1.5e-323, -3.3e-99], [1.4453953359604588e102, -1.9375816942531585]],
        "elu": [[-913.6013528180196, 1.34e154], [-730.1623695904051, 1.34e154], [-745.1, -19.06]],
        "softmax": [[712.5625734123615, 0.55, 999.9997198420417, 2.0]],
        "tanh": [[20.0], [355.7724506877805], [-370.322273171839]],
        "sigmoid": [[40.0], [-745.1]],
        "gelu": [[-0.7517915246935645], [-9.115749240727226], [-38.5]],
        "silu": [[-1.2784645427610738], [-745.0]],
        "silu_derivative": [[2.3993572805154676], [-2.4]],
        "gelu_derivative": [[1e200], [math.sqrt(2.0)]],
        "gaussian": [[-27.12670147765272]],
        "normal_pdf": [[-38.51]],
        "pow_by_base": [
            [8.541343462650889e-07, -8.541343462670559e-07],
            [5e-324, 0.0],
            [157.07963267948966, -140.60146],
        ],
        "pow_by_exponent": [[1.2054643524619216e-16, -15.919630024790537], [1.34e154, -2.0650623275775732]],
    }.get(op.name, [])


def test_the_oracle_agrees_with_differences_at_high_precision() -> None:
    for op in TABLE.values():
        if op.arity == NARY or op.name in ("floordiv", "mod", "floor", "ceil"):
            continue
        rng = random.Random(op.name)
        xs = [rng.uniform(0.3, 0.9) + 1.5 * (op.name == "acosh") for _ in range(op.arity)]
        for k in range(op.arity):
            with reference.mp.workdps(60):
                point = [reference.mpf(x) for x in xs]
                h = reference.mpf("1e-20")
                above, below = ([x + s * h * (i == k) for i, x in enumerate(point)] for s in (1, -1))
                slope = (reference.value(op, above) - reference.value(op, below)) / (2 * h)
                assert abs(slope - reference.partial(op, xs, k)) < 1e-30, op.name


def test_the_oracle_sees_an_error_of_one_in_ten_to_the_fifteen() -> None:
    truth = reference.partial(TABLE["tanh"], [0.7], 0)
    right = TABLE["tanh"].partials[0](FLOAT, 0.7, math.tanh(0.7))
    assert reference.ulps(right, truth) < 2
    assert reference.ulps(right * (1 + 2e-15), truth) > 4
    assert reference.ulps(1 - math.tanh(20.0) ** 2, reference.partial(TABLE["tanh"], [20.0], 0)) > 1e9
    assert reference.ulps(math.inf, reference.partial(TABLE["exp"], [800.0], 0)) == 0
    assert reference.ulps(math.nan, truth) == math.inf


# -------------------------------------------------------------------------------------------- kinks and edges


@pytest.mark.parametrize(
    ("op", "operands", "expected"),
    [
        ("relu", [0.0], [0.0]),
        ("relu", [-0.0], [0.0]),
        ("abs", [0.0], [0.0]),
        ("leaky_relu", [0.0, 0.25], [0.25, 0.0]),
        ("elu", [0.0, 3.0], [3.0, 0.0]),
        ("selu", [0.0], [1.7580993408473768]),
        ("maximum", [2.0, 2.0], [0.5, 0.5]),
        ("minimum", [2.0, 2.0], [0.5, 0.5]),
        ("maximum", [1.0, 2.0], [0.0, 1.0]),
        ("minimum", [1.0, 2.0], [1.0, 0.0]),
        ("clamp", [-1.0, -1.0, 1.0], [1.0, 0.0, 0.0]),
        ("clamp", [1.0, -1.0, 1.0], [1.0, 0.0, 0.0]),
        ("clamp", [2.0, -1.0, 1.0], [0.0, 0.0, 1.0]),
        ("hardtanh", [-1.0, -1.0, 1.0], [0.0, 1.0, 0.0]),
        ("hardtanh", [1.0, -1.0, 1.0], [0.0, 0.0, 1.0]),
        ("hypot", [0.0, 0.0], [0.0, 0.0]),
        ("pow", [0.0, 1.0], [1.0, 0.0]),
        ("pow", [0.0, 0.0], [0.0, -math.inf]),
        ("pow", [0.0, 2.0], [0.0, 0.0]),
        ("pow", [0.0, math.nan], [math.nan, math.nan]),
        ("pow", [0.0, 0.5], [math.inf, 0.0]),
        ("pow", [-2.0, 3.0], [12.0, math.nan]),
        ("mod", [6.0, 3.0], [1.0, -2.0]),
        ("floordiv", [6.0, 3.0], [0.0, 0.0]),
        ("floor", [2.0], [0.0]),
        ("ceil", [2.0], [0.0]),
        ("sign", [0.0], [0.0]),
        ("sqrt", [0.0], [math.inf]),
        ("sqrt", [5e-324], [0.5 / math.sqrt(5e-324)]),
        ("log", [5e-324], [math.inf]),
        ("log", [1e-308], [1.0 / 1e-308]),
        ("cbrt", [0.0], [math.inf]),
        ("cbrt", [-0.0], [math.inf]),
        ("asin", [1.0], [math.inf]),
        ("asin", [-1.0], [math.inf]),
        ("acos", [1.0], [-math.inf]),
        ("acosh", [1.0], [math.inf]),
        ("log1p", [math.nextafter(-1.0, 0.0)], [2.0**53]),
        ("tanh", [math.inf], [0.0]),
        ("sigmoid", [-math.inf], [0.0]),
        ("gelu", [math.inf], [1.0]),
        ("gelu", [-math.inf], [0.0]),
        ("atan", [math.inf], [0.0]),
        ("where", [0.0, 3.0, 4.0], [0.0, 0.0, 1.0]),
        ("where", [2.0, 3.0, 4.0], [0.0, 1.0, 0.0]),
    ],
)
def test_kinks_and_edges_have_the_derivative_that_the_table_states(
    op: str, operands: list[float], expected: list[float]
) -> None:
    partials = record_operation(TABLE[op], [Value(x) for x in operands]).partials
    np.testing.assert_array_equal(partials, expected)


@pytest.mark.parametrize("name", ["softplus", "silu", "logsigmoid", "softsign"])
@pytest.mark.parametrize(("x", "slope"), [(math.inf, 1.0), (-math.inf, 0.0)])
def test_activations_have_their_limits_at_infinity(name: str, x: float, slope: float) -> None:
    expected = {"logsigmoid": 1.0 - slope, "softsign": 0.0}.get(name, slope)
    assert getattr(tg, name)(Value(x)).partials == (expected,)


# ---------------------------------------------------------------------------------- value.py's rules, once more

FLOATS = st.floats()


def swept(node: Value, seed: float) -> list[str]:
    """What the hand-written sweep passes to each operand."""
    node.backward(seed)
    return hexes(parent.grad for parent in node.parents)


def tabled(node: Value, seed: float) -> list[str]:
    """The same, by the table."""
    op = TABLE[node.op]
    data = [parent.data for parent in node.parents]
    if op.arity == NARY:
        partials = evaluate_rule(op.partials[0], (data, node.data))
    else:
        partials = [evaluate_rule(partial, (*data, node.data)) for partial in op.partials]
    return hexes(0.0 + (seed * partial if seed != 0.0 and partial != 0.0 else 0.0) for partial in partials)


@given(FLOATS, FLOATS, FLOATS.filter(math.isfinite))
def test_the_sweeps_written_out_rules_are_the_tables(x: float, y: float, seed: float) -> None:
    nodes = [Value(x) + Value(y), Value(x) - Value(y), Value(x) * Value(y), -Value(x), tg.relu(Value(x))]
    if y != 0.0:
        nodes.append(Value(x) / Value(y))
    for node in nodes:
        got, expected = swept(node, seed), tabled(node, seed)
        assert [g.replace("-0x0.0p+0", "0x0.0p+0") for g in got] == [
            e.replace("-0x0.0p+0", "0x0.0p+0") for e in expected
        ], node.op


@given(st.lists(st.tuples(FLOATS, FLOATS), max_size=4), FLOATS, FLOATS.filter(math.isfinite))
def test_dots_written_out_rule_is_the_tables(pairs: list[tuple[float, float]], bias: float, seed: float) -> None:
    ws, xs = ([Value(pair[k]) for pair in pairs] for k in (0, 1))
    node = tg.dot(ws, xs, Value(bias))
    got, expected = swept(node, seed), tabled(node, seed)
    assert [g.replace("-0x0.0p+0", "0x0.0p+0") for g in got] == [e.replace("-0x0.0p+0", "0x0.0p+0") for e in expected]


# ---------------------------------------------------------------------------------------------- generated code


def test_the_generated_files_are_what_the_table_says() -> None:
    pytest.importorskip("ruff", reason="the generator formats with ruff")
    program = (
        "import sys; sys.path.insert(0, 'tools'); import generate\n"
        "print([path.name for path, text in generate.generated().items() if path.read_text(encoding='utf-8') != text])"
    )
    import subprocess

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]", f"run make generate: {done.stdout}"


def test_find_names_the_nearest_operation() -> None:
    assert find("tanh") is TABLE["tanh"]
    with pytest.raises(KeyError, match=r"did you mean .*tanh"):
        find("tahn")


def test_the_accuracy_benchmark_runs() -> None:
    spec = importlib.util.spec_from_file_location("accuracy", ROOT / "benchmarks" / "accuracy.py")
    assert spec is not None
    assert spec.loader is not None
    accuracy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(accuracy)
    drawn = list(sampling.points(TABLE["tanh"], 20, seed=0))
    worst = accuracy.measured(TABLE["tanh"], "x", drawn, {})["tinygrad_lite"]
    assert 0.0 < worst.error < 4.0


# ------------------------------------------------------------------------------- what a record says of itself


CANCELLING = ("sum", "mean", "dot", "logsumexp")


@pytest.mark.parametrize("op", OPS)
def test_the_definition_is_what_the_operation_computes(op: Op) -> None:
    for point in sampling.points(op, 30, seed=4):
        with reference.mp.workdps(700):  # for the sine of 1e300, say
            truth = reference.value(op, [reference.mpf(x) for x in point])
        got = float(op.forward(point) if op.arity == NARY else op.forward(*point))
        # A sum of floats may cancel: its error is relative to its terms.
        greatest = max(map(abs, point)) if op.name in CANCELLING else 0.0
        terms = greatest * (greatest if op.name == "dot" else 1.0)
        assert reference.ulps(got, truth) <= 16.0 or abs(got - truth) <= 1e-14 * terms, (point, got)


WITHOUT_A_BOUND = {
    "pow_by_base": [[x, y] for x in (0.3, 0.9, 1.7, 4.0) for y in (-2.5, -0.5, 0.25, 1.5, 3.0)],
    "pow_by_exponent": [[x, y] for x in (0.3, 0.9, 1.7, 4.0) for y in (-2.5, -0.5, 0.25, 1.5, 3.0)],
    "gelu_second_derivative": [[x] for x in (-30.0, -4.0, -1.0, 0.0, 0.5, 1.4, 3.0, 30.0)],
    "silu_derivative": [[x] for x in (-30.0, -4.0, -2.0, -0.5, 0.0, 0.5, 2.0, 4.0, 30.0)],
}


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in TABLE.values() if op.bound == math.inf])
def test_rules_without_a_bound_are_accurate_where_nothing_cancels(op: Op) -> None:
    for point in WITHOUT_A_BOUND[op.name]:
        partials = record_operation(op, [Value(x) for x in point]).partials
        for k, got in enumerate(partials):
            assert got == pytest.approx(float(reference.partial(op, point, k)), rel=1e-13, abs=1e-14), (point, k)


#: The weights of central differences of each order, by the number of steps.
STENCILS: dict[int, dict[int, float]] = {
    0: {0: 1.0}, 1: {-1: -0.5, 1: 0.5}, 2: {-1: 1.0, 0: -2.0, 1: 1.0}, 3: {-2: -0.5, -1: 1.0, 1: -1.0, 2: 0.5},
}  # fmt: skip
SMOOTH = [op for op in TABLE.values() if op.public and op.arity in (1, 2) and not op.flat]
SIZES = (1e-60, -1e-17, 1e-5, -0.3, 0.7, 2.6, -17.0, 1e30)


def difference(op: Op, point: Sequence[float], which: Sequence[int]) -> Any:
    """The derivative by the operands ``which``, by differences that keep 100 digits."""
    with reference.mp.workdps(900):
        steps = [abs(reference.mpf(x)) * reference.mpf("1e-90") for x in point]
        orders = [list(which).count(k) for k in range(len(point))]
        total = reference.mpf(0)
        for terms in itertools.product(*[STENCILS[order].items() for order in orders]):
            reference.ARITHMETIC.begin()
            moved = [reference.mpf(x) + n * step for x, step, (n, _) in zip(point, steps, terms, strict=True)]
            total += math.prod(weight for _, weight in terms) * reference.value(op, moved)
        return total / math.prod(step**order for step, order in zip(steps, orders, strict=True))


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in SMOOTH])
def test_second_and_third_derivatives_keep_their_digits(op: Op) -> None:
    """At points where they do not cross 0; asin, acos, atanh, hypot and gelu had lost them all near 0."""
    sizes = SIZES if op.arity == 1 else SIZES[::2]
    for point in itertools.product(sizes, repeat=op.arity):
        inside = all(i.low < x < i.high for i, x in zip(op.domain, point, strict=True))
        if not inside or (op.kink is not None and op.kink(*point)):
            continue
        for order in (2, 3):
            for which in itertools.combinations_with_replacement(range(op.arity), order):
                derivative: Any = lambda *xs: record_operation(op, xs)  # noqa: E731 (it is wrapped, order times)
                for k in which:
                    derivative = tg.grad(derivative, argnums=k)
                truth = difference(op, point, which)
                if 1e-250 < abs(truth) < 1e250:
                    got = derivative(*point)
                    assert abs(got - truth) <= 1e-12 * abs(truth), (point, which, got, float(truth))


#: Truth values: no comparison but ≠ holds of nan, as in Python.
COMPARISONS = [op for op in TABLE.values() if op.symbol in tuple(">≥<≤=≠")]


@pytest.mark.parametrize("op", [op for op in OPS if op.values[0] not in COMPARISONS])
def test_nan_becomes_a_number_only_where_the_operand_does_not_matter(op: Op) -> None:
    special = [0.0, 1.0, math.inf, -math.inf, 1e308, -3.5]

    def result(operands: list[float]) -> float:
        try:
            return op.forward(operands) if op.arity == NARY else float(op.forward(*operands))
        except (ArithmeticError, ValueError, TypeError):
            return math.nan

    for point in sampling.points(op, 40, seed=5):
        for k in range(len(point) - (op.operands[-1] == "index")):
            if op.operands[k : k + 1] == ("condition",):
                continue  # nan is true, as in Python
            spoilt = [math.nan if i == k else x for i, x in enumerate(point)]
            got = result(spoilt)
            if not math.isnan(got):
                others = [result([x if i == k else y for i, y in enumerate(point)]) for x in special]
                assert {x for x in others if not math.isnan(x)} <= {got}, (point, k, got)


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in COMPARISONS])
def test_comparisons_with_nan_are_pythons(op: Op) -> None:
    python = {
        ">": operator.gt,
        "≥": operator.ge,
        "<": operator.lt,
        "≤": operator.le,
        "=": operator.eq,
        "≠": operator.ne,
    }
    for x, y in ((math.nan, 1.0), (1.0, math.nan), (math.nan, math.nan)):
        assert op.forward(x, y) == float(python[op.symbol](x, y))


#: Operands at kinks, and beside them.
KINKS: dict[str, tuple[list[list[float]], list[list[float]]]] = {
    "pow": ([[0.0, 0.0], [0.0, 1.0]], [[0.0, 2.0], [1.0, 1.0], [-1.0, 1.0], [2.0, 0.0]]),
    "floordiv": ([[6.0, 3.0], [0.0, 3.0], [-6.0, 3.0]], [[5.0, 3.0], [7.0, 3.0], [-3.0, 7.0], [3.0, 6.0]]),
    "mod": ([[6.0, 3.0], [0.0, 3.0], [-6.0, 3.0]], [[5.0, 3.0], [7.0, 3.0], [-3.0, 7.0], [3.0, 6.0]]),
    "atan2": ([[0.0, -1.0], [0.0, 0.0]], [[0.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [1.0, 0.0]]),
    **{
        name: ([[0.0, 0.0]], [[0.0, 1.0], [1.0, 0.0], [-1.0, 0.0], [0.0, -1.0]])
        for name in ("hypot", "hypot_derivative")
    },
    **{name: ([[0.0], [-0.0]], [[1.0], [-1.0], [2.0], [5e-324]]) for name in ("abs", "relu", "selu", "sign")},
    **{name: ([[0.0, 2.0], [0.0, 0.0]], [[1.0, 0.0], [-1.0, 2.0], [2.0, 2.0]]) for name in ("leaky_relu", "elu")},
    **{
        name: ([[-1.0, -1.0, 2.0], [2.0, -1.0, 2.0]], [[0.0, -1.0, 2.0], [-2.0, -1.0, 2.0], [3.0, -1.0, 2.0]])
        for name in ("hardtanh", "clamp")
    },
    **{
        name: ([[2.0, 2.0], [0.0, -0.0], [1e3, 1e3]], [[1.0, 2.0], [2.0, 1.0], [-1.0, 1.0]])
        for name in (
            "maximum", "minimum", "greater", "greater_equal", "less", "less_equal", "equal", "not_equal",
        )
    },
    **{name: ([[2.0], [0.0], [-3.0]], [[2.5], [-0.5], [1e-300]]) for name in ("floor", "ceil")},
}  # fmt: skip


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in TABLE.values() if op.kink is not None])
def test_kinks_are_where_the_table_says_and_nowhere_else(op: Op) -> None:
    assert op.kink is not None
    at, beside = KINKS[op.name]
    assert [bool(op.kink(*point)) for point in at] == [True] * len(at)
    assert [bool(op.kink(*point)) for point in beside] == [False] * len(beside)


def test_an_index_has_the_derivative_zero() -> None:
    for name in ("softmax", "lookup"):
        node = record_operation(TABLE[name], [Value(3.0), Value(5.0), Value(1.0)])
        assert node.partials[-1] == 0.0
        node.backward()
        assert node.parents[-1].grad == 0.0
        assert tg.gradient(node, [node.parents[-1]], create_graph=True)[0].data == 0.0


def test_functions_state_operands_domains_and_defaults_as_the_table_does() -> None:
    """From the source: a compiled function does not tell its signature."""
    tree = ast.parse((ROOT / "tinygrad_lite" / "functions.py").read_text(encoding="utf-8"))
    functions = {x.name: x for x in tree.body if isinstance(x, ast.FunctionDef) and not x.decorator_list}
    for op in TABLE.values():
        if op.public and op.arity != NARY:
            function = functions[op.name]
            assert tuple(x.arg for x in function.args.args) == op.operands
            assert tuple(ast.literal_eval(x) for x in function.args.defaults) == op.defaults
            text = ast.get_docstring(function) or ""
            for name, domain in zip(op.operands, op.domain, strict=True):
                assert f"{name}: A Value, a number or an array of them, in {domain!r}." in text


FIXED = [pytest.param(op, id=op.name) for op in TABLE.values() if op.public and op.arity != NARY]


@pytest.mark.parametrize("op", FIXED)
def test_a_method_records_what_the_function_records(op: Op) -> None:
    names = [op.name, op.numpy] if op.numpy.startswith("arc") else [op.name]
    for point in sampling.points(op, 3, seed=5):
        expected = getattr(tg, op.name)(*[Value(x) for x in point])
        for name in names:
            for others in (point[1:], [Value(x) for x in point[1:]]):
                x = Value(point[0])
                node = getattr(x, name)(*others)
                assert (node.op, node.data) == (op.name, expected.data)
                assert node.parents[0] is x
                assert [parent.data for parent in node.parents] == point
    defaults = op.operands[len(op.operands) - len(op.defaults) :]
    if op.defaults:
        for node in (getattr(Value(0.5), op.name)(), getattr(tg, op.name)(Value(0.5))):
            assert tuple(parent.data for parent in node.parents[-len(defaults) :]) == op.defaults
        assert getattr(tg, op.name)(0.5) == op.forward(0.5, *op.defaults)


def test_a_record_shows_its_name() -> None:
    assert repr(TABLE["tanh"]) == "<operation tanh>"


@pytest.mark.skipif(
    not (codes.__file__ or "").endswith(".py"), reason="a compiled module is executed once in a process"
)
def test_an_engine_whose_codes_are_not_the_tables_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TABLE["mul"], "code", TABLE["mul"].code + 1)
    spec = importlib.util.spec_from_file_location("codes_once_more", codes.__file__)
    assert spec is not None
    assert spec.loader is not None
    with pytest.raises(RuntimeError, match=r"codes\.py and the operation table disagree on the code of 'mul'"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in TABLE.values() if op.public and op.arity > 1])
def test_a_function_takes_values_and_numbers_in_any_mix(op: Op) -> None:
    for point in sampling.points(op, 2, seed=6):
        expected = op.forward(*point)
        for mix in range(2**op.arity):
            operands = [Value(x) if mix >> k & 1 else x for k, x in enumerate(point)]
            found = getattr(tg, op.name)(*operands)
            assert isinstance(found, Value) == (mix != 0)
            assert (found.data if mix else found) == expected
            if mix:
                assert [not parent.is_constant for parent in found.parents] == [isinstance(x, Value) for x in operands]


def test_find_names_three_operations_at_most() -> None:
    with pytest.raises(KeyError, match=r"did you mean (\w+ or ){2}\w+\?"):
        find("asinhh")
    with pytest.raises(KeyError, match=r"there are: add, sub, .*gelu_derivative"):
        find("zzz")


def test_powers_that_overflow_have_infinite_derivatives() -> None:
    assert numerics.power_by_base(0.0, -1.0) == -math.inf
    assert numerics.power_by_base(1e-300, -2.0) == -math.inf
    assert numerics.power_by_base(-1e-300, -2.0) == math.inf


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("log", ValueError("expected a positive input, got -1.0"), "math domain error"),
        ("asin", ValueError("math domain error"), "math domain error"),
        ("truediv", ZeroDivisionError("division by zero"), "float division by zero"),
        ("pow", ZeroDivisionError("zero to a negative power"), "0.0 cannot be raised to a negative power"),
        ("pow", OverflowError("(34, 'Numerical result out of range')"), "math range error"),
        ("pow", ValueError("a negative number to a fractional power is complex"), "a negative number to a fractional"),
        (
            "floor",
            OverflowError("cannot convert float infinity to integer"),
            "cannot convert float infinity to integer",
        ),
        ("lookup", IndexError("index 3 is out of range for 3 items"), "index 3 is out of range for 3 items"),
    ],
)
def test_errors_have_the_words_of_the_package_on_every_version_of_python(
    name: str, error: Exception, words: str
) -> None:
    assert reason(TABLE[name], error).startswith(words)


def test_the_words_of_an_operation_of_the_users_own_are_kept() -> None:
    def forward(x: float) -> float:
        raise ValueError("expected a prime, got 4.0")

    primes = tg.define("of_primes_only", forward, lambda m, x, z: 1.0)
    with pytest.raises(ValueError, match=r"^of_primes_only\(.*\): expected a prime, got 4\.0\. "):
        primes(Value(4.0))


def test_an_error_that_is_made_of_more_than_a_message_is_raised_as_it_is_with_a_note() -> None:
    parsed = tg.define("parsed", lambda x: json.loads("{bad"), lambda m, x, z: 1.0)
    with pytest.raises(json.JSONDecodeError, match="property name") as raised:
        parsed(Value(1.0))
    assert raised.value.__notes__[0].startswith("parsed(Value(data=1.0, grad=0.0)): ")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tg.log(Value(-1.0)), "math domain error"),
        (lambda: tg.exp(Value(1e4)), "math range error"),
        (lambda: 1.0 / Value(0.0), "float division by zero"),
        (lambda: Value(1.0) // 0.0, "float division by zero"),
        (lambda: Value(1.0) % 0.0, "float division by zero"),
        (lambda: Value(0.0) ** -1.0, "0.0 cannot be raised to a negative power"),
        (lambda: Value(1e200) ** 2.0, "math range error"),
    ],
)
def test_what_raises_says_so_in_these_words(call: Any, words: str) -> None:
    with pytest.raises((ArithmeticError, ValueError)) as caught:
        call()
    assert f"): {words}. " in str(caught.value)
