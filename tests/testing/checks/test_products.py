"""J·v and uᵀ·J against f, without J: what is wrong is found and named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lite.testing.checks.products import check_products
from tinygrad_lite.testing.oracles.verdicts import DerivativeError, FunctionError, Report, Verdict

N = 1000
W = np.random.default_rng(0).normal(size=(N, N)) / np.sqrt(N)
X = np.random.default_rng(1).uniform(-1.0, 1.0, N)


class Layer:
    """tanh(W·x) with its products in closed form, one entry of the matrix in these multiplied by a factor."""

    def __init__(self, factor: float = 1.0, row: int = 700, column: int = 123) -> None:
        self.wrong = W.copy()
        self.wrong[row, column] *= factor
        self.calls = 0

    def f(self, x: Any) -> Any:
        self.calls += 1
        return np.tanh(W @ x)

    def jvp(self, x: Any, v: Any) -> Any:
        return (self.wrong @ v) / np.cosh(W @ x) ** 2

    def vjp(self, x: Any, u: Any) -> Any:
        return (u / np.cosh(W @ x) ** 2) @ self.wrong


def check(f: Any, *args: Any, **options: Any) -> Report:
    return check_products(f, *args, raise_exception=False, **options)


def test_right_products_are_correct_with_a_few_hundred_calls_for_a_million_entries() -> None:
    layer = Layer()
    assert check(layer.f, X, jvp=layer.jvp, vjp=layer.vjp).verdict is Verdict.CORRECT
    assert layer.calls < 500


@pytest.mark.parametrize("which", ["jvp", "vjp"])
@pytest.mark.parametrize("factor", [1.001, -1.0, float("nan")])
def test_one_wrong_entry_of_a_million_is_named(which: str, factor: float) -> None:
    layer = Layer(factor)
    report = check(layer.f, X, **{which: getattr(layer, which)})
    assert report.verdict is Verdict.WRONG
    assert report.worst is not None
    if factor == factor:
        assert report.worst.name == "∂f[700]/∂args[0][123]"
        assert report.worst.expected == pytest.approx(W[700, 123] / np.cosh(W[700] @ X) ** 2, rel=1e-4)


def test_a_product_that_is_not_the_transpose_of_the_other_is_found() -> None:
    right, wrong = Layer(), Layer(1.001)
    with pytest.raises(DerivativeError, match="by vjp"):
        check_products(right.f, X, jvp=right.jvp, vjp=wrong.vjp)


def test_several_arguments_and_results() -> None:
    def f(x: Any, p: Any) -> Any:
        return {"sum": x.sum() * p["a"], "product": x * p["b"]}

    def jvp(x: Any, p: Any, v: Any) -> Any:
        dx, dp = v
        return {"product": dx * p["b"] + x * dp["b"], "sum": dx.sum() * p["a"] + x.sum() * dp["a"]}

    def vjp(x: Any, p: Any, u: Any) -> Any:
        return u["sum"] * p["a"] + u["product"] * p["b"], {"b": (u["product"] * x).sum(), "a": u["sum"] * x.sum()}

    args = np.array([1.0, 2.0, 3.0]), {"a": 0.5, "b": 2.0}
    assert check(f, *args, jvp=jvp, vjp=vjp).verdict is Verdict.CORRECT
    wrong = check(f, *args, vjp=lambda x, p, u: (vjp(x, p, u)[0], {"a": 1.0, "b": vjp(x, p, u)[1]["b"]}))
    assert wrong.worst is not None
    assert wrong.worst.name == "∂f['sum']/∂args[1]['a']"
    assert check(f, *args, argnums=0, vjp=lambda x, p, u: vjp(x, p, u)[0]).verdict is Verdict.CORRECT


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("factor", [1.0, 1.001])
def test_pytorch(dtype: str, factor: float) -> None:
    torch = pytest.importorskip("torch")

    def f(x: Any) -> Any:
        return torch.sin(x) * x.sum()

    def vjp(x: Any, u: Any) -> Any:
        return factor * torch.autograd.grad(f(x), x, u)[0]

    x = torch.linspace(-1.0, 2.0, 20, dtype=getattr(torch, dtype), requires_grad=True)
    right = check(f, x, jvp=lambda x, v: torch.func.jvp(f, (x,), (v,))[1], vjp=vjp)
    assert right.verdict is (Verdict.CORRECT if factor == 1.0 else Verdict.WRONG)


def test_kinks_are_kinks() -> None:
    x = np.append(X[:20], 0.0)
    report = check(np.abs, x, jvp=lambda x, v: np.sign(x) * v, vjp=lambda x, u: np.sign(x) * u)
    assert report.verdict is Verdict.KINK


def test_what_cannot_be_checked_says_why() -> None:
    with pytest.raises(TypeError, match="one of the two"):
        check_products(np.sin, X)
    with pytest.raises(ValueError, match="check_derivative"):
        check_products(lambda x: np.sin(x).astype(np.float32), X, jvp=lambda x, v: v)
    with pytest.raises(ValueError, match=r"has shape \(2,\)"):
        check_products(np.sin, X, jvp=lambda x, v: v[:2])
    with pytest.raises(FunctionError, match="raises ZeroDivisionError"):
        check_products(np.sin, X, vjp=lambda x, u: 1 / 0)
    with pytest.raises(FunctionError, match="vjp returns None"):
        check_products(np.sin, X, vjp=lambda x, u: None)
