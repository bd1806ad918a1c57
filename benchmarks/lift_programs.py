"""Random programs, lifted and compared with their functions: ``python benchmarks/lift_programs.py --programs 10000``.

The programs are those of ``tests/lift/random_programs.py``, with ``--steps`` those of ``tests/lift/step_programs.py``,
with ``--nested`` those of ``tests/lift/nested_programs.py``.
Fails if one program differs from its function, or cannot be lifted; prints the smallest of each kind of failure, as
Python, with the arguments.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import traceback
import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "lift"))

import nested_programs
import step_programs
from random_programs import RandomProgram, compared, compared_beyond, random_programs
from transform_chains import transform_chains

#: Hypothesis varies what it has drawn before: fresh runs keep the programs different.
_RUN = 50


@dataclass
class Tally:
    """What was seen so far.

    Attributes:
        sources: The programs, each once.
        unfit: How many had derivatives that are not finite or large, or are defined for none of the arguments.
        groups: The number of statements of each program that was lifted.
        failures: Those that failed, by where and how, with the message.
    """

    sources: set[str] = field(default_factory=set)
    unfit: int = 0
    groups: list[int] = field(default_factory=list)
    failures: dict[str, list[tuple[RandomProgram, str]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, drawn: RandomProgram, engine: str, beyond: bool) -> None:
        """Compare a program, unless it was seen."""
        if drawn.source in self.sources:
            return
        self.sources.add(drawn.source)
        try:
            if beyond:
                self.unfit += not compared_beyond(drawn, engine)
                return
            program = compared(drawn, engine)
        except Exception as error:
            self.failures[_kind(error)].append((drawn, str(error)))
            return
        if program is None:
            self.unfit += 1
        else:
            self.groups.append(program.report().groups)


def _kind(error: Exception) -> str:
    """Return an error without what differs from one program to the next."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {where.name}: {re.sub(r'[-+0-9.e]+', '#', str(error))[:80]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", type=int, default=10000, help="how many different ones (default: 10000)")
    parser.add_argument("--statements", type=int, default=4, help="how many statements one has at most (default: 4)")
    parser.add_argument("--seed", type=int, default=0, help="of the first run (default: 0)")
    parser.add_argument("--engine", default="numpy", help="what runs the programs (default: numpy)")
    parser.add_argument("--beyond", action="store_true", help="with arguments that are infinite, NaN or out of range")
    parser.add_argument("--chains", action="store_true", help="derivatives of chains of transforms instead")
    parser.add_argument("--steps", action="store_true", help="loops over time instead")
    parser.add_argument("--nested", action="store_true", help="loops within loops instead")
    arguments = parser.parse_args()
    if arguments.programs < 1 or arguments.statements < 1:
        parser.error("give at least one program of at least one statement")
    if arguments.steps or arguments.nested:
        return int(compare_loops(arguments.programs, arguments.seed, arguments.engine, arguments.nested) > 0)
    drawn_from = random_programs(statements=arguments.statements, transforms=not arguments.beyond)
    if arguments.chains:
        drawn_from = transform_chains()
    tally = Tally()
    start = time.perf_counter()
    with tqdm(total=arguments.programs, unit="program") as progress, warnings.catch_warnings():
        warnings.simplefilter("error")
        number = arguments.seed
        while len(tally.sources) < arguments.programs:
            _run(tally, number, drawn_from, arguments.engine, arguments.beyond)
            progress.update(len(tally.sources) - progress.n)
            number += 1
    _report(tally, time.perf_counter() - start)
    return int(bool(tally.failures))


def compare_loops(count: int, first: int, engine: str, nested: bool) -> int:
    """Compare random loops over time, or within one another, with what they lift to; the number of failures."""
    draw = nested_programs.draw_program if nested else step_programs.draw_program
    compare = nested_programs.compare_nested if nested else step_programs.compare_over_time
    groups, loops, failed = [], 0, 0
    for number in tqdm(range(first, first + count), unit="program"):
        try:
            program = compare(number, engine)
        except Exception:
            failed += 1
            print(f"\n{traceback.format_exc(limit=-1)}\nprogram {number}:\n{draw(number)}")
            continue
        groups.append(program.report().groups)
        loops += any(loop.axis == nested for loop in program.ir.loops)
    mean = sum(groups) / max(len(groups), 1)
    what = "loops within loops" if nested else "loops"
    print(f"{count} programs over time, {failed} failures, {loops} with {what}, {mean:.1f} groups a program")
    return failed


def _run(tally: Tally, number: int, drawn_from: SearchStrategy[RandomProgram], engine: str, beyond: bool) -> None:
    @seed(number)
    @settings(
        max_examples=_RUN,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn_from)
    def draw(drawn: RandomProgram) -> None:
        tally.add(drawn, engine, beyond)

    draw()


def _report(tally: Tally, seconds: float) -> None:
    failed = sum(map(len, tally.failures.values()))
    mean = sum(tally.groups) / max(len(tally.groups), 1)
    print(
        f"{len(tally.sources)} programs, {failed} failures, {tally.unfit} left out: they or their derivatives are not "
        f"finite or large, {mean:.1f} groups a program, {seconds:.0f} s"
    )
    for kind, cases in sorted(tally.failures.items(), key=lambda item: -len(item[1])):
        drawn, message = min(cases, key=lambda case: len(case[0].source))
        print(f"\n{len(cases)} times {kind}\n{message[:500]}\nthe smallest:\n{drawn!r}")


if __name__ == "__main__":
    sys.exit(main())
