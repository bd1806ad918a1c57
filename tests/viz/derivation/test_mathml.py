"""Every formula of the operation table can be typeset, with its operands in their places and nothing of LaTeX left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.viz.formulas.mathml import formula

pytest.importorskip("latex2mathml")

FORMULAS = [(op.name, latex) for op in TABLE.values() for latex in (op.latex, *op.latex_partials)]
PLACES = {"$x": 0, "$y": 1, "$w": 2, "$z": -1}


def parts(tree: Any) -> Iterator[Any]:
    """All texts and places in a tree, in the order in which they are read."""
    if not isinstance(tree, list):
        yield tree
        return
    for child in tree[1:]:
        if not isinstance(child, dict):
            yield from parts(child)


@pytest.mark.parametrize(("name", "latex"), FORMULAS)
def test_every_formula_of_the_table_becomes_mathml(name: str, latex: str) -> None:
    tree = formula(latex)
    assert tree is not None
    found = list(parts(tree))
    places = [part for part in found if isinstance(part, int)]
    assert set(places) == {place for sign, place in PLACES.items() if sign in latex}
    assert len(places) == latex.count("$")
    text = "".join(part for part in found if isinstance(part, str))
    assert not set("\\${}") & set(text.replace("{", "", 1))  # the brace of cases
    assert not any(0xE000 <= ord(character) <= 0xF8FF for character in text)


def test_places_of_operands() -> None:
    assert formula(r"\frac{$x}{$y}") == ["mfrac", 0, 1]
    assert formula("{$x}^{$y}") == ["msup", 0, 1]
    assert formula("$z") == ["mrow", -1]


def test_the_name_of_a_function_stands_apart_from_its_argument() -> None:
    space = ["mspace", {"width": "0.167em"}]
    assert formula(r"\sin $x") == ["mrow", ["mi", "sin"], space, 0]
    assert space not in (formula(r"\max($x, $y)") or [])


@pytest.mark.parametrize(
    "latex", [r"\frac{", r"\href{https://example.com}{$x}", r"\style{color:red}{$x}", r"\boxed{$x}", ""]
)
def test_a_users_formula_brings_no_other_elements_into_the_page(latex: str) -> None:
    allowed = {"mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac"}

    def check(tree: Any) -> None:
        if isinstance(tree, list):
            assert tree[0] in allowed
            for child in tree[1:]:
                if isinstance(child, dict):
                    assert not set(child) & {"href", "style", "class", "onclick"}
                check(child)

    check(formula(latex))
