"""What a choice leaves out has no influence, in traces too: its derivative there is 0, however large the rest is.

``where``, ``maximum`` and their kin have partials of 0 and 1, made of comparisons. Multiplied by a derivative that is
infinite (that of a square root at 0), such a 0 would be nan in a program; on numbers the sweep passes nothing on there.
So where both meet in a graph that ``lift`` traces, the product is chosen by that comparison.

Which derivatives may be infinite is found by trying an operation at a few numbers, and which operations are
comparisons likewise. What is looked through are products and signs; a sum of many is not.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

from tinygrad_lite.operations.ops import BY_CODE, CONSTANT_CODE, TABLE
from tinygrad_lite.value import Value

_ADD, _MUL, _NEG = TABLE["add"].code, TABLE["mul"].code, TABLE["neg"].code
_WHERE = TABLE["where"].code
#: Where operations are tried: where derivatives become infinite, if at ordinary numbers.
_POINTS = (0.0, 1.0, -1.0, 2.0)
#: Products of more factors are not looked through.
_MOST = 64
#: Nor are sums of sums of sums ...
_DEEPEST = 4


def choice(x: Value, y: Value) -> Value | None:
    """Return what is 0 where the product x·y is 0 for a choice, if the other factor may be infinite there; else None.

    >>> from tinygrad_lite.functions import greater
    >>> a = Value(4.0)
    >>> chosen = greater(a, 1.0)
    >>> choice(chosen * 3.0, 1.0 / a) is chosen, choice(chosen * 3.0, a * a)
    (True, None)
    """
    if not y.parents or not x.parents:  # neither chosen nor infinite, as most partials of a dot are
        return None
    of_y = _recall_factors(y)
    if not of_y[0] and not of_y[1]:
        return None
    of_x = _recall_factors(x)
    for choices, is_singular in ((of_x[0], of_y[1]), (of_y[0], of_x[1])):
        if choices and is_singular:
            return functools.reduce(lambda a, b: a * b, choices)
    return None


#: Of nodes what their factors are, by id, with the node itself, whose id no other gets then: an adjoint is multiplied
#: by all partials of its node, and what is a dot's partial in one row of a matrix is one in all rows.
_known: dict[int, tuple[Value, tuple[list[Value], bool]]] = {}
#: Of so many nodes, at most.
_KEPT = 50_000


def _recall_factors(x: Value) -> tuple[list[Value], bool]:
    found = _known.get(id(x))
    if found is None:
        if len(_known) >= _KEPT:
            _known.clear()
        found = _known[id(x)] = x, _factors(x)
    return found[1]


def forget() -> None:
    """Let go of the nodes that are known, whose graph would live on: at the end of a trace.

    >>> forget()
    """
    _known.clear()


def _factors(x: Value) -> tuple[list[Value], bool]:
    """Return the choices among the factors of a product, and whether one of the others may be infinite."""
    choices: list[Value] = []
    is_singular = False
    stack = [x]
    seen = {id(x)}
    while stack and len(seen) < _MOST:
        node = stack.pop()
        parents = node.parents
        inner: tuple[Value, ...] = ()
        condition = node if _is_choice(node) else _condition(node, _DEEPEST)
        if condition is not None:
            choices.append(condition)
            inner = parents[1:2] if node._code == _WHERE else ()
        elif node._code in (_MUL, _NEG):
            inner = parents
        elif node._code == _WHERE:
            inner = parents[1:]
        else:
            fixed = tuple([parent._number if parent._code == CONSTANT_CODE else None for parent in parents])
            is_singular = is_singular or _is_singular(node._code, fixed)
        for parent in inner:
            if id(parent) not in seen:
                seen.add(id(parent))
                stack.append(parent)
    return choices, is_singular


def _condition(x: Value, deepest: int) -> Value | None:
    """Return the condition of a ``where`` with 0 elsewhere, or of a sum of such."""
    if x._code == _WHERE:
        condition, _, otherwise = x.parents
        return condition if otherwise._code == CONSTANT_CODE and otherwise._number == 0.0 else None
    if x._code != _ADD or not deepest:
        return None
    left, right = x.parents
    first = _condition(left, deepest - 1)
    return first if first is not None and first is _condition(right, deepest - 1) else None


def _is_choice(x: Value) -> bool:
    """Whether it is a comparison, or one and a part of another: [x > y] + ½[x = y]."""
    if x._code != _ADD:
        return _is_comparison(x._code)
    first, second = x.parents
    if second._code == _MUL:
        share, second = second.parents
        if share._code != CONSTANT_CODE or share._number <= 0.0:
            return False
    return _is_comparison(first._code) and _is_comparison(second._code)


@functools.cache
def _is_singular(code: int, fixed: tuple[float | None, ...]) -> bool:
    """Whether an operation is infinite, or not defined, for some ordinary numbers as its other operands."""
    op = BY_CODE[code]
    if op is None or op.arity != len(fixed):
        return False
    try:
        tried = [op.forward(*xs) for xs in itertools.product(*[_POINTS if x is None else (x,) for x in fixed])]
        return not all(map(math.isfinite, tried))
    except (ArithmeticError, TypeError, ValueError):
        return True


@functools.cache
def _is_comparison(code: int) -> bool:
    """Whether an operation of two numbers is 0 or 1, whatever they are."""
    op = BY_CODE[code]
    pairs: Any = itertools.product(_POINTS, repeat=2)
    if op is None or op.arity != 2 or _is_singular(code, (None, None)):
        return False
    return {op.forward(*pair) for pair in pairs} == {0.0, 1.0}
