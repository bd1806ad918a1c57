"""A program is its function where numbers are infinite or not numbers, too: values and gradients, on every engine.

What is right is what the function gives on floats. Where it raises it is not defined, and where it computes NaN out of
numbers (0·inf on the way) a program may give the limit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from random_programs import RandomProgram, compared_beyond, random_programs

import tinygrad_lite as tg
from tinygrad_lite import Value, nn
from tinygrad_lite.dispatch import record_operation
from tinygrad_lite.lift.engines import registry
from tinygrad_lite.lift.lifting import lift
from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.testing.strategies import sampling

INF, NAN = math.inf, math.nan
ENGINES = ["numpy", "tape", *(pytest.param(engine, marks=pytest.mark.slow) for engine in ("numba", "jax"))]
NUMBERS = [0.0, 1.0, -2.0, 1e300, INF, -INF, NAN]


def by_hand(f: Callable[..., Any], numbers: Sequence[float]) -> list[float] | None:
    """The number and the derivatives that the function gives; None where it raises."""
    xs = [Value(x) for x in numbers]
    try:
        y = f(*xs)
        y.backward()
    except (ArithmeticError, ValueError):
        return None
    return [y.data, *[x.grad for x in xs]]


def differences(truth: Sequence[float], found: Sequence[float], nan_counts: bool) -> list[int]:
    """Where they are not the same number; where the truth is NaN, only if that counts."""
    return [
        k
        for k, (a, b) in enumerate(zip(truth, found, strict=True))
        if not (
            a == b or abs(a - b) <= 1e-12 * abs(a) + 1e-300 or (math.isnan(a) and (math.isnan(b) or not nan_counts))
        )
    ]


def at_all(f: Callable[..., Any], points: Sequence[Sequence[float]], example: Any, engine: str) -> list[list[float]]:
    """What its program gives, at many points at once."""
    count = len(points[0])
    both = tg.value_and_grad(f, argnums=tuple(range(count)))
    names = "abcdef"[:count]
    one = eval(
        f"lambda {', '.join(names)}: flat(both({', '.join(names)}))", {"both": both, "flat": lambda r: (r[0], *r[1])}
    )
    lifted = lift(one, batch=0, reduce=None, engine=engine, check=False)
    lifted(*np.transpose(example))
    return np.stack([np.asarray(column) for column in lifted(*np.transpose(points))], axis=1).tolist()  # type: ignore[no-any-return]


ROWS: dict[str, Callable[..., Any]] = {
    "logsumexp": lambda *xs: tg.logsumexp(xs),
    "softmax": lambda *xs: tg.dot(tg.softmax(xs), [1.0, 2.0, 4.0]),
    "one of a softmax": lambda *xs: tg.softmax(xs)[1],
    "cross_entropy": lambda *xs: nn.cross_entropy(list(xs), 2),
    "log_softmax": lambda *xs: nn.log_softmax(list(xs))[0],
    "a sum": lambda *xs: tg.sum(xs),
    "a product": lambda *xs: xs[0] * xs[1] + xs[2],
    "a maximum": lambda a, b, c: tg.maximum(tg.maximum(a, b), c),
}


#: These few on engines that compile.
COMPILED = ["logsumexp", "softmax"]


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_of_numbers_that_are_infinite_or_none_are_computed_as_the_function_does(engine: str) -> None:
    pytest.importorskip(registry.ENGINES[engine].library)
    points = list(itertools.product([0.5, -2.0, INF, -INF, NAN], repeat=3))
    wrong = []
    for name, f in ROWS.items() if engine in ("numpy", "tape") else [(name, ROWS[name]) for name in COMPILED]:
        found = at_all(f, points, [[0.5, 1.5, -2.0], [1.0, -0.5, 2.0]], engine)
        for xs, ours in zip(points, found, strict=True):
            truth = by_hand(f, xs)
            if truth is not None and (places := differences(truth, ours, True)):
                wrong.append((name, xs, places, truth, ours))
    assert not wrong, f"{len(wrong)}: {wrong[:5]}"


def test_a_softmax_of_scores_that_are_all_minus_infinity_is_uniform_and_one_that_is_infinite_has_all() -> None:
    """The conventions themselves, in closed form."""
    softmax = lift(lambda xs: tg.softmax(list(xs)))
    total = lift(lambda xs: tg.logsumexp(list(xs)))
    for xs, probabilities, whole in [
        ([-INF, -INF], [0.5, 0.5], -INF),
        ([-INF, 3.0], [0.0, 1.0], 3.0),
        ([INF, 3.0], [1.0, 0.0], INF),
        ([INF, INF], [0.5, 0.5], INF),
        ([INF, -INF], [1.0, 0.0], INF),
    ]:
        np.testing.assert_array_equal(softmax(np.array(xs)), probabilities)
        assert total(np.array(xs)) == whole


OPERATIONS = [op for op in TABLE.values() if op.arity != NARY and op.public]


@pytest.mark.parametrize("engine", ["numpy", "tape"])
@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in OPERATIONS])
def test_every_operation_of_the_table_is_what_it_is_on_floats(op: Op, engine: str) -> None:
    def f(*xs: Any) -> Any:
        return record_operation(op, xs)

    points = [xs for xs in itertools.product(NUMBERS, repeat=op.arity) if all(map(may_be_given, op.domain, xs))]
    example = [ordinary(op, share) for share in (0.25, 0.75)]
    wrong = []
    for xs, ours in zip(points, at_all(f, points, example, engine), strict=True):
        truth = by_hand(f, xs)
        places = [] if truth is None else differences(truth, ours, any(map(math.isnan, xs)))
        if places:
            wrong.append((xs, places, truth, ours))
    assert not wrong, f"{len(wrong)}: {wrong[:5]}"


def ordinary(op: Op, share: float) -> list[float]:
    """Operands at which nothing is special: somewhere between the ends of their domains, or -3 and 3."""
    ends = [(max(domain.low, -3.0), min(domain.high, 3.0)) for domain in op.domain]
    return [
        1.0 if domain.whole else low + (share + 0.07 * k) * (high - low)
        for k, (domain, (low, high)) in enumerate(zip(op.domain, ends, strict=True))
    ]


def may_be_given(domain: Any, x: float) -> bool:
    return not math.isfinite(x) or sampling.contains(domain, x)


def attention(q: Any, k: Any, v: Any, mask: Any) -> Any:
    total = 0.0
    for i, query in enumerate(q):
        scores = [tg.dot(tuple(query), tuple(key)) + mask[i][j] for j, key in enumerate(k)]
        for c in range(len(v[0])):
            total = total + (i + c + 1.0) * tg.dot(tg.softmax(scores), [row[c] for row in v])
    return total


@pytest.mark.parametrize("engine", ENGINES)
def test_masked_attention_and_its_gradient_are_those_of_the_function(engine: str) -> None:
    """Masks of -inf are arguments; the last query may look at nothing."""
    pytest.importorskip(registry.ENGINES[engine].library)
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=(4, 2)) for _ in range(3))
    mask = np.where(np.tri(4, dtype=bool), 0.0, -INF)
    nothing = mask.copy()
    nothing[3] = -INF
    f = tg.value_and_grad(attention, argnums=(0, 1, 2))
    lifted = lift(f, engine=engine)
    lifted(q, k, v, np.zeros((4, 4)))
    for given_mask in (mask, nothing):
        value, slopes = f(q, k, v, given_mask)
        ours, gradients = lifted(q, k, v, given_mask)
        assert float(ours) == pytest.approx(float(value), rel=1e-12)
        for slope, gradient in zip(slopes, gradients, strict=True):
            np.testing.assert_allclose(gradient, np.asarray(slope, dtype=float), rtol=1e-12, atol=1e-15)
            assert np.isfinite(gradient).all()


LEFT_OUT: dict[str, Callable[[Any], Any]] = {
    "x log x": lambda x: tg.where(tg.greater(x, 0.0), x * tg.log(tg.where(tg.greater(x, 0.0), x, 1.0)), 0.0),
    "a root": lambda x: tg.where(tg.greater(x, 0.0), tg.sqrt(x), 2.0 * x),
    "the root of a rectified number": lambda x: tg.sqrt(tg.relu(x)) + x,
    "the root of a clamped number": lambda x: tg.sqrt(tg.clamp(x - 1.0, 0.0, 4.0)) + x,
    "a power": lambda x: tg.where(tg.greater(x, 0.0), x**0.5, x),
}


@pytest.mark.parametrize("engine", ENGINES)
def test_an_infinite_derivative_that_a_choice_leaves_out_has_no_influence(engine: str) -> None:
    pytest.importorskip(registry.ENGINES[engine].library)

    def all_of_them(x: Any) -> list[Any]:
        return [tg.grad(f)(x) for f in LEFT_OUT.values()]

    lifted = lift(all_of_them, engine=engine)
    lifted(0.5)
    np.testing.assert_array_equal(lifted(0.0), [0.0, 2.0, 1.0, 1.0, 1.0])


@settings(
    max_examples=settings().max_examples * 3 // 10,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
@given(random_programs(statements=3, transforms=False))
def test_random_programs_are_their_functions_where_numbers_are_infinite_or_none(drawn: RandomProgram) -> None:
    note(repr(drawn))
    compared_beyond(drawn)
