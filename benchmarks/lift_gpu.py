"""A lifted program and the same in hand-written JAX, on an accelerator: ``python benchmarks/lift_gpu.py``.

MLP 784-1024-1024-10 with ReLU, softmax cross entropy, batch 8192, loss and all gradients; in float32 at JAX's default
precision (which lets a GPU round products to TF32) and in bfloat16 with sums in float32. Both take turns in one run and
are compared first. One sample is traced, with 1.9 million weights, so 11 million scalar nodes are lifted for each
format: at 4 microseconds and 400 bytes a node, 45 seconds and 4.5 GB of memory on the host before the first step.
``--width 32 --batch 64`` runs on a CPU.
"""

from __future__ import annotations

import argparse
import datetime
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from by_hand import Step, jax_cross_entropy
from lift import classes_arrays, contender, cross_entropy, failures, lift_of, peak_memory, print_ratio

from tinygrad_lite import tree_leaves

TARGET = 1.05
#: Largest difference between the two, in the scale of each array's largest element: sums are taken in other orders.
TOLERANCES = {"float32": 1e-2, "bfloat16": 5e-2}
SLOT = 0.1  # seconds for which a contender runs in a round


def by_hand(layers: Any, inputs: Any, targets: Any) -> Step:
    """As an expert writes it: arrays in their format, each product summed in float32."""
    import jax
    import jax.numpy as jnp

    def linear(x: Any, weight: Any, bias: Any) -> Any:
        return jnp.matmul(x, weight.T, preferred_element_type=jnp.float32) + bias

    def loss(layers: Any, x: Any, targets: Any) -> Any:
        for weight, bias in layers[:-1]:
            x = jax.nn.relu(linear(x, weight, bias)).astype(weight.dtype)
        return jax_cross_entropy(linear(x, *layers[-1]), targets)

    compiled = jax.jit(jax.value_and_grad(loss))
    return lambda: compiled(layers, inputs, targets)


def lifted(layers: Any, inputs: Any, targets: Any, dtype: str) -> Step:
    """Return the function of one sample and one scalar at a time, lifted."""
    from tinygrad_lite import value_and_grad

    program = lift_of()(value_and_grad(cross_entropy), batch=(None, 0, 0), engine="jax", dtype=dtype)
    return lambda: program(layers, inputs, targets)


def timed_lifting(layers: Any, inputs: Any, targets: Any, dtype: str) -> Step:
    """Return the lifted step, once lifted and compiled; how long that took and what it needed is printed."""
    start = time.perf_counter()
    step = lifted(layers, inputs, targets, dtype)
    step()
    seconds = time.perf_counter() - start
    print(f"  lifted and compiled in {seconds:.1f} s, {peak_memory() / 1e9:.1f} GB at the peak of the process")
    return step


def check_close(expected: Any, found: Any, tolerance: float) -> None:
    """Both losses and all gradients against each other."""
    for i, (a, b) in enumerate(zip(tree_leaves(expected), tree_leaves(found), strict=True)):
        a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
        error = np.abs(a - b).max() / (np.abs(a).max() or 1.0)
        if not error <= tolerance:
            raise AssertionError(f"result {i}: {error:.1e} between lifted and by hand, more than {tolerance:.0e}")
    print(f"  results equal to {tolerance:.0e}")


def milliseconds(steps: dict[str, Step], rounds: int) -> dict[str, list[float]]:
    """Return a call of each in each round; calls are queued, as in training, and waited for at the end of a slot."""
    import jax

    def run(step: Step, calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            result = step()
        jax.block_until_ready(result)
        return 1e3 * (time.perf_counter() - start) / calls

    calls = {name: max(1, round(1e3 * SLOT / max(run(step, 3), 1e-3))) for name, step in steps.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds):
        for name in list(steps) if number % 2 else list(reversed(steps)):
            times[name].append(run(steps[name], calls[name]))
    return times


def operations(layers: Any, samples: int) -> float:
    """Floating-point operations of the products: forward, into the weights, and into all activations but the inputs."""
    weights = [weight.size for weight, _ in layers]
    return 2.0 * samples * (3 * sum(weights) - weights[0])


def part(dtype: str, width: int, batch: int, rounds: int) -> None:
    import jax
    import jax.numpy as jnp

    layers, inputs, targets = classes_arrays((784, width, width, 10), batch)
    layers, inputs = jax.tree.map(lambda a: jnp.asarray(a, dtype=dtype), (layers, inputs))
    targets = jnp.asarray(targets, dtype=jnp.int32)
    print(f"\n{dtype}, MLP 784-{width}-{width}-10, batch {batch}")
    builders: dict[str, Callable[[], Step]] = {
        "JAX by hand": lambda: by_hand(layers, inputs, targets),
        "lifted jax": lambda: timed_lifting(layers, inputs, targets, dtype),
    }
    built = {name: contender(name, build) for name, build in builders.items()}
    steps = {name: step for name, step in built.items() if step is not None}
    if len(steps) == len(builders):
        check_close(*[step() for step in steps.values()], TOLERANCES[dtype])
    times = milliseconds(steps, rounds)
    for name, series in times.items():
        ms = statistics.median(series)
        low, high = np.percentile(series, [25, 75])
        rate = operations(layers, batch) / ms / 1e9
        print(f"  {name:<34}{ms:>12.3f} ms   ({low:.3f} to {high:.3f}){rate:>10.2f} TFLOP/s")
    if len(times) == len(builders):
        ratio = statistics.median(a / b for a, b in zip(times["lifted jax"], times["JAX by hand"]))
        print_ratio("lifted jax / JAX by hand", ratio, TARGET)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=1024, help="of both hidden layers")
    parser.add_argument("--batch", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--dtype", choices=TOLERANCES, action="append", help="this format only")
    arguments = parser.parse_args()
    import jax

    device = jax.devices()[0]
    print(f"{datetime.date.today()}, {device.device_kind} ({device.platform}), jax {jax.__version__}")
    print(f"float32 products at precision {jax.config.jax_default_matmul_precision or 'default'}")
    for dtype in arguments.dtype or TOLERANCES:
        part(dtype, arguments.width, arguments.batch, arguments.rounds)
    if failures:
        sys.exit(f"failed: {', '.join(failures)}")


if __name__ == "__main__":
    main()
