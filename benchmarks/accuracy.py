"""The accuracy of every derivative rule, in ulp, against mpmath: ``python benchmarks/accuracy.py [op ...]``.

For every operation of the table and each of its operands: the maximum error of the partial over points drawn from the
whole domain, the point where it was found, and the error of JAX and of PyTorch on the same points (in float64, where
they are installed). The truth is the textbook definition, differentiated in mpmath at a precision that is doubled until
nothing changes (``testing/accuracy/accuracy.py``); the points are those of ``testing/strategies/sampling.py``.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.testing.accuracy.accuracy import Partial, engine_partial, measure, places, true_partial
from tinygrad_lite.testing.accuracy.profiles import Sample, worst
from tinygrad_lite.testing.strategies import sampling

#: Where a peer's functions are looked for, and names that are neither ours nor NumPy's.
LIBRARIES = {
    "torch": ("torch", "torch.nn.functional", "torch.special"),
    "jax": ("jax.nn", "jax.scipy.special", "jax.numpy"),
}
ALIASES = {"logsigmoid": ("log_sigmoid",), "softsign": ("soft_sign",), "hardtanh": ("hard_tanh",)}


def measured(op: Op, operand: str, drawn: Sequence[list[float]], others: Mapping[str, Any]) -> dict[str, Sample]:
    """Return the worst error of the partial by one operand, by library."""
    cases = [(point, k) for point in drawn for k in places(op, operand, len(point))]
    exact = true_partial(op)
    truths: dict[tuple[tuple[float, ...], int], Any] = {}

    def truth(point: Sequence[float], k: int) -> Any:
        """Found once for all libraries."""
        key = (tuple(point), k)
        if key not in truths:
            truths[key] = exact(point, k)
        return truths[key]

    found = {}
    for library, partial in {"tinygrad_lite": engine_partial(op), **others}.items():
        samples, _ = measure(cases, partial, truth)
        if samples:
            found[library] = worst(samples)
    return found


# ------------------------------------------------------------------------------------------------------ peers


def installed() -> list[str]:
    """Return the peers that can be imported."""
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
    """Return the peer's function for an operation, by its names."""
    names = (op.name, op.numpy, *ALIASES.get(op.name, ()))
    for module in map(importlib.import_module, LIBRARIES[peer]):
        for name in filter(None, names):
            function = getattr(module, name, None)
            if callable(function):
                return function
    return None


def peer_partial(peer: str, op: Op, points: list[list[float]]) -> Partial | None:
    """Return a peer's partials at the points, or None if it lacks the operation."""
    function = peer_function(peer, op)
    if function is None or op.name in ("where", "lookup", "dot"):
        return None
    if op.name == "gelu" and peer == "jax":
        function = lambda x, exact=function: exact(x, approximate=False)  # noqa: E731 (their default is not GELU)
    results: dict[tuple[float, ...], list[float]] = {}
    for n in {len(point) for point in points}:
        at = [i for i, point in enumerate(points) if len(point) == n]
        try:
            columns = _peer_columns(peer, op, function, np.array([points[i] for i in at]).T)
        except (AttributeError, TypeError, ValueError, RuntimeError, IndexError):  # not what ours is
            return None
        for row, i in enumerate(at):
            results[tuple(points[i])] = [float(column[row]) for column in columns]
    return lambda point, k: results[tuple(point)][k]


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


def shown(found: Sample | None) -> str:
    """Return an error as a table's cell."""
    if found is None:
        return "-"
    return "inf/nan" if math.isinf(found.error) else f"{found.error:.2f}" if found.error < 1e4 else f"{found.error:.0e}"


def main() -> int:
    """Print the table; the exit status is 1 if a bound is exceeded."""
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
        drawn = list(sampling.points(op, options.points, options.seed))
        others = {peer: partial for peer in peers if (partial := peer_partial(peer, op, drawn)) is not None}
        for operand in op.operands:
            if operand == "index":
                continue
            found = measured(op, operand, drawn, others)
            ours = found["tinygrad_lite"]
            over = ours.error > op.bound
            exceeded += over
            columns = "".join(f"{shown(found.get(peer)):>10}" for peer in peers)
            at = ", ".join(map(repr, ours.operands))
            mark = "  EXCEEDS ITS BOUND" if over else ""
            print(f"{name:<20}{operand:<10}{shown(ours):>8}{op.bound:>7g}{columns}  {at}{mark}", flush=True)
    print(f"{exceeded} partials exceed their bound ({time.perf_counter() - started:.0f} s, seed {options.seed})")
    return exceeded > 0


if __name__ == "__main__":
    sys.exit(main())
