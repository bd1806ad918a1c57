"""Functions that are traced at small sizes are themselves at the sizes of the call, or are refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Value, exp, grad, log, lookup, maximum, softmax, sqrt, tanh, tree_leaves, value_and_grad
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import lift, load
from tinygrad_lite.lift.sized_program import MANY

sys.path.insert(0, str(Path(__file__).parent))

from regular_programs import arguments, draw, function_of

Function = Callable[..., Any]
RNG = np.random.default_rng(0)
CLOSED_OVER = RNG.normal(size=40)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


def numbers(results: Any) -> Any:
    return np.concatenate([np.ravel(np.asarray(leaf, dtype=float)) for leaf in tree_leaves(results)])


def assert_equal(found: Any, wanted: Any) -> None:
    a, b = numbers(found), numbers(wanted)
    np.testing.assert_allclose(a, b, rtol=0.0, atol=1e-12 * np.abs(b).max())


# ------------------------------------------------------------------------------------------- regular functions


def mean_of_squares(x: Any) -> Any:
    m = sum(x) / len(x)
    return sum((v - m) ** 2 for v in x) / (len(x) - 1)


def dense(w: Any, x: Any) -> Any:
    return [tanh(sum(a * b for a, b in zip(row, x, strict=True))) for row in w]


def causal_attention(q: Any, k: Any, v: Any) -> Any:
    total = 0.0
    for t in range(len(q)):
        p = softmax([sum(a * b for a, b in zip(q[t], k[s], strict=True)) for s in range(t + 1)])
        total = total + sum(sum(p[s] * v[s][c] for s in range(t + 1)) ** 2 for c in range(len(v[0])))
    return total / len(q)


def repulsion(p: Any) -> Any:
    pairs = [(i, j) for i in range(len(p)) for j in range(len(p)) if i != j]
    return sum(exp(-sum((a - b) ** 2 for a, b in zip(p[i], p[j], strict=True))) for i, j in pairs)


def padded_convolution(image: Any, kernel: Any) -> Any:
    height, width = len(image), len(image[0])
    return sum(
        tanh(
            sum(
                kernel[a][b] * image[i + a - 1][j + b - 1]
                for a in range(3)
                for b in range(3)
                if 0 <= i + a - 1 < height and 0 <= j + b - 1 < width
            )
        )
        for i in range(height)
        for j in range(width)
    )


def pooled(image: Any) -> Any:
    rows, columns = range(0, len(image) - 1, 2), range(0, len(image[0]) - 1, 2)
    return sum(
        maximum(maximum(image[i][j], image[i][j + 1]), maximum(image[i + 1][j], image[i + 1][j + 1])) ** 2
        for i in rows
        for j in columns
    )


def strided_convolution(x: Any, kernel: Any) -> Any:
    starts = range(0, len(x) - len(kernel) + 1, 3)
    return sum(tanh(sum(w * x[i + a] for a, w in enumerate(kernel))) for i in starts)


def overlapping_convolution(x: Any, kernel: Any) -> Any:
    return sum(tanh(sum(w * x[i + a] for a, w in enumerate(kernel))) for i in range(0, len(x) - 2, 2))


def overlapping_pools(x: Any) -> Any:
    return sum(maximum(maximum(x[i], x[i + 1]), x[i + 2]) ** 2 for i in range(0, len(x) - 2, 2))


def padded_pools(x: Any) -> Any:
    windows = [[x[k] for k in range(i - 1, i + 2) if 0 <= k < len(x)] for i in range(0, len(x), 2)]
    return sum(reduce(maximum, window) ** 2 for window in windows)


def overlapping_means(x: Any) -> Any:
    return sum(tanh(sum(x[i : i + 3]) / 3) for i in range(0, len(x) - 2, 2))


def ring(x: Any) -> Any:
    n = len(x)
    return [x[(i - 1) % n] - 2 * x[i] + x[(i + 1) % n] for i in range(n)]


def trapezoid(x: Any, y: Any) -> Any:
    return sum((x[i + 1] - x[i]) * (y[i] + y[i + 1]) / 2.0 for i in range(len(x) - 1))


def one_shorter(x: Any, y: Any) -> Any:
    return sum((x[i + 1] - x[i]) * y[i] for i in range(len(x) - 1))


def positions(x: Any) -> Any:
    return sum(v * (i + 0.5) / len(x) for i, v in enumerate(x))


def embedding(table: Any, tokens: Any) -> Any:
    return sum(lookup([row[k] for row in table], i) ** 2 for i in tokens for k in range(len(table[0])))


def entropy(x: Any) -> Any:
    return -sum(p * log(p) for p in softmax(list(x)))


def mean_distance(p: Any) -> Any:
    n = len(p)
    pairs = [(p[i], p[j]) for i in range(n) for j in range(i)]
    return 2.0 * sum(sqrt(sum((u - v) ** 2 for u, v in zip(a, b, strict=True)) + 0.1) for a, b in pairs) / (n * (n - 1))


REGULAR: dict[Function, tuple[Any, ...]] = {
    mean_of_squares: (normal(25),),
    dense: (normal(30, 21), normal(21)),
    causal_attention: (normal(23, 12), normal(23, 12), normal(23, 12)),
    repulsion: (normal(17, 3),),
    padded_convolution: (normal(16, 14), normal(3, 3)),
    pooled: (normal(16, 14),),
    strided_convolution: (normal(28), normal(3)),
    overlapping_convolution: (normal(27), normal(3)),
    overlapping_pools: (normal(24),),
    padded_pools: (normal(23),),
    overlapping_means: (normal(24),),
    ring: (normal(21),),
    trapezoid: (normal(20), normal(20)),
    one_shorter: (normal(20), normal(19)),
    positions: (normal(20),),
    embedding: (normal(30, 12), RNG.integers(0, 30, size=15)),
    entropy: (normal(33),),
    mean_distance: (normal(18, 3),),
}


@pytest.mark.parametrize("function", REGULAR, ids=lambda function: function.__name__)
def test_the_program_made_from_small_traces_is_the_one_of_a_whole_trace(function: Function) -> None:
    given = REGULAR[function]
    if function not in (dense, ring):
        function = value_and_grad(function)
    sized, whole = lift(function, sizes=True), lift(function, sizes=False)
    assert_equal(sized(*given), whole(*given))
    assert "from traces at" in sized.report().sizes
    assert sized.report().groups == whole.report().groups


@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_a_network_that_nobody_traces_is_trained_on_any_engine(engine: str) -> None:
    if engine != "numpy":
        pytest.importorskip(engine)

    def loss(layers: Any, x: Any, y: Any) -> Any:
        for w, b in layers[:-1]:
            x = [tanh(sum(a * v for a, v in zip(row, x, strict=True)) + c) for row, c in zip(w, b, strict=True)]
        w, b = layers[-1]
        out = [sum(a * v for a, v in zip(row, x, strict=True)) + c for row, c in zip(w, b, strict=True)]
        return sum((p - t) ** 2 for p, t in zip(out, y, strict=True)) / len(y)

    layers = [(0.1 * normal(o, i), 0.1 * normal(o)) for i, o in ((300, 100), (100, 10))]
    x, y = normal(5, 300), normal(5, 10)
    program = lift(value_and_grad(loss), batch=(None, 0, 0), engine=engine)
    value, gradients = program(layers, x, y)
    (w1, b1), (w2, b2) = layers
    a = np.tanh(x @ w1.T + b1)
    error = a @ w2.T + b2 - y
    d2 = error / 25.0
    d1 = d2 @ w2 * (1.0 - a * a)
    assert_equal([value, gradients], [(error**2).mean(), [(d1.T @ x, d1.sum(0)), (d2.T @ a, d2.sum(0))]])
    assert "scalar nodes were not recorded" in str(program.report())


def test_a_gradient_alone_is_proved_with_its_value() -> None:
    x = normal(30)
    program = lift(grad(mean_of_squares), sizes=True)
    np.testing.assert_allclose(program(x), grad(mean_of_squares)(x), rtol=1e-12)


def test_other_sizes_are_made_without_another_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    program = lift(mean_of_squares, sizes=True)
    program(normal(40))
    monkeypatch.setattr("tinygrad_lite.lift.sized_program.group_function", None)
    x = normal(1000)
    assert program(x) == pytest.approx(np.var(x, ddof=1), rel=1e-13)


def rest_of_length(x: Any) -> Any:
    return sum(v * v for v in x) * (1 + len(x) % 4)


def test_what_is_left_after_strides_is_a_part_of_what_is_known_of_a_function() -> None:
    program = lift(value_and_grad(rest_of_length), sizes=True)
    for n in (40, 41, 42, 44):
        x = normal(n)
        assert_equal(program(x), value_and_grad(rest_of_length)(x))


def test_a_sized_program_is_saved_and_loaded(tmp_path: Any) -> None:
    x = normal(40)
    program = lift(value_and_grad(mean_of_squares), sizes=True).program_for(x)
    program.save(tmp_path / "f.lift")
    assert_equal(load(tmp_path / "f.lift")(x), program(x))


def test_demands_are_those_of_the_sizes() -> None:
    table = normal(50, 9)
    program = lift(embedding, sizes=True).program_for(table, np.arange(20))
    program(table, np.arange(20) + 30)
    with pytest.raises(IndexError, match="out of range for 50 items"):
        program(table, np.arange(20) + 31)


# -------------------------------------------------------------------------------------------- hostile functions


def branch_on_length(x: Any) -> Any:
    return sum(v * v for v in x) / (2.0 if len(x) > 30 else 1.0)


def first_of_many(x: Any) -> Any:
    return sum(v * v for v in x[:35])


def extra_term(x: Any) -> Any:
    return sum(v * v for v in x) + (1e-6 * x[0] if len(x) > 30 else 0.0)


def special_row(x: Any) -> Any:
    return sum(v * v for v in x) + (x[39] if len(x) > 39 else 0.0)


def bounded_scale(x: Any) -> Any:
    return sum(v * v for v in x) * max(1.0 / len(x), 0.03)


def at_primes(x: Any) -> Any:
    return sum(v for i, v in enumerate(x) if i in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37))


def one_length_alone(x: Any) -> Any:
    return sum(v * v for v in x) * (2.0 if len(x) == 40 else 1.0)


def at_powers_of_two(x: Any) -> Any:
    return sum(x[k] for k in (1, 2, 4, 8, 16, 32) if k < len(x))


def closed_over(x: Any) -> Any:
    return sum(a * b for a, b in zip(x, CLOSED_OVER, strict=False))


def other_weights_later(x: Any) -> Any:
    return sum(v * v * (1.0 if i < 30 else 0.5) for i, v in enumerate(x))


def logarithm_of_length(x: Any) -> Any:
    return sum(v * v for v in x) * len(x).bit_length()


def tree_of_products(x: Any) -> Any:
    while len(x) > 1:
        x = [x[i] * x[i + 1] if i + 1 < len(x) else x[i] for i in range(0, len(x), 2)]
    return x[0]


def root_of_length(x: Any) -> Any:
    return sum(v for v in x[: int(len(x) ** 0.5)])


def turned_when_long(x: Any) -> Any:
    x = x[::-1] if len(x) > 30 else x
    return sum(v * i for i, v in enumerate(x))


def longer_rest_of_length(x: Any) -> Any:
    return sum(v * v for v in x) * (1 + len(x) % 7)


HOSTILE = [
    longer_rest_of_length,
    branch_on_length,
    first_of_many,
    extra_term,
    special_row,
    bounded_scale,
    at_primes,
    one_length_alone,
    at_powers_of_two,
    closed_over,
    other_weights_later,
    logarithm_of_length,
    tree_of_products,
    root_of_length,
    turned_when_long,
]


@pytest.mark.parametrize("function", HOSTILE, ids=lambda function: function.__name__)
def test_a_function_that_is_not_the_same_at_all_sizes_is_refused(function: Function) -> None:
    x = normal(40)
    with pytest.raises(LiftError, match=r"(at|of) .*the sizes"):
        lift(value_and_grad(function), sizes=True)(x)


def test_what_only_looks_like_a_module_is_refused_with_what_to_do() -> None:
    class Parameters:
        def __init__(self) -> None:
            self.values = [Value(0.1 * k) for k in range(12)]

        def __parameter_tree__(self) -> Any:
            return {"values": ((12,), self.values)}

    with pytest.raises(LiftError, match="lift can make no copy of other sizes"):
        lift(lambda p, x: sum(v * y for v, y in zip(p.values, x, strict=True)), sizes=True)(Parameters(), [0.1] * 12)


def test_where_many_numbers_are_given_such_a_function_is_traced_whole_and_the_report_says_why() -> None:
    x = normal(MANY + 10)

    def f(x: Any) -> Any:
        return sum([v * v for v in x]) / (2.0 if len(x) > 100 else 1.0)

    program = lift(f)
    assert program(x) == pytest.approx(float(x @ x) / 2.0, rel=1e-12)
    assert "traced whole, as the program of other sizes is not the function" in str(program.report())


def test_a_mistake_of_lift_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_lite.lift.sized_program.align", lambda *_: {}["spoiled"])
    with pytest.raises(KeyError, match="spoiled"):
        lift(mean_of_squares, sizes=True)(normal(40))
    x = normal(MANY + 10)
    program = lift(mean_of_squares)
    with pytest.warns(RuntimeWarning, match="lift makes a mistake at smaller sizes, KeyError: 'spoiled'"):
        assert program(x) == pytest.approx(np.var(x, ddof=1), rel=1e-12)
    assert "traced whole, as lift makes a mistake" in str(program.report())


def test_what_the_function_raises_at_smaller_sizes_is_no_mistake_of_lift() -> None:
    def f(x: Any) -> Any:
        if len(x) < 35:
            raise KeyError("too short")
        return mean_of_squares(x)

    with pytest.raises(LiftError, match="it raises KeyError: 'too short'"):
        lift(f, sizes=True)(normal(40))


def test_a_gradient_that_is_wrong_at_the_target_alone_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from tinygrad_lite.lift import sized_program
    from tinygrad_lite.lift.sizes.alignment import Alignment

    instantiate = Alignment.at

    def spoiled(self: Alignment, sizes: Any) -> Any:
        program = instantiate(self, sizes)
        if sizes == (40,):  # the gradient's last entries are those of others
            (output,) = [output for output in program.outputs if output.shape == (40,)]
            group = program.groups[output.ref.group]
            group.shape = (39,)
            table = np.minimum(np.arange(40), 38)
            index = sized_program.replace(output.ref.index[0], steps=(), table=table, axes=(0,))
            program.outputs[1] = sized_program.replace(output, ref=sized_program.replace(output.ref, index=(index,)))
        return program

    monkeypatch.setattr(Alignment, "at", spoiled)
    with pytest.raises(LiftError, match="the gradient by x"):
        lift(value_and_grad(mean_of_squares), sizes=True)(normal(40))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("trap", [False, True])
def test_drawn_programs_are_right_or_refused(seed: int, trap: bool) -> None:
    function = value_and_grad(function_of(draw(seed, trap)), (0, 1, 2, 3, 4))
    given = arguments(seed, 24, 20)
    try:
        found = lift(function, sizes=True)(*given)
    except LiftError:
        return
    a, b = numbers(found), numbers(function(*given))
    np.testing.assert_allclose(a, b, rtol=0.0, atol=1e-10 * np.abs(b).max())
