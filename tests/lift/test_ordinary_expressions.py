"""Ordinary expressions are lifted, on every engine, and are right: none is refused.

``make lift-expressions`` draws 10,000. Right values are those of the function itself, on floats, and of closed forms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ordinary_expressions import WrongProgramError, batch, compare, loops_by_python, together

import tinygrad_lite as tg
from tinygrad_lite import nn
from tinygrad_lite.lift import lift

COMPILERS = ("numba", "jax")


def by_hand(x: float, y: float, z: float) -> dict[str, float]:
    """Expressions, and what they are, in Python's own arithmetic."""
    d = x - y
    return {
        "-(x - y) * z": -(x - y) * z,
        "-(1 - x) * z": -(1 - x) * z,
        "(-(x - y)) ** 2": (y - x) ** 2,
        "-(x * y - z) * x": -(x * y - z) * x,
        "-(x - y) * z + (x - y)": -d * z + d,
        "-(x - y) / -(y - z)": d / (y - z),
        "-(-(x - y)) * -(-(y - z))": d * (y - z),
        "-(x - (y - (z - x)))": -(x - (y - (z - x))),
        "-(-x - y) * z": (x + y) * z,
        "-(y // z)": -(y // z),
        "-(y % z)": -(y % z),
        "-((y % z) * x)": -((y % z) * x),
        "-((y // z) / x)": -((y // z) / x),
        "x - (y // z) * z": x - (y // z) * z,
        "-x ** 2": -(x**2),
        "(-x) ** 2 - -x ** 2": 2 * x**2,
        "-(x ** -y)": -(x**-y),
        "2 ** -x ** 2": 2 ** -(x**2),
        "x / (y / z) / -x": -z / y,
        "-greater(x, y) / z": -float(x > y) / z,
        "-(greater(x, y) / z) + less(x, y)": -float(x > y) / z + float(x < y),
        "where(greater(x, 1.0), -(y // z), x)": -(y // z) if x > 1.0 else x,
        "(x * y) * -0 - z": -z,
    }


POINTS = [(200.0, 2.7, 0.8), (0.7, -1.3, 0.4), (1.9, 2.6, -0.9)]


@pytest.mark.parametrize("point", POINTS)
def test_expressions_with_minus_differences_and_remainders_are_python_s_own_numbers(point):
    for text, value in by_hand(*point).items():
        f = eval(f"lambda x, y, z: {text}", vars(tg) | {"abs": abs})
        assert lift(f)(*point) == pytest.approx(value, rel=1e-13, abs=1e-300), text


@pytest.mark.parametrize("engine", ["loops", *COMPILERS])
def test_they_are_on_every_engine(engine):
    texts = list(by_hand(1.0, 1.5, 2.0))
    if engine in COMPILERS:
        pytest.importorskip(engine)
        texts = [*texts[:4], *texts[9:13], texts[-2]]  # compiling takes a while; for numba, the loops are the others
    f = eval(f"lambda x, y, z: [{', '.join(texts)}]", vars(tg))
    program = lift(f, engine="numpy" if engine == "loops" else engine)
    run = loops_by_python(program.program_for(*POINTS[1])) if engine == "loops" else program
    for point in POINTS:
        found = np.asarray(run(*point)).ravel()
        np.testing.assert_allclose(found, [by_hand(*point)[text] for text in texts], rtol=1e-12)


def test_a_difference_that_several_read_is_computed_for_each():
    def f(x: Any, y: Any, z: Any) -> Any:
        d = x - y
        return [-d * z, d, -d, -d / z, (-d) ** 2, -(-d * x)]

    x, y, z = 0.7, -1.3, 0.4
    d = x - y
    np.testing.assert_allclose(lift(f)(x, y, z), [-d * z, d, -d, -d / z, d**2, d * x], rtol=1e-14)


def test_gradients_of_negated_differences_are_the_formulas():
    value, (dx, dy, dz) = lift(tg.value_and_grad(lambda x, y, z: (-(x - y)) ** 3 * z, (0, 1, 2)))(0.7, -1.3, 0.4)
    d = 2.0
    assert value == pytest.approx(-(d**3) * 0.4)
    assert (dx, dy, dz) == pytest.approx((-3 * d**2 * 0.4, 3 * d**2 * 0.4, -(d**3)))


def test_a_loss_of_negated_differences_trains_a_lifted_model():
    x = np.linspace(-1.0, 1.0, 8)

    def loss(outputs: Any, targets: Any) -> Any:
        return sum(-(y - out) * -(y - out) for out, y in zip(outputs, targets, strict=True)) / len(outputs)

    losses = []
    for engine in ("eager", "numpy"):
        model = nn.MLP(1, [3, 1], seed=0)
        optimizer = nn.SGD(model.parameters(), lr=0.05)
        history = nn.fit(model, loss, (x[:, None], 2.0 * x), optimizer, 3, 4, engine=engine, generator=0)
        losses.append(history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-9)


# ------------------------------------------------------------------------------------------------------------ drawn

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))]
COUNT = 30


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # probes may lie where the function is not defined
def test_drawn_expressions_are_lifted_and_are_right_on_numpy_and_as_the_loops_that_numba_compiles(seed):
    for expression in batch(seed, COUNT):
        function = expression.function()
        lifted = lift(function)
        program = lifted.program_for(*expression.points[0])
        compare(lifted, program, function, expression.points)
        compare(loops_by_python(program), program, function, expression.points)


@pytest.mark.parametrize("engine", COMPILERS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_drawn_expressions_are_lifted_and_are_right_where_they_are_compiled(engine):
    pytest.importorskip(engine)
    drawn = batch(100, 4 if engine == "numba" else 12)
    function = together(drawn)
    lifted = lift(function, engine=engine)
    program = lifted.program_for(*drawn[0].points[0])
    compare(lifted, program, function, drawn[0].points)


def test_a_program_that_is_not_its_function_is_found():
    (expression, *_) = batch(7, 2)
    function = expression.function()
    program = lift(function).program_for(*expression.points[0])
    wrong = lift(lambda *arguments: _more(function(*arguments)))
    with pytest.raises(WrongProgramError):
        compare(wrong, program, function, expression.points)


def _more(results: Any) -> Any:
    if isinstance(results, (list, tuple)):
        return type(results)([_more(result) for result in results])
    return results + 1e-3


def test_drawing_is_repeatable_and_draws_every_kind():
    assert batch(3, 5) == batch(3, 5)
    text = "".join(expression.source for seed in range(6) for expression in batch(seed, 30))
    for part in ("-(", "**", "/", " // ", " % ", "for i in", "value_and_grad", "where(", "d0", "total"):
        assert part in text
