"""Hypothesis strategies: Values, operands where derivatives are hard, whole expressions, parameters of a model.

All are made of hypothesis's own numbers and choices, so that a failure shrinks: numbers to few digits and small ones,
expressions to the smallest graph that still fails. Every float is drawn as two choices, the significant digits and
the number; the digits come first, so that a failing 0.3127... is tried as 0.3 before anything else changes.
"""

from __future__ import annotations

import functools
import itertools
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.operations.operation import NARY, Interval, Op
from tinygrad_lite.operations.ops import DEFINED, TABLE, find
from tinygrad_lite.testing.strategies.drawn_expressions import Formula, Node
from tinygrad_lite.testing.strategies.sampling import RANGES, SPOTS, contains
from tinygrad_lite.value import Value

__all__ = [
    "Formula",
    "Node",
    "expressions",
    "expressions_with_points",
    "operand",
    "operands",
    "parameters",
    "values",
]

_GREATEST: Final = sys.float_info.max

#: Significant digits, the shortest first: what a failing number is shrunk to. 17 leave every float as it is.
_DIGITS: Final = st.sampled_from((1, 2, 3, 17))


# --------------------------------------------------------------------------------------------------- numbers


def _numbers(
    low: float, high: float, *, allow_nan: bool = False, allow_infinity: bool = False
) -> SearchStrategy[float]:
    """Floats from low to high: half of them short decimals within ±10, where there are any."""
    wide = st.floats(
        None if math.isinf(low) else low,
        None if math.isinf(high) else high,
        allow_nan=allow_nan,
        allow_infinity=allow_infinity,
    )
    floats = st.builds(functools.partial(_shortened, low, high), _DIGITS, wide)
    least, greatest = max(low, -10.0), min(high, 10.0)
    if least > greatest or math.ceil(100.0 * least) > math.floor(100.0 * greatest):
        return floats
    hundredths = st.integers(math.ceil(100.0 * least), math.floor(100.0 * greatest))
    return st.one_of(st.builds(functools.partial(_short_decimal, low, high), _STEPS, hundredths), floats)


#: In hundredths: nothing but 0, then whole numbers, halves, tenths and hundredths. Failing numbers shrink to the first.
_STEPS: Final = st.sampled_from((0, 100, 50, 10, 1))


def _short_decimal(low: float, high: float, step: int, hundredths: int) -> float:
    """So many hundredths, rounded to a multiple of the step, if that stays in its bounds.

    Rounded away from 0: that a number has shrunk to 0.01 shall not keep the step from shrinking, here to 1.0.
    """
    if step == 0 and low <= 0.0 <= high:
        return 0.0
    step = step or 100
    short = math.copysign(math.ceil(abs(hundredths) / step) * step / 100.0, hundredths)
    return short if low <= short <= high else hundredths / 100.0


def _shortened(low: float, high: float, digits: int, x: float) -> float:
    """x with that many significant digits, if it stays in its bounds."""
    short = float(f"{x:.{digits - 1}e}")
    return short if low <= short <= high and math.isfinite(short) else x


def values(
    min_value: float | None = None,
    max_value: float | None = None,
    *,
    allow_nan: bool = False,
    allow_infinity: bool = False,
    label: str = "",
) -> SearchStrategy[Value]:
    """Leaves: Values that hold any float, more often one near 0 and with few digits.

    Importing hypothesis makes it what ``st.from_type(Value)`` gives.

    Args:
        min_value: The least number; None for no bound.
        max_value: The greatest number; None for no bound.
        allow_nan: Whether a number may be nan.
        allow_infinity: Whether it may be inf or -inf, within the bounds.
        label: The label of each.

    Returns:
        A strategy. It shrinks to 0.0, 1.0, 0.5 and their like.

    Raises:
        hypothesis.errors.InvalidArgument: As ``st.floats`` raises it of such bounds, when first drawn from.

    >>> from hypothesis import find
    >>> find(values(label="x"), lambda v: v.data != int(v.data))
    Value(data=0.5, grad=0.0, label='x')
    """
    low = -math.inf if min_value is None else float(min_value)
    high = math.inf if max_value is None else float(max_value)
    numbers = _numbers(low, high, allow_nan=allow_nan, allow_infinity=allow_infinity)
    return st.builds(Value, numbers, label=st.just(label)) if label else st.builds(Value, numbers)


# ------------------------------------------------------------------------------- operands of one operation


def operand(op: str | Op, k: int = 0) -> SearchStrategy[float]:
    """Floats for one operand of an operation: in its domain, and where derivatives are hard.

    These are numbers with few digits; edges of the domain, roots, poles and kinks, and what is a few ulp or a power of
    ten beside them; the regimes between which functions change; all magnitudes.

    Args:
        op: An operation of the table, or its name.
        k: Which of its operands; all operands of an n-ary operation are alike.

    Returns:
        A strategy; it shrinks to small numbers with few digits.

    Raises:
        KeyError: There is no operation of that name.
        ValueError: It has no operand ``k``.

    >>> from hypothesis import find
    >>> find(operand("log"), lambda x: x < 1.0)
    0.5
    """
    record = _record(op)
    if not 0 <= k < (record.arity if record.arity != NARY else k + 1):
        raise ValueError(f"{record.name} has the operands {', '.join(record.operands)}, and no operand {k}")
    return _within(record.domain[0 if record.arity == NARY else k])


def operands(op: str | Op, *, kinks: bool = True) -> SearchStrategy[list[float]]:
    """All operands of an operation, where its value is finite: unrelated ones, and equal, opposite and near ones.

    Args:
        op: An operation of the table, or its name.
        kinks: Whether they may lie where the derivative jumps.

    Returns:
        A strategy for lists that ``op.forward`` takes (spread, where it is not n-ary). An n-ary operation gets 1 to
        6; ``dot`` gets as many weights, as many inputs and the bias; an index comes last, and is valid.

    Raises:
        KeyError: There is no operation of that name.

    >>> from hypothesis import find
    >>> find(operands("hypot"), lambda xs: xs[0] == -xs[1] != 0.0)
    [1.0, -1.0]
    """
    record = _record(op)

    def fits(xs: list[float]) -> bool:
        return _finite(record, xs) is not None and (kinks or not _at_kink(record, xs))

    return _operands(record).filter(fits)


def _record(op: str | Op) -> Op:
    return op if isinstance(op, Op) else find(op)


def _finite(op: Op, xs: Sequence[float]) -> float | None:
    """Return the operation's value; None where it raises or is not finite."""
    try:
        result = float(op.value(xs))
    except (ArithmeticError, ValueError):
        return None
    return result if math.isfinite(result) else None


def _at_kink(op: Op, xs: Sequence[float]) -> bool:
    return op.kink is not None and bool(op.kink(*xs))


_SIGN: Final = st.sampled_from((1.0, -1.0))
#: How many floats a number is from a hard one; often none.
_ULPS: Final = st.sampled_from((0, 0, 0, 1, -1, 2, -2, 4, -4))


@functools.cache
def _within(interval: Interval) -> SearchStrategy[float]:
    """Hard numbers within an interval. (There is one Interval a record, so the cache stays small.)"""
    if interval.whole:
        return st.integers(int(interval.low), int(interval.high)).map(float)
    low, high = _closed(interval)

    def inside(x: float) -> float:
        return min(max(x, low), high)

    spots = [x for spot in (0.0, *SPOTS) for x in ((spot, -spot) if spot else (spot,)) if contains(interval, x)]
    ends = [end for end in (low, high) if abs(end) < _GREATEST]
    spot = st.sampled_from([*ends, *spots])
    by_ulps = st.builds(lambda x, steps: inside(_stepped(x, steps)), spot, _ULPS)
    by_tens = st.builds(lambda x, sign, t: inside(x + sign * 10.0**t), spot, _SIGN, st.floats(-18.0, 0.0))
    sides = [(a, b) for x, y in RANGES for a, b in ((max(x, low), min(y, high)), (max(-y, low), min(-x, high)))]
    regimes = [(a, b) for a, b in sides if a < b]
    regime = st.sampled_from(regimes).flatmap(lambda bounds: _numbers(*bounds))
    return st.one_of(_numbers(low, high), by_ulps, by_tens, regime, _magnitudes(low, high))


def _closed(interval: Interval) -> tuple[float, float]:
    """Return the least and the greatest float in the interval."""
    low, high = max(interval.low, -_GREATEST), min(interval.high, _GREATEST)
    if interval.open in ("low", "both"):
        low = math.nextafter(low, math.inf)
    if interval.open in ("high", "both"):
        high = math.nextafter(high, -math.inf)
    return low, high


def _stepped(x: float, steps: int) -> float:
    """Return the float that stands so many places after x."""
    for _ in range(abs(steps)):
        x = math.nextafter(x, math.copysign(math.inf, steps))
    return x


def _magnitudes(low: float, high: float) -> SearchStrategy[float]:
    """All powers of ten from 1e-300 to 1e300 within bounds that touch 0, or lie to one side of it."""
    signs = [sign for sign, bound in ((1.0, high), (-1.0, -low)) if bound > 0.0]
    nearest = max(low, -high, 0.0)
    least = math.log10(nearest) if nearest > 1e-300 else -300.0
    greatest = min(math.log10(max(high, -low)), 300.0)
    return st.builds(
        lambda sign, digits, t: min(max(_shortened(low, high, digits, sign * 10.0**t), low), high),
        st.sampled_from(signs),
        _DIGITS,
        st.floats(least, greatest),
    )


@st.composite
def _operands(draw: DrawFn, op: Op) -> list[float]:
    xs: list[float] = []
    if op.arity != NARY:
        for domain in op.domain:
            real = [x for x, d in zip(xs, op.domain, strict=False) if not d.whole]  # a condition is related to nothing
            xs.append(draw(_companion(real[-1], domain) if real else _within(domain)))
        return xs
    n = draw(st.integers(1, 6))
    domain = op.domain[0]
    for i in range(2 * n + 1 if op.operands[-1] == "bias" else n):
        xs.append(draw(_companion(xs[draw(st.integers(0, i - 1))], domain) if i else _within(domain)))
    if op.operands[-1] == "index":
        xs.append(float(draw(st.integers(0, n - 1))))
    return xs


#: How a further operand is made of the one before it and of a number; cancellation, overflow and roots are at these.
_RELATIONS: Final[tuple[tuple[Callable[[float, float], float], SearchStrategy[Any]], ...]] = (
    (lambda x, _: x, st.none()),
    (lambda x, _: -x, st.none()),
    (lambda x, steps: _stepped(x, int(steps)), _ULPS),
    (lambda x, steps: -_stepped(x, int(steps)), _ULPS),
    (lambda x, t: x + t, st.floats(-40.0, 40.0)),
    (lambda x, t: x * 10.0**t, st.floats(-20.0, 20.0)),
    (lambda x, t: t / x, st.floats(-3.0, 3.0)),
    (lambda x, t: t / math.log(x), st.floats(-750.0, 712.0)),  # x**y from underflow to overflow
)


@st.composite
def _companion(draw: DrawFn, x: float, interval: Interval) -> float:
    """Return a number that stands in some relation to x, or, half of the time, in none."""
    choice = draw(st.integers(0, 2 * len(_RELATIONS) - 1)) - len(_RELATIONS)
    if choice >= 0:
        relate, numbers = _RELATIONS[choice]
        try:
            y = relate(x, draw(numbers))
        except (ArithmeticError, ValueError):
            y = math.nan
        if math.isfinite(y) and contains(interval, y):
            return y
    return draw(_within(interval))


# ----------------------------------------------------------------------------------------------- expressions


def expressions(
    operations: Iterable[str | Op] | None = None,
    inputs: int = 2,
    max_nodes: int = 12,
    *,
    min_value: float = -3.0,
    max_value: float = 3.0,
    constants: bool = True,
    kinks: bool = True,
) -> SearchStrategy[Formula]:
    """Random scalar functions, with nodes that are used more than once and nodes of many operands.

    Each comes with a ``point`` at which all of its nodes are finite, so that a whole test is::

        @given(expressions())
        def test_gradients(f):
            check_gradients(f, *f.point)

    Args:
        operations: What may occur in it: operations or names, your own (:func:`tinygrad_lite.define`) too; None for
            all public ones of the table. What stands first is what a failure shrinks to.
        inputs: How many arguments it takes; it need not use them all.
        max_nodes: How many operations it has at most.
        min_value: The least number in its point.
        max_value: The greatest number in its point.
        constants: Whether plain numbers may occur in it. (The index of ``softmax`` and ``lookup`` is always one.)
        kinks: Whether a node may lie on a kink, such as relu at 0, at the point.

    Returns:
        A strategy for :class:`Formula`. It shrinks to the smallest graph, then to simple numbers.

    Raises:
        KeyError: There is no operation of that name.
        ValueError: An operation is not public, there are none, or there is no input.

    >>> from hypothesis import find
    >>> find(expressions(inputs=1), lambda f: any(node.op.name == "tanh" for node in f.nodes))
    lambda x: tanh(x)
    """
    if operations is None:
        operations = [op for op in TABLE.values() if op.public]
    records = tuple(map(_record, [operations] if isinstance(operations, (str, Op)) else operations))
    hidden = [op.name for op in records if not op.public and DEFINED.get(op.name) is not op]
    if hidden or not records:
        raise ValueError(f"expressions are made of public operations, not of {', '.join(hidden) or 'none at all'}")
    if inputs < 1:
        raise ValueError(f"an expression has at least one input, not {inputs}")
    names = tuple("xyzuvw"[:inputs] if inputs <= 6 else [f"x{k}" for k in range(1, inputs + 1)])
    numbers = _numbers(float(min_value), float(max_value))
    return _formulas(records, names, max_nodes, numbers, constants, kinks)


def expressions_with_points(
    operations: Iterable[str | Op] | None = None, inputs: int = 2, max_nodes: int = 12, **options: Any
) -> SearchStrategy[tuple[Formula, list[float]]]:
    """:func:`expressions`, each together with its point: hypothesis then reports both.

    Args:
        operations: As for :func:`expressions`.
        inputs: As for :func:`expressions`.
        max_nodes: As for :func:`expressions`.
        options: Further arguments of :func:`expressions`.

    Returns:
        A strategy for pairs of a function and a list of floats.

    Raises:
        KeyError, ValueError: As :func:`expressions` raises.

    >>> from hypothesis import find
    >>> find(expressions_with_points(["exp"], inputs=1), lambda drawn: drawn[0].nodes)
    (lambda x: exp(x), [0.0])
    """
    return expressions(operations, inputs, max_nodes, **options).map(lambda f: (f, list(f.point)))


@st.composite
def _formulas(
    draw: DrawFn,
    operations: tuple[Op, ...],
    names: tuple[str, ...],
    max_nodes: int,
    numbers: SearchStrategy[float],
    constants: bool,
    kinks: bool,
) -> Formula:
    point = tuple([draw(numbers) for _ in names])
    draft = _Draft(operations, point, max_nodes, constants, kinks)
    output = draw(_part(draft, 0))
    nodes, output = _reached(draft.nodes, len(names), output if isinstance(output, int) else 0)
    return Formula(names, nodes, output, point)


class _Draft:
    """An expression while it is drawn, from the root down: the nodes whose operands are complete, and their numbers."""

    def __init__(
        self, operations: tuple[Op, ...], point: tuple[float, ...], left: int, constants: bool, kinks: bool
    ) -> None:
        self.operations = st.sampled_from(operations)
        self.inputs = st.integers(0, len(point) - 1)
        self.numbers = list(point)
        self.nodes: list[Node] = []
        self.left = left
        self.constants = constants
        self.kinks = kinks

    def add(self, op: Op, parts: list[int | float], last: int) -> int:
        """Return the new node, or, where it would not be finite, one of its operands: so nothing drawn is thrown away.

        ``last`` is how many operands of those drawn the operation is on; behind them stands an index.
        """
        inner = [part for part in parts[:last] if isinstance(part, int)]
        if not inner:  # an operation on numbers alone would be no node
            inner = [0]
            parts[0] = 0
        xs = [self.numbers[part] if isinstance(part, int) else part for part in parts]
        if op.operands[1:] == ("low", "high") and xs[1] > xs[2]:  # means nothing
            parts[1], parts[2], xs[1], xs[2] = parts[2], parts[1], xs[2], xs[1]
        result = _finite(op, xs)
        if result is None or (not self.kinks and _at_kink(op, xs)):
            return inner[0]
        self.nodes.append(Node(op, tuple(parts)))
        self.numbers.append(result)
        return len(self.numbers) - 1


#: Constants in expressions.
_CONSTANTS: Final = _numbers(-10.0, 10.0)
_KINDS: Final = st.integers(0, 9)
_COUNTS: Final = st.integers(1, 4)

#: Strategies within one another at most: hypothesis gives up a draw at 100, and a level takes two.
_DEEPEST_DRAW: Final = 40


@st.composite
def _part(draw: DrawFn, draft: _Draft, depth: int) -> int | float:
    """Return an operand: from the simplest on an input, a constant, a node that is there already, a new node.

    Every level is a draw of this same strategy: hypothesis then knows that a part may stand for the whole.
    """
    kind = draw(_KINDS)
    if kind > (0 if depth == 0 else 3) and draft.left > 0 and depth < _DEEPEST_DRAW:
        draft.left -= 1
        op = draw(draft.operations)
        n = op.arity if op.arity != NARY else draw(_COUNTS)
        count = 2 * n + 1 if op.operands[-1] == "bias" else n
        parts: list[int | float] = [draw(_part(draft, depth + 1)) for _ in range(count)]
        if op.operands[-1] == "index":
            parts.append(float(draw(st.integers(0, n - 1))))
        return draft.add(op, parts, count)
    if kind == 2 and draft.constants:
        return draw(_CONSTANTS)
    if kind >= 3 and draft.nodes:
        return len(draft.numbers) - 1 - draw(st.integers(0, len(draft.nodes) - 1))
    return draw(draft.inputs)


def _reached(nodes: list[Node], inputs: int, output: int) -> tuple[tuple[Node, ...], int]:
    """Return the nodes that the output depends on, numbered anew."""
    used = {output}
    for k in range(len(nodes) - 1, -1, -1):
        if inputs + k in used:
            used.update(part for part in nodes[k].operands if isinstance(part, int))
    numbers = {old: new for new, old in enumerate(sorted(used | set(range(inputs))))}
    return tuple(
        [
            Node(op, tuple([numbers[part] if isinstance(part, int) else part for part in parts]))
            for k, (op, parts) in enumerate(nodes)
            if inputs + k in used
        ]
    ), numbers[output]


# ------------------------------------------------------------------------------------------------ parameters

#: So many numbers are drawn at most. A prime, so that their repetition does not coincide with the layers' widths.
_MOST_NUMBERS: Final = 251


@st.composite
def parameters(draw: DrawFn, module: Module, min_value: float = -1.0, max_value: float = 1.0) -> Module:
    """Return the module itself, after new numbers were drawn for its parameters.

    Their ``data`` is set, in the order of ``module.parameters()``, and their ``grad`` is set to 0, so that no example
    sees the one before it. Labels, and graphs that were recorded before, stay as they are (these are stale until
    ``forward()``). A failing example's report says the numbers. Where there are more than 251, the numbers recur.

    Args:
        module: A model; it is changed.
        min_value: The least number.
        max_value: The greatest number.

    Returns:
        A strategy that gives the module; its parameters shrink to 0.0, 1.0 and their like.

    >>> from hypothesis import given
    >>> from tinygrad_lite.nn import Neuron
    >>> @given(parameters(Neuron(2, activation="tanh")))
    ... def test_its_size(neuron):
    ...     assert abs(neuron([1.0, 1.0]).data) <= 1.0
    >>> test_its_size()
    """
    leaves = module.parameters()
    digits = draw(_DIGITS)
    count = min(len(leaves), _MOST_NUMBERS)
    drawn = draw(st.lists(st.floats(min_value, max_value), min_size=count, max_size=count))
    numbers = [_shortened(min_value, max_value, digits, x) for x in drawn]
    for leaf, x in zip(leaves, itertools.cycle(numbers), strict=False):
        leaf.data = x
        leaf.grad = 0.0
    note(f"parameters of {module}: {numbers}")
    return module
