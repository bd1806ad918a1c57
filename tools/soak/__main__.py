"""A soak: random use of everything, for as long as is wanted, with what must hold checked after each step.

    python tools/soak --minutes 60

An episode is some drawn steps on graphs, models and files of its own; what is drawn depends on the seed and the number
of the episode alone, apart from the instants of kills and interruptions. After each step modes, threads and a graph
are checked, and each action checks what it did: numbers against the operation itself, gradients against forward mode,
finite differences and 60 digits, files and copies to the bit, engines against the eager graph. After each episode
everything is dropped, and no Value, file or memory may be left. A fault is printed with the command that does its
episode again; the soak goes on, and ends with 1.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # a fork has no other threads

import argparse
import faulthandler
import gc
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "lift"))

import attacks
import graphs
import models
from world import LEFT_OPEN, World, check_all, open_files, resident

from tinygrad_lite import Value

_STEPS = 40
#: A step that takes longer says where it is.
_SECONDS = 300
#: The first episodes import and fill caches.
_WARM = 10
_ACTIONS = {
    graphs.grow: 8,
    graphs.change: 6,
    graphs.duplicate: 4,
    graphs.differentiate_twice: 4,
    graphs.deep_chain: 1,
    graphs.compare_expressions: 3,
    graphs.picture: 3,
    graphs.mistakes: 2,
    models.make: 5,
    models.train_by_hand: 5,
    models.fit: 4,
    models.save_and_load: 4,
    models.lift_model: 3,
    attacks.kill_while_saving: 2,
    attacks.kill_while_fitting: 1,
    attacks.interrupt: 8,
    attacks.threads: 2,
}


class Soak:
    """The episodes so far: what was done, what was wrong, and what memory there was."""

    def __init__(self, seed: int, steps: int = _STEPS, verbose: bool = False) -> None:
        self.seed = seed
        self.steps = steps
        self.verbose = verbose
        self.counts: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.faults = 0
        self.memory: list[tuple[int, float, int, int]] = []

    def run(self, episode: int) -> None:
        """Run one episode, and look at what it leaves."""
        self._play(episode)
        gc.collect()
        alive = sum(isinstance(item, Value) for item in gc.get_objects())
        self.memory.append((episode, resident(), alive, len(open_files()) - self.counts[LEFT_OPEN]))

    def _play(self, episode: int) -> None:
        rng = random.Random(f"{self.seed} {episode}")
        name = "start"
        with tempfile.TemporaryDirectory(prefix="soak") as folder:
            world = World(rng, Path(folder), self.counts)
            try:
                for world.step in range(self.steps):
                    action = rng.choices(list(_ACTIONS), list(_ACTIONS.values()))[0]
                    name = action.__name__
                    if self.verbose:
                        print(f"  {world.step}: {name}", flush=True)
                    faulthandler.dump_traceback_later(_SECONDS)
                    action(world)
                    check_all(world)
                    self.done[name] += 1
            except Exception:
                self.faults += 1
                print(f"\nFAULT in step {world.step} ({name}) of episode {episode}:")
                print(traceback.format_exc())
                print(
                    f"again: python tools/soak --seed {self.seed} --first {episode} --episodes 1 --steps {self.steps}",
                    flush=True,
                )
            finally:
                faulthandler.cancel_dump_traceback_later()

    def tell(self, seconds: float) -> None:
        """Print what was done."""
        steps = f"{len(self.memory)} episodes, {self.done.total():,} steps"
        print(f"\n{steps} in {seconds / 60:.1f} minutes, seed {self.seed}")
        print("steps:  " + ", ".join(f"{name} {count:,}" for name, count in sorted(self.done.items())))
        print("within: " + ", ".join(f"{name} {count:,}" for name, count in sorted(self.counts.items())))
        warm = self.memory[min(_WARM, len(self.memory) - 1) :]
        for episode, megabytes, alive, files in (warm[0], warm[len(warm) // 2], warm[-1]):
            opened = f"{files} open files but for those of Ctrl-C"
            print(f"after episode {episode}: {megabytes:.1f} MB, {alive} Values, {opened}")
        _, before, _, files_before = warm[0]
        _, after, alive, files = warm[-1]
        if alive or files > files_before:
            self.faults += 1
            print(f"FAULT: {alive} Values and {files - files_before} open files are left")
        grown = after - before
        print(f"{self.faults} faults; {grown:+.1f} MB, {1000 * grown / max(len(warm) - 1, 1):.0f} kB an episode")


def main() -> int:
    """Run the episodes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="after which no episode begins (default: 60)")
    parser.add_argument("--episodes", type=int, default=sys.maxsize, help="how many at most")
    parser.add_argument("--seed", type=int, default=0, help="what is drawn (default: 0)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first episode (default: 0)")
    parser.add_argument("--steps", type=int, default=_STEPS, help=f"of an episode (default: {_STEPS})")
    parser.add_argument("--verbose", action="store_true", help="print each step before it is taken")
    given = parser.parse_args()
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", ResourceWarning)  # a file is open where its writer is interrupted
    faulthandler.enable()
    soak = Soak(given.seed, given.steps, given.verbose)
    start = shown = time.monotonic()
    for episode in range(given.first, given.first + given.episodes):
        if time.monotonic() - start > 60.0 * given.minutes:
            break
        soak.run(episode)
        if time.monotonic() - shown > 60.0:
            shown = time.monotonic()
            print(
                f"episode {episode}: {soak.done.total():,} steps, {soak.faults} faults, {resident():.1f} MB", flush=True
            )
    soak.tell(time.monotonic() - start)
    return 1 if soak.faults else 0


if __name__ == "__main__":
    sys.exit(main())
