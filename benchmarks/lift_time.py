"""Lift on programs over time, grids and tables, beside JAX by hand. ``python benchmarks/lift_time.py kalman gru``.

A row a program: its statements at n steps and at 2n; seconds of lifting and of compiling (the processor's time, all
threads); then value and all gradients, in microseconds a call, on each engine and by hand: on JAX with ``lax.scan`` or
vectorised, on PyTorch with loops. The ratios are of lift's fastest engine, and of lift on JAX, to JAX by hand. Results
are compared with those by hand. One core, float64.

Each program runs in a process of its own, and each part of it has a limit, of the processor's time as well: what does
not compile in time is said to have not, and the row goes on without it. ``--limit 600`` waits longer.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, Queue
from typing import Any

import numpy as np

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
PARTS = ("lift", "twice", "by hand", "torch", "numpy", "jax", "numba")
TOLERANCE = 1e-9
ROUNDS = 7
#: How many times as long a part may take by the clock, on a machine that does other things too.
_SHARED = 10.0
#: The exit status of a process that was stopped in a part.
_STOPPED = 75
SLOT = 0.02  # seconds for which a contender runs in a round


@dataclass(frozen=True)
class Case:
    """A program and its arguments.

    Attributes:
        function: Of scalars.
        by_hand: Of a library's functions and arrays.
        arguments: Of both.
        argnums: By which of them it is differentiated.
        batch: The axes of samples, if it is a function of one.
        kind: What is computed: ``"gradient"``, or the ``"jacobian"`` of each sample.
    """

    function: Callable[..., Any]
    by_hand: Callable[..., Any]
    arguments: tuple[Any, ...]
    argnums: int | tuple[int, ...] = 0
    batch: tuple[int | None, ...] | None = None
    kind: str = "gradient"


def make_case(name: str, scale: int) -> Case:
    """Make a program with its steps, or its size, once or twice."""
    import time_by_hand as hand
    import time_programs as programs

    r = np.random.default_rng(0)
    case = Case(getattr(programs, name), getattr(hand, name), ())
    return replace(case, **_SETTINGS[name](case, r, scale))


def _normalize(x: Any) -> Any:
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def _with_steps(case: Case, steps: int) -> dict[str, Any]:
    return {"function": lambda *xs: case.function(*xs, steps), "by_hand": lambda m, *xs: case.by_hand(m, *xs, steps)}


def _make_gru(r: Any, steps: int) -> dict[str, Any]:
    parameters = {"v": r.normal(size=8)}
    for gate in "zrh":
        parameters |= {"W" + gate: 0.4 * r.normal(size=(8, 4)), "U" + gate: 0.4 * r.normal(size=(8, 8))}
        parameters["b" + gate] = np.zeros(8)
    return {"arguments": (parameters, r.normal(size=(16, steps, 4)), r.normal(size=16)), "batch": (None, 0, 0)}


def _make_gpt(r: Any, steps: int) -> dict[str, Any]:
    sizes = {"wq": (8, 8), "wk": (8, 8), "wv": (8, 8), "wo": (8, 8), "w1": (16, 8), "w2": (8, 16)}
    layers = [{name: 0.2 * r.normal(size=size) for name, size in sizes.items()} for _ in range(2)]
    parameters = {"wte": 0.2 * r.normal(size=(11, 8)), "wpe": 0.2 * r.normal(size=(steps, 8)), "layers": layers}
    return {"arguments": (parameters, r.integers(0, 11, (8, steps + 1))), "batch": (None, 0)}


def _make_matrix(r: Any, n: int) -> Any:
    a = r.normal(size=(n, n))
    return a @ a.T / n + np.eye(n)


def _make_lattice(r: Any, n: int) -> Any:
    return np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), -1) + 0.1 * r.normal(size=(n, n, 2))


#: The arguments of each program, for a size of 1 or 2.
_SETTINGS: dict[str, Callable[[Case, Any, int], dict[str, Any]]] = {
    "heat": lambda c, r, k: {
        "arguments": (r.normal(size=(16, 16)), r.normal(size=(16, 16))), **_with_steps(c, 10 * k)
    },
    "bodies": lambda c, r, k: {"arguments": (r.normal(size=(16 * k, 3)), r.uniform(0.5, 1.5, 16 * k))},
    "kalman": lambda c, r, k: {"arguments": (np.array([0.5, 0.8, 0.9]), np.cumsum(r.normal(size=25 * k)) * 0.3)},
    "hmm": lambda c, r, k: {
        "arguments": tuple(_normalize(r.normal(size=size)) for size in ((8,), (8, 8), (20 * k, 8))),
        "argnums": (0, 1, 2),
    },
    "option": lambda c, r, k: {"arguments": (98.7, 0.2, 0.05), "argnums": (0, 1, 2), **_with_steps(c, 16 * k)},
    "heston": lambda c, r, k: {
        "arguments": (np.array([100.0, 0.04, 1.5, 0.04, 0.3, -0.6, 0.03]), *r.normal(size=(2, 64, 16 * k))),
    },
    "rk4": lambda c, r, k: {
        "arguments": (np.array([1.1, 0.4, 0.4, 0.1]), np.array([5.0, 3.0]), r.uniform(1, 10, (25 * k, 2))),
        "argnums": (0, 1),
    },
    "epochs": lambda c, r, k: {
        "arguments": (np.array([0.3, -0.2]), *r.normal(size=(2, 10 * k, 20 * k))),
    },
    "arm": lambda c, r, k: {
        "arguments": (0.3 * r.normal(size=8 * k), r.uniform(0.5, 1.5, 8 * k), np.array([3.0, 2.0]))
    },
    "springs": lambda c, r, k: {"arguments": (_make_lattice(r, 8 * k), 3.0)},
    "elimination": lambda c, r, k: {"arguments": (_make_matrix(r, 6 * k),)},
    "soft_dtw": lambda c, r, k: {"arguments": tuple(r.normal(size=(2, 8 * k))), "argnums": (0, 1)},
    "cnn": lambda c, r, k: {
        "arguments": (
            0.3 * r.normal(size=(2, 3, 3)), 0.1 * r.normal(size=2), 0.1 * r.normal(size=(10, 2 * (4 * k) ** 2)),
            r.uniform(size=(32, 8 * k, 8 * k)), r.integers(0, 10, 32),
        ),
        "argnums": (0, 1, 2),
        "batch": (None, None, None, 0, 0),
    },
    "gru": lambda c, r, k: _make_gru(r, 16 * k),
    "gpt": lambda c, r, k: _make_gpt(r, 8 * k),
    "mixture": lambda c, r, k: {
        "arguments": (
            r.normal(size=4), r.normal(size=(4, 3)), 0.5 * r.normal(size=(4, 6)), r.normal(size=(25 * k, 3))
        ),
        "argnums": (0, 1, 2),
    },
    "bundle": lambda c, r, k: {
        "arguments": (
            np.concatenate([0.1 * r.normal(size=(100 * k, 6)), r.uniform(0.1, 0.5, (100 * k, 5))], 1),
            r.normal(size=(100 * k, 3)) + np.array([0.0, 0.0, 9.0]), r.uniform(0.5, 1.5, 100 * k),
            r.normal(size=(100 * k, 2)),
        ),
        "argnums": (0, 1, 2),
        "batch": (0, 0, 0, 0),
        "kind": "jacobian",
    },
    "hand": lambda c, r, k: {
        "arguments": (
            0.3 * r.normal(size=3), r.normal(size=3), 0.3 * r.normal(size=(5, 5)), r.normal(size=(5, 3, 4 * k, 3))
        ),
        "argnums": (0, 1, 2),
    },
    "lstm": lambda c, r, k: {
        "arguments": (
            r.normal(size=(2, 4, 14)), r.normal(size=(2, 4, 14)), r.normal(size=(3, 14)),
            r.integers(0, 2, (10 * k + 1, 14)) * 1.0,
        ),
        "argnums": (0, 1, 2),
    },
}  # fmt: skip


# ------------------------------------------------------------------------------------------- in a process of its own


def measure(name: str, left_out: set[str], limit: float) -> None:
    """Print what is found as lines of JSON, each as soon as it is known; end in a part that takes longer."""
    deadline = [math.inf]
    threading.Thread(target=_watch, args=(deadline,), daemon=True).start()
    case, steps = make_case(name, 1), {}
    found: dict[str, Any] = {}
    lifted: Any = None
    for part in [part for part in PARTS if part not in left_out]:
        _tell({"begins": part})
        start = time.process_time()
        deadline[0] = start + limit
        try:
            if part == "twice":
                found["twice"] = _lift(make_case(name, 2)).program_for(*make_case(name, 2).arguments).report().groups
            elif part in ("by hand", "torch"):
                steps[part] = _build_by_hand(part, case)
                steps[part]()
            elif part == "lift":
                lifted = _lift(case)
                found["groups"] = lifted.program_for(*case.arguments).report().groups
            else:
                steps[part] = _build_lifted(part, lifted, case)
                steps[part]()
        except ImportError as error:
            _tell({"failed": part, "why": str(error)})
            continue
        except Exception as error:
            steps.pop(part, None)
            _tell({"failed": part, "why": f"{type(error).__name__}: {error}"[:300]})
            continue
        _tell({"ends": part, "seconds": time.process_time() - start, **found})
    _tell({"begins": "runs"})
    deadline[0] = math.inf
    _tell({"different": _compare(case, steps)})
    _tell({"times": _time_in_turns(steps)})


def _watch(deadline: list[float]) -> None:
    """End the process when it has computed for too long: libraries that compile let other threads run."""
    while time.process_time() < deadline[0]:
        time.sleep(0.2)
    os._exit(_STOPPED)


def _tell(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


def _lift(case: Case, engine: str = "numpy") -> Any:
    import tinygrad_lite as tg
    from tinygrad_lite.lift import lift

    differentiate = tg.jacobian if case.kind == "jacobian" else tg.value_and_grad
    reduce = None if case.kind == "jacobian" else "mean"
    return lift(differentiate(case.function, case.argnums), batch=case.batch, reduce=reduce, engine=engine)


def _build_by_hand(part: str, case: Case) -> Callable[[], Any]:
    import time_by_hand as hand

    functions = hand.JaxFunctions() if part == "by hand" else hand.TorchFunctions()
    return functions.build(case.by_hand, case.arguments, case.argnums, case.kind)


def _build_lifted(engine: str, lifted: Any, case: Case) -> Callable[[], Any]:
    """Build the program that was proved for another engine."""
    from tinygrad_lite.lift.program import Program

    program = lifted.program_for(*case.arguments)
    if engine != "numpy":
        program = Program.from_bytes(program.to_bytes(), engine)
    if engine != "jax":
        return partial(program, *case.arguments)
    import jax

    from tinygrad_lite.lift.engines.jax_library import use_x64

    with use_x64():
        given = _map(lambda x: x if isinstance(x, float) else jax.numpy.asarray(x), case.arguments)
    return lambda: jax.block_until_ready(program(*given))


def _map(f: Callable[[Any], Any], tree: Any) -> Any:
    """Map numbers and arrays; dicts keep their order, which JAX's own function changes."""
    if isinstance(tree, dict):
        return {name: _map(f, item) for name, item in tree.items()}
    return type(tree)(_map(f, item) for item in tree) if isinstance(tree, (list, tuple)) else f(tree)


def _flatten(results: Any) -> Iterator[np.ndarray]:
    """Give all arrays, those of dicts in the order of their names."""
    if isinstance(results, dict):
        for key in sorted(results):
            yield from _flatten(results[key])
    elif isinstance(results, (list, tuple)) and not all(isinstance(x, float) for x in results):
        for item in results:
            yield from _flatten(item)
    else:
        yield np.asarray(results, dtype=float)


def _compare(case: Case, steps: dict[str, Callable[[], Any]]) -> list[str]:
    """Name those whose results are not those of the first."""
    results = {}
    for name, step in steps.items():
        found = step()
        if case.kind == "jacobian" and isinstance(found, list):  # of lift: for each residual its derivatives
            found = [np.stack(parts, axis=1) for parts in zip(*found)]
        results[name] = np.concatenate([part.ravel() for part in _flatten(found)])
    if not results:
        return []
    truth = results[next(iter(results))]
    size = np.abs(truth).max()
    return [
        name
        for name, found in results.items()
        if found.shape != truth.shape or not np.abs(found - truth).max() <= TOLERANCE * size
    ]


def _time_in_turns(steps: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the median of the rounds' microseconds a call."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    calls = {name: max(1, int(SLOT / max(_time(step, 3), 1e-5))) for name, step in steps.items()}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            times[name].append(1e6 * _time(step, calls[name]))
    return {name: float(np.median(each)) for name, each in times.items()}


def _time(step: Callable[[], Any], calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        step()
    return (time.process_time() - start) / calls


# ------------------------------------------------------------------------------------------------------- the table


def run_row(name: str, limit: float, without: set[str]) -> dict[str, Any]:
    """Measure a program in other processes, until every part has ended or was stopped."""
    left_out = set(without)
    row: dict[str, Any] = {"name": name, "seconds": {}, "notes": []}
    while True:
        stopped = _run_once(name, left_out, limit, row)
        if stopped is None or stopped == "runs":
            return row
        row["notes"].append(f"{stopped} not done in {limit:.0f} s")
        left_out.add(stopped)


def _run_once(name: str, left_out: set[str], limit: float, row: dict[str, Any]) -> str | None:
    """Read what a process tells; return the part in which it had to be stopped."""
    command = [sys.executable, __file__, "--measure", name, "--without", ",".join(sorted(left_out))]
    command += ["--limit", str(limit)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **ONE_CORE})
    lines: Queue[str] = Queue()
    assert process.stdout is not None
    threading.Thread(
        target=lambda out: [*map(lines.put, out), lines.put("")], args=(process.stdout,), daemon=True
    ).start()
    part = "lift"
    while True:
        try:
            line = lines.get(timeout=_SHARED * limit)
        except Empty:
            process.kill()
            process.wait()
            return part
        if not line:
            if process.wait() == _STOPPED:
                return part
            if process.returncode != 0:
                row["notes"].append(f"{part} ended with {process.returncode}")
            return None
        told = json.loads(line)
        part = told.get("begins", part)
        if "ends" in told:
            row["seconds"][told.pop("ends")] = told.pop("seconds")
            row |= told
        elif "failed" in told:
            note = f"{told['failed']}: {told['why']}"
            row["notes"] += [note] if note not in row["notes"] else []
        elif "begins" not in told:
            row |= told


def show(row: dict[str, Any]) -> str:
    """Write a row of the table."""
    seconds, times = row["seconds"], row.get("times", {})

    def cell(number: float | None, digits: int) -> str:
        return "-" if number is None else f"{number:,.{digits}f}"

    cells = [row["name"], cell(row.get("groups"), 0), cell(row.get("twice"), 0)]
    cells += [cell(seconds.get(part), 1) for part in ("lift", "numba", "jax", "by hand")]
    cells += [cell(times.get(part), 0) for part in ("numpy", "numba", "jax", "by hand", "torch")]
    ours = [times[engine] for engine in ("numpy", "numba", "jax") if engine in times]
    for found in (min(ours, default=None), times.get("jax")):
        cells.append(cell(found / times["by hand"] if found and "by hand" in times else None, 2))
    return f"| {' | '.join(cells)} |" + "".join(f"\n  {row['name']}: {note}" for note in row["notes"])


def main() -> int:
    """Print the table; return 1 if a program or a result was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=", ".join(_SETTINGS))
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for a part (default: %(default)s)")
    parser.add_argument("--without", default="", help="parts to leave out: " + ", ".join(PARTS))
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    left_out = set(filter(None, options.without.split(",")))
    if options.measure:
        measure(options.measure, left_out, options.limit)
        return 0
    unknown = [name for name in options.programs if name not in _SETTINGS]
    if unknown:
        parser.error(f"there is no program {', '.join(unknown)}: choose from {', '.join(_SETTINGS)}")
    print("| program | groups at n | at 2n | lifting, s | numba compiles | JAX compiles | by hand compiles ", end="")
    print("| numpy, µs | numba | jax | by hand | torch | best/by hand | jax/by hand |")
    print("|---" * 14 + "|", flush=True)
    wrong = False
    for name in options.programs or _SETTINGS:
        row = run_row(name, options.limit, left_out)
        if row.get("different"):
            row["notes"].append(f"OTHER RESULTS than {row['seconds'] and next(iter(row['times']))}: {row['different']}")
        wrong |= any(not note.endswith(" s") for note in row["notes"])
        print(show(row), flush=True)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
