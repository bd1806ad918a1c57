"""How the nodes between a root and a leaf, their formulas and derivatives are written in a derivation."""

from __future__ import annotations

from collections.abc import Mapping

from tinygrad_lite.value import Value
from tinygrad_lite.viz.derivation.document import Math, math_of
from tinygrad_lite.viz.derivation.paths import Between
from tinygrad_lite.viz.formulas.formulas import Indexed, Number, Series, Symbol, Tree, parts_of
from tinygrad_lite.viz.formulas.local_formulas import Application
from tinygrad_lite.viz.formulas.symbols import symbols
from tinygrad_lite.viz.reading.node_operations import operation_of


class Notation:
    """Names of nodes, and what is written with them.

    Args:
        between: The nodes on the paths.
        found: Names of nodes without a label, by id.
        precision: Significant digits of the numbers.

    Attributes:
        trees: Of each node on the paths its name; of each of their operands a name, a number, or a short formula.
        legend: Symbols that stand for long labels, with the labels.
        applications: The operation of each interior node that has a name.

    >>> a = Value(2.0, label="a")
    >>> b = a * a
    >>> Notation(Between(b, a), {}, 4).derivative(b, a).text
    '∂L/∂a'
    """

    def __init__(self, between: Between, found: Mapping[int, str], precision: int) -> None:
        self.between = between
        self.precision = precision
        self.trees, self.legend = _trees(between, found)
        interior = {id(x): x for node in reversed(between.nodes) for x in (*node.parents, node) if not x.is_leaf}
        self.applications = {
            key: _application(node, self.trees)
            for key, node in interior.items()
            if isinstance(self.trees.get(key), Symbol)
        }
        #: operands that have a name and lead to no path
        self.aside = [node for key, node in interior.items() if key in self.applications and node not in between]

    def name(self, node: Value) -> Math:
        """Return a node's name."""
        return math_of(self.trees[id(node)])

    def derivative(self, upper: Value, lower: Value) -> Math:
        """∂upper/∂lower as it is written."""
        above, below = self.name(upper), self.name(lower)
        return Math(f"∂{above.text}/∂{below.text}", rf"\frac{{\partial {above.latex}}}{{\partial {below.latex}}}")

    def step(self, node: Value, operand: Value) -> Math:
        """∂node/∂operand of one step; if other ways lead from one to the other, with the nodes on them held fixed."""
        whole = self.derivative(node, operand)
        if self.between.count_paths(node, operand) == 1:
            return whole
        held = [x for x in self.between.operands(node) if x is not operand and self.between.count_paths(x, operand)]
        names = [self.name(x) for x in held[:2]]
        more = len(held) > 2
        text, latex = ",".join(x.text for x in names) + ",…" * more, ", ".join(x.latex for x in names)
        dots = r", \ldots" if more else ""
        return Math(f"{whole.text}|{text}", rf"\left.{whole.latex}\right|_{{{latex}{dots}}}")

    def symbol(self, upper: Value, lower: Value, data: float) -> Symbol:
        """Return the same as a factor of a formula."""
        return Symbol(*self.derivative(upper, lower), data)

    def number(self, number: float) -> Math:
        """Return a number."""
        return math_of(Number(number), precision=self.precision)

    def equation(self, node: Value) -> Math:
        """Return a node's name and its number."""
        name, number = self.name(node), self.number(node.data)
        return Math(f"{name.text} = {number.text}", f"{name.latex} = {number.latex}")

    def both(self, tree: Tree) -> tuple[Math, ...]:
        """Return a formula with names, and with numbers if all of it is written out."""
        named = math_of(tree, precision=self.precision)
        if any(isinstance(part, (Series, Indexed)) for part in parts_of(tree)):
            return (named,)
        return named, math_of(tree, numbers=True, precision=self.precision)


def _trees(between: Between, found: Mapping[int, str]) -> tuple[dict[int, Tree], list[tuple[Symbol, str]]]:
    named: dict[int, Value] = {}
    short: dict[int, Value] = {}
    on_path = {id(node) for node in between.nodes}
    for node in [*reversed(between.nodes[:-1]), between.nodes[-1]]:
        for x in (*node.parents, node) if node in between else (node,):
            if id(x) not in on_path and _is_short(x, found):
                short[id(x)] = x
                named.update((id(y), y) for y in x.parents)
            else:
                named.setdefault(id(x), x)
    plain = {key: x for key, x in named.items() if x.is_constant and not (x.label or found.get(key))}
    trees: dict[int, Tree] = {key: Number(x.data) for key, x in plain.items()}
    called = symbols([x for key, x in named.items() if key not in plain], between.nodes[0], found)
    trees.update(called.of)
    trees.update({key: _application(x, trees).formula() for key, x in short.items() if key not in trees})
    return trees, called.legend


def _is_short(node: Value, found: Mapping[int, str]) -> bool:
    """Whether the formula of an operand, such as 1 − y, can stand in the place of its name."""
    operands = node.parents
    unnamed = not node.label and id(node) not in found
    return unnamed and 0 < len(operands) <= 2 and all(x.is_leaf or x.label or id(x) in found for x in operands)


def _application(node: Value, trees: Mapping[int, Tree]) -> Application:
    result = trees.get(id(node))
    operands = tuple(trees.get(id(x), Number(x.data)) for x in node.parents)
    return Application(
        operation_of(node), operands, result if isinstance(result, Symbol) else Symbol("", "", node.data)
    )
