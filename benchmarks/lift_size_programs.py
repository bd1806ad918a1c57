"""Random programs, traced at small sizes and compared: ``python benchmarks/lift_size_programs.py --programs 1000``.

The programs are those of ``tests/lift/sizes/regular_programs.py``; a fourth of them ask how long something is, and are
not the same at all sizes. Each is lifted with its gradients and compared with the function, run eagerly, at sizes that
were not traced. It may be refused: how many of each kind are, and why, is said at the end. Fails if one is wrong or
lift makes a mistake of its own, and prints it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "lift" / "sizes"))

from regular_programs import arguments, draw_kinds, function_of

from tinygrad_lite import tree_leaves, value_and_grad
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import lift

TOLERANCE = 1e-10
#: Every so many programs one is not the same at all sizes.
TRAPS = 4
SIZES = [(n, m) for n in (24, 25, 27) for m in (20, 28)]


@dataclass(frozen=True)
class Outcome:
    """What came out of one program: "right", "refused", "wrong" or "mistake", and what is said of it."""

    number: int
    kind: str
    said: str
    seconds: float


def numbers(results: Any) -> Any:
    """Put all numbers of some results into one array."""
    return np.concatenate([np.ravel(np.asarray(leaf, dtype=float)) for leaf in tree_leaves(results)])


def has_trap(number: int) -> bool:
    """Whether a program is not the same at all sizes."""
    return number % TRAPS == TRAPS - 1


def check(number: int) -> Outcome:
    """Lift one program, and compare it."""
    begun = time.perf_counter()
    kind, said = judge(number)
    return Outcome(number, kind, said, time.perf_counter() - begun)


def judge(number: int) -> tuple[str, str]:
    """Say what comes out of a program."""
    function = value_and_grad(function_of(draw_kinds(number, has_trap(number))[0]), (0, 1, 2, 3, 4))
    given = arguments(number, *SIZES[number % len(SIZES)])
    try:
        found = numbers(lift(function, sizes=True)(*given))
    except LiftError as error:
        return "refused", str(error)
    except Exception as error:  # the function raises none: it is lift's
        return "mistake", f"{type(error).__name__}: {error}"
    expected = numbers(function(*given))
    apart = np.abs(found - expected).max()
    return ("right", "") if apart <= TOLERANCE * np.abs(expected).max() else ("wrong", f"by {apart:.1e}")


def summarize(outcomes: list[Outcome]) -> None:
    """Say how many are refused, by kinds of statements and by reasons."""
    for trap in (False, True):
        those = [outcome for outcome in outcomes if has_trap(outcome.number) == trap]
        counts = Counter(outcome.kind for outcome in those)
        print(f"{len(those)} {'that ask how long something is' if trap else 'regular ones'}: {dict(counts)}")
    regular = [outcome for outcome in outcomes if not has_trap(outcome.number)]
    drawn: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for outcome in regular:
        kinds = draw_kinds(outcome.number)[1]
        drawn.update(kinds)
        refused.update(kinds if outcome.kind == "refused" else ())
    for kind, count in sorted(drawn.items(), key=lambda pair: -refused[pair[0]] / pair[1]):
        print(f"  {kind:14} {refused[kind]:5} of {count:5} refused")
    reasons = Counter(
        re.sub(r"\d+", "N", outcome.said.partition("smaller sizes: ")[2])[:110]
        for outcome in regular
        if outcome.kind == "refused"
    )
    for reason, count in reasons.most_common(12):
        print(f"  {count:5} {reason}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first (default: 0)")
    parser.add_argument("--processes", type=int, default=1, help="at once (default: 1)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many (default: never)")
    options = parser.parse_args()
    outcomes: list[Outcome] = []
    begun = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        todo = range(options.seed, options.seed + options.programs)
        for outcome in tqdm(pool.imap_unordered(check, todo), total=len(todo), mininterval=10.0):
            outcomes.append(outcome)
            if outcome.kind in ("wrong", "mistake"):
                source = draw_kinds(outcome.number, has_trap(outcome.number))[0]
                print(f"\n{outcome.kind} {outcome.said}, number {outcome.number}:\n{source}", flush=True)
            if time.monotonic() - begun > options.seconds:
                break
        pool.terminate()
    summarize(outcomes)
    print(f"{sum(outcome.seconds for outcome in outcomes) / len(outcomes):.2f} s a program")
    return int(any(outcome.kind in ("wrong", "mistake") for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
