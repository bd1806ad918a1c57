"""The states of the backward sweep over a graph: what each node has received when another one has passed on its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tinygrad_lite.value import Value, topological_order
from tinygrad_lite.viz.drawing.cards import number


class Step(NamedTuple):
    """A state of the sweep."""

    #: which node passes its gradient on; None before the first, and after the last
    active: int | None
    #: nodes that have a gradient, or part of one
    reached: frozenset[int]
    #: nodes that have passed theirs on
    done: frozenset[int]
    #: the gradients up to now
    grads: tuple[float, ...]
    #: what happens, in words
    caption: str


def sweep_steps(order: Sequence[Value], names: Sequence[str], precision: int) -> list[Step]:
    """Return the states of the sweep: before it, after each interior node, and at its end.

    Args:
        order: All nodes, each before its operands.
        names: What they are called.
        precision: Significant digits of the numbers in the captions.

    >>> a = Value(2.0, label="a")
    >>> [step.grads for step in sweep_steps([a * a, a], ["y", "a"], 4)]
    [(1.0, 0.0), (1.0, 4.0), (1.0, 4.0)]
    """
    place = {id(node): i for i, node in enumerate(order)}
    grads = [0.0] * len(order)
    grads[0] = 1.0
    reached, done = {0}, set[int]()
    interior = [place[id(node)] for node in topological_order(order[0])]  # as backward() goes
    steps = [Step(None, frozenset(reached), frozenset(), tuple(grads), f"the gradient of {names[0]} by itself is 1")]
    for count, i in enumerate(interior, 1):
        gradient = grads[i]
        shares = []
        for operand, partial in zip(order[i].parents, order[i].partials, strict=True):
            if operand.is_constant:
                continue
            k = place[id(operand)]
            reached.add(k)
            # As in backward(): a gradient of 0 passes on nothing, not even 0 times inf.
            share = gradient * partial if gradient and partial else 0.0
            product = f"{_signed(gradient, precision)} · {_signed(partial, precision)} = {number(share, precision)}"
            now = f" (now {number(grads[k] + share, precision)})" if grads[k] else ""
            shares.append(f"{product}  to {names[k]}{now}")
            grads[k] += share
        done.add(i)
        words = ",  ".join(shares) or "nothing: its operands are constants"
        caption = f"step {count} of {len(interior)}:  {names[i]}  passes on  {words}"
        steps.append(Step(i, frozenset(reached), frozenset(done), tuple(grads), caption))
    steps.append(Step(None, frozenset(range(len(order))), frozenset(done), tuple(grads), "every node has its gradient"))
    return steps


def _signed(x: float, precision: int) -> str:
    written = number(x, precision)
    return f"({written})" if written.startswith("−") else written
