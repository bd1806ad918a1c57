"""What all optimisers share: groups, steps, states that can be saved, and what they refuse."""

from __future__ import annotations

import copy
import json
import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimizer_problems import Problem, problems, run

from tinygrad_lite import GraphError, Value
from tinygrad_lite.nn import MLP
from tinygrad_lite.nn.optim.optimizer import Optimizer, SharedHyperparameter
from tinygrad_lite.nn.optim.optimizers import SGD, Adam, AdamW, Lion, RMSprop
from tinygrad_lite.nn.optim.schedule_free import AdamWScheduleFree, SGDScheduleFree
from tinygrad_lite.nn.optim.sophia import SophiaG, SophiaH

gradients = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8)
ALL: list[Any] = [SGD, RMSprop, Adam, AdamW, Lion, SophiaH, SophiaG, SGDScheduleFree, AdamWScheduleFree]
every_optimizer = pytest.mark.parametrize("kind", ALL)

# ------------------------------------------------------------------------------------------------ the step


@given(start=st.floats(-10, 10), grads=gradients, lr=st.floats(1e-4, 10.0), momentum=st.floats(0.0, 0.99))
def test_every_step_is_the_formula(start: float, grads: list[float], lr: float, momentum: float) -> None:
    p = Value(start)
    optimizer = SGD([p], lr, momentum)
    expected, velocity = start, 0.0
    for grad in grads:
        p.grad = grad
        optimizer.step()
        velocity = momentum * velocity + grad
        expected -= lr * velocity
        assert p.data == expected


def test_each_parameter_has_a_velocity_of_its_own() -> None:
    a, b = Value(0.0), Value(0.0)
    optimizer = SGD([a, b], lr=1.0, momentum=0.5)
    a.grad = 1.0
    optimizer.step()
    a.grad = 0.0
    optimizer.step()
    assert (a.data, b.data) == (-1.5, 0.0)


@every_optimizer
def test_step_leaves_gradients_and_zero_grad_clears_them(kind: Any) -> None:
    p = Value(1.0)
    p.grad = 2.0
    optimizer = kind([p])
    optimizer.step()
    assert p.grad == 2.0
    optimizer.zero_grad(set_to_none=True)
    assert p.grad == 0.0


@every_optimizer
def test_every_optimizer_goes_downhill(kind: Any) -> None:
    p = Value(3.0)
    optimizer = kind([p], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        (p * p).backward()
        optimizer.step()
    assert abs(p.data) < 1.0


@every_optimizer
def test_nothing_moves_at_a_learning_rate_of_zero(kind: Any) -> None:
    p = Value(3.0)
    p.grad = 1.0
    kind([p], lr=0.0).step()
    assert p.data == 3.0


def test_a_closure_is_called_first_and_its_loss_returned() -> None:
    p = Value(1.0)
    optimizer = SGD([p], lr=0.25)

    def closure() -> Value:
        optimizer.zero_grad()
        loss = p * p
        loss.backward()
        return loss

    loss = optimizer.step(closure)
    assert (loss.data, p.data) == (1.0, 0.5)
    assert optimizer.step() is None


def test_graphs_above_are_stale_after_a_step() -> None:
    p = Value(1.0)
    y = p * p
    y.backward()
    SGD([p], lr=0.1).step()
    with pytest.raises(GraphError, match="stale"):
        y.backward()


@every_optimizer
def test_frozen_parameters_are_accepted_and_stand_still(kind: Any) -> None:
    frozen, moving = Value(1.0), Value(1.0)
    frozen.requires_grad = False
    optimizer = kind([frozen, moving], lr=0.1)
    frozen.grad = moving.grad = 1.0
    optimizer.step()
    assert frozen.data == 1.0
    assert moving.data != 1.0
    assert optimizer.state_dict()["state"][0]["step"] == [0, 1]


@every_optimizer
def test_a_thawed_parameter_begins_as_a_new_one(kind: Any) -> None:
    late, first = Value(2.0), Value(1.0)
    late.requires_grad = False
    optimizer = kind([late, first], lr=0.1)
    late.grad = first.grad = 0.5
    for _ in range(3):
        optimizer.step()
    late.requires_grad = True
    optimizer.step()
    if kind not in (SGDScheduleFree, AdamWScheduleFree):  # in these the average is of the whole group
        fresh = Value(2.0)
        fresh.grad = 0.5
        kind([fresh], lr=0.1).step()
        assert late.data == fresh.data
        alone = Value(1.0)
        alone.grad = 0.5
        other = kind([alone], lr=0.1)
        for _ in range(4):
            other.step()
        assert first.data == alone.data
    assert late.data < 2.0
    assert optimizer.state_dict()["state"][0]["step"] == [1, 4]


def test_what_is_nobodys_business_is_kept() -> None:
    """Labels, and the gradients of leaves that are not the optimiser's."""
    a, b = Value(1.0, label="a"), Value(2.0)
    (a * b).backward()
    optimizer = SGD([a], lr=0.5)
    optimizer.step()
    optimizer.zero_grad()
    assert (a.data, a.label, b.data, b.grad) == (0.0, "a", 2.0, 1.0)


def test_copies_and_pickles_go_on_by_themselves() -> None:
    p = Value(1.0)
    optimizer = SGD([p], lr=0.5, momentum=0.5)
    p.grad = 1.0
    optimizer.step()
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert twin.parameters[0] is twin.param_groups[0]["params"][0] is not p
        twin.step()
        assert (p.data, twin.parameters[0].data) == (0.5, -0.25)


# ------------------------------------------------------------------------------------------------ its groups


def test_groups_have_hyperparameters_of_their_own() -> None:
    a, b, c = Value(0.0), Value(0.0), Value(0.0)
    optimizer = SGD([{"params": [a], "lr": 0.5}, {"params": b, "momentum": 0.5, "name": "head"}], lr=0.1)
    optimizer.add_param_group({"params": iter([c]), "lr": 1})
    for p in (a, b, c):
        p.grad = 1.0
    optimizer.step()
    optimizer.step()
    assert [p.data for p in (a, b, c)] == [-1.0, pytest.approx(-0.25), -2.0]
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.1, 1.0]
    assert optimizer.param_groups[1]["name"] == "head"
    assert optimizer.parameters == [a, b, c]
    assert optimizer.defaults["lr"] == 0.1


def test_the_groups_given_are_not_changed() -> None:
    group = {"params": [Value(0.0)]}
    SGD([group], lr=0.1).param_groups[0]["lr"] = 5.0
    assert list(group) == ["params"]


def test_hyperparameters_may_change_between_steps() -> None:
    p = Value(0.0)
    optimizer = SGD([p], lr=1.0)
    p.grad = 1.0
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 0.5
    optimizer.step()
    assert p.data == -1.5
    optimizer.lr = 0.25
    optimizer.momentum = 0.5
    optimizer.step()
    assert (p.data, optimizer.lr, optimizer.momentum) == (-1.75, 0.25, 0.5)
    with pytest.raises(ValueError, match=r"lr is in \[0, inf\), not -1"):
        optimizer.lr = -1
    assert optimizer.lr == 0.25


def test_the_shortcut_to_lr_says_where_groups_differ() -> None:
    optimizer = SGD([{"params": [Value(0.0)], "lr": 0.5}, {"params": [Value(0.0)]}], lr=0.1)
    with pytest.raises(ValueError, match=r"the groups differ in lr: \[0.5, 0.1\]; read optimizer.param_groups"):
        _ = optimizer.lr
    optimizer.lr = 0.3
    assert [group["lr"] for group in optimizer.param_groups] == [0.3, 0.3]
    assert isinstance(SGD.lr, SharedHyperparameter)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda groups: groups[1].update(lr=math.nan), r"lr is in \[0, inf\), not nan"),
        (
            lambda groups: groups[1].update(momentun=0.5),
            "SGD has no hyperparameter 'momentun'; did you mean 'momentum'",
        ),
        (lambda groups: groups[1].pop("lr"), "a parameter group lacks lr"),
        (lambda groups: groups[1]["params"].append(Value(1.0)), r'param_groups\[1\]\["params"\] is another list'),
        (lambda groups: groups.append({"params": [Value(1.0)]}), "add groups with add_param_group"),
        (lambda groups: groups[1].update(nesterov=True), "nesterov=True needs a momentum"),
    ],
)
def test_a_wrong_edit_is_refused_at_the_step_and_nothing_moves(edit: Any, message: str) -> None:
    a, b = Value(0.0), Value(0.0)
    a.grad = b.grad = 1.0
    optimizer = SGD([{"params": [a]}, {"params": [b]}], lr=1.0)
    edit(optimizer.param_groups)
    with pytest.raises(ValueError, match=message):
        optimizer.step()
    assert (a.data, b.data) == (0.0, 0.0)


def test_momentum_may_be_switched_on_later() -> None:
    p = Value(0.0)
    p.grad = 1.0
    optimizer = SGD([p], lr=1.0)
    optimizer.step()
    optimizer.momentum = 0.5
    optimizer.step()
    optimizer.step()
    assert p.data == -1.0 - 1.0 - 1.5


# ------------------------------------------------------------------------------------------------ its state


def fresh(kind: Any, values: list[Value], **settings: Any) -> Any:
    return kind([{"params": values[:2], "lr": 0.03}, {"params": values[2:]}], lr=0.01, **settings)


@every_optimizer
@settings(max_examples=10)
@given(problem=problems(), stop=st.integers(0, 8), evaluating=st.booleans())
def test_going_on_from_a_saved_state_gives_the_same_bits(
    kind: Any, problem: Problem, stop: int, evaluating: bool
) -> None:
    """Through JSON, into an optimiser made with other hyperparameters; schedule-free ones from either mode."""
    values = [Value(p) for p in problem.start]
    values[1].requires_grad = False
    whole = fresh(kind, values)
    list(run(whole, values, problem, stop))
    values[1].requires_grad = True
    list(run(whole, values, problem, 2))
    if evaluating and hasattr(whole, "eval"):
        whole.eval()
    saved = json.loads(json.dumps(whole.state_dict()))
    resumed = [Value(p.data) for p in values]
    again = fresh(kind, resumed, weight_decay=0.5)
    again.load_state_dict(saved)
    if hasattr(whole, "eval"):
        whole.train()
        again.train()
    assert list(run(again, resumed, problem, 5)) == list(run(whole, values, problem, 5))
    assert again.state_dict() == whole.state_dict()


def test_the_state_is_plain_data_of_its_own() -> None:
    p = Value(1.0)
    optimizer = Adam([p], lr=0.5)
    before = optimizer.state_dict()
    p.grad = 1.0
    optimizer.step()
    assert before["state"] == [{"step": [0]}]
    saved = optimizer.state_dict()
    assert saved == {
        "optimizer": "Adam",
        "param_groups": [
            {
                "params": 1,
                "lr": 0.5,
                "betas": [0.9, 0.999],
                "eps": 1e-8,
                "weight_decay": 0.0,
                "amsgrad": False,
                "maximize": False,
                "decoupled_weight_decay": False,
            }
        ],
        "state": [{"step": [1], "exp_avg": [pytest.approx(0.1)], "exp_avg_sq": [pytest.approx(0.001)]}],
    }
    assert {type(x) for numbers in saved["state"][0].values() for x in numbers} == {int, float}
    saved["state"][0]["exp_avg"][0] = 7.0
    assert optimizer.state_dict()["state"][0]["exp_avg"] == [pytest.approx(0.1)]


def test_numbers_of_a_whole_group_are_plain_too() -> None:
    optimizer = SGDScheduleFree([Value(1.0)], lr=0.5)
    optimizer.step()
    assert optimizer.state_dict()["state"] == [{"step": [1], "z": [1.0], "k": 1.0, "weight_sum": 0.25, "lr_max": 0.5}]
    assert all(type(x) is float for x in list(optimizer.state_dict()["state"][0].values())[2:])


def test_a_state_may_hold_arrays() -> None:
    values = [Value(1.0), Value(2.0)]
    optimizer = SGD(values, lr=0.5, momentum=0.5)
    saved = optimizer.state_dict()
    saved["state"] = [{"step": np.array([3, 4], dtype=np.int32), "momentum_buffer": np.array([1.0, 2.0])}]
    optimizer.load_state_dict(saved)
    optimizer.step()
    assert [p.data for p in values] == [0.75, 1.5]
    assert optimizer.state_dict()["state"] == [{"step": [4, 5], "momentum_buffer": [0.5, 1.0]}]


def test_names_of_groups_and_first_learning_rates_are_saved_too() -> None:
    first = SGD([{"params": [Value(1.0)], "name": "head", "initial_lr": 0.7}], lr=0.5)
    second = SGD([Value(1.0)])
    second.load_state_dict(first.state_dict())
    assert (second.param_groups[0]["name"], second.param_groups[0]["initial_lr"]) == ("head", 0.7)
    second.load_state_dict(SGD([Value(1.0)]).state_dict())
    assert "name" not in second.param_groups[0]


def damaged(**changes: Any) -> Any:
    return lambda saved: {**saved, **changes}


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda saved: None, TypeError, "takes a dict, as state_dict"),
        (lambda saved: {}, ValueError, "has no entry 'optimizer'"),
        (damaged(optimizer="Adam"), ValueError, "the state is of 'Adam', and cannot be loaded into SGD"),
        (
            lambda saved: damaged(param_groups=saved["param_groups"][:1])(saved),
            ValueError,
            "has 1 parameter group, and",
        ),
        (damaged(param_groups=[1, 2]), TypeError, r"param_groups\[0\] of the state is a dict, not int"),
        (damaged(param_groups=3), TypeError, "'param_groups' of the state is a list, not int"),
        (
            lambda saved: damaged(param_groups=[saved["param_groups"][0], {**saved["param_groups"][1], "params": 5}])(
                saved
            ),
            ValueError,
            "parameter group 1 of the state has 5 parameters, and this SGD has 1 there",
        ),
        (
            lambda saved: damaged(param_groups=[saved["param_groups"][0], {**saved["param_groups"][1], "lr": -1}])(
                saved
            ),
            ValueError,
            r"param_groups\[1\] of the state: lr is in \[0, inf\), not -1",
        ),
        (
            lambda saved: damaged(param_groups=[saved["param_groups"][0], {"params": 1, "lr": 0.1}])(saved),
            ValueError,
            r"param_groups\[1\] of the state: a parameter group lacks momentum",
        ),
        (
            lambda saved: damaged(state=[saved["state"][0], 5])(saved),
            TypeError,
            r"state\[1\] is a dict of lists, not int",
        ),
        (
            lambda saved: damaged(state=[saved["state"][0], {"step": [1], "exp_avg": [1.0]}])(saved),
            ValueError,
            r"state\[1\] has an entry 'exp_avg', which this optimiser does not remember",
        ),
        (
            lambda saved: damaged(state=[saved["state"][0], {"step": [1], "momentum_buffer": [1.0, 2.0]}])(saved),
            ValueError,
            r"state\[1\]\['momentum_buffer'\] has shape \(2,\), and there are 1 parameter",
        ),
        (
            lambda saved: damaged(state=[saved["state"][0], {"step": [1], "momentum_buffer": ["x"]}])(saved),
            TypeError,
            r"state\[1\]\['momentum_buffer'\] is a list of numbers",
        ),
        (lambda saved: damaged(state=[saved["state"][0], {}])(saved), ValueError, r"state\[1\] has no entry 'step'"),
        (
            lambda saved: damaged(state=[saved["state"][0], {"step": [1.5]}])(saved),
            ValueError,
            r"state\[1\]\['step'\]\[0\] is in \[0, inf\) whole, not 1.5",
        ),
        (damaged(training=True), ValueError, "the state of SGD has no 'training'"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_nothing_changes(damage: Any, error: Any, message: str) -> None:
    values = [Value(1.0), Value(2.0), Value(3.0)]
    optimizer = SGD([{"params": values[:2]}, {"params": values[2:]}], lr=0.5, momentum=0.5)
    for p in values:
        p.grad = 1.0
    optimizer.step()
    before = optimizer.state_dict()
    other = SGD([{"params": [Value(1.0), Value(2.0)]}, {"params": [Value(3.0)]}], lr=0.1)
    with pytest.raises(error, match=message):
        optimizer.load_state_dict(damage(other.state_dict()))
    assert optimizer.state_dict() == before
    assert [p.data for p in values] == [0.5, 1.5, 2.5]


# -------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("lr", [-1.0, math.inf, math.nan])
@every_optimizer
def test_lr_is_finite_and_not_negative(kind: Any, lr: float) -> None:
    with pytest.raises(ValueError, match=r"lr is in \[0, inf\)"):
        kind([Value(1.0)], lr)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, math.nan])
def test_momentum_is_below_one(momentum: float) -> None:
    with pytest.raises(ValueError, match=r"momentum is in \[0, 1\), not"):
        SGD([Value(1.0)], 0.1, momentum)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: SGD(p, dampening=2.0), r"dampening is in \[0, 1\], not 2.0"),
        (lambda p: SGD(p, weight_decay=-1), r"weight_decay is in \[0, inf\), not -1"),
        (lambda p: SGD(p, nesterov=True), "nesterov=True needs a momentum above 0, and a dampening of 0"),
        (lambda p: SGD(p, momentum=0.5, dampening=0.1, nesterov=True), "nesterov=True needs"),
        (lambda p: RMSprop(p, alpha=1.5), r"alpha is in \[0, 1\], not 1.5"),
        (lambda p: Adam(p, betas=(0.9, 1.0)), r"betas\[1\] is in \[0, 1\), not 1.0"),
        (lambda p: Adam(p, eps=-1e-8), r"eps is in \[0, inf\), not -1e-08"),
        (lambda p: Lion(p, betas=(1.5, 0.9)), r"betas\[0\] is in \[0, 1\], not 1.5"),
        (lambda p: SGDScheduleFree(p, momentum=0.0), r"momentum is in \(0, 1\), not 0.0"),
        (lambda p: AdamWScheduleFree(p, betas=(0.0, 0.9)), r"betas\[0\] is in \(0, 1\), not 0.0"),
        (lambda p: AdamWScheduleFree(p, warmup_steps=1.5), r"warmup_steps is in \[0, inf\) whole, not 1.5"),
    ],
)
def test_hyperparameters_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make([Value(1.0)])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: SGD(p, lr="0.1"), "lr is a number, not str '0.1'"),
        (lambda p: SGD(p, lr=Value(0.1)), r"lr is a number, not Value .*: write v.data; to differentiate by it"),
        (lambda p: SGD(p, momentum=True), "momentum is a number, not bool True"),
        (lambda p: SGD(p, nesterov=1), "nesterov is True or False, not 1"),
        (lambda p: Adam(p, betas=0.9), r"betas is a pair of numbers, such as \(0.9, 0.999\), not 0.9"),
        (lambda p: Adam(p, betas=(0.9, 0.99, 0.999)), "betas is a pair"),
    ],
)
def test_what_is_no_number_is_refused(make: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make([Value(1.0)])


def test_whole_and_numpy_numbers_will_do() -> None:
    optimizer = Adam([Value(1.0)], lr=1, betas=[0, np.float32(0.5)], eps=np.float64(1.0), weight_decay=np.int64(2))
    assert optimizer.state_dict()["param_groups"][0] == {
        **Adam([Value(1.0)], 1.0, (0.0, 0.5), 1.0, 2.0).state_dict()["param_groups"][0]
    }
    assert all(type(x) is float for x in (optimizer.lr, *optimizer.param_groups[0]["betas"]))


def test_no_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="SGD was given no parameters"):
        SGD([], 0.1)
    with pytest.raises(ValueError, match="Adam was given no parameters"):
        Adam([{"params": []}])


def test_what_cannot_be_trained_is_refused() -> None:
    a = Value(1.0)
    with pytest.raises(TypeError, match=r"parameter 1, .* is computed by 'mul'; .*detach"):
        SGD([a, a * 2.0], 0.1)
    with pytest.raises(TypeError, match="parameter 0 is a float"):
        SGD([1.0], 0.1)  # type: ignore[list-item]  # that is the test
    with pytest.raises(TypeError, match="a list of Values"):
        SGD(a, 0.1)  # type: ignore[arg-type]  # that is the test
    with pytest.raises(TypeError, match=r"write SGD\(\[group\]\) for one"):
        SGD({"params": [a]}, 0.1)  # type: ignore[arg-type]  # that is the test
    with pytest.raises(TypeError, match="in a list, which has an order, not set"):
        SGD({a}, 0.1)
    with pytest.raises(TypeError, match=r"not int$"):
        SGD(5, 0.1)  # type: ignore[arg-type]  # that is the test
    for no_list in (MLP(2, [1], seed=0), MLP(2, [1], seed=0).parameters):
        with pytest.raises(TypeError, match=r"not (MLP|method): write SGD\(model\.parameters\(\)\)"):
            SGD(no_list, 0.1)  # type: ignore[arg-type]  # that is the test
    with pytest.raises(ValueError, match="twice"):
        SGD([a, a], 0.1)


def test_a_wrong_group_is_refused_and_not_added() -> None:
    a = Value(1.0)
    optimizer = SGD([a], lr=0.1)
    with pytest.raises(ValueError, match="in another one too"):
        optimizer.add_param_group({"params": [a]})
    with pytest.raises(ValueError, match="has no hyperparameter 'learning_rate'"):
        optimizer.add_param_group({"params": [Value(1.0)], "learning_rate": 1.0})
    with pytest.raises(ValueError, match='has an entry "params"'):
        optimizer.add_param_group({"lr": 1.0})
    with pytest.raises(TypeError, match="a parameter group is a dict, not list"):
        optimizer.add_param_group([Value(1.0)])  # type: ignore[arg-type]  # that is the test
    assert len(optimizer.param_groups) == 1
    optimizer.step()


def test_it_takes_any_iterable_once() -> None:
    model = MLP(1, [1], seed=0)
    assert len(SGD(iter(model.parameters()), lr=0.1).parameters) == 2


def test_repr_says_what_was_not_left_as_it_is() -> None:
    a, b = Value(0.0), Value(0.0)
    assert repr(SGD([a, b], lr=0.1)) == "SGD(2 parameters, lr=0.1)"
    assert repr(AdamW([a])) == "AdamW(1 parameter, lr=0.001)"
    assert repr(AdamW([a], betas=(0.5, 0.9))) == "AdamW(1 parameter, lr=0.001, betas=(0.5, 0.9))"
    grouped = SGD([{"params": [a], "lr": 0.5}, {"params": [b], "momentum": 0.9}], lr=0.1)
    assert repr(grouped) == "SGD([1 parameter, lr=0.5], [1 parameter, lr=0.1, momentum=0.9])"


# ----------------------------------------------------------------------------------------- one of your own


class Heavy(Optimizer):
    numbers = {"velocity": 0.0}  # noqa: RUF012 (as a user would write it)

    def __init__(self, params: Any, rate: float = 0.5) -> None:
        super().__init__(params, {"rate": rate})

    @staticmethod
    def update(m: Any, parameter: Any, gradient: Any, state: Any, group: Any, step: Any) -> tuple[Any, dict[str, Any]]:
        velocity = 0.5 * state["velocity"] + gradient
        return parameter - group["rate"] * velocity, {"velocity": velocity}


def test_an_optimizer_of_ones_own_needs_only_its_formula() -> None:
    p = Value(0.0)
    p.grad = 1.0
    optimizer = Heavy([p])
    optimizer.step()
    optimizer.step()
    assert p.data == -1.25
    assert optimizer.state_dict()["state"] == [{"step": [2], "velocity": [1.5]}]
    with pytest.raises(AttributeError, match="Heavy has no hyperparameter 'lr'"):
        _ = optimizer.lr


def test_what_it_remembers_begins_as_it_says() -> None:
    """For a parameter that was frozen while others moved, too."""

    class Rolling(Heavy):
        numbers = {"velocity": 2.0}  # noqa: RUF012 (as a user would write it)

    a, b = Value(0.0), Value(0.0)
    b.requires_grad = False
    optimizer = Rolling([a, b])
    optimizer.step()
    b.requires_grad = True
    optimizer.step()
    assert (a.data, b.data) == (-0.5 - 0.25, -0.5)


def test_what_it_remembers_is_to_be_named() -> None:
    class Forgetful(Heavy):
        numbers = {}  # noqa: RUF012 (as a user would write it)

        @staticmethod
        def update(
            m: Any, parameter: Any, gradient: Any, state: Any, group: Any, step: Any
        ) -> tuple[Any, dict[str, Any]]:
            return parameter - gradient, {"velocity": gradient}

    p = Value(1.0)
    p.grad = 1.0
    with pytest.raises(
        ValueError, match=r"Forgetful.update gave velocity to remember, which Forgetful.numbers does not"
    ):
        Forgetful([p]).step()
    assert p.data == 1.0


def test_without_a_formula_there_is_no_step() -> None:
    with pytest.raises(NotImplementedError, match=r"defines update\(m, parameter"):
        Optimizer([Value(1.0)], {}).step()
