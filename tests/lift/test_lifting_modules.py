"""Modules as arguments of lifted functions: nothing is written into them, and large ones are never traced."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Value, nn, value_and_grad
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import lift
from tinygrad_lite.lift.checking.reference import Reference
from tinygrad_lite.lift.tracing.arguments import take_apart
from tinygrad_lite.nn.architectures.gpt import GPT, next_character_loss

RNG = np.random.default_rng(0)


def loss(model: Any, x: Any, y: Any) -> Any:
    return nn.cross_entropy([model(x)], [y])


def squares(model: Any, x: Any, y: Any) -> Any:
    return (model(x) - y) ** 2


def check_against_eager(lifted: Any, f: Any, model: Any, xs: Any, ys: Any, rtol: float = 1e-9) -> None:
    """Compare value and gradients of a lifted function with their means over the samples."""
    value, slopes = lifted(model, xs, ys)
    each = [value_and_grad(f)(model, x.tolist(), y.tolist()) for x, y in zip(xs, ys, strict=True)]
    assert value == pytest.approx(np.mean([one for one, _ in each]), rel=rtol)
    assert slopes.keys() == each[0][1].keys()
    for name, slope in slopes.items():
        expected = np.mean([found[name] for _, found in each], axis=0)
        np.testing.assert_allclose(slope, expected, rtol=rtol, atol=rtol * max(1e-9, np.abs(expected).max()))


# ------------------------------------------------------------------------------------------- nothing is written


def test_threads_that_lift_one_model_leave_its_weights_and_one_another_alone() -> None:
    for seed in range(12):
        model = nn.MLP(2, [6, 6, 1], "tanh", generator=seed)
        bits = [value.data for value in model.parameters()]
        right = model([0.5, -0.25]).data
        seen: list[Any] = []
        stop = threading.Event()

        def lift_it(model: Any = model, seen: Any = seen) -> None:
            seen.append(lift(lambda m, x: m(x))(model, [0.5, -0.25]))

        def look(model: Any = model, seen: Any = seen, stop: Any = stop) -> None:
            while not stop.is_set():
                seen.append(model([0.5, -0.25]).data)

        looking = threading.Thread(target=look)
        lifting = [threading.Thread(target=lift_it) for _ in range(4)]
        looking.start()
        for thread in lifting:
            thread.start()
        for thread in lifting:
            thread.join()
        stop.set()
        looking.join()
        assert [value.data for value in model.parameters()] == bits
        assert len(seen) > 4
        np.testing.assert_allclose(seen, right, rtol=1e-14)


def test_lifting_changes_neither_numbers_nor_what_is_frozen_at_any_time() -> None:
    model = nn.Sequential(nn.Linear(3, 4, generator=0), nn.Tanh(), nn.Linear(4, 1, generator=1))
    model[0].requires_grad_(False)
    written: list[str] = []
    states = [(value._number, value.requires_grad) for value in model.parameters()]

    def watched(m: Any, x: Any) -> Any:
        if states != [(value._number, value.requires_grad) for value in model.parameters()]:
            written.append("changed")
        return m(x)[0] ** 2

    value, slopes = lift(value_and_grad(watched))(model, [1.0, 2.0, 3.0])
    assert not written
    assert list(slopes) == ["2.weight", "2.bias"]
    eager, expected = value_and_grad(lambda m, x: m(x)[0] ** 2)(model, [1.0, 2.0, 3.0])
    assert value == pytest.approx(eager, rel=1e-14)
    np.testing.assert_allclose(slopes["2.weight"], expected["2.weight"], rtol=1e-13)


# --------------------------------------------------------------------------- where copies of a module will not do


def test_parameters_that_are_read_past_the_argument_count_as_in_eager_code() -> None:
    model = nn.MLP(2, [3, 1], "tanh", generator=0)

    def penalised(m: Any, x: Any, y: Any) -> Any:
        return (m(x) - y) ** 2 + 0.1 * sum(w * w for w in model.parameters())

    xs, ys = RNG.standard_normal((4, 2)), RNG.standard_normal(4)
    check_against_eager(lift(value_and_grad(penalised), batch=(None, 0, 0)), penalised, model, xs, ys)


def test_where_modules_are_called_themselves_other_parameters_are_tried_on_a_recorded_graph() -> None:
    model = nn.MLP(2, [3, 1], "tanh", generator=0)
    names = ("m", "x")
    arguments = take_apart(names, (model, [0.5, -1.0]), {}, (), ())
    arguments.is_bound = True
    reference = Reference(value_and_grad(lambda m, x: model(x) ** 2), "f", None, arguments)
    bits = [value.data for value in model.parameters()]
    drawn = [np.random.default_rng(1).standard_normal(array.shape) for array in arguments.arrays]
    found = reference.evaluate(drawn)
    assert [value.data for value in model.parameters()] == bits
    other = nn.MLP(2, [3, 1], "tanh", generator=1)
    other.load_state_dict(dict(zip(other.state_dict(), drawn, strict=False)))
    value, slopes = value_and_grad(lambda m, x: m(x) ** 2)(other, drawn[-1].tolist())
    for one, expected in zip(found, [value, *slopes.values()], strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-13)


def test_a_function_that_asks_which_module_it_is_given_is_refused() -> None:
    model = nn.MLP(2, [3, 1], "tanh", generator=0)
    with pytest.raises(LiftError, match="is not the function"):
        lift(lambda m, x: m(x) * (2.0 if m is model else 1.0))(model, [0.5, -1.0])


def test_a_module_that_keeps_something_when_it_is_called_is_called_itself() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            self.weight = Value(2.0)
            self.calls = 0

        def forward(self, x: Any) -> Any:
            self.calls += 1
            return self.weight * x

    counting = Counting()
    assert lift(lambda m, x: m(x))(counting, 3.0) == 6.0
    assert counting.calls > 0


# ------------------------------------------------------------------------------------------------ never traced


@pytest.mark.parametrize(
    "model",
    [
        nn.MLP(12, [20, 15, 10], "tanh", generator=0),
        nn.Sequential(
            nn.Linear(12, 20, generator=0),
            nn.Tanh(),
            nn.LayerNorm(20),
            nn.Linear(20, 15, generator=1),
            nn.Tanh(),
            nn.Linear(15, 10, generator=2),
        ),
    ],
    ids=["MLP", "Sequential"],
)
def test_a_module_is_lifted_from_smaller_ones(model: nn.Module) -> None:
    xs, ys = RNG.standard_normal((5, 12)), RNG.integers(0, 10, 5)
    lifted = lift(value_and_grad(loss), batch=(None, 0, 0), sizes=True)
    check_against_eager(lifted, loss, model, xs, ys)
    assert "made for the sizes" in lifted.report().sizes
    for value in model.parameters():
        value.data += 0.25
    check_against_eager(lifted, loss, model, xs, ys)
    assert len(lifted.programs) == 1


@pytest.mark.slow
def test_a_transformer_is_lifted_from_smaller_ones() -> None:
    model = GPT(20, 9, embed_dim=24, num_heads=4, layers=1, generator=0)

    def f(m: Any, x: Any, y: Any) -> Any:
        return next_character_loss([m(x)], [y])

    xs, ys = RNG.integers(0, 20, (2, 9)), RNG.integers(0, 20, (2, 9))
    lifted = lift(value_and_grad(f), batch=(None, 0, 0), sizes=True)
    check_against_eager(lifted, f, model, xs, ys)
    assert "made for the sizes" in lifted.report().sizes


class Own(nn.Module):
    """A user's module: a layer of the library, parameters of its own, and a size that it keeps."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.inner = nn.Linear(width, width, generator=0)
        self.scale = [Value(1.0 + 0.01 * k) for k in range(width)]

    def forward(self, x: Any) -> Any:
        z = self.inner(x)
        return sum(self.scale[i] * z[i] * x[i] for i in range(self.width)) / self.width


def test_a_users_own_module_that_keeps_its_size_is_lifted_from_smaller_ones() -> None:
    xs, ys = RNG.standard_normal((3, 14)), RNG.standard_normal(3)
    lifted = lift(value_and_grad(squares), batch=(None, 0, 0), sizes=True)
    check_against_eager(lifted, squares, Own(14), xs, ys)


class Hostile(Own):
    """Is something else from a size on."""

    def forward(self, x: Any) -> Any:
        z = super().forward(x)
        return z * 1.5 if len(self.scale) > 13 else z


class FirstIsSpecial(Own):
    """Holds a number that goes with one size."""

    def forward(self, x: Any) -> Any:
        return super().forward(x) + (x[12] if len(x) > 12 else 0.0)


class Frozen(Own):
    """Some of its numbers are frozen."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.scale[3].requires_grad = False


@pytest.mark.parametrize("kind", [Hostile, FirstIsSpecial, Frozen])
def test_a_module_that_is_not_the_same_at_all_sizes_is_refused_or_traced_whole(kind: Any) -> None:
    xs, ys = RNG.standard_normal((3, 14)), RNG.standard_normal(3)
    with pytest.raises(LiftError, match="cannot be traced at smaller sizes"):
        lift(value_and_grad(squares), batch=(None, 0, 0), sizes=True)(kind(14), xs, ys)
    check_against_eager(lift(value_and_grad(squares), batch=(None, 0, 0)), squares, kind(14), xs, ys)


def test_a_function_that_reads_a_module_past_its_argument_is_not_traced_at_smaller_sizes() -> None:
    model = Own(14)

    def f(m: Any, x: Any, y: Any) -> Any:
        return squares(m, x, y) + model.scale[0]

    with pytest.raises(LiftError, match="reads parameters past its arguments"):
        lift(value_and_grad(f), batch=(None, 0, 0), sizes=True)(
            model, RNG.standard_normal((3, 14)), RNG.standard_normal(3)
        )


def test_training_a_large_model_uses_programs_that_were_never_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    from tinygrad_lite.lift import sized_program
    from tinygrad_lite.nn.lifted import lifted_programs

    monkeypatch.setattr(sized_program, "MANY", 100)
    monkeypatch.setattr(lifted_programs, "MANY", 100)
    made: list[Any] = []
    original = sized_program.SizedFunction._make_at

    def noted(self: Any, *args: Any) -> Any:
        made.append(original(self, *args))
        return made[-1]

    monkeypatch.setattr(sized_program.SizedFunction, "_make_at", noted)
    xs, ys = RNG.standard_normal((24, 12)).tolist(), RNG.integers(0, 10, 24).tolist()
    losses = []
    for engine in ("numpy", "eager"):
        model = nn.MLP(12, [20, 10], "tanh", generator=0)
        optimizer = nn.Adam(model.parameters())
        how: Any = {"epochs": 2, "batch_size": 8, "generator": 0, "progress": False}
        history = nn.fit(model, nn.cross_entropy, (xs, ys), optimizer, engine=engine, **how)
        losses.append([*history["loss"], *[value.data for value in model.parameters()]])
    assert made
    np.testing.assert_allclose(*losses, rtol=1e-9)


def test_training_tells_of_the_numbers_of_heads_that_its_modules_keep() -> None:
    from tinygrad_lite.lift.sizes.small_sizes import list_patterns
    from tinygrad_lite.nn.lifted.lifted_programs import Trained
    from tinygrad_lite.nn.train.steps import Computation

    model = GPT(20, 9, embed_dim=24, num_heads=6, layers=1, generator=0)
    trained = Trained(Computation(model, next_character_loss), model.parameters())
    arguments = take_apart(("trained", "x"), (trained, RNG.integers(0, 20, (2, 9))), {}, (None, 0), ())
    widths = [pattern.steps[pattern.wide] for pattern in list_patterns(arguments) if pattern.wide >= 0]
    assert 6 in widths
