"""Random programs, traced at small sizes and compared: ``python benchmarks/lift_size_programs.py --programs 1000``.

The programs are those of ``tests/lift/sizes/regular_programs.py``; half of them ask how long something is, and are not
the same at all sizes. Each is lifted with its gradients and compared with the function, run eagerly, at a size that was
not traced. It may be refused; fails if one is wrong, and prints it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "lift" / "sizes"))

from regular_programs import arguments, draw, function_of

from tinygrad_lite import tree_leaves, value_and_grad
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import lift

TOLERANCE = 1e-10


def numbers(results: Any) -> Any:
    """Put all numbers of some results into one array."""
    return np.concatenate([np.ravel(np.asarray(leaf, dtype=float)) for leaf in tree_leaves(results)])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--programs", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first (default: 0)")
    options = parser.parse_args()
    counts, wrong = {"right": 0, "refused": 0}, 0
    for number in tqdm(range(options.seed, options.seed + options.programs)):
        source = draw(number // 2, trap=bool(number % 2))
        function = value_and_grad(function_of(source), (0, 1, 2))
        given = arguments(number, 24, (21, 40)[number // 2 % 2])
        try:
            found = numbers(lift(function, sizes=True)(*given))
        except LiftError:
            counts["refused"] += 1
            continue
        expected = numbers(function(*given))
        if not np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max():
            wrong += 1
            print(f"\nwrong by {np.abs(found - expected).max():.1e}, number {number}:\n{source}")
        else:
            counts["right"] += 1
    print(f"{counts['right']} right, {counts['refused']} refused, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
