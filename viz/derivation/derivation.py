"""The chain rule for one derivative, written out as on paper: with symbols, then with numbers.

>>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
>>> derivation = derive((a * b) ** 2, a)
>>> derivation.value
36.0
"""

from __future__ import annotations

from typing import Any, Final, final

from tinygrad_lite.value import Value
from tinygrad_lite.viz.derivation.chain_rule import ChainRule
from tinygrad_lite.viz.derivation.document import Page
from tinygrad_lite.viz.derivation.notation import Notation
from tinygrad_lite.viz.derivation.paths import Between
from tinygrad_lite.viz.reading.labels import shortened
from tinygrad_lite.viz.reading.names import find_names


def derive(
    root: Value,
    leaf: Value,
    *,
    names: Any = None,
    precision: int = 4,
    max_paths: int = 8,
    max_nodes: int = 200,
) -> Derivation:
    r"""∂root/∂leaf by the chain rule, step by step: forwards, the derivative of each step, their products and sums.

    Every path from the leaf to the root is listed, and the products along the paths are added up. Where all paths pass
    one node, the derivative is a product of what lies before it and behind it. Where there are more paths than
    ``max_paths`` between two such nodes (their number may grow exponentially with the length), the sum is formed from
    the root back, node by node, as ``backward()`` does it. What cancels is shown: behind a sigmoid and a cross entropy
    that is all but ŷ − y, the prediction less the target.

    Names are the labels. Nodes without a label have the names of variables, if ``names`` is given, or else those of the
    textbooks: L for the root, z₁ … for weighted sums, a₁ … for their activations, x₁ … for leaves, v₁ … for others.

    Args:
        root: What is differentiated, such as the loss.
        leaf: By what: any node below the root.
        names: Names of nodes without a label: ``locals()``, another mapping, or a model.
        precision: Significant digits of the numbers.
        max_paths: How many paths are listed.
        max_nodes: How many nodes may lie on the paths: nobody would read more.

    Returns:
        What ``print`` shows as text and a notebook as typeset mathematics; it has ``.markdown()`` and ``.latex()``.

    Raises:
        TypeError: One of them is not a Value, or ``names`` is neither a mapping nor a model.
        ValueError: The root does not depend on the leaf, the leaf is a constant, there are too many nodes between them,
            or an option is out of range.
        StaleGraphError: A leaf was changed since the graph was evaluated.

    >>> z, y = Value(0.5, label="z"), Value(1.0, label="y")
    >>> p = z.sigmoid()
    >>> p.label = "p"
    >>> loss = -(y * p.log() + (1.0 - y) * (1.0 - p).log())
    >>> print(derive(loss, z).markdown().splitlines()[-4])
    \frac{\partial L}{\partial z} &= p - y \\
    """
    _check(root, leaf, precision, max_paths, max_nodes)
    between = Between(root, leaf)
    _check_path(between, root, leaf, max_nodes)
    found = {} if names is None else find_names(names).values
    page = ChainRule(between, Notation(between, found, precision), max_paths).page()
    return Derivation(root, leaf, between.adjoints(root)[id(leaf)], page)


@final
class Derivation:
    """A derivation, as :func:`derive` makes it: ``print`` it, or let a notebook show it.

    Attributes:
        root: What was differentiated.
        leaf: By what.
        value: The derivative.

    >>> x = Value(3.0, label="x")
    >>> print(derive(x * x, x))
    ∂L/∂x, step by step
    <BLANKLINE>
    1. Forwards
       L = x·x = 3·3 = 9
    <BLANKLINE>
    2. The derivative of each step
       ∂L/∂x = 2·x = 2·3 = 6
    """

    def __init__(self, root: Value, leaf: Value, value: float, page: Page) -> None:
        self.root: Final = root
        self.leaf: Final = leaf
        self.value: Final = value
        self._page: Final = page

    def markdown(self) -> str:
        """As Markdown, with formulas in LaTeX between dollar signs."""
        return self._page.markdown()

    def latex(self) -> str:
        """As LaTeX with amsmath, to be pasted into a document: a display for each part."""
        return self._page.latex()

    def _repr_latex_(self) -> str:
        return self.latex()

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def __str__(self) -> str:
        return self._page.text()

    def __repr__(self) -> str:
        return f"<derivation of {self._page.title.formulas[0].text} = {self.value!r}>"


def _check(root: object, leaf: object, precision: object, max_paths: object, max_nodes: object) -> None:
    for name, node in (("root", root), ("leaf", leaf)):
        if not isinstance(node, Value):
            raise TypeError(
                f"derive(root, leaf) takes two Values of a recorded graph; {name} is {type(node).__name__} {node!r:.80}"
            )
    if not isinstance(precision, int) or not 1 <= precision <= 17:
        raise ValueError(f"precision is a number of significant digits from 1 to 17, not {precision!r}")
    for name, number in (("max_paths", max_paths), ("max_nodes", max_nodes)):
        if not isinstance(number, int) or number < 1:
            raise ValueError(f"{name} is a positive int, not {number!r}")


def _check_path(between: Between, root: Value, leaf: Value, max_nodes: int) -> None:
    if leaf.is_constant:
        raise ValueError(
            f"{leaf!r} is a constant, by which nothing is differentiated: a plain number, or a leaf with "
            "requires_grad=False. Set leaf.requires_grad = True, or make it a Value before it is used."
        )
    if not between.nodes:
        below = list(
            {id(x): x for node in between.order for x in node.parents if x.is_leaf and not x.is_constant}.values()
        )
        named = ", ".join(repr(shortened(x.label)) if x.label else f"{x.data:g}" for x in below[:8])
        raise ValueError(
            f"{root!r} does not depend on {leaf!r}: the derivative is 0. "
            + (f"The leaves below it are: {named}{', …' if len(below) > 8 else ''}." if below else "It has no leaves.")
        )
    if len(between.nodes) > max_nodes:
        raise ValueError(
            f"{len(between.nodes):,} nodes lie on the paths between the two, more than max_nodes={max_nodes:,}: nobody "
            "would read that. Take a node nearer to the root, or a smaller example; the number alone is "
            "gradient(root, leaf)."
        )
