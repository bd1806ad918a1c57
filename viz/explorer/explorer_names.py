"""What the explorer calls the nodes of a graph: short, and with a name for each that formulas can use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tinygrad_lite.value import Value
from tinygrad_lite.viz.reading.labels import shortened, visible

#: A name longer than this does not fit into a formula.
WIDTH = 24

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def short_names(order: Sequence[Value], known: Mapping[int, str], owners: Mapping[int, str]) -> list[str]:
    """Return a name for each node, for cards and formulas.

    The name is the node's label, or what its variable is called, without the path of the module that it belongs to.
    Nodes that have none are numbered, v₁, v₂ and so on, as in the literature (Griewank & Walther 2008); the output, if
    it has none or one too long for a formula, is L. A constant without a label has none: it is called by its number.

    Args:
        order: The nodes in the order of evaluation, the output last.
        known: Names of variables by the id of the node.
        owners: The path of the module that a node belongs to, by its id.

    Returns:
        The names, in the same order.

    >>> a = Value(2.0, label="a")
    >>> b = a * a
    >>> short_names([a, b, b + 1.0], {}, {})
    ['a', 'v₁', 'L']
    """
    found = [_own_name(node, known.get(id(node), ""), owners.get(id(node), "")) for node in order]
    taken = set(found)
    letter = next(letter for letter in "vuts" if letter == "s" or not any(re.match(rf"{letter}\d+$", n) for n in taken))
    if "L" not in taken and (not found[-1] or len(found[-1]) > WIDTH):
        found[-1] = "L"
    numbered = 0
    for k, node in enumerate(order):
        if not found[k] and not (node.is_constant and node is not order[-1]):
            numbered += 1
            found[k] = letter + str(numbered).translate(_SUBSCRIPTS)
    return [shortened(name, WIDTH) for name in found]


def within(name: str, path: str) -> str:
    """Return the name without the path of the module, whose last parts it may begin with, in Python's or PyTorch's
    notation.

    Args:
        name: Such as ``layers.0.neurons.1.w.0`` or ``model.layers[0].neurons[1].w[0]``.
        path: Such as ``model.layers[0].neurons[1]``.

    >>> within("layers.0.neurons.1.w.0", "model.layers[0].neurons[1]")
    'w.0'
    >>> within("model.layers[0].neurons[1].w[0]", "model.layers[0].neurons[1]")
    'w[0]'
    """
    if path and name.startswith((f"{path}.", f"{path}[")):
        return name[len(path) :].lstrip(".")
    parts, around = name.split("."), _dotted(path).split(".")
    for count in range(min(len(parts) - 1, len(around)), 0, -1):
        if parts[:count] == around[-count:]:
            return ".".join(parts[count:])
    return name


def _own_name(node: Value, variable: str, path: str) -> str:
    return visible(within(node.label or variable, path)).strip()


def _dotted(path: str) -> str:
    return path.replace("[", ".").replace("]", "")
