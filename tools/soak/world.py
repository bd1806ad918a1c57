"""What the soak knows: graphs, models and files that live for one episode, and what holds after every step."""

from __future__ import annotations

import contextlib
import math
import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tinygrad_lite as tg
from tinygrad_lite import Value, topological_order
from tinygrad_lite.modes import is_casting, watching
from tinygrad_lite.operations.ops import find
from tinygrad_lite.trace_mode import is_tracing

#: How many graphs, and how many models, live at once.
ROOM = 5
#: What is counted where Ctrl-C came between opening a file and handing it to somebody.
LEFT_OPEN = "files left open by Ctrl-C"


@dataclass
class Trained:
    """A model and what trains it.

    Attributes:
        make: Gives another of the same kind from a seed, with an optimiser.
        model: The model.
        optimizer: Moves its parameters.
        data: Inputs and targets.
        loss: Of outputs and targets.
        smooth: Whether finite differences of the loss may be taken: nothing is drawn, or taken over from other calls.
    """

    make: Callable[[int], tuple[Any, Any]]
    model: Any
    optimizer: Any
    data: tuple[list[Any], list[Any]]
    loss: Callable[[Any, Any], Any]
    smooth: bool = True


@dataclass
class World:
    """One episode.

    Attributes:
        rng: What everything is drawn from.
        folder: For files of this episode.
        graphs: Roots.
        models: With what trains them.
        counts: How often each thing was done, over all episodes.
        step: How many steps were taken.
        interrupted: Whether Ctrl-C came in this step.
    """

    rng: random.Random
    folder: Path
    counts: Counter[str]
    graphs: list[Value] = field(default_factory=list)
    models: list[Trained] = field(default_factory=list)
    step: int = 0
    interrupted: bool = False

    def path(self, suffix: str) -> Path:
        """Return one of a few names, so that files are replaced."""
        return self.folder / f"{self.rng.randrange(3)}{suffix}"

    def engine(self, numpy: int, tape: int, numba: int, eager: int = 0) -> str:
        """Return one of the engines, as often as is asked for; without llvmlite there is one less."""
        drawn = self.rng.choices(("numpy", "tape", "numba", "eager"), (numpy, tape, numba, eager))[0]
        return "numpy" if drawn == "numba" and find_spec("llvmlite") is None else drawn

    def keep(self, kept: list[Any], item: Any) -> None:
        """Add what lives on; of what there is too much, any goes."""
        kept.append(item)
        if len(kept) > ROOM:
            del kept[self.rng.randrange(ROOM)]


class FaultError(AssertionError):
    """Something is not as it must be."""


def require(holds: object, *what: object) -> None:
    """Raise unless something holds."""
    if not holds:
        raise FaultError(" ".join(str(part) for part in what))


def bits(model: Any) -> list[str]:
    """Return the weights and buffers of a model, to the bit."""
    return [f"{name} {_hex(part)}" for name, part in model.state_dict().items()]


def _hex(part: Any) -> Any:
    if hasattr(part, "tolist"):
        part = part.tolist()
    if isinstance(part, (list, tuple)):
        return [_hex(item) for item in part]
    return float(part).hex()


# ----------------------------------------------------------------------------------------------------- invariants


def check_all(world: World) -> None:
    """Check what holds after every step: no mode, thread or file is left over, and every graph's numbers are right."""
    require(tg.is_recording(), "recording is off")
    require(not is_casting(), "autocast is on")
    require(not watching(), "detect_anomaly is on")
    require(not is_tracing(), "a trace is on")
    require(threading.active_count() == 1, "threads are left:", threading.enumerate())
    w = Value(2.0)
    (w * 3.0).backward()
    require(w.grad == 3.0, "the gradient of w * 3 is", w.grad)
    if world.graphs:
        check_graph(world.rng.choice(world.graphs))


def check_graph(root: Value) -> None:
    """Check a graph: every number is what its operation gives, and gradients are those of forward mode."""
    order = nodes_below(root)
    for node in order:
        if node.parents:
            number = find(node.op).value([x.data for x in node.parents])
            require(float(number).hex() == node.data.hex(), node.op, "gives", number, "and the graph has", node.data)
    leaves = [node for node in order if is_variable(node)]
    root.zero_grad()
    slopes = [_slope(order, leaf) for leaf in leaves]
    for times in (1, 2):
        root.backward()
        for leaf, (slope, size) in zip(leaves, slopes, strict=True):
            bound = 1e-12 * times * size
            require(
                abs(leaf.grad - times * slope) <= bound, times, "times:", leaf.grad, "forward mode:", slope, "±", bound
            )


def nodes_below(root: Value) -> list[Value]:
    """Return all nodes of a graph, operands before what is made of them."""
    return topological_order(root, leaves=True)[::-1]


def is_variable(node: Value) -> bool:
    """Whether it is a leaf that has a gradient."""
    return not node.parents and node.requires_grad


def _slope(order: list[Value], by: Value) -> tuple[float, float]:
    """Return ∂root/∂leaf, and the sum of the sizes of what was added up for it, to which rounding is relative."""
    slopes = {id(by): (1.0, 1.0)}
    for node in order:
        if id(node) in slopes or not node.parents:
            continue
        terms = [
            (p * slopes[id(x)][0], abs(p) * slopes[id(x)][1])
            for p, x in zip(node.partials, node.parents, strict=True)
            if id(x) in slopes
        ]
        if terms:
            slopes[id(node)] = (math.fsum(t for t, _ in terms), math.fsum(t for _, t in terms))
    return slopes.get(id(order[-1]), (0.0, 0.0))


def resident() -> float:
    """Return how many MB of memory this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def open_files() -> dict[str, str]:
    """Return what this process has open, by the numbers of the files."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the folder itself, which listing it opened
            found[number] = os.readlink(f"/proc/self/fd/{number}")
    return found
