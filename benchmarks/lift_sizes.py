"""Networks that are too large to be recorded, lifted from small traces: ``python benchmarks/lift_sizes.py``.

MLP 784-1024-1024-10 with ReLU and softmax cross entropy, written one scalar at a time: loss and all gradients of a
batch. Lifting, in seconds and in memory above the parameters, and a step beside the same in hand-written JAX, in turns
in one run, in float64; results are compared first. ``--width 128`` takes a few seconds. ``--module``: the same
network as an ``nn.Sequential``.

``--gpt 640``: what it takes to lift a GPT so wide, of 8 heads, 2 layers and 32 positions: seconds, and memory beside
that of the model. Nothing is compiled or timed.

``--steps 10000``: a fit through so many Runge-Kutta steps, lifted from traces of a few, beside ``lax.scan``.
``--steps 10000 --checkpoint``: the same on NumPy and JAX, with and without checkpoints: memory above the arguments and
results at the peak of a call (of Python's allocator on NumPy, XLA's own figure on JAX), and time.
"""

from __future__ import annotations

import argparse
import datetime
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import time_by_hand
import time_programs
from by_hand import classes_jax
from lift import check_equal, classes_arrays, cross_entropy, interleaved, lift_of, peak_memory, report

from tinygrad_lite import tree_leaves, value_and_grad
from tinygrad_lite.lift.checkpointing import running
from tinygrad_lite.lift.checkpointing.schedule import make_schedule
from tinygrad_lite.lift.engines import registry

#: Of hand-written JAX.
TARGET = 1.05
TARGET_OF_STEPS = 1.2
#: Of the program that keeps all rows.
TARGET_OF_CHECKPOINTS = 2.0


def measure_steps(count: int, rounds: int) -> None:
    """Lift a fit through many steps, and run it on each engine and by hand."""
    data = np.random.default_rng(0).uniform(1, 10, (count, 2))
    arguments = (np.array([1.1, 0.4, 0.4, 0.1]), np.array([5.0, 3.0]), data)
    function = value_and_grad(time_programs.rk4, argnums=(0, 1))
    print(f"{datetime.date.today()}, {count:,} steps")
    steps = {}
    for engine in ("numpy", "numba", "jax"):
        begun = time.process_time()
        lifted = lift_of()(function, sizes=True, engine=engine)
        program = lifted.program_for(*arguments)
        made = time.process_time() - begun
        lifted(*arguments)
        print(f"{engine}: lifted in {made:.2f} s of CPU time, compiled in {time.process_time() - begun - made:.2f} s")
        steps[f"lifted {engine}"] = partial(lifted, *arguments)
    print(program.report())
    begun = time.process_time()
    steps["JAX by hand"] = by_hand_on_jax(arguments)
    steps["JAX by hand"]()
    print(f"JAX by hand: compiled in {time.process_time() - begun:.2f} s")
    rows = data.tolist()
    steps["eagerly"] = lambda: function(*arguments[:2], rows)
    check_equal(steps)
    report(
        interleaved(steps, rounds),
        [(f"lifted {engine}", "JAX by hand", TARGET_OF_STEPS) for engine in ("numba", "jax")],
    )


def measure_checkpoints(count: int, rounds: int) -> None:
    """Lift a fit through many steps with and without checkpoints, and compare memory and time."""
    data = np.random.default_rng(0).uniform(1, 10, (count, 2))
    arguments = (np.array([1.1, 0.4, 0.4, 0.1]), np.array([5.0, 3.0]), data)
    print(f"{datetime.date.today()}, {count:,} steps")
    program = lift_of()(value_and_grad(time_programs.rk4, argnums=(0, 1)), sizes=True).program_for(*arguments)
    arrays = program.inputs.gather(program.inputs.take_apart(arguments, {}))
    schedule = make_schedule(program.ir, True)
    print(schedule.describe())
    steps = {}
    for engine in ("numpy", "jax"):
        for kept, run in (
            ("all rows", registry.build(engine, program.ir, {})),
            ("checkpoints", running.build(engine, program.ir, schedule, {})),
        ):
            begun = time.process_time()
            run(arrays)
            seconds = time.process_time() - begun
            steps[f"{engine}, {kept}"] = partial(_differentiate, run, arrays)
            print(f"{engine}, {kept}: {_find_peak(run, arrays) / 1e6:.3f} MB, first call {seconds:.2f} s")
    check_equal(steps)
    ratios = [(f"{engine}, checkpoints", f"{engine}, all rows", TARGET_OF_CHECKPOINTS) for engine in ("numpy", "jax")]
    report(interleaved(steps, rounds), ratios)


def _differentiate(run: Any, arrays: list[Any]) -> tuple[Any, list[Any]]:
    value, *gradients = run(arrays)
    return float(value), gradients  # which waits for JAX


def _find_peak(run: Any, arrays: list[Any]) -> int:
    """Find how many bytes a call holds at its peak."""
    if hasattr(run, "memory"):
        return run.memory(arrays)
    tracemalloc.start()
    run(arrays)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def by_hand_on_jax(arguments: tuple[Any, ...]) -> Callable[[], Any]:
    """Make the same with ``lax.scan``."""
    library = time_by_hand.JaxFunctions()
    return library.build(time_by_hand.rk4, arguments, (0, 1), "gradient")


def as_module(layers: Any) -> Any:
    """Make the same network of modules."""
    from tinygrad_lite import nn

    parts: list[Any] = []
    for weight, bias in layers:
        parts += [nn.Linear(weight.shape[1], weight.shape[0]), nn.ReLU()]
        parts[-2].load_state_dict({"weight": weight, "bias": bias})
    return nn.Sequential(*parts[:-1])


def cross_entropy_of_module(model: Any, x: Any, target: Any) -> Any:
    from tinygrad_lite import nn

    return nn.cross_entropy([model(x)], [target])


def measure_gpt(width: int) -> None:
    """Lift loss and gradient of a GPT, and tell what that takes."""
    from tinygrad_lite.nn.architectures import GPT
    from tinygrad_lite.nn.architectures.gpt import next_character_loss

    before = peak_memory()
    model = GPT(context=32, embed_dim=width, num_heads=8, layers=2, generator=0)
    count = len(list(model.parameters()))
    inputs, targets = np.random.default_rng(0).integers(0, model.tokens.num_embeddings, (2, 4, model.context))
    of_model, begun = peak_memory(), time.process_time()

    def loss(model: Any, x: Any, y: Any) -> Any:
        return next_character_loss([model(x)], [y])

    print(lift_of()(value_and_grad(loss), batch=(None, 0, 0)).program_for(model, inputs, targets).report())
    print(
        f"{datetime.date.today()}, GPT of {count:,} parameters, {8 * count / 1e6:.0f} MB, as Values "
        f"{(of_model - before) / 1e6:.0f} MB: lifted in {time.process_time() - begun:.1f} s of CPU time, "
        f"{(peak_memory() - of_model) / 1e6:.0f} MB more at the peak"
    )


def in_order(found: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return the value and the gradients in a list, which a module's are by names."""
    value, gradients = found
    return value, list(gradients.values()) if isinstance(gradients, dict) else gradients


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--width", type=int, default=1024, help="of both hidden layers")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, help="measure an orbit of so many steps instead")
    parser.add_argument("--module", action="store_true", help="an nn.Sequential in the place of arrays")
    parser.add_argument("--gpt", type=int, help="lift a GPT so wide instead, which is a multiple of 8")
    parser.add_argument("--checkpoint", action="store_true", help="of these, with and without checkpoints")
    options = parser.parse_args()
    if options.gpt:
        measure_gpt(options.gpt)
        return
    if options.steps:
        measure = measure_checkpoints if options.checkpoint else measure_steps
        measure(options.steps, options.rounds)
        return
    import jax

    layers, inputs, targets = classes_arrays((784, options.width, options.width, 10), options.batch)
    bytes_of_parameters = sum([8 * leaf.size for leaf in tree_leaves(layers)])
    print(
        f"{datetime.date.today()}, MLP 784-{options.width}-{options.width}-10, {bytes_of_parameters // 8:,} parameters"
    )
    before, begun = peak_memory(), time.process_time()
    model: Any = as_module(layers) if options.module else layers
    bytes_of_module = peak_memory() - before
    lifted = lift_of()(
        value_and_grad(cross_entropy_of_module if options.module else cross_entropy), batch=(None, 0, 0), engine="jax"
    )
    program = lifted.program_for(model, inputs, targets)
    seconds, more = time.process_time() - begun, peak_memory() - before
    print(program.report())
    values = f", as Values {bytes_of_module / 1e6:.0f} MB" if options.module else ""
    print(
        f"lifted in {seconds:.2f} s of CPU time, {more / 1e6:.0f} MB more at the peak; the parameters have "
        f"{bytes_of_parameters / 1e6:.0f} MB{values}"
    )
    steps = {
        "lifted jax": lambda: jax.block_until_ready(in_order(lifted(model, inputs, targets))),
        "JAX by hand": classes_jax(layers, inputs, targets),
    }
    check_equal(steps)
    report(interleaved(steps, options.rounds), [("lifted jax", "JAX by hand", TARGET)])


if __name__ == "__main__":
    main()
