"""How long pictures take, by the size of the graph: ``python benchmarks/viz.py``.

A graph of 100,000 nodes, collapsed, in less than 5 seconds, and one of 1,000, node by node, in less than 10: from the
Value to the contents of the SVG file. Each graph is drawn with every renderer that is installed.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

from tinygrad_lite import Value, sum, topological_order
from tinygrad_lite.nn import MLP, binary_cross_entropy_with_logits
from tinygrad_lite.viz import draw, mimebundle, render
from tinygrad_lite.viz.drawing import renderers
from tinygrad_lite.viz.output.tree import tree

#: Seconds, by whether the graph is collapsed.
LIMITS = {True: 5.0, False: 10.0}


def network(samples: int, hidden: int) -> tuple[MLP, Value]:
    """Return the loss of an MLP over a batch: one dot node a neuron."""
    model = MLP(2, [hidden, hidden, 1], seed=0)
    logits = [model([math.sin(i), math.cos(i)]) for i in range(samples)]
    loss = binary_cross_entropy_with_logits(logits, [i % 2 for i in range(samples)])
    loss.backward()
    return model, loss


def scalar_network(inputs: int, hidden: int) -> Value:
    """Return an MLP on one sample, written with + and * alone, as in micrograd."""
    xs = [Value(0.1 * i) for i in range(inputs)]
    for width in (hidden, hidden, 1):
        xs = [neuron(xs, i) for i in range(width)]
    xs[0].backward()
    return xs[0]


def neuron(xs: list[Value], seed: int) -> Value:
    total = Value(0.0)
    for k, x in enumerate(xs):
        total = total + Value(math.sin(seed + k)) * x
    return total.tanh()


def loop(steps: int) -> Value:
    """Return a recurrence, each step upon the last."""
    w, b, y = Value(0.5, "w"), Value(0.1, "b"), Value(0.3, "y0")
    for _ in range(steps):
        y = (w * y + b).tanh()
    y.backward()
    return y


def wide(count: int) -> Value:
    """Return a sum of products."""
    total = sum([Value(0.1 * i) * Value(0.2) for i in range(count)])
    total.backward()
    return total


def cases() -> list[tuple[str, Value, dict[str, Any]]]:
    """Name, graph and options of each picture."""
    model, large = network(1410, 16)
    return [
        ("network", large, {}),
        ("network, names=model", large, {"names": model}),
        ("recorded loop", loop(33_333), {}),
        ("sum of products", wide(33_333), {}),
        ("network", network(26, 8)[1], {"collapse": False}),
        ("network as in micrograd", scalar_network(2, 16), {"collapse": False}),
        ("recorded loop", loop(333), {"collapse": False}),
        ("sum of products", wide(333), {"collapse": False}),
    ]


def seconds(run: Callable[..., object], *arguments: Any, **options: Any) -> float:
    start = time.perf_counter()
    run(*arguments, **options)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    programs = renderers.installed()
    if not programs:
        print("install Graphviz or pygraphviz first")
        return 1
    path = os.environ["PATH"]
    without_dot = os.pathsep.join(p for p in path.split(os.pathsep) if not shutil.which("dot", path=p))
    print(f"{'':28}{'nodes':>9}{'edges':>10}{'draw':>10}" + "".join(f"{name:>12}" for name in programs))
    slow = False
    for name, root, options in cases():
        order = topological_order(root, leaves=True)
        edges = [1 for node in order for _ in node.parents]
        collapsed = options.get("collapse", True)
        times = [seconds(draw, root, **options)]
        for renderer in programs:
            os.environ["PATH"] = path if renderer == "dot" else without_dot
            times.append(seconds(render, root, "svg", **options))
        os.environ["PATH"] = path
        slow = slow or max(times) > LIMITS[collapsed]
        label = f"{name}{'' if collapsed else ' (all)'}"
        print(f"{label:28}{len(order):9,}{len(edges):10,}{times[0]:9.2f}s" + "".join(f"{t:11.2f}s" for t in times[1:]))
    _, loss = network(22, 16)
    print(f"notebook, {len(topological_order(loss, leaves=True)):,} nodes: {seconds(mimebundle, loss):.2f} s")
    long = loop(100_000)
    print(f"tree, {len(topological_order(long, leaves=True)):,} nodes: {seconds(tree, long):.2f} s")
    print("too slow" if slow else "all within the limits")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
