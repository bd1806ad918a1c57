"""What a training step of an example costs: scalar nodes, groups, and milliseconds on each engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tinygrad_lite.nn.architectures.example import Example
from tinygrad_lite.nn.base.batches import as_samples
from tinygrad_lite.transforms import value_and_grad

#: Rounds in which a step is timed, at least and at most.
_ROUNDS = (3, 50)


class Costs(NamedTuple):
    """What :func:`measure` finds; as text it is a table.

    Attributes:
        samples: How many samples a step sees.
        parameters: Of the model.
        nodes: Scalar nodes of the loss of one sample and of its gradient, in which a ``dot`` counts as one.
        groups: Statements of the lifted program.
        lifting: Seconds in which it is found.
        milliseconds: Of a step, by engine, ``"eager"`` first; the least of several rounds.
        first_call: Seconds until an engine has lifted, compiled and proved the program and run it once.
    """

    samples: int
    parameters: int
    nodes: int
    groups: int
    lifting: float
    milliseconds: dict[str, float]
    first_call: dict[str, float]

    def __str__(self) -> str:
        eager = self.milliseconds["eager"]
        lines = [
            f"loss and gradients of {self.samples} sample{'' if self.samples == 1 else 's'}",
            f"  parameters       {self.parameters:>10,}",
            f"  scalar nodes     {self.nodes:>10,} a sample",
            f"  groups           {self.groups:>10,}   lifted in {self.lifting:.2f} s",
        ]
        for engine, ms in self.milliseconds.items():
            lines.append(f"  {engine:<17}{ms:>10.2f} ms")
            if engine != "eager":
                lines[-1] += f"   {eager / ms:,.0f} x eager, first call {self.first_call[engine]:.1f} s"
        return "\n".join(lines)


def measure(
    example: Example,
    batch_size: int = 32,
    engines: Sequence[str] = ("numpy", "numba", "jax"),
    seconds: float = 0.5,
) -> Costs:
    """Return the times of a training step, loss and all gradients without the optimiser, eagerly and lifted.

    The lifted program is that of one sample, run over a batch, as :func:`tinygrad_lite.nn.fit` does; parameters and
    samples are in arrays, as they are while it trains.

    Args:
        example: What is measured; its model is left as it is, but for the gradients.
        batch_size: How many samples a step sees; all, if there are fewer.
        engines: Of ``lift``; those whose library is not installed are left out.
        seconds: How long each engine is timed, about.

    >>> from tinygrad_lite.nn import MLP, mse_loss, xor
    >>> costs = measure(Example(MLP(2, [4, 1], "tanh"), mse_loss, xor()), engines=["numpy"], seconds=0.01)
    >>> costs.samples, costs.parameters, costs.groups, list(costs.milliseconds)
    (4, 17, 12, ['eager', 'numpy'])
    """
    import numpy as np

    from tinygrad_lite.lift import lift

    samples = as_samples(example.data)
    xs, ys = samples.at(range(min(batch_size, len(samples.inputs))))
    parameters = example.model.parameters()
    milliseconds = {"eager": _best(_eager_step(example, xs, ys), seconds)}
    first_call: dict[str, float] = {}
    report: Any = None

    def loss(model: Any, x: Any, y: Any) -> Any:
        return example.of_one_sample(x, y, model)

    arguments = (example.model, np.asarray(xs, dtype=float), np.asarray(ys, dtype=float))
    for engine in engines:
        begun = time.perf_counter()
        try:
            program = lift(value_and_grad(loss), batch=(None, 0, 0), engine=engine).program_for(*arguments)
        except ImportError:
            continue
        run = _lifted_step(program.run, program.inputs.gather(program.inputs.take_apart(arguments, {})))
        run()
        first_call[engine] = time.perf_counter() - begun
        milliseconds[engine] = _best(run, seconds)
        report = program.report()
    if report is None:
        raise ImportError(f"none of the engines {', '.join(engines)} has its library installed")
    lifting = sum(taken for name, taken in report.seconds.items() if name != "proof")
    return Costs(len(xs), len(parameters), report.nodes, report.groups, lifting, milliseconds, first_call)


def _eager_step(example: Example, xs: list[Any], ys: list[Any]) -> Callable[[], None]:
    parameters = example.model.parameters()

    def step() -> None:
        loss = example.loss([example.model(x) for x in xs], ys)
        for parameter in parameters:
            parameter.grad = 0.0
        loss.backward()

    return step


def _lifted_step(run: Callable[[list[Any]], list[Any]], arrays: list[Any]) -> Callable[[], None]:
    def step() -> None:
        float(run(arrays)[0])  # JAX computes until its result is asked for

    return step


def _best(step: Callable[[], None], seconds: float) -> float:
    """Return the least milliseconds of a call, of as many as there is time for."""
    least, most = _ROUNDS
    times: list[float] = []
    while len(times) < least or (len(times) < most and sum(times) < seconds):
        begun = time.perf_counter()
        step()
        times.append(time.perf_counter() - begun)
    return 1e3 * min(times)
