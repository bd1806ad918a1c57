"""The two modes of schedule-free optimisers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optimizer_problems import Problem, problems, run

from tinygrad_lite import Value
from tinygrad_lite.nn.optim.optimizer import Optimizer
from tinygrad_lite.nn.optim.schedule_free import AdamWScheduleFree, ScheduleFree, SGDScheduleFree

both = pytest.mark.parametrize("kind", [SGDScheduleFree, AdamWScheduleFree])


@both
def test_before_the_first_step_the_modes_are_one(kind: Any) -> None:
    p = Value(0.1)
    optimizer = kind([p])
    optimizer.eval()
    assert (p.data, optimizer.training) == (0.1, False)
    optimizer.train()
    assert (p.data, optimizer.training) == (0.1, True)


@both
@given(problem=problems(), times=st.integers(1, 4))
def test_evaluating_changes_the_parameters_and_training_brings_them_back(
    kind: Any, problem: Problem, times: int
) -> None:
    values = [Value(p) for p in problem.start]
    optimizer = kind(values, lr=0.1)
    list(run(optimizer, values, problem, 5))
    here = [p.data for p in values]
    for _ in range(times):
        optimizer.train()  # nothing to do
        assert [p.data for p in values] == here
        optimizer.eval()
        there = [p.data for p in values]
        optimizer.eval()  # nothing to do
        assert [p.data for p in values] == there != here
        optimizer.train()
        assert [p.data for p in values] == pytest.approx(here, rel=1e-13, abs=1e-13)
        here = [p.data for p in values]


@both
def test_a_step_in_eval_mode_is_refused(kind: Any) -> None:
    p = Value(1.0)
    p.grad = 1.0
    optimizer = kind([p])
    optimizer.eval()
    with pytest.raises(RuntimeError, match=r"is in eval mode: .* Call optimizer.train\(\)"):
        optimizer.step()
    assert p.data == 1.0


def test_the_average_settles_where_the_iterates_swing() -> None:
    """On |x|, whose slope does not fade: plain steps of 0.1 swing for ever, and their average comes to rest."""
    x = Value(1.03)
    optimizer = SGDScheduleFree([x], lr=0.1)
    for _ in range(400):
        optimizer.zero_grad()
        abs(x).backward()
        optimizer.step()
    optimizer.eval()
    assert abs(x.data) < 0.01


@pytest.mark.parametrize("extra", [{}, {"training": 1}, {"training": True, "more": 0}])
def test_a_state_without_a_mode_is_refused(extra: dict[str, Any]) -> None:
    optimizer = SGDScheduleFree([Value(1.0)])
    saved = optimizer.state_dict()
    del saved["training"]
    with pytest.raises((TypeError, ValueError), match="training"):
        optimizer.load_state_dict({**saved, **extra})


def test_the_base_class_asks_for_what_it_needs() -> None:
    with pytest.raises(NotImplementedError, match="interpolation"):
        ScheduleFree.interpolation({})
    assert issubclass(ScheduleFree, Optimizer)
