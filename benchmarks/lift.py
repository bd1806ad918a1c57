"""Speed of lifted programs, and of lifting: every comparison in one run. ``python benchmarks/lift.py``.

One core, float64, loss and all gradients. Each round runs every contender for some milliseconds, in turns; times are
medians of the rounds, and a ratio is the median of the rounds' ratios. They are the processor's time for this process,
all its threads together: what others do on the machine meanwhile is not counted. Before anything is timed, all results
of a part are compared with one another. Peers take part where they are installed.
"""

from __future__ import annotations

import argparse
import copy
import functools
import gc
import importlib.metadata
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import by_hand
import numpy as np
from engine import WORD, gpt_step, memory_in_use, our_functions
from programs import OperatorFunctions, ScalarGPT, mlp_weights, moons

#: What the libraries read when they are first imported: each computes on one thread.
ONE_CORE = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "NPROC": "1",  # JAX's
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_PLATFORMS": "cpu",
}
ENGINES = ("numpy", "numba", "jax")
TOLERANCE = 1e-9
SLOT = 5e-3  # seconds for which a contender runs in a round
SLOW = 0.05  # seconds a call from which a contender takes part in every tenth round only

Step = Callable[[], Any]
Ratio = tuple[str, str, float | None]

#: Whether everything ran that should have: the process's exit status.
failures: list[str] = []


# ------------------------------------------------------------------------------------------------------ measuring


def contenders(builders: dict[str, Callable[[], Step]]) -> dict[str, Step]:
    """Those that can be built here; the others are named with the reason."""
    built = {name: contender(name, build) for name, build in builders.items()}
    return {name: step for name, step in built.items() if step is not None}


def contender(name: str, build: Callable[[], Step]) -> Step | None:
    """Return the step, built and run once."""
    try:
        step = build()
        step()
    except ImportError as error:
        print(f"  {name:<34} not here: {error.msg.partition(' (')[0]}")
        return None
    except Exception:
        failures.append(name)
        traceback.print_exc()
        print(f"  {name:<34} FAILED")
        return None
    return step


def check_equal(steps: dict[str, Step]) -> None:
    """All results against those of the first, each array in the scale of its largest element."""
    results = {name: by_hand.as_arrays(step()) for name, step in steps.items()}
    first, *others = results
    for name in others:
        shapes = [a.squeeze().shape for a in results[first]], [a.squeeze().shape for a in results[name]]
        if shapes[0] != shapes[1]:
            raise AssertionError(f"{name} gives arrays of the shapes {shapes[1]}, {first} gives {shapes[0]}")
        for i, (expected, found) in enumerate(zip(results[first], results[name])):
            error = np.abs(found.squeeze() - expected.squeeze()).max() / (np.abs(expected).max() or 1.0)
            if not error <= TOLERANCE:
                raise AssertionError(f"{name}, result {i}: {error:.1e} from {first}, more than {TOLERANCE:.0e}")
    print(f"  {len(results)} results equal to {TOLERANCE:.0e}: {', '.join(results)}")


def interleaved(steps: dict[str, Step], rounds: int) -> dict[str, list[float]]:
    """Microseconds a call of each contender in each round; slow ones keep the time of the last round they ran in."""
    calls = {name: max(1, round(SLOT / one_call(step))) for name, step in steps.items()}
    slow = {name for name, step in steps.items() if calls[name] == 1 and one_call(step) > SLOW}
    times: dict[str, list[float]] = {name: [] for name in steps}
    gc.collect()
    gc.freeze()  # what one library has loaded is not searched again while another is timed
    for number in range(rounds):
        names = list(steps) if number % 2 else list(reversed(steps))
        for name in names:
            if name in slow and number % 10:
                times[name].append(times[name][-1])
                continue
            step = steps[name]
            if calls[name] > 1:
                step()  # the one before it has used the caches
            start = time.process_time()
            for _ in range(calls[name]):
                step()
            times[name].append(1e6 * (time.process_time() - start) / calls[name])
    return times


def one_call(step: Step) -> float:
    """Seconds, once warm."""
    step()
    start = time.process_time()
    step()
    return time.process_time() - start


def report(times: dict[str, list[float]], ratios: Sequence[Ratio]) -> None:
    """Print times, fastest first, with their spread over the middle half of the rounds, and the ratios."""
    for name, series in sorted(times.items(), key=lambda item: statistics.median(item[1])):
        low, high = np.percentile(series, [25, 75])
        print(f"  {name:<34}{statistics.median(series):>12.1f} µs   ({low:.1f} to {high:.1f})")
    for name, other, target in ratios:
        if name in times and other in times:
            ratio = statistics.median(a / b for a, b in zip(times[name], times[other]))
            print_ratio(f"{name} / {other}", ratio, target)


def print_ratio(what: str, ratio: float, target: float | None, at_least: bool = False, digits: int = 2) -> None:
    if target is None:
        print(f"  {what:<58}{ratio:>10.{digits}f}")
        return
    met = ratio >= target if at_least else ratio <= target
    print(f"  {what:<58}{ratio:>10.{digits}f}   (target {target:g}, {'met' if met else 'MISSED'})")


# ------------------------------------------------------------------------------------------------------ lifted


def lifted(
    engine: str, function: Callable[..., Any], *arguments: Any, batch: tuple[Any, ...] | None = None
) -> Callable[[], Step]:
    """Return a builder of the lifted step."""

    def build() -> Step:
        if engine == "jax":
            import jax

            given = by_hand.jax_arrays(arguments)
            program = lift_of()(function, batch=batch, engine=engine)
            return lambda: jax.block_until_ready(program(*given))
        program = lift_of()(function, batch=batch, engine=engine)
        return lambda: program(*arguments)

    return build


def lift_of() -> Callable[..., Any]:
    from tinygrad_lite.lift import lift

    return lift


def on_each_engine(function: Callable[..., Any], *arguments: Any, **options: Any) -> dict[str, Callable[[], Step]]:
    return {f"lifted {engine}": lifted(engine, function, *arguments, **options) for engine in ENGINES}


# ----------------------------------------------------------------------------- the functions, one scalar at a time


def hidden_layers(layers: Any, x: Any) -> Any:
    for weight, bias in layers:
        x = [sum((w * a for w, a in zip(row, x)), b).relu() for row, b in zip(weight, bias)]
    return x


def hinge(layers: Any, x: Any, y: Any) -> Any:
    """max(0, 1 - y * score) of one sample."""
    x = hidden_layers(layers[:-1], x)
    ((row, b),) = zip(*layers[-1])
    return (1 - y * sum((w * a for w, a in zip(row, x)), b)).relu()


def cross_entropy(layers: Any, x: Any, target: Any) -> Any:
    """-log softmax of one sample's logits at its class."""
    import tinygrad_lite as tg

    x = hidden_layers(layers[:-1], x)
    weight, bias = layers[-1]
    logits = [tg.dot(row, x) + b for row, b in zip(weight, bias)]
    return tg.logsumexp(logits) - tg.lookup(logits, target)


def mean_over_samples(loss: Callable[..., Any]) -> Callable[..., Any]:
    """Return the mean of a loss, in an explicit loop over the samples."""

    def mean(layers: Any, inputs: Any, targets: Any) -> Any:
        return sum(loss(layers, x, y) for x, y in zip(inputs, targets)) / len(targets)

    return mean


def moons_arrays(samples: int = 100, width: int = 16) -> tuple[by_hand.Layers, Any, Any]:
    """Parameters of an MLP with two hidden layers, points and labels."""
    layers = [
        (np.array([ws for ws, _ in layer]), np.array([0.1 * i / len(layer) for i in range(len(layer))]))
        for layer in mlp_weights((2, width, width, 1))
    ]
    points, labels = moons(samples)
    return layers, np.array(points), np.array(labels, dtype=float)


def classes_arrays(sizes: Sequence[int], samples: int) -> tuple[by_hand.Layers, Any, Any]:
    """Parameters of an MLP (He's initialisation), inputs from 0 to 1 and classes, drawn."""
    rng = np.random.default_rng(0)
    layers = [
        (rng.normal(size=(nout, nin)) * (2 / nin) ** 0.5, 0.1 * rng.normal(size=nout))
        for nin, nout in itertools.pairwise(sizes)
    ]
    return layers, rng.uniform(size=(samples, sizes[0])), rng.integers(sizes[-1], size=samples)


# ------------------------------------------------------------------------------------------------------ the parts


def moons_part(rounds: int) -> None:
    from tinygrad_lite import value_and_grad

    print("\nmake_moons MLP 2-16-16-1, 337 parameters, hinge loss, batch 100")
    arrays = moons_arrays()
    eager = value_and_grad(mean_over_samples(hinge))
    steps = contenders(
        {
            "eager, value_and_grad": lambda: lambda: eager(*arrays),
            **on_each_engine(value_and_grad(hinge), *arrays, batch=(None, 0, 0)),
            "NumPy by hand": lambda: by_hand.moons_numpy(*arrays),
            "numba by hand": lambda: by_hand.moons_numba(*arrays),
            "jax.jit by hand": lambda: by_hand.moons_jax(*arrays),
            "PyTorch tensors": lambda: by_hand.moons_torch(*arrays),
            "CasADi SX mapped": lambda: by_hand.moons_casadi(*arrays),
            "HIPS autograd": lambda: by_hand.moons_autograd(*arrays),
            "micrograd": lambda: by_hand.moons_micrograd(*arrays),
        }
    )
    check_equal(steps)
    report(
        interleaved(steps, rounds),
        [
            ("lifted numba", "NumPy by hand", 0.30),
            ("lifted numba", "PyTorch tensors", 0.20),
            ("lifted numba", "jax.jit by hand", 0.25),
            ("lifted numpy", "NumPy by hand", 1.2),
            ("lifted jax", "jax.jit by hand", None),
            ("lifted numba", "numba by hand", None),
            ("numba by hand", "NumPy by hand", None),
            ("numba by hand", "PyTorch tensors", None),
            ("numba by hand", "jax.jit by hand", None),
        ],
    )


def models_part(rounds: int) -> None:
    """Measure the same network as an argument of three kinds: what a call costs beside its program."""
    from tinygrad_lite import nn, relu, value_and_grad

    print("\nmake_moons MLP 2-16-16-1 as a model: nn.MLP, nn.Sequential of nn.Linear, and its arrays; batch 100")
    layers, inputs, targets = moons_arrays()
    neurons = nn.MLP(2, [16, 16, 1], "relu")
    linears = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
    for model in (neurons, linears):
        arrays = [array for layer in layers for array in layer]
        model.load_state_dict(dict(zip(model.state_dict(), arrays)))
    leaf = linears[0].bias[0]

    def hinge_of_model(model: Any, x: Any, y: Any) -> Any:
        z = model(x)
        return relu(1.0 - y * (z[0] if hasattr(z, "__len__") else z))

    steps: dict[str, Step] = {}
    for engine in ("numpy", "numba"):
        of_arrays = lift_of()(value_and_grad(hinge), batch=(None, 0, 0), engine=engine)
        of_model = lift_of()(value_and_grad(hinge_of_model), batch=(None, 0, 0), engine=engine)

        def changed(of_model: Any = of_model) -> Any:
            leaf.data = leaf.data  # as any number that is set: all are read again
            return of_model(linears, inputs, targets)

        steps[f"arrays, {engine}"] = functools.partial(of_arrays, layers, inputs, targets)
        steps[f"nn.MLP, {engine}"] = functools.partial(of_model, neurons, inputs, targets)
        steps[f"nn.Sequential, {engine}"] = functools.partial(of_model, linears, inputs, targets)
        steps[f"nn.Sequential after a change, {engine}"] = changed
    for step in steps.values():
        step()
    names = ("nn.MLP", "nn.Sequential", "nn.Sequential after a change")
    report(
        interleaved(steps, rounds),
        [(f"{name}, {engine}", f"arrays, {engine}", 1.3) for engine in ("numpy", "numba") for name in names],
    )


def stacked_part(rounds: int) -> None:
    """Measure six layers of 16 whose weights are one array of three axes, beside a list of matrices."""
    from tinygrad_lite import tanh, value_and_grad

    print("\ntanh network of 6 layers of 16, batch 100: weights in one array (6, 16, 16), and as a list of matrices")
    rng = np.random.default_rng(0)
    weights, inputs = 0.25 * rng.normal(size=(6, 16, 16)), rng.normal(size=(100, 16))

    def total(weights: Any, x: Any) -> Any:
        for k in range(6):
            x = [tanh(sum(w * v for w, v in zip(row, x))) for row in weights[k]]
        return sum(x)

    steps: dict[str, Step] = {}
    for engine in ENGINES:
        for name, given in (("one array", weights), ("a list", list(weights))):
            step = contender(name, lifted(engine, value_and_grad(total), given, inputs, batch=(None, 0)))
            if step is not None:
                steps[f"{name}, {engine}"] = step
    report(interleaved(steps, rounds), [(f"one array, {engine}", f"a list, {engine}", 1.2) for engine in ENGINES])


def classes_part(rounds: int) -> None:
    from tinygrad_lite import value_and_grad

    print("\nMLP 784-128-10, 101,770 parameters, softmax cross entropy, batch 100")
    arrays = classes_arrays((784, 128, 10), samples=100)
    steps = contenders(
        {
            "NumPy by hand": lambda: by_hand.classes_numpy(*arrays),
            "jax.jit by hand": lambda: by_hand.classes_jax(*arrays),
            "PyTorch tensors": lambda: by_hand.classes_torch(*arrays),
            **on_each_engine(value_and_grad(cross_entropy), *arrays, batch=(None, 0, 0)),
        }
    )
    check_equal(steps)
    report(
        interleaved(steps, rounds),
        [
            ("lifted numpy", "NumPy by hand", 1.10),
            ("lifted jax", "jax.jit by hand", 1.10),
            ("lifted numba", "NumPy by hand", None),
            ("lifted numpy", "PyTorch tensors", None),
        ],
    )


def gpt_part(rounds: int) -> None:
    from tinygrad_lite import Value, value_and_grad

    print("\nscalar GPT, 1 layer, 16 wide, 4 heads, 27 tokens, a word of 7 letters")
    model = ScalarGPT(float, our_functions())
    matrices = {name: np.array(matrix) for name, matrix in model.matrices.items()}

    def loss(matrices: Any) -> Any:
        other = copy.copy(model)
        other.matrices = matrices
        return other.loss(WORD)

    eager = value_and_grad(loss)
    steps = contenders(
        {
            "eager, value_and_grad": lambda: lambda: eager(matrices),
            **on_each_engine(value_and_grad(loss), matrices),
            "jax.jit by hand": lambda: by_hand.gpt_jax(matrices, ScalarGPT.HEADS, WORD),
        }
    )
    check_equal(steps)
    del steps["eager, value_and_grad"]
    steps["eager, operators"] = gpt_step(Value, OperatorFunctions)
    steps["eager, dot and softmax"] = gpt_step(Value, our_functions())
    times = interleaved(steps, rounds)
    report(times, [("lifted jax", "jax.jit by hand", None)])
    for eager_name, target in (("eager, operators", 300.0), ("eager, dot and softmax", 300.0)):
        for name in times:
            if name.startswith("lifted") or name == "jax.jit by hand":
                faster = statistics.median(a / b for a, b in zip(times[eager_name], times[name]))
                print_ratio(f"{eager_name} / {name}", faster, target, at_least=True, digits=0)


# ------------------------------------------------------------------------------------------------------ lifting itself

#: Sizes that make about 10^4, 10^5 and 10^6 scalar nodes: a loop over more samples, and wider layers for one sample.
FAMILIES = {"samples": (6, 60, 600), "width": (44, 143, 455)}


def lifting_part(rounds: int) -> None:
    print("\nlifting: trace, gradient and all passes; a fresh process for each figure")
    for family, sizes in FAMILIES.items():
        print(
            f"  MLP 2-16-16-1 in a loop over {sizes} samples" if family == "samples" else f"  MLP 2-w-w-1, w in {sizes}"
        )
        figures = []
        for size in sizes:
            runs = [measured_lifting(family, size) for _ in range(3)]
            best = min(runs, key=lambda figure: figure["seconds"])
            best["bytes"] = min(figure["bytes"] for figure in runs)
            figures.append(best)
            print_lifting(best)
        smallest, largest = (figures[i]["seconds"] / figures[i]["nodes"] for i in (0, -1))
        target = 4 if figures[0]["lifted"] else None
        print_ratio("  microseconds a node, largest", 1e6 * largest, target)
        print_ratio("  a node of the largest / of the smallest", largest / smallest, 1.3 if target else None)
        bytes_a_node = figures[-1]["bytes"] / figures[-1]["nodes"]
        print_ratio("  bytes a node at the peak, largest", bytes_a_node, 400 if target else None, digits=0)


def measured_lifting(family: str, size: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--lifting", family, str(size)]
    return dict(json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout))


def print_lifting(figure: dict[str, Any]) -> None:
    nodes = figure["nodes"]
    what = "lifted" if figure["lifted"] else "the graph of Values alone, no lift here"
    print(
        f"  {nodes:>12,} nodes  {1e6 * figure['seconds'] / nodes:>7.2f} µs and {figure['bytes'] / nodes:>5.0f} bytes "
        f"a node, {what}; value_and_grad on Values {1e6 * figure['eager'] / nodes:.2f} µs"
    )
    for name, seconds in figure["passes"].items():
        print(f"  {name:>24}{1e6 * seconds / nodes:>8.2f} µs a node")


def lift_once(family: str, size: int) -> dict[str, Any]:
    """One lifting of a function of that size, in this process, which does nothing else before."""
    from tinygrad_lite import value_and_grad

    small, arrays = moons_arrays(2, 4), moons_arrays(size) if family == "samples" else moons_arrays(1, size)
    function = value_and_grad(mean_over_samples(hinge))
    try:
        run = lift_of()(function, engine="numpy")
    except ImportError:
        run = None
    work = run or (lambda *arguments: on_values(function, arguments))
    work(*small)  # whatever is imported and built once
    gc.collect()
    before = memory_in_use()
    start = time.process_time()
    result = work(*arrays)
    seconds = time.process_time() - start
    peak = peak_memory()
    del result
    start = time.process_time()
    results = on_values(function, arrays)
    eager = time.process_time() - start
    return {
        "nodes": scalar_nodes(results),
        "seconds": seconds,
        "eager": eager,
        "bytes": peak - before,
        "lifted": run is not None,
        "passes": pass_seconds(run),
    }


def on_values(function: Callable[..., Any], arguments: Any) -> list[Any]:
    """Return the results as Values, whose graph holds the gradient as well: what there is to lift."""
    from tinygrad_lite import Value
    from tinygrad_lite.pytree.flat_arguments import flatten

    leaves, rebuild = flatten(arguments, "the arguments")
    results, _ = flatten(function(*rebuild(iter([Value(x) for x in leaves]))), "the results")
    return results


def scalar_nodes(results: list[Any]) -> int:
    """How many nodes the results' graph has, each counted once, leaves included."""
    import tinygrad_lite as tg

    return len(tg.topological_order(tg.sum(results), leaves=True)) - 1


def peak_memory() -> int:
    """Return the most resident bytes that this process ever had.

    Not ``ru_maxrss`` of ``getrusage``: that begins with the size of the process that started this one.
    """
    with open("/proc/self/status") as status:
        (line,) = [line for line in status if line.startswith("VmHWM:")]
    return 1024 * int(line.split()[1])


def pass_seconds(program: Any) -> dict[str, float]:
    """Return the time of each pass, where the program tells it: ``program.report()`` with ``seconds``, a dict by
    pass."""
    report_of = getattr(program, "report", None)
    return dict(getattr(report_of() if callable(report_of) else report_of, "seconds", None) or {})


# ------------------------------------------------------------------------------------------------- the first call

#: What is called, with the seconds that compiling may take, and in a process after one that has compiled it.
FIRST_CALLS = {"moons": (1.0, 0.2), "option": (0.5, 0.2), "gpt": (5.0, 0.2)}


def first_calls_part(rounds: int) -> None:
    print("\nthe first call on numba: seconds of lifting, and of making machine code; a fresh process for each figure")
    print("  moons: value_and_grad of the MLP 2-16-16-1; option: Black and Scholes' price and gradient, by scalars;")
    print("  gpt: an epoch of 4 steps of benchmarks/gpt.py, of which all but compiling counts as lifting")
    for name, targets in FIRST_CALLS.items():
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o700)
            environment = {**os.environ, "TINYGRAD_LITE_CODE_CACHE": folder}
            for which, target in zip(("first process", "second process"), targets):
                command = [sys.executable, __file__, "--first-call", name]
                output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout
                seconds = json.loads(output.splitlines()[-1])
                print(f"  {name}, {which}: lifting {seconds['lifting']:.2f} s")
                print_ratio(f"{name}, {which}: machine code", seconds["compiling"], target)


def call_once(name: str) -> dict[str, float]:
    """Seconds of the processor's time of a first call in this process, but for importing the package."""
    from tinygrad_lite.lift.engines import numba_engine

    spent, build = [0.0], numba_engine.build

    def timed_build(*arguments: Any, **options: Any) -> Any:
        start = time.process_time()
        built = build(*arguments, **options)
        spent[0] += time.process_time() - start
        return built

    numba_engine.build = timed_build
    call = {"moons": call_moons, "option": call_option, "gpt": call_gpt}[name]()
    start = time.process_time()
    call()
    return {"lifting": time.process_time() - start - spent[0], "compiling": spent[0]}


def call_moons() -> Step:
    from tinygrad_lite import value_and_grad

    return functools.partial(lift_of()(value_and_grad(hinge), batch=(None, 0, 0), engine="numba"), *moons_arrays())


def call_option() -> Step:
    from tinygrad_lite import value_and_grad

    return functools.partial(
        lift_of()(value_and_grad(call_price, (0, 1, 2, 3, 4)), engine="numba"), 100.0, 95.0, 0.05, 0.2, 1.0
    )


def call_price(spot: Any, strike: Any, rate: Any, sigma: Any, years: Any) -> Any:
    """Black and Scholes' price of a call."""
    from tinygrad_lite import erfc, exp, log

    spread = sigma * years**0.5
    d1 = (log(spot / strike) + (rate + sigma**2 / 2) * years) / spread
    shares, chance = (0.5 * erfc(-d / 2**0.5) for d in (d1, d1 - spread))
    return spot * shares - strike * exp(-rate * years) * chance


def call_gpt() -> Step:
    import gpt

    return functools.partial(gpt.trained, "numba", 1, 1)


# ------------------------------------------------------------------------------------------------------ command line

PARTS = {
    "moons": moons_part,
    "models": models_part,
    "stacked": stacked_part,
    "classes": classes_part,
    "gpt": gpt_part,
    "lifting": lifting_part,
    "first-calls": first_calls_part,
}


def main() -> None:
    stay_on_one_core()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="this part only (may be given again)")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--lifting", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--first-call", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.lifting:
        family, size = arguments.lifting
        print(json.dumps(lift_once(family, int(size))))
        return
    if arguments.first_call:
        print(json.dumps(call_once(arguments.first_call)))
        return
    names = ("numpy", "numba", "jax", "torch", "casadi", "autograd", "micrograd")
    print(f"Python {sys.version.split()[0]}, {', '.join(map(version, names))}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; medians of {arguments.rounds} rounds (middle half)")
    for part in arguments.part or PARTS:
        PARTS[part](arguments.rounds)
    if failures:
        sys.exit(f"failed: {', '.join(failures)}")


def stay_on_one_core() -> None:
    """Start this process anew, with one thread a library and, where the system can, on one core."""
    if ONE_CORE.items() <= os.environ.items():
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_CORE})


def version(name: str) -> str:
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return f"no {name}"


if __name__ == "__main__":
    main()
