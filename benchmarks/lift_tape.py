"""An irregular graph on every record-once tool, in turns: ``python benchmarks/lift_tape.py``.

The graph has no two parts alike: operations drawn at random, each of two numbers before it, and a sum in the end. What
is timed is its value and all its derivatives, for one point and for a batch of points. Lifted on a tape it is beside
the function itself, recorded anew each time; CasADi's SX in its virtual machine; ``ddx-ad``, which walks the graph or
compiles it; and XAD, which records anew each time as the function itself does. Peers take part where they are
installed (the groups ``bench`` and ``peers`` of pyproject.toml). The preparation of each is timed once.

Times are the processor's, medians of rounds in which all take turns; a ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from lift import ONE_CORE, Step, check_equal, contenders, failures, interleaved, report
from time_programs import option

#: So many numbers are the arguments.
ARGUMENTS = 20
#: What an operation is in the arithmetic ``m`` of a library.
OPERATIONS = (
    "{x} + {y}",
    "{x} - {y}",
    "0.5 * {x} * {y}",
    "{x} / (2.0 + {y} * {y})",
    "m.tanh({x})",
    "m.sin({x} * {y})",
    "m.exp(-{x} * {x})",
)


def write_function(count: int, seed: int) -> str:
    """Write a function, statement by statement: each reads one of the numbers just before, and any."""
    rng = random.Random(seed)
    lines = [f"def f(xs):\n    {', '.join(f'v{k}' for k in range(ARGUMENTS))} = xs"]
    for end in range(ARGUMENTS, ARGUMENTS + count):
        near, far = rng.randrange(max(0, end - 60), end), rng.randrange(end)
        drawn = rng.choice(OPERATIONS).format(x=f"v{near}", y=f"v{far}")
        lines.append(f"    v{end} = {drawn}")
    lines.append(f"    return {' + '.join(f'v{k}' for k in range(ARGUMENTS + count - 30, ARGUMENTS + count))}\n")
    return "\n".join(lines)


def in_arithmetic(source: str, m: Any) -> Callable[..., Any]:
    """Compile the function in the arithmetic of a library: operators, and ``m.tanh``, ``m.sin``, ``m.exp``."""
    namespace: dict[str, Any] = {"m": m}
    exec(compile(source, "<irregular>", "exec"), namespace)
    return namespace["f"]


# -------------------------------------------------------------------------------------------------- the contenders


def our_own(source: str) -> Callable[..., Any]:
    import tinygrad_lite

    return tinygrad_lite.value_and_grad(in_arithmetic(source, tinygrad_lite))


def on_tape(source: str, points: Any, engine: str = "tape") -> Step:
    from tinygrad_lite.lift import lift

    if points.ndim == 1:
        program = lift(our_own(source), engine=engine)
        return lambda: program(points)
    program = lift(our_own(source), batch=1, reduce=None, engine=engine)
    return lambda: program(points)


def eager(source: str, points: Any) -> Step:
    both = our_own(source)

    def once(row: Any) -> Any:
        value, slopes = both(row)
        return value, np.array(slopes)

    return row_by_row(once, points)


def row_by_row(once: Callable[[Any], Any], points: Any) -> Step:
    """Do for all points, one by one, what a library does for one of them."""
    rows = points.T.tolist()
    if points.ndim == 1:
        return lambda: once(rows)
    return lambda: tuple(np.array(part) for part in zip(*map(once, rows)))


def casadi_sx(source: str, points: Any) -> Step:
    import casadi

    xs = casadi.SX.sym("x", ARGUMENTS)
    y = in_arithmetic(source, casadi)([xs[k] for k in range(ARGUMENTS)])
    function = casadi.Function("f", [xs], [y, casadi.gradient(y, xs)])
    if points.ndim == 1:  # its fastest call: buffers that are bound once
        buffer, call = function.buffer()
        value, slopes = np.zeros(1), np.zeros(ARGUMENTS)
        given = np.ascontiguousarray(points)
        buffer.set_arg(0, memoryview(given))
        buffer.set_res(0, memoryview(value))
        buffer.set_res(1, memoryview(slopes))

        def once() -> Any:
            call()
            return float(value[0]), slopes.copy()

        once.buffer = buffer  # type: ignore[attr-defined]  # it lives as long as the step
        return once
    mapped, given = function.map(points.shape[1]), casadi.DM(points)

    def all_points() -> Any:
        values, slopes = mapped(given)
        return values.full()[0], slopes.full().T

    return all_points


def ddx_ad(source: str, points: Any, backend: str) -> Step:
    import ddx

    equation = ddx.equation(lambda: in_arithmetic(source, ddx)([ddx.var(f"x{k}") for k in range(ARGUMENTS)]))
    equation.options = ddx.Options(backend=ddx.Backend[backend])
    if points.ndim == 1:
        call = equation.buffer(points, want=ddx.Want.JACOBIAN)

        def once() -> Any:
            call()
            return float(call.value), np.array(call.jacobian).reshape(-1)

        return once

    def all_points() -> Any:
        values, slopes = equation.jacobian(points)
        return np.asarray(values), np.asarray(slopes).T

    return all_points


def xad_tape(source: str, points: Any) -> Step:
    import xad.adj_1st as xad
    import xad.math as functions

    f = in_arithmetic(source, functions)

    def once(row: Any) -> Any:
        with xad.Tape() as tape:
            xs = [xad.Real(x) for x in row]
            for x in xs:
                tape.registerInput(x)
            tape.newRecording()
            y = f(xs)
            tape.registerOutput(y)
            y.derivative = 1.0
            tape.computeAdjoints()
            return y.value, np.array([x.derivative for x in xs])

    return row_by_row(once, points)


def timed(name: str, build: Callable[[], Step]) -> Callable[[], Step]:
    """Build, and say how long that and the first call took."""

    def built() -> Step:
        start = time.process_time()
        step = build()
        step()
        print(f"  {name:<34}{1e3 * (time.process_time() - start):>12.0f} ms until the first result")
        return step

    return built


def compare(count: int, samples: int, rounds: int, compiled: bool) -> None:
    """One graph, for one point or many."""
    source = write_function(count, seed=count)
    rng = np.random.default_rng(0)
    points = rng.uniform(-1.0, 1.0, (ARGUMENTS, samples) if samples else ARGUMENTS)
    where = f"{samples:,} points" if samples else "one point"
    print(f"\n{count:,} operations, {where}: value and {ARGUMENTS} derivatives")
    builders: dict[str, Callable[[], Step]] = {
        "lifted tape": lambda: on_tape(source, points),
        "recorded each time": lambda: eager(source, points),
        "XAD, recorded each time": lambda: xad_tape(source, points),
        "CasADi SX": lambda: casadi_sx(source, points),
        "ddx-ad, walked": lambda: ddx_ad(source, points, "INTERPRET"),
    }
    if compiled:
        builders["ddx-ad, compiled"] = lambda: ddx_ad(source, points, "COMPILE")
        builders["lifted numpy"] = lambda: on_tape(source, points, "numpy")
    steps = contenders({name: timed(name, build) for name, build in builders.items()})
    check_equal(steps)
    others = [name for name in steps if name != "lifted tape"]
    report(interleaved(steps, rounds), [("lifted tape", name, None) for name in others])


def compare_option(rounds: int) -> None:
    """Time a program that people write: an American option in a tree of 16 levels, each of another length."""
    import tinygrad_lite
    from tinygrad_lite.lift import lift

    price, point = tinygrad_lite.value_and_grad(option, (0, 1, 2)), (100.0, 0.2, 0.05)
    print("\nan American option, 16 levels: its price and 3 derivatives")

    def lifted_on(engine: str) -> Step:
        program = lift(price, engine=engine, static=3)
        return lambda: program(*point, 16)

    builders: dict[str, Callable[[], Step]] = {
        "lifted tape": lambda: lifted_on("tape"),
        "lifted numpy": lambda: lifted_on("numpy"),
        "recorded each time": lambda: lambda: price(*point, 16),
    }
    steps = contenders({name: timed(name, build) for name, build in builders.items()})
    check_equal(steps)
    report(interleaved(steps, rounds), [("lifted tape", name, None) for name in steps if name != "lifted tape"])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000], help="operations of the graphs")
    parser.add_argument("--samples", type=int, default=1000, help="points of a batch (default: 1000)")
    parser.add_argument("--rounds", type=int, default=30, help="of each comparison (default: 30)")
    arguments = parser.parse_args()
    if any(os.environ.get(name) != setting for name, setting in ONE_CORE.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_CORE})
    for count in arguments.sizes:
        compare(count, 0, arguments.rounds, compiled=count <= 1000)
    compare(1000, arguments.samples, max(arguments.rounds // 3, 3), compiled=True)
    compare_option(arguments.rounds)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
