"""Training steps of the architectures, eager and lifted, in one run. ``python benchmarks/architectures.py [NAME ...]``.

For each: scalar nodes and groups of the loss of one sample with its gradient, and the milliseconds of a step (loss and
all gradients of a batch, without the optimiser) on each engine that is installed. The times are the least of several
rounds; the machine should have nothing else to do. Compiling for numba takes some seconds for each row.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from tinygrad_lite.nn.architectures.costs import measure
from tinygrad_lite.nn.architectures.example import Example


class Row(NamedTuple):
    """An example, by the module of ``nn.architectures`` that makes it."""

    title: str
    module: str
    samples: int
    arguments: tuple[tuple[str, Any], ...] = ()

    def example(self) -> Example:
        make: Callable[..., Example] = importlib.import_module(f"tinygrad_lite.nn.architectures.{self.module}").example
        return make(**dict(self.arguments))


#: One line for each architecture: the name on the command line, and what it is.
ROWS: dict[str, Row] = {
    "autoencoder": Row("an autoencoder, digits", "autoencoder", 32),
    "diffusion": Row("a diffusion model, two moons", "diffusion", 256, (("draws", 2),)),
    "lstm": Row("an LSTM that reads digits row by row", "recurrent", 32),
    "gpt": Row("a GPT, names of the standard library", "gpt", 32),
    "gcn": Row("graph convolutions, the karate club", "graph_network", 1),
    "gat": Row("graph attention, the karate club", "graph_network", 1, (("attention", True),)),
    "cnn": Row("a convolutional network, digits", "convolutional", 64),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(ROWS)}; all, if none is given")
    parser.add_argument("--engines", nargs="+", default=["numpy", "numba", "jax"])
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each engine is timed, about")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in ROWS]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}: choose of {', '.join(ROWS)}")
    print(f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {platform.machine()}\n")
    for name in arguments.names or ROWS:
        row = ROWS[name]
        print(f"{name}: {row.title}", flush=True)
        print(f"{measure(row.example(), row.samples, arguments.engines, arguments.seconds)}\n", flush=True)


if __name__ == "__main__":
    main()
