"""Every formula of the operation table is MathML, with its operands in their places and nothing of text left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tinygrad_lite import define
from tinygrad_lite.operations.operation import Op
from tinygrad_lite.operations.ops import DEFINED, TABLE
from tinygrad_lite.viz.formulas.formulas import Call, Indexed, Number, Operand, Power, Quotient, Tree, parts_of
from tinygrad_lite.viz.formulas.local_formulas import template
from tinygrad_lite.viz.formulas.mathml import mathml

X, Y, Z = Operand("x", 0), Operand("y", 1), Operand("z", -1)


def parts(tree: Any) -> Iterator[Any]:
    """All texts and places in a tree, in the order in which they are read."""
    if not isinstance(tree, list):
        yield tree
        return
    for child in tree[1:]:
        if not isinstance(child, dict):
            yield from parts(child)


@pytest.mark.parametrize("op", TABLE.values(), ids=lambda op: op.name)
def test_every_formula_of_the_table_becomes_mathml(op: Op) -> None:
    for tree in (template(op).formula, *template(op).partials):
        found = list(parts(mathml(tree)))
        assert sorted(part for part in found if isinstance(part, int)) == sorted(places(tree))
        written = "".join(part for part in found if isinstance(part, str))
        assert not set("\\${}_^") & set(written.replace("{", "", 1))  # the brace of cases


def places(tree: Tree) -> list[int]:
    """The places in a formula; an index that is an operand is one."""
    found = [part.place for part in parts_of(tree) if isinstance(part, Operand)]
    return found + [
        part.index.place for part in parts_of(tree) if isinstance(part, Indexed) and isinstance(part.index, Operand)
    ]


def test_places_of_operands() -> None:
    assert mathml(Quotient(X, Y)) == ["mfrac", 0, 1]
    assert mathml(Power(X, Y)) == ["msup", 0, 1]
    assert mathml(Z) == ["mrow", -1]


def test_functions_with_powers_and_indices() -> None:
    bracketed = [["mo", {"stretchy": "false"}, "("], 0, ["mo", {"stretchy": "false"}, ")"]]
    squared = mathml(Power(Call("cosh", (X,)), Number(2)))
    assert squared == ["mrow", ["msup", ["mi", "cosh"], ["mn", "2"]], *bracketed]
    log2 = ["mi", "log"], ["mn", "2"]
    assert mathml(Call("log2", (X,))) == ["mrow", ["msub", *log2], *bracketed]
    assert mathml(Power(Call("log2", (X,)), Number(2))) == ["mrow", ["msubsup", *log2, ["mn", "2"]], *bracketed]


def test_a_users_name_is_text_in_the_page() -> None:
    name = "<img src=x onerror=alert(1)>"
    define(name, lambda x, y: x, [lambda m, x, y, z: 1.0 if x > 0 else 0.0, lambda m, x, y, z: 0.0])
    try:
        formula, partials = template(DEFINED[name])
        assert ["mi", name] in mathml(formula)
        assert ["mrow", ["msub", ["mo", "∂"], ["mn", "1"]], ["mi", name]] in mathml(partials[0])
    finally:
        del DEFINED[name]
