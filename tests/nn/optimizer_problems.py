"""Rough bowls to run optimisers in, and the runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from tinygrad_lite import Value

STEPS = 100


class Problem(NamedTuple):
    """Where to start in each direction, the curvature and the minimum there, and how much each gradient is off."""

    start: list[float]
    curvature: list[float]
    minimum: list[float]
    roughness: float

    def gradient(self, i: int, p: float, step: int) -> float:
        return self.curvature[i] * (p - self.minimum[i]) + self.roughness * math.sin(1.7 * step * (i + 1) + i)


@st.composite
def problems(draw: st.DrawFn, size: int = 4) -> Problem:
    def numbers(low: float, high: float) -> list[float]:
        return draw(st.lists(st.floats(low, high), min_size=size, max_size=size))

    return Problem(numbers(-3.0, 3.0), numbers(0.1, 2.0), numbers(-1.0, 1.0), draw(st.floats(0.1, 1.0)))


def run(optimizer: Any, parameters: Sequence[Value], problem: Problem, steps: int = STEPS) -> Iterator[list[float]]:
    """The parameters after each step."""
    for step in range(steps):
        for i, parameter in enumerate(parameters):
            parameter.grad = problem.gradient(i, parameter.data, step)
        optimizer.step()
        yield [parameter.data for parameter in parameters]


def run_torch(optimizer: Any, tensors: Sequence[Any], problem: Problem, steps: int = STEPS) -> Iterator[list[float]]:
    """The same with PyTorch: the parameters are the entries of the tensors, one after the other."""
    import torch

    for step in range(steps):
        i = 0
        for tensor in tensors:
            data = tensor.detach().tolist()
            gradients = [problem.gradient(i + j, p, step) for j, p in enumerate(data)]
            tensor.grad = torch.tensor(gradients, dtype=torch.float64)
            i += len(data)
        optimizer.step()
        yield [p for tensor in tensors for p in tensor.detach().tolist()]


def assert_same_runs(ours: Iterator[list[float]], theirs: Iterator[list[float]]) -> None:
    for step, (mine, yours) in enumerate(zip(ours, theirs, strict=True)):
        np.testing.assert_allclose(mine, yours, rtol=1e-12, atol=1e-12, err_msg=f"after step {step + 1}")


def compare_with_torch(
    make: Callable[[Any], Any], make_torch: Callable[[Any], Any], problem: Problem, second: dict[str, Any]
) -> None:
    """Two groups of two parameters, of which the second has hyperparameters of its own."""
    import torch

    values = [Value(p) for p in problem.start]
    tensors = [torch.tensor(problem.start[i : i + 2], dtype=torch.float64, requires_grad=True) for i in (0, 2)]
    ours = make([{"params": values[:2]}, {"params": values[2:], **second}])
    theirs = make_torch([{"params": [tensors[0]]}, {"params": [tensors[1]], **second}])
    assert_same_runs(run(ours, values, problem), run_torch(theirs, tensors, problem))
