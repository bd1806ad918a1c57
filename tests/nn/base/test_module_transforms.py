"""grad, value_and_grad, jacobian, hessian, hvp and jvp by the parameters of Modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Value, grad, hessian, hvp, jacobian, jvp, no_grad, tanh, tree_leaves, value_and_grad
from tinygrad_lite.nn import MLP, Embedding, Linear, Module, Neuron, Sequential, Tanh
from tinygrad_lite.transforms import recording_derivatives

X = np.array([[0.5, -1.0], [1.5, 0.25], [-0.75, 2.0]])
Y = np.array([0.3, -0.2, 0.9])


def network() -> Sequential:
    return Sequential(Linear(2, 3, generator=0), Tanh(), Linear(3, 1, generator=1))


def loss(model: Any, xs: Any, ys: Any) -> Any:
    return sum((model(list(x))[0] - y) ** 2 for x, y in zip(xs, ys, strict=True)) / len(ys)


def state_of(model: Module) -> list[Any]:
    return [(id(p), p.data, p.grad, p.requires_grad, p.is_leaf, p.label) for p in model.parameters()]


def differences(f: Callable[[], float], parameters: list[Value], step: float = 1e-5) -> list[float]:
    """Central differences of f by each parameter."""
    found = []
    for p in parameters:
        at = p.data
        p.data = at + step
        above = f()
        p.data = at - step
        below = f()
        p.data = at
        found.append((above - below) / (2 * step))
    return found


def flat(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(np.asarray(x, dtype=float)) for x in tree.values()])


class Torch:
    """The same network and loss in PyTorch, as functions of a dict of float64 tensors."""

    def __init__(self, model: Module) -> None:
        self.torch = pytest.importorskip("torch", reason="PyTorch is not installed")
        self.state = {name: self.torch.tensor(array) for name, array in model.state_dict().items()}

    def outputs(self, p: Any) -> Any:
        hidden = self.torch.tanh(self.torch.tensor(X) @ p["0.weight"].T + p["0.bias"])
        return hidden @ p["2.weight"].T + p["2.bias"]

    def loss(self, p: Any) -> Any:
        return ((self.outputs(p)[:, 0] - self.torch.tensor(Y)) ** 2).mean()


def assert_same(found: Any, expected: Any) -> None:
    assert list(found) == list(expected)
    for name in found:
        if isinstance(found[name], dict):
            assert_same(found[name], expected[name])
        else:
            assert isinstance(found[name], np.ndarray)
            assert found[name].dtype == float
            np.testing.assert_allclose(found[name], expected[name].numpy(), rtol=1e-12, atol=1e-14)


def test_gradients_are_pytorchs() -> None:
    model = network()
    oracle = Torch(model)
    value, slopes = value_and_grad(loss)(model, X, Y)
    assert type(value) is float
    assert value == pytest.approx(float(oracle.loss(oracle.state)), rel=1e-14)
    assert_same(slopes, oracle.torch.func.grad(oracle.loss)(oracle.state))
    assert_same(grad(loss)(model, X, Y), oracle.torch.func.grad(oracle.loss)(oracle.state))


def test_hessians_are_pytorchs_and_hvp_multiplies_by_them() -> None:
    model = network()
    oracle = Torch(model)
    whole = hessian(loss)(model, X, Y)
    assert_same(whole, oracle.torch.func.jacrev(oracle.torch.func.jacrev(oracle.loss))(oracle.state))
    rng = np.random.default_rng(0)
    direction = {name: rng.normal(size=array.shape) for name, array in model.state_dict().items()}
    product = hvp(loss)(model, X, Y, direction)
    for name, rows in whole.items():
        expected = sum(np.tensordot(rows[k], direction[k], axes=np.ndim(direction[k])) for k in direction)
        np.testing.assert_allclose(product[name], expected, rtol=1e-12, atol=1e-14)


def test_jacobians_of_outputs_are_pytorchs() -> None:
    model = network()
    oracle = Torch(model)
    found = jacobian(lambda m, xs: np.array([m(list(x)) for x in xs]))(model, X)
    assert_same(found, oracle.torch.func.jacrev(oracle.outputs)(oracle.state))


def test_jvp_is_pytorchs_whatever_the_order_of_the_tangents_names() -> None:
    model = network()
    oracle = Torch(model)
    rng = np.random.default_rng(1)
    direction = {name: rng.normal(size=array.shape) for name, array in model.state_dict().items()}
    slopes = oracle.torch.func.grad(oracle.loss)(oracle.state)
    value = float(oracle.loss(oracle.state))
    slope = sum(float((slopes[name].numpy() * direction[name]).sum()) for name in direction)
    for order in (list(direction), list(reversed(direction))):
        found = jvp(lambda m: loss(m, X, Y), (model,), ({name: direction[name] for name in order},))
        assert found == pytest.approx((value, slope), rel=1e-12)


def test_a_gradient_of_a_gradient_is_pytorchs() -> None:
    model = network()
    oracle = Torch(model)
    torch = oracle.torch

    def steepness(m: Any) -> Any:
        return sum((slopes**2).sum() for slopes in grad(loss)(m, X, Y).values())

    def steepness_there(p: Any) -> Any:
        return sum((slopes**2).sum() for slopes in torch.func.grad(oracle.loss)(p).values())

    assert_same(grad(steepness)(model), torch.func.grad(steepness_there)(oracle.state))
    third = grad(lambda m: sum((slopes**2).sum() for slopes in grad(steepness)(m).values()))(model)
    assert_same(
        third,
        torch.func.grad(lambda p: sum((s**2).sum() for s in torch.func.grad(steepness_there)(p).values()))(
            oracle.state
        ),
    )


def test_names_are_those_of_the_state_and_single_parameters_are_floats() -> None:
    model = MLP(2, [3, 1], "tanh", seed=0)
    slopes = grad(lambda m, x: m(x))(model, [0.5, -1.0])
    state = model.state_dict()
    assert list(slopes) == list(state)
    assert slopes["layers.0.neurons.w"].shape == (3, 2)
    assert slopes["layers.0.neurons.b"].shape == (3,)
    assert {name: np.shape(slope) for name, slope in slopes.items()} == {name: a.shape for name, a in state.items()}
    with no_grad():
        leaves = [leaf for array in model.__parameter_tree__().values() for leaf in array.values]
        expected = differences(lambda: model([0.5, -1.0]).data, leaves)
    np.testing.assert_allclose(flat(slopes), expected, atol=1e-9)


class Irregular(Module):
    def __init__(self) -> None:
        self.rows = [[Value(1.0)], [Value(2.0), Value(3.0)]]
        self.parts = {"a": Value(4.0), "grid": np.array([[Value(5.0), Value(6.0)]], dtype=object)}

    def forward(self, x: Any) -> Any:
        return sum((i + 1) * p * p * x for i, p in enumerate(self.parameters()))


def test_irregular_nests_have_an_entry_for_each_regular_part() -> None:
    slopes = grad(lambda m: m(1.0))(Irregular())
    assert list(slopes) == ["rows.0", "rows.1", "parts.a", "parts.grid"]
    np.testing.assert_array_equal(slopes["rows.0"], [2.0])
    np.testing.assert_array_equal(slopes["rows.1"], [8.0, 18.0])
    assert slopes["parts.a"] == 32.0
    np.testing.assert_array_equal(slopes["parts.grid"], [[50.0, 72.0]])


def test_modules_may_stand_within_other_structures_and_beside_arguments() -> None:
    model = network()

    def scaled(p: Any, x: Any) -> Any:
        return p["scale"] * p["models"][0](list(x))[0] * p["models"][1]([p["scale"]])

    neuron = Neuron(1, None)
    slopes, by_x = grad(lambda p, x: scaled(p, x), (0, 1))({"models": (model, neuron), "scale": 2.0}, X[0])
    assert type(slopes["models"]) is tuple
    with no_grad():
        there = model(list(X[0]))[0].data
        expected = differences(lambda: scaled({"models": (model, neuron), "scale": 2.0}, X[0]).data, model.parameters())
        assert slopes["scale"] == pytest.approx(there * neuron([4.0]).data, rel=1e-12)
    np.testing.assert_allclose(flat(slopes["models"][0]), expected, atol=1e-8)
    np.testing.assert_allclose(slopes["models"][1]["w"], [4.0 * there], rtol=1e-12)
    assert slopes["models"][1]["b"] == pytest.approx(2.0 * there, rel=1e-12)
    assert by_x.shape == (2,)
    assert grad(lambda ms: ms[1]([1.0]))([Tanh(), Neuron(1, None)])[0] == {}


def test_the_function_gets_the_module_itself_and_leaves_it_as_it_was() -> None:
    model = network()
    loss(model, X, Y).backward()
    before = state_of(model)
    seen = []

    def f(m: Any) -> Any:
        seen.append(m)
        return loss(m, X, Y)

    for transform in (grad(f), hessian(f), lambda m: hvp(f)(m, model.state_dict())):
        transform(model)
    assert state_of(model) == before
    assert all(m is model for m in seen)


def test_parameters_are_differentiated_by_wherever_the_function_uses_them() -> None:
    model = Neuron(1, None)
    w = model.w[0]
    w.data = 3.0
    assert grad(lambda m: m.w[0] * w * model.w[0])(model)["w"] == [27.0]
    before = w * w
    assert grad(lambda m: m.w[0] * before)(model)["w"] == [27.0]
    assert grad(lambda m: sum(p * p for p in m.parameters()))(model)["w"] == [6.0]


class Tied(Module):
    """One weight under two names, a nest that has it too, and a nest that is used twice."""

    def __init__(self) -> None:
        self.first = Value(0.7)
        self.again = self.first
        self.row = (self.first, Value(-0.4))
        self.encode = (Value(0.3), Value(1.1))
        self.decode = self.encode

    def forward(self, x: Any) -> Any:
        return tanh(self.first * x + self.row[0] * self.row[1]) * self.encode[0] + self.decode[0] * self.encode[1] ** 2


def test_a_shared_parameter_counts_once_and_stands_where_the_state_has_it() -> None:
    model = Tied()
    slopes = grad(lambda m: m(0.9))(model)
    assert list(slopes) == list(model.state_dict()) == ["first", "row", "encode"]
    with no_grad():
        first, second, *encode = differences(lambda: model(0.9).data, model.parameters())
    assert slopes["first"] == pytest.approx(first, abs=1e-9)
    np.testing.assert_allclose(slopes["row"], [first, second], atol=1e-9)
    np.testing.assert_allclose(slopes["encode"], encode, atol=1e-9)
    by_two = grad(lambda ms: ms["a"](0.9) + ms["b"](0.9))({"a": model, "b": model})
    for name in slopes:
        np.testing.assert_allclose(by_two["a"][name], 2.0 * np.asarray(slopes[name]), rtol=1e-12)
        np.testing.assert_array_equal(by_two["a"][name], by_two["b"][name])


def test_a_parameter_beside_its_module_is_the_same_parameter() -> None:
    model = Neuron(1, None)
    for order in (("w", "model"), ("model", "w")):
        both = {"w": model.w[0], "model": model}
        slopes = grad(lambda p: p["w"] * p["model"]([5.0]))({key: both[key] for key in order})
        assert slopes["w"] == pytest.approx(model([5.0]).data + 5.0 * model.w[0].data)
        np.testing.assert_array_equal(slopes["model"]["w"], [slopes["w"]])


def test_a_direction_for_a_shared_parameter_counts_once_and_must_agree() -> None:
    model = Tied()
    direction: dict[str, Any] = {"first": 1.0, "row": np.array([1.0, 0.0]), "encode": np.zeros(2)}
    slope = jvp(lambda m: m(0.9), (model,), (direction,))[1]
    assert slope == pytest.approx(grad(lambda m: m(0.9))(model)["first"], rel=1e-12)
    with pytest.raises(ValueError, match=r"two numbers for a parameter that is shared: 1\.0 and 2\.0"):
        jvp(lambda m: m(0.9), (model,), ({**direction, "row": np.array([2.0, 0.0])},))


def test_frozen_parameters_are_held_fixed_and_left_out() -> None:
    model = network()
    whole = grad(loss)(model, X, Y)
    curvature = hessian(loss)(model, X, Y)
    model[0].requires_grad_(False)
    slopes = grad(loss)(model, X, Y)
    assert list(slopes) == ["2.weight", "2.bias"]
    for name in slopes:
        np.testing.assert_allclose(slopes[name], whole[name], rtol=1e-14)
    rest = hessian(loss)(model, X, Y)
    assert list(rest) == list(rest["2.bias"]) == ["2.weight", "2.bias"]
    np.testing.assert_allclose(rest["2.weight"]["2.bias"], curvature["2.weight"]["2.bias"], rtol=1e-14)
    assert not any(p.requires_grad for p in model[0].parameters())


def test_an_array_that_is_frozen_in_part_has_zeros_there() -> None:
    letters = Embedding(3, 2, padding_idx=1, generator=0)

    def f(m: Any) -> Any:
        return sum(x**3 for row in m([0, 1, 2, 2]) for x in row)

    slopes = grad(f)(letters)["weight"]
    expected = 3.0 * letters.state_dict()["weight"] ** 2 * np.array([[1.0], [0.0], [2.0]])
    np.testing.assert_allclose(slopes, expected, rtol=1e-12)
    ones = {"weight": np.ones((3, 2))}
    along = hvp(f)(letters, ones)["weight"]
    np.testing.assert_allclose(
        along, 6.0 * letters.state_dict()["weight"] * np.array([[1.0], [0.0], [2.0]]), rtol=1e-12
    )
    with recording_derivatives():
        recorded = grad(f)(letters)["weight"]
    assert all(isinstance(x, Value) for x in recorded.flat)


def test_beside_values_the_derivatives_are_values() -> None:
    model = network()
    xs = np.array([[Value(x) for x in row] for row in X])
    value, (slopes, by_x) = value_and_grad(loss, (0, 1))(model, xs, Y)
    assert isinstance(value, Value)
    assert by_x.shape == X.shape
    for slope in (*slopes.values(), by_x):
        assert slope.dtype == object
        assert all(isinstance(x, Value) for x in slope.flat)
    plain = grad(loss)(model, X, Y)
    for name, slope in slopes.items():
        np.testing.assert_allclose(np.vectorize(lambda x: x.data)(slope), plain[name], rtol=1e-14)
    assert isinstance(grad(loss)(model, xs, Y)["2.bias"][0], float)


def test_inside_another_transform_the_derivatives_are_values_where_they_must_be() -> None:
    model = network()

    def slope_of_bias(x: Any) -> Any:
        return grad(loss)(model, [[x, 1.0]], [0.5])["2.bias"][0]

    step = 1e-5
    expected = (slope_of_bias(0.3 + step) - slope_of_bias(0.3 - step)) / (2 * step)
    assert grad(slope_of_bias)(0.3) == pytest.approx(expected, abs=1e-8)
    floats = []
    grad(lambda x: floats.append(grad(loss)(model, X, Y)["2.bias"][0]) or x)(1.0)
    assert type(floats[0]) is np.float64


def test_recorded_derivatives_are_values_that_follow_new_numbers() -> None:
    model = network()
    with recording_derivatives():
        value, slopes = value_and_grad(loss)(model, X, Y)
    assert isinstance(value, Value)
    root = slopes["0.weight"][1, 0]
    assert isinstance(root, Value)
    for p in model.parameters():
        p.data = 0.8 * p.data + 0.1
    root.forward()
    assert root.data == pytest.approx(grad(loss)(model, X, Y)["0.weight"][1, 0], rel=1e-12)
    assert type(value_and_grad(loss)(model, X, Y)[0]) is float


def test_fixed_leaves_are_in_the_recorded_graph_and_not_differentiated_by() -> None:
    model = network()
    model[2].requires_grad_(False)
    frozen = model[2].parameters()
    with recording_derivatives(fixed=frozen):
        slopes = grad(loss)(model, X, Y)
    assert list(slopes) == ["0.weight", "0.bias"]
    assert not any(p.requires_grad for p in frozen)
    for p in frozen:
        p.data = p.data + 0.5
    root = slopes["0.bias"][0]
    root.forward()
    assert root.data == pytest.approx(grad(loss)(model, X, Y)["0.bias"][0], rel=1e-12)
    with recording_derivatives(fixed=frozen), recording_derivatives(fixed=frozen):
        assert list(grad(loss)(model, X, Y)) == ["0.weight", "0.bias"]
    with pytest.raises(ZeroDivisionError), recording_derivatives(fixed=frozen):
        raise ZeroDivisionError
    assert not any(p.requires_grad for p in frozen)


def test_a_module_that_is_not_differentiated_by_is_passed_on() -> None:
    model = network()
    by_x = grad(lambda m, x: m(list(x))[0], 1)(model, X[0])
    assert type(by_x) is np.ndarray
    assert type(by_x[0]) is np.float64
    assert grad(lambda x, m: m(list(x))[0])(X[0], m=model) == pytest.approx(by_x)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: grad(lambda m: m(1.0))(Tanh()), ValueError, "argument 0 of .*Tanh, .*it has no parameters.*argnums"),
        (
            lambda: grad(lambda m: m(1.0))([Neuron(1).requires_grad_(False)]),
            ValueError,
            r"Neuron, .*all parameters are frozen; thaw some with requires_grad_\(\)",
        ),
        (
            lambda: (lambda m: grad(lambda a, b: a([1.0]) * b([1.0]), (0, 1))(m, m))(Neuron(1)),
            ValueError,
            r"arguments 0 and 1 of .* share parameters \(2\).*give both in one",
        ),
        (
            lambda: (lambda m: grad(lambda a, b: a * b([1.0]), (0, 1))(m.b, m))(Neuron(1)),
            ValueError,
            r"arguments 0 and 1 of .* share parameters \(1\)",
        ),
        (
            lambda: (lambda m: grad(lambda a, b: a([1.0]) * b, (0, 1))(m, m.b))(Neuron(1)),
            ValueError,
            r"arguments 0 and 1 of .* share parameters \(1\)",
        ),
        (lambda: grad(lambda m: m)(Neuron(1)), TypeError, "gave a Neuron"),
        (lambda: jacobian(lambda m: m)(Neuron(1)), TypeError, "the output of .* is a Neuron"),
        (
            lambda: jvp(lambda m: m([1.0]), (Neuron(1),), ({"w": np.ones(2), "b": 1.0},)),
            ValueError,
            "another structure than the primals",
        ),
        (lambda: jvp(lambda m: m([1.0]), (Neuron(1),), (Neuron(1),)), ValueError, "another structure than the primals"),
    ],
)
def test_errors_say_what_to_do(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_columns_of_a_sparse_jacobian_are_the_numbers_of_the_gradient(mode: str) -> None:
    model = Linear(3, 2, generator=0)
    model.parameters()[1].requires_grad = False
    x = [1.5, -2.0, 0.5]
    dense = jacobian(lambda model, x: model(x))(model, x)
    found = jacobian(lambda model, x: model(x), mode=mode, sparse=True)(model, x).toarray()
    expected = [np.concatenate([np.ravel(leaf) for leaf in tree_leaves(row)]) for row in dense]
    np.testing.assert_array_equal(found, expected)
    assert found.shape == (2, 8)  # the frozen one has a column of zeros

    tied = {"a": model, "b": model}
    found = jacobian(lambda p, x: p["a"](x) + p["b"](x), mode=mode, sparse=True)(tied, x).toarray()
    np.testing.assert_array_equal(found[:, :8], [*expected, *expected])
    np.testing.assert_array_equal(found[:, 8:], 0.0)  # these parameters have their columns
