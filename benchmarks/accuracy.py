"""The accuracy of every derivative rule, in ulp, against mpmath: ``python benchmarks/accuracy.py [op ...]``.

For every operation of the table and each of its operands: the maximum error of the partial over points drawn from the
whole domain, the point where it was found, and the error of JAX and of PyTorch on the same points (in float64, where
they are installed). The truth is the textbook definition, differentiated in mpmath at a precision that is doubled until
nothing changes (``tests/reference.py``); the points are those of ``tests/sampling.py``.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np

from tinygrad_lite.dispatch import record_operation
from tinygrad_lite.operation import NARY, Op
from tinygrad_lite.ops import TABLE
from tinygrad_lite.testing import exact as reference
from tinygrad_lite.testing import sampling
from tinygrad_lite.value import Value

#: Where a peer's functions are looked for, and names that are neither ours nor NumPy's.
LIBRARIES = {
    "torch": ("torch", "torch.nn.functional", "torch.special"),
    "jax": ("jax.nn", "jax.scipy.special", "jax.numpy"),
}
ALIASES = {"logsigmoid": ("log_sigmoid",), "softsign": ("soft_sign",), "hardtanh": ("hard_tanh",)}


def partials(op: Op, point: Sequence[float]) -> tuple[float, ...]:
    """The engine's, as ``backward()`` uses them."""
    return record_operation(op, [Value(x) for x in point]).partials


def differentiated(op: Op, point: Sequence[float]) -> list[int]:
    """The operands that a derivative is taken by: all but an index."""
    return list(range(len(point) - (op.arity == NARY and op.operands[-1] == "index")))


class Worst:
    """The greatest error so far, and where."""

    def __init__(self) -> None:
        self.error = 0.0
        self.point: Sequence[float] = ()

    def see(self, error: float, point: Sequence[float]) -> None:
        """Takes note of one error."""
        if error > self.error or not self.point:
            self.error, self.point = error, point


def measure(op: Op, count: int, seed: int, peers: Sequence[str] = ()) -> dict[tuple[str, str], Worst]:
    """The worst error of each partial, by (library, operand)."""
    found: dict[tuple[str, str], Worst] = {}
    drawn = list(sampling.points(op, count, seed))
    others = {peer: peer_partials(peer, op, drawn) for peer in peers}
    for i, point in enumerate(drawn):
        ours = partials(op, point)
        for k in differentiated(op, point):
            try:
                truth = reference.partial(op, point, k)
            except (ArithmeticError, ValueError):  # at the edge of the domain, where the derivative is not finite
                continue
            name = op.operands[k] if op.arity != NARY else group(op, k, len(point))
            found.setdefault(("tinygrad_lite", name), Worst()).see(reference.ulps(ours[k], truth), point)
            for peer, theirs in others.items():
                if theirs is not None:
                    found.setdefault((peer, name), Worst()).see(reference.ulps(theirs[i][k], truth), point)
    return found


def group(op: Op, k: int, n: int) -> str:
    """The name of the sequence or scalar that operand k of an n-ary operation belongs to."""
    if op.name != "dot":
        return op.operands[0]
    return op.operands[0] if k < n // 2 else op.operands[1] if k < n - 1 else op.operands[2]


# ------------------------------------------------------------------------------------------------------ peers


def installed() -> list[str]:
    """The peers that can be imported."""
    found = []
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        found.append(name)
    if "jax" in found:
        importlib.import_module("jax").config.update("jax_enable_x64", True)
    return found


def peer_function(peer: str, op: Op) -> Callable[..., Any] | None:
    """The peer's function for an operation, by its names."""
    names = (op.name, op.numpy, *ALIASES.get(op.name, ()))
    for module in map(importlib.import_module, LIBRARIES[peer]):
        for name in filter(None, names):
            function = getattr(module, name, None)
            if callable(function):
                return function
    return None


def peer_partials(peer: str, op: Op, points: list[list[float]]) -> list[list[float]] | None:
    """A peer's partials at each point, or None if it lacks the operation."""
    function = peer_function(peer, op)
    if function is None or op.name in ("where", "lookup", "dot"):
        return None
    if op.name == "gelu" and peer == "jax":
        function = lambda x, exact=function: exact(x, approximate=False)  # noqa: E731 (their default is not GELU)
    results: list[Any] = [None] * len(points)
    for n in {len(point) for point in points}:
        at = [i for i, point in enumerate(points) if len(point) == n]
        try:
            columns = _peer_columns(peer, op, function, np.array([points[i] for i in at]).T)
        except (AttributeError, TypeError, ValueError, RuntimeError, IndexError):  # not what ours is
            return None
        for row, i in enumerate(at):
            results[i] = [float(column[row]) for column in columns]
    return results


def _peer_columns(peer: str, op: Op, function: Callable[..., Any], columns: Any) -> list[Any]:
    """∂(sum over all points)/∂operand, for each operand."""

    def total(xp: Any, xs: Sequence[Any]) -> Any:
        if op.arity != NARY:
            return function(*xs).sum()
        stacked = xp.stack(xs[:-1] if op.operands[-1] == "index" else xs)
        if op.operands[-1] != "index":
            return function(stacked, 0).sum()
        chosen = function(stacked, 0)
        return sum((chosen[i] * (columns[-1] == i)).sum() for i in range(len(chosen)))

    if peer == "torch":
        torch = importlib.import_module("torch")
        xs = [torch.tensor(column, dtype=torch.float64, requires_grad=True) for column in columns]
        if op.operands[-1] == "index":
            columns = [torch.tensor(column) for column in columns]
        gradients = torch.autograd.grad(total(torch, xs), xs, allow_unused=True)
        return [np.zeros(len(columns[0])) if g is None else g.numpy() for g in gradients]
    jax = importlib.import_module("jax")
    gradients = jax.grad(lambda xs: total(jax.numpy, xs))([jax.numpy.asarray(column) for column in columns])
    return [np.asarray(g) for g in gradients]


# ----------------------------------------------------------------------------------------------------- the table


def shown(error: Worst | None) -> str:
    """An error as a table's cell."""
    if error is None:
        return "-"
    return "inf/nan" if math.isinf(error.error) else f"{error.error:.2f}" if error.error < 1e4 else f"{error.error:.0e}"


def main() -> int:
    """Prints the table; the exit status is 1 if a bound is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ops", nargs="*", metavar="op", help="operations of the table (all)")
    parser.add_argument("--points", type=int, default=2000, help="points drawn for each operation (2000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-peers", action="store_true", help="leave out JAX and PyTorch")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    unknown = sorted(set(options.ops) - set(TABLE))
    if unknown:
        parser.error(f"no operation is named {', '.join(unknown)}; there are: {', '.join(TABLE)}")
    peers = [] if options.no_peers else installed()
    columns = "".join(f"{peer:>10}" for peer in peers)
    print(f"{'operation':<20}{'by':<10}{'ulp':>8}{'bound':>7}{columns}  worst input, found in {options.points} points")
    exceeded = 0
    started = time.perf_counter()
    for name in options.ops or TABLE:
        op = TABLE[name]
        found = measure(op, options.points, options.seed, peers)
        for (library, operand), worst in found.items():
            if library != "tinygrad_lite":
                continue
            over = worst.error > op.bound
            exceeded += over
            others = "".join(f"{shown(found.get((peer, operand))):>10}" for peer in peers)
            at = ", ".join(map(repr, worst.point))
            mark = "  EXCEEDS ITS BOUND" if over else ""
            print(f"{name:<20}{operand:<10}{shown(worst):>8}{op.bound:>7g}{others}  {at}{mark}", flush=True)
    print(f"{exceeded} partials exceed their bound ({time.perf_counter() - started:.0f} s, seed {options.seed})")
    return exceeded > 0


if __name__ == "__main__":
    sys.exit(main())
