"""Formulas as MathML, which browsers typeset by themselves, with places left for the operands.

An element is a list: its name, a dict of its attributes where it has any, and its children. A child is an element, a
string, or a number: the place of an operand (0 for the first), or -1 for the place of the result. The page puts names
or numbers there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tinygrad_lite.viz.formulas.expr_printer import ATOM, POWER, PRODUCT, SUM, function_name, number_text
from tinygrad_lite.viz.formulas.formulas import (
    Bars,
    Call,
    Cases,
    Condition,
    Constant,
    Indexed,
    Negative,
    Number,
    Operand,
    Power,
    Product,
    Quotient,
    Remainder,
    Root,
    Series,
    Sum,
    Symbol,
    Tree,
)

Element = list[Any]

_BARS: Final = {"|": ("|", "|"), "floor": ("⌊", "⌋"), "ceil": ("⌈", "⌉")}
_SIGNS: Final = {"Σ": "∑", "Π": "∏"}
_PLAIN_DIGITS: Final = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def mathml(tree: Tree) -> Element:
    """Return a formula as MathML.

    Args:
        tree: A formula; its :class:`~tinygrad_lite.viz.formulas.formulas.Operand` parts are the places.

    >>> mathml(Quotient(Operand("x", 0), Operand("y", 1)))
    ['mfrac', 0, 1]
    """
    element = _written(tree)[0]
    return element if isinstance(element, list) else ["mrow", element]


def _written(tree: Tree) -> tuple[Any, int]:
    """Return an element, or a place, and how tightly its parts hang together."""
    match tree:
        case Operand(_, place):
            return place, ATOM
        case Number(value):
            return ["mn", number_text(value)], ATOM if value >= 0 else SUM
        case Symbol(name) | Constant(name):
            return ["mi", name], ATOM
        case Sum(terms):
            parts = [_written(terms[0])[0]]
            for term in terms[1:]:
                shown = term.of if isinstance(term, Negative) else term
                parts += [_sign("+" if shown is term else "−"), _within(shown, PRODUCT)]
            return ["mrow", *parts], SUM
        case Negative(Number(value)):
            return ["mn", number_text(-value)], SUM
        case Negative(of):
            return ["mrow", ["mo", {"form": "prefix"}, "−"], _within(of, PRODUCT)], SUM
        case Product(factors):
            return _row([_within(factor, PRODUCT) for factor in factors], "⋅"), PRODUCT
        case Quotient(top, bottom):
            return ["mfrac", _written(top)[0], _written(bottom)[0]], POWER
        case Remainder(x, y):
            return ["mrow", _within(x, PRODUCT), _sign("mod"), _within(y, PRODUCT)], SUM
        case Power(Call() as base, Number(value)):
            return _call(base, ["mn", number_text(value)]), ATOM
        case Power(base, exponent):
            return ["msup", _within(base, ATOM), _written(exponent)[0]], POWER
        case Root(of, degree):
            radicand = _written(of)[0]
            return (["msqrt", radicand] if degree == 2 else ["mroot", radicand, ["mn", str(degree)]]), ATOM
    return _more(tree)


def _more(tree: Tree) -> tuple[Any, int]:
    match tree:
        case Call():
            return _call(tree), ATOM
        case Bars(kind, of):
            left, right = _BARS[kind]
            return ["mrow", _bracket(left, "prefix"), _written(of)[0], _bracket(right, "postfix")], ATOM
        case Condition(parts, relations):
            return ["mrow", _bracket("["), *_chain(parts, relations), _bracket("]")], ATOM
        case Cases(condition, then, otherwise):
            holds = ["mrow", *_chain(condition.parts, condition.relations)]
            rows = [(_written(then)[0], holds), (_written(otherwise)[0], ["mtext", "otherwise"])]
            table = ["mtable", {"columnalign": "left left"}, *[["mtr", ["mtd", a], ["mtd", b]] for a, b in rows]]
            return ["mrow", ["mo", {"stretchy": "true", "fence": "true", "form": "prefix"}, "{"], table], ATOM
        case Indexed(name, index):
            return ["msub", ["mi", name], index.place if isinstance(index, Operand) else ["mi", index]], ATOM
        case Series(kind, index, without, body):
            over = ["mrow", ["mi", index], *([_sign("≠"), ["mi", without]] if without else [])]
            return ["mrow", ["munder", ["mo", _SIGNS[kind]], over], _within(body, PRODUCT)], PRODUCT
    raise TypeError(f"{tree!r} is no formula")


def _call(call: Call, exponent: Element | None = None) -> Element:
    name = function_name(call)
    letters = name.rstrip("₀₁₂₃₄₅₆₇₈₉")
    function: Element = ["mi", letters + "′" * (call.by and len(call.arguments) == 1)]
    below = ["mn", name[len(letters) :].translate(_PLAIN_DIGITS)] if letters != name else None
    if call.subscript is not None:
        below = _written(call.subscript)[0]
    if below is not None and exponent is not None:
        function = ["msubsup", function, below, exponent]
    elif below is not None or exponent is not None:
        function = ["msub" if exponent is None else "msup", function, exponent if below is None else below]
    if call.by and len(call.arguments) > 1:
        function = ["mrow", ["msub", ["mo", "∂"], ["mn", str(call.by)]], function]
    arguments = [_written(argument)[0] for argument in call.arguments]
    if len(arguments) > 4:
        arguments = [arguments[0], ["mo", "…"], arguments[-1]]
    return ["mrow", function, _bracket("("), *_row(arguments, ",")[1:], _bracket(")")]


def _within(tree: Tree, level: int) -> Any:
    """Return a part of another one, in parentheses where it hangs together less tightly than that needs."""
    element, own = _written(tree)
    return element if own >= level else ["mrow", _bracket("("), element, _bracket(")")]


def _row(parts: Sequence[Any], between: str) -> Element:
    row: Element = ["mrow"]
    for k, part in enumerate(parts):
        row += [_sign(between), part] if k else [part]
    return row


def _chain(parts: Sequence[Tree], relations: Sequence[str]) -> list[Any]:
    chain = [_written(parts[0])[0]]
    for relation, part in zip(relations, parts[1:], strict=True):
        chain += [_sign(relation), _written(part)[0]]
    return chain


def _sign(sign: str) -> Element:
    return ["mo", sign]


def _bracket(sign: str, form: str = "") -> Element:
    return ["mo", {"stretchy": "false"} | ({"form": form} if form else {}), sign]
