"""After each pass the program is the function still, and who was made of whom is told by the scalars."""

# ruff: noqa: N803 (matrices have capital letters, as on paper)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import exp, log, relu, sigmoid, softplus, tanh, value_and_grad
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import Passes, lift
from tinygrad_lite.lift.engines import registry
from tinygrad_lite.lift.ir.groups import Group
from tinygrad_lite.lift.ir.verifier import check_groups
from tinygrad_lite.lift.sizes.alignment import LARGEST
from tinygrad_lite.lift.source.naming import is_safe
from tinygrad_lite.lift.stages import SAMPLES, STEPS, find_reached


def mlp_loss(W: Any, b: Any, v: Any, X: Any, y: Any) -> Any:
    total = 0.0
    for x, target in zip(X, y, strict=True):
        hidden = [relu(sum(w * xk for w, xk in zip(row, x, strict=True)) + bi) for row, bi in zip(W, b, strict=True)]
        logit = sum(vi * hi for vi, hi in zip(v, hidden, strict=True))
        total = total + softplus(logit) - target * logit
    return total


def gru_loss(U: Any, V: Any, xs: Any) -> Any:
    h = [0.0] * len(U)
    for x in xs:
        gate = [sigmoid(sum(u * hk for u, hk in zip(row, h, strict=True)) + x[0]) for row in U]
        new = [tanh(sum(v * hk for v, hk in zip(row, h, strict=True)) + x[1]) for row in V]
        h = [g * old + (1.0 - g) * fresh for g, old, fresh in zip(gate, h, new, strict=True)]
    return sum(h)


def cross_entropy(logits: Any, targets: Any) -> Any:
    total = 0.0
    for row, target in zip(logits, targets, strict=True):
        total = total + log(sum(exp(z) for z in row)) - sum(z * t for z, t in zip(row, target, strict=True))
    return total * 0.25


def draw(*shapes: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(5)
    return [rng.normal(size=shape) for shape in shapes]


CASES: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "mlp": (value_and_grad(mlp_loss, argnums=(0, 1, 2)), draw((3, 2), (3,), (3,), (4, 2), (4,))),
    "gru": (value_and_grad(gru_loss, argnums=(0, 1)), draw((3, 3), (3, 3), (9, 2))),
    "cross entropy": (value_and_grad(cross_entropy), draw((4, 3), (4, 3))),
}


def flatten(found: Any) -> np.ndarray[Any, Any]:
    if isinstance(found, (tuple, list)):
        return np.concatenate([flatten(part) for part in found])
    return np.asarray(getattr(found, "data", found), dtype=float).ravel()


@pytest.mark.parametrize("case", CASES)
def test_every_stage_is_a_program_of_the_same_function(case: str) -> None:
    f, arguments = CASES[case]
    passes = lift(f).passes_for(*arguments)
    expected = flatten(f(*arguments))
    for stage in passes.stages:
        check_groups(stage.program, LARGEST)
        arrays = registry.build("numpy", stage.program, {})([np.asarray(a) for a in arguments])
        found = flatten(list(arrays)[: len(stage.program.outputs)])
        np.testing.assert_allclose(found, expected, rtol=1e-12, err_msg=stage.done.title)


def scalars(group: Group) -> set[int]:
    return set() if group.nodes is None else {int(node) for node in group.nodes if node >= 0}


@pytest.mark.parametrize("case", CASES)
def test_a_group_is_made_of_the_groups_that_had_its_scalars(case: str) -> None:
    passes = lift(CASES[case][0]).passes_for(*CASES[case][1])
    assert not any(passes.stages[0].sources)
    for before, after in zip(passes.stages, passes.stages[1:], strict=False):
        assert len(after.sources) == len(after.program.groups)
        for group, sources in zip(after.program.groups, after.sources, strict=True):
            made_of = set[int]().union(*[scalars(before.program.groups[number]) for number in sources])
            assert scalars(group) <= made_of


def test_steps_are_made_of_one_group_a_step() -> None:
    passes = lift(CASES["gru"][0]).passes_for(*CASES["gru"][1])
    assert passes.stages[-1].done is STEPS
    loop = passes.stages[-1].program.loops[0]
    assert loop.steps > 4
    counts = {
        len(passes.stages[-1].sources[number])
        for number in range(loop.start, loop.stop)
        if passes.stages[-1].program.groups[number].nodes is not None
    }
    assert counts == {loop.steps}


@pytest.mark.parametrize("case", CASES)
def test_what_becomes_one_group_has_its_name_before(case: str) -> None:
    passes = lift(CASES[case][0]).passes_for(*CASES[case][1])
    for before, after in zip(passes.stages, passes.stages[1:], strict=False):
        names = [group.name for group in before.program.groups]
        assert len(set(names)) == len(names)
        assert all(map(is_safe, names))
        if after.done is not STEPS:
            for group, sources in zip(after.program.groups, after.sources, strict=True):
                assert len(sources) != 1 or before.program.groups[sources[0]].name == group.name
    assert [group.name for group in passes.stages[-1].program.groups] == [g.name for g in passes.program.groups]


def test_who_watches_changes_nothing() -> None:
    f, arguments = CASES["gru"]
    assert lift(f).passes_for(*arguments).program.source == lift(f).program_for(*arguments).source


def test_samples_are_a_pass_and_only_with_samples() -> None:
    def loss(w: Any, x: Any) -> Any:
        return sum(a * b for a, b in zip(w, x, strict=True)) ** 2

    batched: Passes = lift(value_and_grad(loss), batch=(None, 0)).passes_for(*draw((3,), (5, 3)))
    assert SAMPLES in [stage.done for stage in batched.stages]
    assert SAMPLES not in [stage.done for stage in lift(loss).passes_for(*draw((3,), (3,))).stages]


def test_passes_are_listed() -> None:
    f, arguments = CASES["cross entropy"]
    passes = lift(f).passes_for(*arguments)
    first, *lines = str(passes).splitlines()
    assert first == "value_and_grad(cross_entropy)"
    assert lines[0].split() == ["Trace", f"{len(find_reached(passes.graph)):,}", "scalar", "nodes"]
    assert lines[-1].split()[0] == "Source"
    assert len(lines) == len(passes.stages) + 3


def test_functions_that_are_traced_at_small_sizes_are_refused() -> None:
    def product(x: Any) -> Any:
        return sum(a * a for a in x)

    with pytest.raises(LiftError, match="smaller arguments"):
        lift(product).passes_for(np.ones(20_001))
    with pytest.raises(LiftError, match="without sizes=True"):
        lift(product, sizes=True).passes_for(np.ones(30))
    with pytest.raises(LiftError, match="without samples"):
        lift(product, batch=0).passes_for(np.ones((0, 3)))
