"""Networks that are too large to be recorded, lifted from small traces: ``python benchmarks/lift_sizes.py``.

MLP 784-1024-1024-10 with ReLU and softmax cross entropy, written one scalar at a time: loss and all gradients of a
batch. Lifting, in seconds and in memory above the parameters, and a step beside the same in hand-written JAX, in turns
in one run, in float64; results are compared first. ``--width 128`` takes a few seconds.
"""

from __future__ import annotations

import argparse
import datetime
import time

from by_hand import classes_jax
from lift import check_equal, classes_arrays, cross_entropy, interleaved, lift_of, peak_memory, report

from tinygrad_lite import tree_leaves, value_and_grad

#: Of hand-written JAX.
TARGET = 1.05


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--width", type=int, default=1024, help="of both hidden layers")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
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
