"""Threads that lift one model, and call it meanwhile; ``python benchmarks/lift_threads.py`` does so with 200 models."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def benchmark_of_threads() -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("lift_threads", ROOT / "benchmarks" / "lift_threads.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_eight_threads_that_lift_a_model_change_no_bit_of_it_and_of_no_call_beside(benchmark_of_threads):
    found = benchmark_of_threads.attack(models=2)
    assert found.wrong == []
    assert found.lifted == 16
    assert found.calls > 16


def test_the_attack_sees_a_weight_that_is_written(benchmark_of_threads, monkeypatch):
    lift = benchmark_of_threads.lift

    def careless(f: Any) -> Any:
        lifted = lift(f)

        def call(model: Any, x: Any) -> Any:
            weight = next(iter(model.parameters()))
            before, weight.data = weight.data, 3.0
            try:
                return lifted(model, x)
            finally:
                weight.data = before

        return call

    monkeypatch.setattr(benchmark_of_threads, "lift", careless)
    found = benchmark_of_threads.attack(models=1)
    assert any("eager call" in line or "lifted call" in line for line in found.wrong)
