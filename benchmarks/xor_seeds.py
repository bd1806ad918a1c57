"""Exclusive or from 100 seeds under each optimiser: ``python benchmarks/xor_seeds.py``.

A seed counts as learnt where ``train_xor`` with its default settings ends with all four points right and a loss below
0.01. Below 95 of 100 under any optimiser, the command fails.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

from tinygrad_lite.nn.xor_training import XOR_SETTINGS, train_xor

WANTED = 0.95


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "optimizers", nargs="*", metavar="OPTIMIZER", help=f"of {', '.join(XOR_SETTINGS)}; default: all"
    )
    parser.add_argument("--seeds", type=int, default=100, help="how many, from 0 on (default: 100)")
    arguments = parser.parse_args()
    names = arguments.optimizers or list(XOR_SETTINGS)
    unknown = [name for name in names if name not in XOR_SETTINGS]
    if unknown or arguments.seeds < 1:
        parser.error(f"unknown: {', '.join(unknown)}" if unknown else "give at least one seed")
    width = max(map(len, names))
    print(f"{'optimiser':{width}}  hidden  learnt      median loss  worst loss  s   settings")
    failed = False
    for name in names:
        settings = XOR_SETTINGS[name]
        start = time.perf_counter()
        runs = [train_xor(seed, progress=False, optimizer=name) for seed in range(arguments.seeds)]
        seconds = time.perf_counter() - start
        losses = [run.losses[-1] for run in runs]
        learnt = sum(run.accuracy == 1.0 and run.losses[-1] < 0.01 for run in runs)
        failed = failed or learnt < WANTED * arguments.seeds
        share = f"{learnt} of {arguments.seeds}"
        made = ", ".join(f"{key}={number}" for key, number in settings.hyperparameters.items())
        print(
            f"{name:{width}}  {settings.hidden:6}  {share:10}  {statistics.median(losses):11.2g}  {max(losses):10.2g}"
            f"  {seconds:<2.0f}  {made}",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
