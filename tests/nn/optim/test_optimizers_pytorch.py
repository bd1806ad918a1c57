"""Optimisers move as PyTorch's, lion-pytorch's and schedulefree's do, step for step."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optimizer_problems import Problem, compare_with_torch, problems, run, run_torch

from tinygrad_lite import Value
from tinygrad_lite.nn.optim.optimizers import SGD, Adam, AdamW, Lion, RMSprop
from tinygrad_lite.nn.optim.schedule_free import AdamWScheduleFree, SGDScheduleFree

torch = pytest.importorskip("torch")

fewer = settings(max_examples=settings().max_examples // 4)
rates = st.floats(1e-3, 0.1)
decays = st.sampled_from([0.0, 0.01, 0.3])
momenta = st.sampled_from([0.0, 0.5, 0.9])
betas = st.tuples(st.floats(0.0, 0.95), st.floats(0.5, 0.999))


def second_group(draw: Any) -> dict[str, Any]:
    return draw(st.sampled_from([{}, {"lr": 0.05}, {"weight_decay": 0.2, "lr": 0.003}]))


@fewer
@given(problem=problems(), data=st.data())
def test_sgd(problem: Problem, data: st.DataObject) -> None:
    momentum = data.draw(momenta)
    nesterov = momentum > 0.0 and data.draw(st.booleans())
    settings = {
        "lr": data.draw(rates),
        "momentum": momentum,
        "dampening": 0.0 if nesterov else data.draw(st.sampled_from([0.0, 0.3, 1.0])),
        "weight_decay": data.draw(decays),
        "nesterov": nesterov,
        "maximize": data.draw(st.booleans()),
    }
    second = second_group(data.draw)
    compare_with_torch(lambda p: SGD(p, **settings), lambda p: torch.optim.SGD(p, **settings), problem, second)


@fewer
@given(problem=problems(), data=st.data())
def test_rmsprop(problem: Problem, data: st.DataObject) -> None:
    settings = {
        "lr": data.draw(rates),
        "alpha": data.draw(st.floats(0.9, 0.999)),
        "eps": data.draw(st.sampled_from([1e-8, 1e-3])),
        "weight_decay": data.draw(decays),
        "momentum": data.draw(momenta),
        "centered": data.draw(st.booleans()),
        "maximize": data.draw(st.booleans()),
    }
    second = second_group(data.draw)
    compare_with_torch(lambda p: RMSprop(p, **settings), lambda p: torch.optim.RMSprop(p, **settings), problem, second)


@pytest.mark.parametrize("kind", ["Adam", "AdamW"])
@fewer
@given(problem=problems(), data=st.data())
def test_adam_and_adamw(kind: str, problem: Problem, data: st.DataObject) -> None:
    settings = {
        "lr": data.draw(rates),
        "betas": data.draw(betas),
        "eps": data.draw(st.sampled_from([1e-8, 1e-3])),
        "weight_decay": data.draw(decays),
        "amsgrad": data.draw(st.booleans()),
        "maximize": data.draw(st.booleans()),
    }
    ours = {"Adam": Adam, "AdamW": AdamW}[kind]
    second = second_group(data.draw)
    theirs = getattr(torch.optim, kind)
    compare_with_torch(lambda p: ours(p, **settings), lambda p: theirs(p, **settings), problem, second)


@fewer
@given(problem=problems(), lr=rates, pair=betas, decay=decays, data=st.data())
def test_lion(problem: Problem, lr: float, pair: tuple[float, float], decay: float, data: st.DataObject) -> None:
    lion = pytest.importorskip("lion_pytorch").Lion
    settings = {"lr": lr, "betas": pair, "weight_decay": decay}
    second = second_group(data.draw)
    compare_with_torch(lambda p: Lion(p, **settings), lambda p: lion(p, **settings), problem, second)


def schedule_free_settings(draw: Any) -> dict[str, Any]:
    return {
        "lr": draw(rates),
        "weight_decay": draw(decays),
        "warmup_steps": draw(st.sampled_from([0, 1, 30])),
        "r": draw(st.sampled_from([0.0, 1.0, 0.5])),
        "weight_lr_power": draw(st.sampled_from([0.0, 1.0, 2.0])),
    }


def compare_schedule_free(ours: Any, theirs: Any, settings: dict[str, Any], problem: Problem) -> None:
    """Training with a look at the average now and then."""
    values = [Value(p) for p in problem.start]
    tensor = torch.tensor(problem.start, dtype=torch.float64, requires_grad=True)
    mine, yours = ours(values, **settings), theirs([tensor], **settings)
    yours.train()
    for part in range(4):
        mine.lr = yours.param_groups[0]["lr"] = settings["lr"] * (1.0, 0.5, 0.7, 2.0)[part]
        for _ in zip(run(mine, values, problem, 25), run_torch(yours, [tensor], problem, 25), strict=True):
            assert [p.data for p in values] == pytest.approx(tensor.tolist(), rel=1e-12, abs=1e-12)
        mine.eval()
        yours.eval()
        assert [p.data for p in values] == pytest.approx(tensor.tolist(), rel=1e-12, abs=1e-12)
        mine.train()
        yours.train()
        assert [p.data for p in values] == pytest.approx(tensor.tolist(), rel=1e-12, abs=1e-12)


@fewer
@given(problem=problems(), momentum=st.floats(0.1, 0.98), data=st.data())
def test_schedule_free_sgd(problem: Problem, momentum: float, data: st.DataObject) -> None:
    theirs = pytest.importorskip("schedulefree").SGDScheduleFree
    settings = {**schedule_free_settings(data.draw), "momentum": momentum}
    compare_schedule_free(SGDScheduleFree, theirs, settings, problem)


@fewer
@given(problem=problems(), pair=st.tuples(st.floats(0.1, 0.98), st.floats(0.5, 0.999)), data=st.data())
def test_schedule_free_adamw(problem: Problem, pair: tuple[float, float], data: st.DataObject) -> None:
    theirs = pytest.importorskip("schedulefree").AdamWScheduleFree
    settings = {**schedule_free_settings(data.draw), "betas": pair, "eps": data.draw(st.sampled_from([1e-8, 1e-3]))}
    compare_schedule_free(AdamWScheduleFree, theirs, settings, problem)


def test_frozen_parameters_stand_still_and_start_afresh_when_thawed() -> None:
    values = [Value(1.0), Value(2.0)]
    tensors = [torch.tensor([x], dtype=torch.float64, requires_grad=True) for x in (1.0, 2.0)]
    ours, theirs = Adam(values, lr=0.1), torch.optim.Adam(tensors, lr=0.1)
    for step in range(12):
        values[1].requires_grad = not 3 <= step < 8
        for i, (value, tensor) in enumerate(zip(values, tensors, strict=True)):
            gradient = 0.5 + (i + 1) * step
            tensor.grad = torch.tensor([gradient], dtype=torch.float64) if value.requires_grad else None
            if value.requires_grad:
                value.grad = gradient
        ours.step()
        theirs.step()
        assert [p.data for p in values] == pytest.approx([t.item() for t in tensors], rel=1e-13)


@pytest.mark.parametrize(
    ("ours", "module"),
    [
        (SGD, "torch.optim"),
        (RMSprop, "torch.optim"),
        (Adam, "torch.optim"),
        (AdamW, "torch.optim"),
        (Lion, "lion_pytorch"),
        (SGDScheduleFree, "schedulefree"),
        (AdamWScheduleFree, "schedulefree"),
    ],
)
def test_arguments_have_the_names_the_order_and_the_defaults_of_the_original(ours: type, module: str) -> None:
    pytest.importorskip(module)
    theirs = getattr(importlib.import_module(module), ours.__name__)
    mine = {name: p.default for name, p in inspect.signature(ours).parameters.items()}
    original = {name: p.default for name, p in inspect.signature(theirs).parameters.items() if name in mine}
    assert list(mine) == list(original)
    assert mine == original
