r"""Formulas of the operation table as MathML, which browsers typeset by themselves, with places left for the operands.

A tree is a list: the element's name, a dict of its attributes where it has any, and its children. A child is a tree, a
string, or a number: the place of an operand (0 for the first), or -1 for the place of the result. The page puts names
or numbers there.
"""

from __future__ import annotations

import functools
import xml.etree.ElementTree as ET
from typing import Any

Tree = list[Any]

#: The places of a record's formulas. Characters that no formula has stand in for them on the way through LaTeX.
_PLACES = {"$x": 0, "$y": 1, "$w": 2, "$z": -1}
_STAND_INS = {chr(0xE000 + k): place for k, place in enumerate(_PLACES.values())}

_NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"
#: What may come from a formula into the page: a user's operation has formulas too.
_ELEMENTS = frozenset(
    [
        *("mrow", "mi", "mn", "mo", "mtext", "mspace", "mstyle", "mfrac", "msqrt", "mroot"),
        *("msub", "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd"),
    ]
)
_ATTRIBUTES = frozenset({"columnalign", "displaystyle", "fence", "form", "scriptlevel", "stretchy", "width"})
#: What may follow the name of a function without a space between: an opening bracket, an index or a power has its own.
_THIN_SPACE: Tree = ["mspace", {"width": "0.167em"}]


@functools.cache
def formula(latex: str) -> Tree | None:
    r"""A formula of a record as MathML.

    Args:
        latex: ``latex``, or one of ``latex_partials``, of a record.

    Returns:
        The tree; None where latex2mathml is not installed, or where it cannot read the formula.

    >>> formula(r"\frac{$x}{$y}")
    ['mfrac', 0, 1]
    """
    try:
        from latex2mathml.converter import convert
    except ImportError:
        return None
    for name, stand_in in zip(_PLACES, _STAND_INS, strict=True):
        latex = latex.replace(name, stand_in)
    try:
        tree = _tree(ET.fromstring(convert(latex))[0])
    except Exception:  # whatever it says of a user's formula: the page then names the operation
        return None
    return tree if isinstance(tree, list) else ["mrow", tree]


def _tree(element: ET.Element) -> Tree | str | int:
    tag = element.tag.removeprefix(_NAMESPACE)
    if tag not in _ELEMENTS:
        raise ValueError(f"{tag} is not for this page")
    text = (element.text or "").strip() if not len(element) else ""
    if text in _STAND_INS:
        return _STAND_INS[text]
    children = list(map(_tree, element))
    if tag == "mrow":
        children = _spaced(children)
        if len(children) == 1:
            return children[0]
    attributes = {name: value for name, value in element.attrib.items() if name in _ATTRIBUTES}
    return [tag, *([attributes] if attributes else []), *([text] if text else []), *children]


def _spaced(children: list[Any]) -> list[Any]:
    """With a space after the name of a function, as in sin x: latex2mathml leaves it to the browser, which has none."""
    spaced: list[Any] = []
    for child in children:
        if spaced and _is_function(spaced[-1]) and not _is_sign(child):
            spaced.append(_THIN_SPACE)
        spaced.append(child)
    return spaced


def _is_function(tree: Any) -> bool:
    if not isinstance(tree, list):
        return False
    if tree[0] in ("msub", "msup") and isinstance(tree[1], list):  # log₂, cos²
        tree = tree[1]
    return tree[0] in ("mi", "mo") and isinstance(tree[-1], str) and tree[-1].isalpha() and len(tree[-1]) > 1


def _is_sign(tree: Any) -> bool:
    """Whether it is a bracket, a comma, a plus: not the first sign of an argument."""
    return isinstance(tree, list) and tree[0] in ("mo", "mspace") and not _is_function(tree)
