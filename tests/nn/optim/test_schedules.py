"""Schedules give PyTorch's learning rates, and their textbook formulas."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lite import Value
from tinygrad_lite.nn.optim.one_cycle import OneCycleLR
from tinygrad_lite.nn.optim.optimizers import SGD, Adam, RMSprop
from tinygrad_lite.nn.optim.plateau import ReduceLROnPlateau
from tinygrad_lite.nn.optim.schedule import LRScheduler
from tinygrad_lite.nn.optim.schedules import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    SequentialLR,
    StepLR,
)
from tinygrad_lite.nn.optim.sophia import SophiaH

fewer = settings(max_examples=settings().max_examples * 3 // 10)
Make = Callable[[Any, Any], Any]  # of a namespace with schedules and an optimiser, a schedule


class Ours:
    """The names that torch.optim.lr_scheduler has."""

    LambdaLR = LambdaLR
    StepLR = StepLR
    MultiStepLR = MultiStepLR
    ExponentialLR = ExponentialLR
    LinearLR = LinearLR
    CosineAnnealingLR = CosineAnnealingLR
    OneCycleLR = OneCycleLR
    ReduceLROnPlateau = ReduceLROnPlateau
    SequentialLR = SequentialLR


def warm_up_and_cosine(m: Any, o: Any) -> Any:
    return m.SequentialLR(o, [m.LinearLR(o, 0.1, total_iters=20), m.CosineAnnealingLR(o, T_max=80)], milestones=[20])


def two_at_once(m: Any, o: Any) -> Any:
    """Two schedules on one optimiser multiply; the later one is looked at."""
    first, second = m.StepLR(o, 30, 0.5), m.ExponentialLR(o, 0.97)

    class Both:
        def step(self) -> None:
            first.step()
            second.step()

        def get_last_lr(self) -> list[float]:
            return second.get_last_lr()

    return Both()


MAKERS: dict[str, Make] = {
    "LambdaLR": lambda m, o: m.LambdaLR(o, lambda epoch: 0.95**epoch),
    "LambdaLR, one for each group": lambda m, o: m.LambdaLR(o, [lambda epoch: 1 / (1 + epoch), lambda epoch: 2.0]),
    "StepLR": lambda m, o: m.StepLR(o, step_size=7, gamma=0.7),
    "MultiStepLR": lambda m, o: m.MultiStepLR(o, milestones=[30, 3, 30, 80], gamma=0.5),
    "ExponentialLR": lambda m, o: m.ExponentialLR(o, gamma=0.93),
    "LinearLR": lambda m, o: m.LinearLR(o),
    "LinearLR, falling": lambda m, o: m.LinearLR(o, start_factor=1.0, end_factor=0.01, total_iters=60),
    "CosineAnnealingLR": lambda m, o: m.CosineAnnealingLR(o, T_max=100),
    "CosineAnnealingLR, several times": lambda m, o: m.CosineAnnealingLR(o, T_max=13, eta_min=0.004),
    "CosineAnnealingLR, every other": lambda m, o: m.CosineAnnealingLR(o, T_max=1),
    "OneCycleLR": lambda m, o: m.OneCycleLR(o, max_lr=1.0, total_steps=101),
    "OneCycleLR, linear": lambda m, o: m.OneCycleLR(
        o, max_lr=[1.0, 0.1], epochs=21, steps_per_epoch=5, pct_start=0.4, anneal_strategy="linear", div_factor=10.0
    ),
    "OneCycleLR, three phases": lambda m, o: m.OneCycleLR(
        o, max_lr=1.0, total_steps=101, three_phase=True, base_momentum=[0.8, 0.7], final_div_factor=100.0
    ),
    "OneCycleLR, falling only": lambda m, o: m.OneCycleLR(o, max_lr=1.0, total_steps=101, pct_start=0.0),
    "OneCycleLR, learning rate only": lambda m, o: m.OneCycleLR(o, max_lr=1.0, total_steps=101, cycle_momentum=False),
    "SequentialLR": warm_up_and_cosine,
    "SequentialLR of three": lambda m, o: m.SequentialLR(
        o, [m.LinearLR(o, 0.5, total_iters=5), m.ExponentialLR(o, 0.9), m.StepLR(o, 10, 0.5)], milestones=[5, 40]
    ),
    "two at once": two_at_once,
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_a_hundred_steps_are_pytorchs(name: str, kind: str) -> None:
    torch = pytest.importorskip("torch")
    settings = {"momentum": 0.9} if kind == "SGD" else {}
    tensors = [torch.zeros(1, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    groups = [{"params": [Value(0.0)]}, {"params": [Value(0.0)], "lr": 0.02}]
    ours = {"SGD": SGD, "Adam": Adam}[kind](groups, lr=0.1, **settings)
    theirs = getattr(torch.optim, kind)([{"params": tensors[:1]}, {"params": tensors[1:], "lr": 0.02}], 0.1, **settings)
    mine, yours = MAKERS[name](Ours, ours), MAKERS[name](torch.optim.lr_scheduler, theirs)
    for step in range(100):
        assert mine.get_last_lr() == pytest.approx(yours.get_last_lr(), rel=1e-12, abs=1e-16), step
        for a, b in zip(ours.param_groups, theirs.param_groups, strict=True):
            assert a["lr"] == pytest.approx(b["lr"], rel=1e-12, abs=1e-16)
            for key in ("momentum", "betas"):
                assert a.get(key, 0.0) == pytest.approx(b.get(key, 0.0), rel=1e-12)
        ours.step()
        theirs.step()
        mine.step()
        yours.step()


@fewer
@given(
    losses=st.lists(st.floats(0.1, 2.0), min_size=60, max_size=60),
    mode=st.sampled_from(["min", "max"]),
    kind=st.sampled_from(["rel", "abs"]),
    patience=st.integers(0, 4),
    cooldown=st.integers(0, 3),
    threshold=st.sampled_from([0.0, 1e-4, 0.3]),
    least=st.sampled_from([0.0, 1e-3]),
)
def test_plateaus_are_pytorchs(
    losses: list[float], mode: str, kind: str, patience: int, cooldown: int, threshold: float, least: float
) -> None:
    torch = pytest.importorskip("torch")
    settings = {
        "mode": mode,
        "factor": 0.5,
        "patience": patience,
        "threshold": threshold,
        "threshold_mode": kind,
        "cooldown": cooldown,
        "min_lr": [least, 0.0],
    }
    tensors = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    ours = SGD([{"params": [Value(0.0)]}, {"params": [Value(0.0)], "lr": 0.02}], lr=0.1)
    theirs = torch.optim.SGD([{"params": tensors[:1]}, {"params": tensors[1:], "lr": 0.02}], lr=0.1)
    mine = ReduceLROnPlateau(ours, **settings)
    yours = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, **settings)
    for loss in losses:
        mine.step(loss)
        yours.step(loss)
        assert mine.get_last_lr() == pytest.approx(yours.get_last_lr(), rel=1e-12)
        assert [group["lr"] for group in ours.param_groups] == mine.get_last_lr()
        assert (mine.best, mine.num_bad_epochs) == (yours.best, yours.num_bad_epochs)


@pytest.mark.parametrize("name", [name for name in vars(Ours) if name.endswith(("LR", "Plateau"))])
def test_arguments_have_pytorchs_names_order_and_defaults(name: str) -> None:
    torch = pytest.importorskip("torch")
    mine = {key: p.default for key, p in inspect.signature(getattr(Ours, name)).parameters.items()}
    theirs = inspect.signature(getattr(torch.optim.lr_scheduler, name)).parameters
    assert mine == {key: p.default for key, p in theirs.items() if key != "last_epoch"}
    assert list(mine) == [key for key in theirs if key != "last_epoch"]


# --------------------------------------------------------------------------------- the formulas, without PyTorch


def rates(make: Make, epochs: int, lr: float = 0.1) -> list[float]:
    optimizer = SGD([Value(0.0)], lr=lr, momentum=0.9)
    scheduler = make(Ours, optimizer)
    found = scheduler.get_last_lr()
    for _ in range(epochs):
        scheduler.step()
        found += scheduler.get_last_lr()
        assert optimizer.lr == found[-1]
    return found


@fewer
@given(step_size=st.integers(1, 20), gamma=st.floats(0.1, 1.0))
def test_step_and_exponential_are_powers_of_gamma(step_size: int, gamma: float) -> None:
    stepped = rates(lambda m, o: m.StepLR(o, step_size, gamma), 50)
    assert stepped == pytest.approx([0.1 * gamma ** (t // step_size) for t in range(51)], rel=1e-12)
    exponential = rates(lambda m, o: m.ExponentialLR(o, gamma), 50)
    assert exponential == pytest.approx([0.1 * gamma**t for t in range(51)], rel=1e-12)


@fewer
@given(milestones=st.lists(st.integers(0, 50), max_size=5), gamma=st.floats(0.1, 1.0))
def test_milestones_count_those_that_are_past(milestones: list[int], gamma: float) -> None:
    found = rates(lambda m, o: m.MultiStepLR(o, milestones, gamma), 50)
    assert found == pytest.approx([0.1 * gamma ** sum(k <= t for k in milestones) for t in range(51)], rel=1e-12)


@fewer
@given(start=st.floats(0.01, 1.0), end=st.floats(0.0, 1.0), total=st.integers(1, 60))
def test_linear_runs_straight_from_one_factor_to_the_other(start: float, end: float, total: int) -> None:
    found = rates(lambda m, o: m.LinearLR(o, start, end, total), 50)
    expected = [0.1 * (start + (end - start) * min(t / total, 1.0)) for t in range(51)]
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-16)
    assert min(found) >= 0.0


@pytest.mark.parametrize("start", [1 / 3, 0.1, 1.0])
def test_linear_ends_at_zero_and_not_below(start: float) -> None:
    for total in range(1, 30):
        found = rates(lambda m, o, total=total: m.LinearLR(o, start, 0.0, total), 30)
        assert 0.0 <= found[-1] < 1e-16


@fewer
@given(total=st.integers(1, 60), least=st.floats(0.0, 0.2))
def test_cosine_is_a_cosine(total: int, least: float) -> None:
    found = rates(lambda m, o: m.CosineAnnealingLR(o, total, least), 150)
    expected = [least + (0.1 - least) * (1 + math.cos(math.pi * t / total)) / 2 for t in range(151)]
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_one_cycle_goes_up_and_down_and_the_momentum_down_and_up() -> None:
    optimizer = SGD([Value(0.0)], lr=0.1, momentum=0.5)
    scheduler = OneCycleLR(optimizer, 1.0, total_steps=11, pct_start=6 / 11, div_factor=4.0, final_div_factor=2.0)
    found = [(optimizer.lr, optimizer.momentum)]
    for _ in range(10):
        scheduler.step()
        found.append((optimizer.lr, optimizer.momentum))
    rise = [(1 - math.cos(math.pi * t / 5)) / 2 for t in range(6)]
    expected = [(0.25 + 0.75 * r, 0.95 - 0.1 * r) for r in rise]
    expected += [(1.0 - 0.875 * r, 0.85 + 0.1 * r) for r in rise[1:]]
    assert found == [pytest.approx(pair, rel=1e-12) for pair in expected]


def test_one_cycle_stays_at_its_end_and_is_over_then() -> None:
    """PyTorch goes on falling in the extra step that a loop over all batches makes: below 0 with a line."""
    optimizer = Adam([Value(0.0)])
    scheduler = OneCycleLR(optimizer, 1.0, total_steps=10, anneal_strategy="linear")
    for _ in range(9):
        scheduler.step()
    end = optimizer.lr
    assert end == pytest.approx(1.0 / 25 / 1e4)
    scheduler.step()
    assert (optimizer.lr, optimizer.param_groups[0]["betas"]) == (end, (0.95, 0.999))
    with pytest.raises(ValueError, match="the cycle is over: OneCycleLR was made for 10 steps"):
        scheduler.step()
    assert (optimizer.lr, scheduler.last_epoch) == (end, 10)


def test_one_cycle_of_a_single_step_or_with_an_instant_rise_divides_by_nothing() -> None:
    for steps, share in ((1, 0.3), (1, 1.0), (10, 0.1)):
        optimizer = SGD([Value(0.0)], momentum=0.9)
        scheduler = OneCycleLR(optimizer, 1.0, total_steps=steps, pct_start=share)
        for _ in range(steps):
            scheduler.step()
        assert 0.0 < optimizer.lr <= 1.0


def test_what_is_set_by_hand_is_carried_on() -> None:
    optimizer = SGD([Value(0.0)], lr=1.0)
    scheduler = ExponentialLR(optimizer, 0.5)
    optimizer.lr = 0.1
    scheduler.step()
    assert optimizer.lr == 0.05


def test_a_schedule_of_ones_own() -> None:
    class Inverse(LRScheduler):
        def get_lr(self) -> list[float]:
            return [base / (1 + self.last_epoch) for base in self.base_lrs]

    optimizer = SGD([Value(0.0)], lr=1.0)
    scheduler = Inverse(optimizer)
    scheduler.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [1 / 3] == [optimizer.lr]
    assert repr(scheduler) == "Inverse(epoch 2, lr=0.333333)"
    with pytest.raises(NotImplementedError, match="LRScheduler defines no get_lr"):
        LRScheduler(optimizer)


def test_sequences_may_hold_sequences() -> None:
    def make(m: Any, o: Any) -> Any:
        inner = m.SequentialLR(o, [m.LinearLR(o, 0.5, total_iters=2), m.ExponentialLR(o, 0.5)], [2])
        return m.SequentialLR(o, [m.StepLR(o, 100), inner], [3])

    assert rates(make, 7, 1.0) == [1.0, 1.0, 1.0, 0.5, 0.75, 1.0, 0.5, 0.25]


def test_plateaus_take_a_value() -> None:
    optimizer = SGD([Value(0.0)], lr=1.0)
    scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    for loss in (Value(1.0), Value(1.0), 1.0):
        scheduler.step(loss)
    assert optimizer.lr == 0.25


# ------------------------------------------------------------------------------------------------- states

STATEFUL: dict[str, Make] = {name: make for name, make in MAKERS.items() if name != "two at once"}


@pytest.mark.parametrize("name", STATEFUL)
@pytest.mark.parametrize("order", ["optimizer first", "schedule first", "schedule only"])
@settings(max_examples=5)
@given(stop=st.integers(0, 60))
def test_going_on_from_a_saved_state_gives_the_same_bits(name: str, order: str, stop: int) -> None:
    def both() -> tuple[Any, Any]:
        groups = [{"params": [Value(0.0)]}, {"params": [Value(0.0)], "lr": 0.02}]
        optimizer = Adam(groups, lr=0.1)
        return optimizer, STATEFUL[name](Ours, optimizer)

    def rest(optimizer: Any, scheduler: Any) -> list[Any]:
        found = [[dict(group, params=None) for group in optimizer.param_groups]]
        for _ in range(30):
            scheduler.step()
            found.append([dict(group, params=None) for group in optimizer.param_groups])
        return found

    optimizer, scheduler = both()
    for _ in range(stop):
        scheduler.step()
    saved = json.loads(json.dumps([optimizer.state_dict(), scheduler.state_dict()]))
    resumed, again = both()
    if order == "optimizer first":
        resumed.load_state_dict(saved[0])
    again.load_state_dict(saved[1])
    if order == "schedule first":
        resumed.load_state_dict(saved[0])
    assert again.get_last_lr() == scheduler.get_last_lr()
    assert rest(resumed, again) == rest(optimizer, scheduler)
    assert again.state_dict() == scheduler.state_dict()


def test_plateaus_go_on_from_their_state() -> None:
    losses = [3.0, 2.0, 2.0, 2.0, 2.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    for stop in range(len(losses)):
        optimizer, resumed = SGD([Value(0.0)], lr=1.0), SGD([Value(0.0)], lr=0.3)
        scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=1)
        for loss in losses[:stop]:
            scheduler.step(loss)
        again = ReduceLROnPlateau(resumed, "max")
        again.load_state_dict(json.loads(json.dumps(scheduler.state_dict())))
        for loss in losses[stop:]:
            scheduler.step(loss)
            again.step(loss)
            assert resumed.lr == optimizer.lr
        assert again.state_dict() == scheduler.state_dict()


def test_the_state_is_plain_data_of_its_own() -> None:
    scheduler = MultiStepLR(SGD([Value(0.0)], lr=1.0), [3, 1])
    saved = scheduler.state_dict()
    assert saved == {
        "scheduler": "MultiStepLR",
        "last_epoch": 0,
        "base_lrs": [1.0],
        "last_lr": [1.0],
        "lr": [1.0],
        "milestones": [3, 1],
        "gamma": 0.1,
    }
    saved["milestones"].append(2)
    assert scheduler.milestones == [3, 1]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda saved: 5, TypeError, "takes a dict, as state_dict"),
        (
            lambda saved: {**saved, "scheduler": "ExponentialLR"},
            ValueError,
            "of 'ExponentialLR', and cannot be loaded into StepLR",
        ),
        (lambda saved: {k: x for k, x in saved.items() if k != "gamma"}, ValueError, "missing or unknown: gamma"),
        (lambda saved: {**saved, "gamma": -1.0}, ValueError, r"gamma is in \[0, inf\), not -1.0"),
        (lambda saved: {**saved, "last_epoch": 1.5}, ValueError, "last_epoch is in"),
        (lambda saved: {**saved, "lr": [0.1, 0.2]}, ValueError, "has 2 groups, and the optimizer of this StepLR 1"),
        (lambda saved: {**saved, "base_lrs": 0.1}, TypeError, "base_lrs is a list, not float 0.1"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_nothing_changes(change: Any, error: Any, message: str) -> None:
    optimizer = SGD([Value(0.0)], lr=1.0)
    scheduler = StepLR(optimizer, 2)
    scheduler.step()
    before = scheduler.state_dict()
    with pytest.raises(error, match=message):
        scheduler.load_state_dict(change({**before, "last_epoch": 7, "lr": [0.5]}))
    assert scheduler.state_dict() == before
    assert optimizer.lr == 1.0


def test_a_sequence_refuses_a_state_of_other_schedules_whole() -> None:
    optimizer = SGD([Value(0.0)], lr=1.0)
    scheduler = SequentialLR(optimizer, [LinearLR(optimizer), StepLR(optimizer, 2)], [3])
    before = scheduler.state_dict()
    broken = {
        **before,
        "schedulers": [{**before["schedulers"][0], "last_epoch": 4}, {**before["schedulers"][1], "gamma": "x"}],
    }
    with pytest.raises(TypeError, match="gamma is a number, not str 'x'"):
        scheduler.load_state_dict(broken)
    with pytest.raises(ValueError, match="another number of schedules than the 2"):
        scheduler.load_state_dict({**before, "schedulers": before["schedulers"][:1]})
    assert scheduler.state_dict() == before


def test_one_cycle_refuses_momenta_that_do_not_fit() -> None:
    scheduler = OneCycleLR(SGD([Value(0.0)]), 1.0, 10)
    before = scheduler.state_dict()
    with pytest.raises(ValueError, match="max_momentum has 2 entries, and the optimizer 1 groups"):
        scheduler.load_state_dict({**before, "max_momentum": [0.9, 0.9]})
    with pytest.raises(ValueError, match="each of max_momentum is in"):
        scheduler.load_state_dict({**before, "max_momentum": [1.5]})
    assert scheduler.state_dict() == before


# --------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: StepLR(None, 1), TypeError, r"a schedule takes an optimizer, such as SGD\(...\), not NoneType"),
        (lambda o: StepLR(o, 0), ValueError, r"step_size is in \[1, inf\) whole, not 0"),
        (lambda o: StepLR(o, 2, math.nan), ValueError, "gamma is in"),
        (lambda o: MultiStepLR(o, [-1]), ValueError, "each of milestones is in"),
        (lambda o: MultiStepLR(o, 5), TypeError, "milestones is a list, not int 5"),
        (lambda o: LinearLR(o, 0.0), ValueError, r"start_factor is in \(0, 1\], not 0.0"),
        (lambda o: LinearLR(o, 1.0, 1.5), ValueError, r"end_factor is in \[0, 1\], not 1.5"),
        (lambda o: CosineAnnealingLR(o, 0), ValueError, r"T_max is in \[1, inf\) whole, not 0"),
        (lambda o: LambdaLR(o, 0.5), TypeError, "lr_lambda is a function of the epoch, not float 0.5"),
        (lambda o: LambdaLR(o, [abs, abs]), ValueError, "lr_lambda has 2 entries, and the optimizer 1 groups"),
        (lambda o: OneCycleLR(o, 1.0), ValueError, "give OneCycleLR total_steps, or both epochs and steps_per_epoch"),
        (lambda o: OneCycleLR(o, 1.0, epochs=5), ValueError, "give OneCycleLR total_steps"),
        (lambda o: OneCycleLR(o, [1.0, 2.0], 5), ValueError, "max_lr has 2 entries"),
        (
            lambda o: OneCycleLR(o, 1.0, 5, anneal_strategy="sin"),
            ValueError,
            "anneal_strategy is 'cos' or 'linear', not 'sin'",
        ),
        (lambda o: OneCycleLR(o, 1.0, 5, pct_start=2.0), ValueError, r"pct_start is in \[0, 1\], not 2.0"),
        (lambda o: OneCycleLR(o, 1.0, 5, max_momentum=1.0), ValueError, r"max_momentum is in \[0, 1\), not 1.0"),
        (lambda o: ReduceLROnPlateau(o, "low"), ValueError, "mode is 'min' or 'max', not 'low'"),
        (lambda o: ReduceLROnPlateau(o, factor=1.0), ValueError, r"factor is in \[0, 1\), not 1.0"),
        (lambda o: SequentialLR(o, [], []), ValueError, "at least one schedule"),
        (lambda o: SequentialLR(o, [5], []), TypeError, r"schedulers\[0\] is a int"),
        (lambda o: SequentialLR(o, [ReduceLROnPlateau(o)], []), TypeError, "whose step.. needs no argument"),
        (lambda o: SequentialLR(o, [StepLR(SGD([Value(0.0)]), 1)], []), ValueError, "of another optimizer"),
        (lambda o: SequentialLR(o, [StepLR(o, 1)], [1]), ValueError, "1 schedules need 0 milestones"),
        (
            lambda o: SequentialLR(o, [StepLR(o, 1), StepLR(o, 1), StepLR(o, 1)], [3, 2]),
            ValueError,
            r"milestones rise, and \[3, 2\] do not",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        make(SGD([Value(0.0)], lr=1.0))


def test_an_optimizer_without_momentum_has_none_to_cycle() -> None:
    class Plain(SGD):
        def __init__(self, params: Any) -> None:
            super().__init__(params)
            del self.defaults["momentum"]

    with pytest.raises(ValueError, match="Plain has neither momentum nor betas: give OneCycleLR cycle_momentum=False"):
        OneCycleLR(Plain([Value(0.0)]), 1.0, 10)
    for kind in (RMSprop, SophiaH):
        OneCycleLR(kind([Value(0.0)]), 1.0, 10)


def test_groups_added_later_are_refused() -> None:
    optimizer = SGD([Value(0.0)], lr=1.0)
    scheduler = StepLR(optimizer, 1)
    optimizer.add_param_group({"params": [Value(1.0)]})
    with pytest.raises(ValueError, match="has 2 groups, and had 1 when this StepLR was made"):
        scheduler.step()


def test_a_metric_that_is_no_number_is_refused_and_the_epoch_not_counted() -> None:
    scheduler = ReduceLROnPlateau(SGD([Value(0.0)], lr=1.0))
    with pytest.raises(TypeError, match="metrics is a number, not str"):
        scheduler.step("0.5")  # type: ignore[arg-type]  # that is the test
    assert scheduler.last_epoch == 0


def test_a_function_that_raises_leaves_the_epoch() -> None:
    def factor(epoch: int) -> float:
        if epoch == 2:
            raise KeyError("no factor")
        return 1.0

    optimizer = SGD([Value(0.0)], lr=1.0)
    scheduler = LambdaLR(optimizer, factor)
    scheduler.step()
    with pytest.raises(KeyError):
        scheduler.step()
    assert scheduler.last_epoch == 1
