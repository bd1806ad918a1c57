"""GradScaler keeps gradients that a narrow format loses, and skips the steps that it cannot save."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite import Value
from tinygrad_lite.narrow_formats import rounded
from tinygrad_lite.nn import MLP, SGD, GradScaler, autocast, round_parameters_, train_xor
from tinygrad_lite.nn.losses.losses import binary_cross_entropy_with_logits


def small_gradient(scaler: GradScaler) -> tuple[Value, SGD]:
    """Backward of a loss whose gradient at the float16 node is 1e-9, below the format's smallest number 6e-8."""
    w = Value(0.5)
    optimizer = SGD([w], lr=1.0)
    with autocast("float16"):
        output = w * 1.0
    scaler.scale(output * 1e-9).backward()
    return w, optimizer


def test_a_gradient_lost_without_scaling_is_kept_with_it() -> None:
    w, optimizer = small_gradient(GradScaler(enabled=False))
    assert w.grad == 0.0
    optimizer.step()
    assert w.data == 0.5

    scaler = GradScaler()
    w, optimizer = small_gradient(scaler)
    scaler.step(optimizer)
    scaler.update()
    assert w.grad == pytest.approx(1e-9, rel=2**-10)
    assert w.data == 0.5 - w.grad != 0.5


def test_an_overflow_skips_the_step_and_makes_the_scale_smaller_until_it_fits() -> None:
    scaler = GradScaler(init_scale=2.0**20)
    w = Value(0.5)
    optimizer = SGD([w], lr=0.25)
    skipped = 0
    while w.data == 0.5:
        with autocast("float16"):
            output = w * 1.0
        optimizer.zero_grad()
        scaler.scale(output * 1.0).backward()
        scaler.unscale_(optimizer)
        skipped += scaler.found_inf
        scaler.step(optimizer)
        scaler.update()
    assert (skipped, scaler.get_scale(), w.data) == (5, 2.0**15, 0.25)  # 2**16 is beyond float16, 2**15 is not


def test_the_scale_grows_after_enough_good_steps_in_a_row() -> None:
    scaler = GradScaler(init_scale=8.0, growth_interval=3)
    w = Value(1.0)
    optimizer = SGD([w], lr=0.1)
    scales = []
    for grad in (1.0, 1.0, math.inf, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0):
        w.grad = grad
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
    assert scales == [8.0, 8.0, 4.0, 4.0, 4.0, 8.0, 8.0, 8.0, 16.0]
    assert math.isfinite(w.data)


@given(exponents=st.lists(st.integers(-30, 30), min_size=1, max_size=5), seed=st.integers(0, 50))
def test_scaling_by_powers_of_two_changes_no_bit_where_nothing_is_rounded(exponents: list[int], seed: int) -> None:
    for exponent in exponents:
        gradients = []
        for scaler in (GradScaler(enabled=False), GradScaler(init_scale=2.0**exponent)):
            model = MLP(2, [3, 1], "tanh", seed=seed)
            optimizer = SGD(model.parameters(), lr=0.1)
            scaler.scale(binary_cross_entropy_with_logits(model([0.3, -0.8]), 1)).backward()
            scaler.unscale_(optimizer)
            gradients.append([p.grad for p in model.parameters()])
        assert gradients[0] == gradients[1]


def test_misuse_is_refused_with_the_way_on() -> None:
    scaler, optimizer = GradScaler(), SGD([Value(1.0)], lr=0.1)
    with pytest.raises(RuntimeError, match="follows step"):
        scaler.update()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="unscaled already"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="call update"):
        scaler.step(optimizer)
    scaler.update()
    scaler.step(optimizer)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"init_scale": 0.0}, "init_scale"),
        ({"init_scale": math.inf}, "init_scale"),
        ({"growth_factor": 1.0}, "growth_factor"),
        ({"backoff_factor": 1.0}, "backoff_factor"),
        ({"growth_interval": 0}, "growth_interval"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(arguments: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        GradScaler(**arguments)
    with pytest.raises(ValueError, match="new_scale"):
        GradScaler().update(-1.0)


def test_a_scaler_goes_on_from_its_state() -> None:
    scaler, optimizer = GradScaler(init_scale=8.0, growth_interval=2), SGD([Value(1.0)], lr=0.1)
    scaler.step(optimizer)
    scaler.update()
    twin = GradScaler()
    twin.load_state_dict(scaler.state_dict())
    assert twin.state_dict() == scaler.state_dict()
    for one in (scaler, twin):
        one.step(optimizer)
        one.update()
        assert one.get_scale() == 16.0
    for wrong in ({}, {**scaler.state_dict(), "scale": -1.0}):
        with pytest.raises(ValueError, match="scale"):
            twin.load_state_dict(wrong)
    assert twin.state_dict() == scaler.state_dict()


def test_a_disabled_scaler_passes_everything_through() -> None:
    scaler, x = GradScaler(enabled=False), Value(3.0)
    assert scaler.scale(x) is x
    assert not scaler.is_enabled()
    assert scaler.get_scale() == 1.0
    optimizer = SGD([x], lr=1.0)
    x.grad = 1.0
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert x.data == 2.0


def test_lists_of_losses_are_scaled_one_by_one() -> None:
    assert [x.data for x in GradScaler(init_scale=4.0).scale([Value(1.0), Value(2.0)])] == [4.0, 8.0]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_xor_is_learnt_in_each_format_with_float32_masters(dtype: str) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    inputs, targets = tg.nn.xor()
    model = MLP(2, [4, 1], "tanh", seed=0)
    optimizer, scaler = SGD(model.parameters(), lr=0.5, momentum=0.9), GradScaler(enabled=dtype == "float16")
    for _ in range(300):
        with autocast(dtype):
            logits = [model(x) for x in inputs]
        optimizer.zero_grad()
        scaler.scale(binary_cross_entropy_with_logits(logits, targets)).backward()
        scaler.step(optimizer)
        scaler.update()
        round_parameters_(model.parameters(), "float32")
    assert [int(logit > 0) for logit in logits] == targets
    assert all(p.data == rounded(p.data, "float32") for p in model.parameters())
    assert {logit.precision for logit in logits} == {dtype}
    assert train_xor(epochs=300, progress=False).losses[-1] != binary_cross_entropy_with_logits(logits, targets).data
