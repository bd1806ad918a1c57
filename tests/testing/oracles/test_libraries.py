"""check_derivative takes derivatives by PyTorch and JAX, of several orders, at drawn points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from tinygrad_lite.testing import FunctionError, Verdict, check_derivative, check_gradients
from tinygrad_lite.testing.oracles.libraries import arrays_of, derivatives_by, library_of

torch = pytest.importorskip("torch")
X = torch.tensor([-1.0, 0.25, 2.0], dtype=torch.float64)


class Swish(torch.autograd.Function):  # type: ignore[misc]  # torch has no types here
    """x·sigmoid(x), with a rule that may be off by a factor."""

    factor = 1.0

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, adjoint: Any) -> Any:
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return adjoint * s * (1 + x * (1 - s)) * Swish.factor


def wrong(*args: Any, **options: Any) -> Any:
    report = check_derivative(*args, raise_exception=False, **options)
    assert report.verdict is Verdict.WRONG
    assert report.worst is not None
    return report.worst


@pytest.mark.parametrize("x", [0.7, np.array([0.5, -1.0]), X, [0.5, X]])
def test_torch_takes_the_derivative_itself(x: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    f = (lambda pair: Swish.apply(pair[0]) * pair[1]) if isinstance(x, list) else Swish.apply
    assert check_derivative(f, "torch", x).verdict is Verdict.CORRECT
    monkeypatch.setattr(Swish, "factor", 1.001)
    assert wrong(f, "torch", x).relative == pytest.approx(0.001, rel=1e-3)


def test_the_derivative_that_torch_takes_is_its_jacobian() -> None:
    def f(x: Any, y: Any) -> Any:
        return torch.outer(torch.sin(x), y).sum(0) * x[0]

    y = X[:2]
    (df,) = derivatives_by("torch", f, None, 1)
    for got, expected in zip(df(X, y), torch.autograd.functional.jacobian(f, (X, y)), strict=True):
        assert torch.equal(got, expected)
    first, second = derivatives_by("torch", lambda x: (x**3).sum(), [0], 2)
    assert torch.equal(first(X), 3 * X**2)
    assert torch.equal(second(X), torch.diag(6 * X))
    assert not second(X).requires_grad


def test_structures_of_tensors() -> None:
    def f(p: Any) -> Any:
        return {"a": p["w"] ** 2, "rest": (p["b"].sum() * p["w"][0], torch.zeros(1, dtype=torch.float64))}

    assert check_derivative(f, "torch", {"w": X, "b": X[:2]}).verdict is Verdict.CORRECT


def test_second_derivatives_in_the_same_call(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_derivative(torch.tanh, "torch", 0.7, order=2).verdict is Verdict.CORRECT
    report = check_derivative(lambda x: x**3, (lambda x: 3 * x**2, lambda x: 6 * x, lambda x: 6.0), 2.0)
    assert [(found.order, found.name) for found in report.findings] == [
        (1, "∂f/∂args[0]"),
        (2, "∂²f/∂args[0]∂args[0]"),
        (3, "∂³f/∂...∂args[0]"),
    ]
    found = wrong(math.sin, (math.cos, math.sin), 0.3)
    assert (found.order, found.name) == (2, "∂²f/∂args[0]∂args[0]")
    assert wrong(math.sin, (math.sin, math.cos), 0.3).order == 1


def test_second_derivatives_have_the_names_of_both_arguments() -> None:
    def f(x: float, v: Any) -> Any:
        return x * v[0] * v[1]

    def df(x: float, v: Any) -> Any:
        return v[0] * v[1], x * v[::-1]

    def d2f(x: float, v: Any) -> Any:
        return (0.0, v[::-1]), (v[::-1], np.array([[0.0, x], [x, 0.5]]))

    found = wrong(f, (df, d2f), 1.5, np.array([2.0, 3.0]))
    assert found.name == "∂²f/∂args[1][1]∂args[1][1]"
    found = wrong(np.sin, (np.cos, lambda x: -np.sin(x) * [1.0, 1.1]), np.array([1.0, 2.0]))
    assert found.name == "∂²f[1]/∂args[0][1]∂args[0][1]"
    found = wrong(lambda v: np.array([v[0] * v[1], v[1] ** 2]), (lambda v: np.array([[v[1], v[0]], [0.0, 2 * v[1]]]),
                  lambda v: np.zeros((2, 2, 2))), np.array([1.0, 2.0]))  # fmt: skip
    assert found.name in (
        "∂²f[0]/∂args[0][0]∂args[0][1]",
        "∂²f[0]/∂args[0][1]∂args[0][0]",
        "∂²f[1]/∂args[0][1]∂args[0][1]",
    )


def test_points_are_drawn_from_strategies() -> None:
    seen: set[float] = set()

    def square(x: float) -> float:
        seen.add(round(float(x), 1))
        return x * x

    numbers = st.floats(-3.0, 3.0)
    check_derivative(square, lambda x: 2 * x, numbers, examples=5)
    assert len(seen) > 3

    def off_above_1(x: float) -> float:
        return math.cos(x) * (1.1 if x > 1.0 else 1.0)

    report = check_derivative(math.sin, off_above_1, numbers, raise_exception=False, examples=50)
    assert report.verdict is Verdict.WRONG
    assert 1.0 < report.numbers[0] <= 2.0
    power = check_derivative(lambda x, n: x**n, lambda x, n: n * x ** (n - 1), st.floats(0.5, 2.0), 3, argnums=0)
    assert power.verdict is Verdict.CORRECT


def two(x: Any) -> Any:
    return torch.stack([x.prod(), x.sum()])


def sum_slope(f: Any) -> Any:
    def df(x: Any) -> Any:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(f(x).sum(), x)[0]

    return df


def test_the_gradient_of_a_sum_is_recognised() -> None:
    for f in (lambda x: torch.cumsum(x**2, 0), lambda x: x.flip(0) * x):
        report = check_derivative(f, sum_slope(f), X, raise_exception=False)
        assert report.verdict is Verdict.WRONG
        assert "the derivative of the sum" in report.reason
        assert "lambda x: f(x).sum()" in report.reason
        assert "has shape (3, 3)" in report.reason
        assert check_derivative(f, "torch", X).verdict is Verdict.CORRECT
    assert check_derivative(torch.sin, sum_slope(torch.sin), X).verdict is Verdict.CORRECT
    off = check_derivative(torch.sin, lambda x: 1.01 * torch.cos(x), X, raise_exception=False)
    assert "sum" not in off.reason
    with pytest.raises(ValueError, match=r"check lambda x: f\(x\).sum\(\)"):
        check_derivative(two, sum_slope(two), X)


def test_jax_takes_the_derivative_itself() -> None:
    jax = pytest.importorskip("jax")

    @jax.custom_jvp  # type: ignore[untyped-decorator]  # jax has no types for it
    def cube(x: Any) -> Any:
        return x**3

    cube.defjvps(lambda t, y, x: 3.003 * x**2 * t)
    assert wrong(cube, "jax", 0.5).relative == pytest.approx(0.001, rel=1e-3)
    assert check_derivative(lambda x: x**3, "jax", 0.5).verdict is Verdict.CORRECT
    assert library_of(jax.nn.sigmoid) == library_of(cube) == "jax"


@pytest.mark.parametrize(
    ("df", "options", "text"),
    [
        ("tensorflow", {}, 'df is a function, or "torch" or "jax", not \'tensorflow\''),
        (math.cos, {"order": 2}, "order=2, and df has 1"),
        ((math.cos,), {"order": 3}, "order=3, and df has 1"),
        ((), {}, "df is empty"),
        (math.cos, {"order": 0}, "order is a whole number of at least 1, not 0"),
    ],
)
def test_what_is_no_derivative_is_refused(df: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"order|df") as caught:
        check_derivative(math.sin, df, 0.5, **options)
    assert text in str(caught.value)


def test_a_function_that_leaves_torch_is_refused() -> None:
    with pytest.raises(FunctionError, match="leaves the graph by item"):
        check_derivative(lambda x: x.detach().numpy().sum(), "torch", 0.5)


@pytest.mark.parametrize(
    ("f", "args"),
    [(torch.sigmoid, (0.3,)), (lambda x: torch.tanh(x), (0.3,)), (lambda x: x * x, (X,)), (Swish.apply, (0.3,))],
)
def test_check_gradients_names_the_tester_of_other_libraries(f: Any, args: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, ValueError), match=r'check_derivative\(.*, "torch", ...\)'):
        check_gradients(f, *args)


def test_errors_of_functions_on_values_name_no_other_library() -> None:
    with pytest.raises(FunctionError) as caught:
        check_gradients(lambda x: x + "1", 0.5)
    assert "check_derivative" not in str(caught.value)
    assert library_of(np.sin) == ""


def test_arguments_become_tensors() -> None:
    found = arrays_of("torch", [0.5, 3, {"v": [np.ones(2, dtype="float32")]}, X])
    assert found[0].dtype == torch.float64
    assert found[1] == 3
    assert found[2]["v"][0].dtype == torch.float32
    assert found[3] is X


def test_headlines_name_places_in_matrices() -> None:
    found = wrong(lambda x: x @ x, lambda x: np.zeros((2, 2, 2, 2)), np.eye(2))
    assert found.name == "∂f[0, 0]/∂args[0][0, 0]"
