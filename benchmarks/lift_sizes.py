"""Networks that are too large to be recorded, lifted from small traces: ``python benchmarks/lift_sizes.py``.

MLP 784-1024-1024-10 with ReLU and softmax cross entropy, written one scalar at a time: loss and all gradients of a
batch. Lifting, in seconds and in memory above the parameters, and a step beside the same in hand-written JAX, in turns
in one run, in float64; results are compared first. ``--width 128`` takes a few seconds.

``--steps 10000``: a fit through so many Runge-Kutta steps, lifted from traces of a few, beside ``lax.scan``.
"""

from __future__ import annotations

import argparse
import datetime
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import time_by_hand
import time_programs
from by_hand import classes_jax
from lift import check_equal, classes_arrays, cross_entropy, interleaved, lift_of, peak_memory, report

from tinygrad_lite import tree_leaves, value_and_grad

#: Of hand-written JAX.
TARGET = 1.05
TARGET_OF_STEPS = 1.2


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


def by_hand_on_jax(arguments: tuple[Any, ...]) -> Callable[[], Any]:
    """Make the same with ``lax.scan``."""
    library = time_by_hand.JaxFunctions()
    return library.build(time_by_hand.rk4, arguments, (0, 1), "gradient")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--width", type=int, default=1024, help="of both hidden layers")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, help="measure an orbit of so many steps instead")
    options = parser.parse_args()
    if options.steps:
        measure_steps(options.steps, options.rounds)
        return
    layers, inputs, targets = classes_arrays((784, options.width, options.width, 10), options.batch)
    bytes_of_parameters = sum([8 * leaf.size for leaf in tree_leaves(layers)])
    print(
        f"{datetime.date.today()}, MLP 784-{options.width}-{options.width}-10, {bytes_of_parameters // 8:,} parameters"
    )
    before, begun = peak_memory(), time.process_time()
    lifted = lift_of()(value_and_grad(cross_entropy), batch=(None, 0, 0), engine="jax")
    program = lifted.program_for(layers, inputs, targets)
    seconds, more = time.process_time() - begun, peak_memory() - before
    print(program.report())
    print(
        f"lifted in {seconds:.2f} s of CPU time, {more / 1e6:.0f} MB more at the peak; the parameters have "
        f"{bytes_of_parameters / 1e6:.0f} MB"
    )
    steps = {
        "lifted jax": lambda: lifted(layers, inputs, targets),
        "JAX by hand": classes_jax(layers, inputs, targets),
    }
    check_equal(steps)
    report(interleaved(steps, options.rounds), [("lifted jax", "JAX by hand", TARGET)])


if __name__ == "__main__":
    main()
