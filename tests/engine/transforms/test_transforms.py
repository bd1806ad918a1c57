"""grad, value_and_grad, jacobian, hessian, hvp, jvp and gradient: any structure, any order, nothing else touched."""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import Value, grad, gradient, hessian, hvp, jacobian, jvp, value_and_grad
from tinygrad_lite.transforms import recording_derivatives

Point = namedtuple("Point", "x y")


def rosenbrock(v: Any) -> Any:
    return sum(100.0 * (v[i + 1] - v[i] ** 2) ** 2 + (1.0 - v[i]) ** 2 for i in range(len(v) - 1))


def rosenbrock_gradient(v: Any) -> list[float]:
    x, y = v
    return [-400.0 * x * (y - x * x) - 2.0 * (1.0 - x), 200.0 * (y - x * x)]


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_grad_and_value_and_grad_agree_with_the_formula(x: float, y: float) -> None:
    value, slope = value_and_grad(rosenbrock)([x, y])
    assert value == rosenbrock([x, y])
    assert slope == grad(rosenbrock)([x, y]) == pytest.approx(rosenbrock_gradient([x, y]), rel=1e-12, abs=1e-11)
    assert all(type(s) is float for s in slope)


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_hessian_hvp_and_jvp_agree(x: float, y: float) -> None:
    full = hessian(rosenbrock)([x, y])
    assert full == [
        pytest.approx([1200.0 * x * x - 400.0 * y + 2.0, -400.0 * x], rel=1e-12, abs=1e-9),
        pytest.approx([-400.0 * x, 200.0], rel=1e-12, abs=1e-9),
    ]
    v = [0.3, -0.7]
    product = [row[0] * v[0] + row[1] * v[1] for row in full]
    assert hvp(rosenbrock)([x, y], v) == pytest.approx(product, rel=1e-12, abs=1e-9)
    value, slope = jvp(rosenbrock, ([x, y],), (v,))
    assert value == rosenbrock([x, y])
    assert slope == pytest.approx(
        sum(g * d for g, d in zip(grad(rosenbrock)([x, y]), v, strict=True)), rel=1e-12, abs=1e-9
    )


def test_results_have_the_arguments_structure() -> None:
    assert grad(lambda p: p["a"] * p["b"][0] * p["b"][1])({"a": 2.0, "b": (3.0, 4.0)}) == {"a": 12.0, "b": (8.0, 6.0)}
    slope = grad(lambda p: p.x * p.y)(Point(2.0, 5.0))
    assert isinstance(slope, Point)
    assert slope == (5.0, 2.0)
    array = grad(lambda m: (m @ m).sum())(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert array.dtype == float
    ones = np.ones((2, 2))
    m = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(array, ones @ m.T + m.T @ ones)
    scalar = grad(lambda a: a**2)(np.array(3.0))
    assert isinstance(scalar, np.ndarray)
    assert scalar.shape == ()
    assert float(scalar) == 6.0
    assert grad(lambda x: x * x)(np.float64(3.0)) == 6.0
    assert grad(lambda x: x * x)(3) == 6.0
    assert grad(lambda xs: Value(1.0))([]) == []


def test_argnums_chooses_the_arguments() -> None:
    def f(x: Any, y: Any, *, power: int = 1) -> Any:
        return (x * y + y) ** power

    assert grad(f)(2.0, 3.0) == 3.0
    assert grad(f, 1)(2.0, 3.0) == 3.0
    assert grad(f, (1, 0))(2.0, 3.0) == (3.0, 3.0)
    assert grad(f, -1)(2.0, 3.0) == 3.0
    assert grad(f)(2.0, 3.0, power=2) == 2 * 9.0 * 3.0
    with pytest.raises(TypeError, match="argnums=2 asks for argument 2 of f"):
        grad(f, 2)(1.0, 2.0)


def test_jacobian_of_arrays_has_the_shape_of_output_and_argument() -> None:
    a = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    found = jacobian(lambda v: a @ v)(np.array([1.0, -1.0, 0.5]))
    np.testing.assert_array_equal(found, a)
    blocks = jacobian(lambda x, y: np.array([x[0] * y, x[1] + y]), (0, 1))(np.array([2.0, 3.0]), 5.0)
    np.testing.assert_array_equal(blocks[0], [[5.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(blocks[1], [2.0, 1.0])
    assert jacobian(lambda v: {"s": v[0] + v[1], "c": 3.0})([1.0, 2.0]) == {"s": [1.0, 1.0], "c": [0.0, 0.0]}
    second = hessian(lambda v: (v**3).sum())(np.array([1.0, 2.0]))
    np.testing.assert_allclose(second, [[6.0, 0.0], [0.0, 12.0]])


FUNCTIONS = {
    "tanh": mpmath.tanh, "exp": mpmath.exp, "sin": mpmath.sin, "sqrt": mpmath.sqrt, "log": mpmath.log,
    "atan": mpmath.atan,
    "asinh": mpmath.asinh, "erf": mpmath.erf, "cbrt": mpmath.cbrt, "tan": mpmath.tan, "log1p": mpmath.log1p,
    "asin": mpmath.asin, "acos": mpmath.acos, "atanh": mpmath.atanh, "expm1": mpmath.expm1, "cosh": mpmath.cosh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)), "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)), "gelu": lambda x: x * mpmath.ncdf(x),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_derivatives_of_any_order_are_mpmaths(name: str, order: int) -> None:
    f = getattr(tg, name)
    for _ in range(order):
        f = grad(f)
    for x in (0.2, 0.4, 0.55):
        with mpmath.workdps(60):
            truth = float(mpmath.diff(FUNCTIONS[name], mpmath.mpf(x), order))
        assert f(x) == pytest.approx(truth, rel=1e-11, abs=1e-13)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "silu", "gelu", "softplus", "erf", "cosh", "atan"])
@pytest.mark.parametrize("order", [2, 3])
def test_even_and_odd_functions_have_their_higher_derivatives_at_zero(name: str, order: int) -> None:
    f = getattr(tg, name)
    function = {"erf": mpmath.erf, "tanh": mpmath.tanh, "cosh": mpmath.cosh, "atan": mpmath.atan, **FUNCTIONS}[name]
    for _ in range(order):
        f = grad(f)
    with mpmath.workdps(60):
        truth = float(mpmath.diff(function, 0, order))
    assert f(0.0) == pytest.approx(truth, abs=1e-14)


def test_perturbations_are_not_confused() -> None:
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert grad(lambda x: grad(lambda y: x * y)(x))(3.0) == 1.0
    assert grad(lambda x: jvp(lambda y: x * y * y, (x,), (1.0,))[1])(3.0) == 12.0
    assert jvp(lambda x: grad(lambda y: x * y * y)(x), (3.0,), (1.0,))[1] == 12.0


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: grad(lambda x: x * grad(lambda y: x * y * y)(2.0))(3.0), 24.0),
        (lambda: jvp(lambda x: x * jvp(lambda y: x * y, (2.0,), (1.0,))[1], (3.0,), (1.0,))[1], 6.0),
        (lambda: grad(lambda x: jvp(lambda y: x * y, (2.0,), (1.0,))[1])(3.0), 1.0),
        (lambda: grad(lambda x: value_and_grad(lambda y: x * y)(2.0)[0])(3.0), 2.0),
        (lambda: grad(lambda x: jacobian(lambda v: [x * v[0]])([2.0])[0][0])(3.0), 1.0),
        (lambda: grad(lambda x: hessian(lambda y: x * x * y * y)(2.0))(3.0), 12.0),
        (lambda: grad(lambda x: hvp(lambda y: x * x * y * y)(2.0, 1.0))(3.0), 12.0),
        (lambda: grad(lambda x: grad(lambda z, y: z * y, 1)(x, 2.0))(3.0), 1.0),
    ],
)
def test_an_inner_transform_keeps_what_it_closes_over(found: Any, expected: float) -> None:
    assert found() == expected


def test_gradients_of_values_outside_are_not_touched() -> None:
    w = Value(2.0)
    (w * w).backward()
    assert grad(lambda x: x * w * w)(3.0) == 4.0
    assert jvp(lambda x: x * w, (3.0,), (1.0,))[1] == 2.0
    assert hessian(lambda x: x * x * w)(3.0) == 4.0
    y = w * w
    assert gradient(y, [w]) == [4.0]
    assert w.grad == 4.0
    assert y.grad == 0.0


def test_a_function_of_values_gives_values() -> None:
    x = Value(3.0)
    slope = grad(lambda v: v**3)(x)
    assert isinstance(slope, Value)
    slope.backward()
    assert (slope.data, x.grad) == (27.0, 18.0)


def test_what_the_output_does_not_depend_on_has_derivative_zero() -> None:
    a, b = Value(1.0), Value(2.0)
    y = a * a
    assert gradient(y, [a, b]) == [2.0, 0.0]
    assert [x.data for x in gradient(y, [a, b], create_graph=True)] == [2.0, 0.0]
    assert grad(lambda x: 5.0)(1.0) == 0.0
    assert grad(lambda x, y: x)(1.0, 2.0) == 1.0
    assert jvp(lambda x: 5.0, (1.0,), (1.0,)) == (5.0, 0.0)
    assert hessian(lambda v: v[0])([1.0, 2.0]) == [[0.0, 0.0], [0.0, 0.0]]


def test_gradient_is_by_interior_nodes_too_and_by_the_output_itself() -> None:
    a = Value(3.0)
    b = a * a
    y = b * b
    assert gradient(y, [b, a, y]) == [18.0, 108.0, 1.0]
    assert gradient(y, a) == 108.0
    second = gradient(gradient(y, a, create_graph=True), a)
    assert second == 12.0 * 9.0
    assert gradient(y, [a, a]) == [108.0, 108.0]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: grad(lambda v: v)([1.0, 2.0]), TypeError, "jacobian"),
        (lambda: grad(lambda v: v)(np.array([1.0, 2.0])), TypeError, "jacobian"),
        (lambda: grad(lambda x: None)(1.0), TypeError, "gave None"),
        (lambda: grad(lambda x: "a")(1.0), TypeError, "gave a str"),
        (lambda: grad(lambda x: x)("a"), TypeError, "argument 0 of .*argnums"),
        (lambda: grad(lambda p: p["w"])({"w": "a"}), TypeError, r"argument 0 of .*\['w'\]"),
        (lambda: jvp(lambda v: v[0], ([1.0, 2.0],), ([1.0],)), ValueError, "another structure than the primals"),
        (lambda: gradient(1.0, [Value(1.0)]), TypeError, r"grad\(f\)"),
        (lambda: gradient(Value(1.0), [1.0]), TypeError, r"grad\(f\)"),
        (lambda: hvp(lambda x: x, (0, 1)), TypeError, "argnums is an int"),
        (lambda: jacobian(lambda x: None)(1.0), TypeError, "the output of .* is a NoneType"),
    ],
)
def test_errors_say_what_to_do(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_a_stale_graph_is_refused() -> None:
    a = Value(1.0)
    y = a * a
    a.data = 2.0
    for create_graph in (False, True):
        with pytest.raises(tg.StaleGraphError):
            gradient(y, [a], create_graph)


def test_a_function_that_raises_leaves_gradients_as_they_were() -> None:
    w = Value(2.0)
    (w * w).backward()
    with pytest.raises(ZeroDivisionError):
        grad(lambda x: w / (x - x))(1.0)
    assert w.grad == 4.0


def test_transforms_are_named_and_documented() -> None:
    def loss(x: float) -> float:
        return x

    assert grad(loss).__name__ == "grad(loss)"
    assert "grad of loss" in (grad(loss).__doc__ or "")
    assert hessian(loss).__name__ == "hessian(loss)"


def test_second_derivatives_at_edges_are_limits() -> None:
    assert grad(grad(lambda x: x**-1.0))(1e-150) == math.inf
    assert grad(tg.sqrt)(0.0) == math.inf
    assert grad(grad(tg.sqrt))(0.0) == -math.inf


def test_scipy_minimises_with_our_derivatives() -> None:
    optimize = pytest.importorskip("scipy.optimize", reason="scipy is not installed")
    start = np.array([-1.2, 1.0, 0.7])
    for options in (
        {"method": "BFGS"},
        {"method": "trust-exact", "hess": hessian(rosenbrock)},
        {"method": "trust-ncg", "hessp": hvp(rosenbrock)},
        {"method": "Newton-CG", "hess": hessian(rosenbrock)},
    ):
        found = optimize.minimize(value_and_grad(rosenbrock), start, jac=True, **options)
        np.testing.assert_allclose(found.x, np.ones(3), atol=1e-4)


def test_transforms_record_inside_no_grad() -> None:
    with tg.no_grad():
        assert grad(lambda x: x * x)(3.0) == 6.0
        assert hessian(lambda x: x**3)(2.0) == 12.0
        assert jvp(lambda x: x * x, (3.0,), (1.0,)) == (9.0, 6.0)
        assert tg.is_recording() is False


def test_no_grad_inside_the_function_still_holds() -> None:
    def f(x: Value) -> Value:
        with tg.no_grad():
            constant = x * x
        return x * constant

    assert grad(f)(3.0) == 9.0


def test_on_values_every_derivative_is_a_value() -> None:
    for derivative in (grad(lambda x: 2 * x)(Value(1.0)), gradient(2 * Value(1.0), Value(1.0), create_graph=True)):
        assert isinstance(derivative, Value)
    assert all(isinstance(x, Value) for row in jacobian(lambda v: [2 * v[0], v[1]])([Value(1.0), 3.0]) for x in row)
    assert isinstance(jvp(lambda x: 2 * x, (Value(1.0),), (1.0,))[1], Value)


def test_blocks_of_a_hessian_over_several_arrays() -> None:
    blocks = hessian(lambda a, b: (a * a * b).sum(), (0, 1))(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    expected = [[np.diag([6.0, 8.0]), np.diag([2.0, 4.0])], [np.diag([2.0, 4.0]), np.zeros((2, 2))]]
    for i in range(2):
        for j in range(2):
            assert blocks[i][j].dtype == float
            np.testing.assert_array_equal(blocks[i][j], expected[i][j])


def test_an_array_by_a_list_is_a_list_of_arrays() -> None:
    found = jacobian(lambda x: np.array([x[0] * x[1], x[1]]))([2.0, 5.0])
    assert isinstance(found, list)
    np.testing.assert_array_equal(found, [[5.0, 0.0], [2.0, 1.0]])


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4])
def test_powers_have_all_their_derivatives_at_zero(n: int) -> None:
    derivative: Any = lambda x: x**n  # noqa: E731
    for order in range(1, 6):
        derivative = grad(derivative)
        expected = float(math.factorial(n)) if order == n else 0.0
        assert derivative(0.0) == expected, (n, order)


def test_the_gradient_of_a_product_does_not_leave_the_range_of_floats() -> None:
    found = grad(tg.prod)([1e-200, 1e-200, 1e200, 1e200, 1e-100])
    assert found == pytest.approx([1e100, 1e100, 1e-300, 1e-300, 1.0], rel=1e-14)


@pytest.mark.parametrize(
    ("call", "error", "remedy"),
    [
        (lambda: grad(lambda x, y: x * y, (0, 0))(3.0, 4.0), ValueError, "twice"),
        (lambda: grad(lambda x, y: x * y, (1, -1))(3.0, 4.0), ValueError, "twice"),
        (lambda: grad(lambda x: x, "a")(3.0), TypeError, "an index or a sequence"),
        (lambda: hvp(lambda x: (x * x).sum())(np.ones((2, 2)), np.ones(4)), ValueError, "another structure"),
        (lambda: hvp(lambda x: x * x)(1.0), TypeError, "then the vector"),
        (lambda: jvp(lambda x: x, 1.0, 1.0), TypeError, "write"),  # type: ignore[arg-type]  # the point of the test
    ],
)
def test_misuse_is_named(call: Any, error: type[Exception], remedy: str) -> None:
    with pytest.raises(error, match=remedy):
        call()


@pytest.mark.parametrize("argnums", [2, 3, 17, -3, -4, (0, 2)])
def test_an_argument_that_was_not_given_is_named(argnums: Any) -> None:
    with pytest.raises(TypeError, match=r"was called with 2 positional arguments"):
        grad(lambda x, y: x * y, argnums)(3.0, 4.0)


def test_an_inner_transform_that_closes_over_nothing_gives_floats() -> None:
    kinds: list[type] = []

    def f(x: Any) -> Any:
        kinds.append(type(grad(lambda y: y * y * 3.0)(2.0)))
        kinds.append(type(grad(lambda y: y * x)(2.0)))
        return x * 12.0

    assert grad(f)(1.0) == 12.0
    assert kinds == [float, Value]


def test_a_function_may_give_an_array_of_one_number() -> None:
    assert grad(lambda x: np.array(x * x))(3.0) == 6.0
    assert value_and_grad(lambda x: np.asarray((x * x).sum()))(np.array([3.0, 4.0]))[0] == 25.0


def test_what_closes_over_an_outer_argument_is_found_in_any_structure() -> None:
    def slope_of_slope(inner: Any) -> Any:
        return grad(lambda x: _first(jacobian(lambda y: inner(x * y))(2.0)))(3.0)

    def _first(found: Any) -> Any:
        while isinstance(found, (list, tuple, dict)):
            found = next(iter(found.values())) if isinstance(found, dict) else found[0]
        return found.item() if isinstance(found, np.ndarray) else found

    for inner in (
        lambda z: z,
        lambda z: [z],
        lambda z: (z, 1.0),
        lambda z: {"a": z, "b": 2.0},
        lambda z: np.array([z], dtype=object),
    ):
        assert slope_of_slope(inner) == 1.0


def test_a_direction_has_the_arguments_structure_down_to_its_dicts() -> None:
    f = lambda p: p["a"] * p["b"][0]  # noqa: E731
    assert jvp(f, ({"a": 2.0, "b": [3.0]},), ({"a": 1.0, "b": [10.0]},)) == (6.0, 23.0)
    assert jvp(f, ({"a": 2.0, "b": [3.0]},), ({"b": [10.0], "a": 1.0},)) == (6.0, 23.0)
    with pytest.raises(ValueError, match="another structure"):
        jvp(f, ({"a": 2.0, "b": [3.0]},), ({"a": 1.0, "c": [10.0]},))


def test_an_adjoint_of_zero_stops_at_an_infinite_derivative_in_recorded_graphs_too() -> None:
    a, x = Value(0.0), Value(0.0)
    y = a * tg.sqrt(x)
    assert gradient(y, [a, x]) == [0.0, 0.0]
    assert [d.data for d in gradient(y, [a, x], create_graph=True)] == [0.0, 0.0]


@pytest.mark.parametrize("x", [0.5, 2.0, 7.0])
def test_derivatives_of_a_power_at_exponent_zero(x: float) -> None:
    power = lambda x, y: x**y  # noqa: E731
    assert grad(grad(power, 0), 0)(x, 0.0) == 0.0
    assert grad(grad(power, 0), 1)(x, 0.0) == pytest.approx(1.0 / x, rel=1e-15)
    assert grad(grad(grad(power, 0), 0), 1)(x, 0.0) == pytest.approx(-1.0 / x**2, rel=1e-15)
    assert grad(grad(grad(power, 0), 1), 1)(x, 0.0) == pytest.approx(2.0 * math.log(x) / x, rel=1e-15)


def test_hvp_takes_all_arguments_of_the_function_before_the_vector() -> None:
    assert tg.hvp(lambda x, y: x**2 * y)(3.0, 5.0, 2.0) == 20.0


def test_recording_derivatives_gives_values_for_numbers_at_every_order() -> None:
    arrays = np.array([2.0, 3.0])
    with recording_derivatives():
        results = [
            value_and_grad(lambda x: x**3)(2.0),
            jvp(lambda x: x**3, (2.0,), (1.0,)),
            [*hessian(lambda v: v[0] * v[1] ** 2)(arrays).flat],
            [grad(lambda x: 5.0)(1.0)],
            [*hvp(lambda v: v[0] * v[1] ** 2)(arrays, arrays)],
        ]
    assert all(isinstance(x, Value) for result in results for x in result)
    assert [[x.data for x in result] for result in results] == [
        [8.0, 12.0],
        [8.0, 12.0],
        [0.0, 6.0, 6.0, 4.0],
        [0.0],
        [18.0, 24.0],
    ]
    assert type(grad(lambda x: x**3)(2.0)) is float


@pytest.mark.parametrize("transform", [grad, value_and_grad, jacobian, hessian, hvp, jvp])
def test_what_is_no_function_is_refused_at_once(transform: Any) -> None:
    rest = [[1.0], [1.0]] if transform is jvp else []
    with pytest.raises(TypeError, match=rf"^{transform.__name__} takes a function, not float 3.0") as caught:
        transform(3.0, *rest)
    assert "backward()" in str(caught.value)


def test_argnums_may_be_numpys_integers() -> None:
    def f(x: float, y: float) -> float:
        return x * x * y

    for argnums, expected in ((np.int64(1), 4.0), (np.uint8(0), 12.0), (np.int32(-1), 4.0), (np.array(1), 4.0)):
        assert grad(f, argnums)(2.0, 3.0) == expected
    for several in (np.array([1, 0]), [np.int64(1), 0], (np.int64(-1), np.int64(0))):
        assert grad(f, several)(2.0, 3.0) == (4.0, 12.0)
        assert hessian(f, several)(2.0, 3.0) == ((0.0, 4.0), (4.0, 6.0))
    assert hvp(f, np.int64(0))(2.0, 3.0, 1.0) == 6.0
    for wrong in ("a", 1.0, None, [1.5], ["a"]):
        with pytest.raises(TypeError, match="argnums is an index or a sequence of indices"):
            grad(f, wrong)(2.0, 3.0)  # type: ignore[arg-type]  # what is refused
    with pytest.raises(TypeError, match="argnums is an int"):
        hvp(f, 1.0)(2.0, 3.0, 1.0)  # type: ignore[arg-type]  # what is refused
