"""Ordinary expressions, lifted on every engine and compared: ``python benchmarks/lift_expressions.py --count 10000``.

The expressions are those of ``tests/lift/ordinary_expressions.py``. On NumPy and on a tape each is lifted for itself.
For the engines that compile, many are lifted as one program, which compiles them all; if such a program is refused or
differs from its functions, its halves are lifted for themselves, and so on. ``loops`` is what numba compiles, run by
Python. Fails if one is refused or wrong; prints the smallest of each kind, as Python, with its arguments.

Of processor time, 10,000 expressions take 4 minutes on NumPy, 2 as loops, 4 on a tape, 15 on JAX and 40 on numba.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import re
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from tinygrad_lite.lift import lift

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "lift"))

from ordinary_expressions import Expression, WrongProgramError, batch, compare, loops_by_python, together

ENGINES = ("numpy", "loops", "tape", "jax", "numba")
#: Those that compile nothing: each expression is a program.
BY_PYTHON = ENGINES[:3]


@dataclass
class Tally:
    """What was seen on one engine.

    Attributes:
        lifted: How many expressions were lifted, and are right.
        seconds: How long it took.
        failures: Those that were refused or wrong, by how, with the message.
    """

    lifted: int = 0
    seconds: float = 0.0
    failures: dict[str, list[tuple[Expression, str]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, expressions: Sequence[Expression], engine: str) -> None:
        """Lifts expressions as one program; each for itself, if that fails."""
        start = time.perf_counter()
        try:
            _hold(expressions, engine)
            self.lifted += len(expressions)
        except Exception as error:
            if len(expressions) == 1:
                kind = "wrong" if isinstance(error, WrongProgramError) else f"refused, {type(error).__name__}"
                kind = f"{kind}: {re.sub(r'[-+0-9.e]+', '#', str(error))[:60]}"
                self.failures[kind].append((expressions[0], str(error)))
            else:
                half = len(expressions) // 2
                self.add(expressions[:half], engine)
                self.add(expressions[half:], engine)
                start = time.perf_counter()  # these have counted it
        self.seconds += time.perf_counter() - start


def _hold(expressions: Sequence[Expression], engine: str) -> None:
    """Lifts them as one program, and compares."""
    function = expressions[0].function() if len(expressions) == 1 else together(expressions)
    lifted = lift(function, engine="numpy" if engine == "loops" else engine)
    points = expressions[0].points
    program = lifted.program_for(*points[0])
    compare(loops_by_python(program) if engine == "loops" else lifted, program, function, points)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=10000, help="how many different ones (default: 10000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first (default: 0)")
    parser.add_argument(
        "--together", type=int, default=50, help="how many make a program that is compiled (default: 50)"
    )
    parser.add_argument("--engines", nargs="+", default=ENGINES, choices=ENGINES, help="(default: all)")
    arguments = parser.parse_args()
    engines = [engine for engine in arguments.engines if engine in BY_PYTHON or importlib.util.find_spec(engine)]
    for engine in set(arguments.engines) - set(engines):
        print(f"{engine} is not installed, and left out")
    tallies = {engine: Tally() for engine in engines}
    with suppress(KeyboardInterrupt):
        _draw(tallies, arguments)
    for engine, tally in tallies.items():
        _report(engine, tally)
    return int(any(tally.failures for tally in tallies.values()))


def _draw(tallies: dict[str, Tally], arguments: argparse.Namespace) -> None:
    """Lifts as many as wanted. Ctrl-C ends it, and what was seen so far is reported."""
    seen: set[str] = set()
    with tqdm(total=arguments.count, unit="expression") as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # probes may lie where the function is not defined
        for seed in itertools.count(arguments.seed):
            fresh = [one for one in batch(seed, arguments.together) if one.source not in seen]
            expressions = fresh[: arguments.count - len(seen)]
            seen.update(one.source for one in expressions)
            for engine, tally in tallies.items():
                for some in [[one] for one in expressions] if engine in BY_PYTHON else [expressions]:
                    tally.add(some, engine)
            progress.update(len(expressions))
            if len(seen) == arguments.count:
                return


def _report(engine: str, tally: Tally) -> None:
    failed = sum(map(len, tally.failures.values()))
    print(f"{engine}: {tally.lifted} lifted and right, {failed} refused or wrong, {tally.seconds:.0f} s")
    for kind, cases in sorted(tally.failures.items(), key=lambda item: -len(item[1])):
        expression, message = min(cases, key=lambda case: len(case[0].source))
        print(f"\n{len(cases)} times {kind}\n{message[:500]}\nthe smallest:\n{expression!r}")


if __name__ == "__main__":
    sys.exit(main())
