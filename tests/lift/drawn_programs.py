"""Random small programs of groups: whole numbers everywhere, so that sums in any order are equal to the last bit."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st

from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Output, Ref, Term

_OPERATIONS = {
    "neg": 1,
    "abs": 1,
    "relu": 1,
    "pos": 1,
    "where": 3,
    **dict.fromkeys(("mul", "add", "sub", "maximum", "greater", "equal", "less_equal"), 2),
}
_shapes = st.lists(st.integers(1, 4), max_size=3).map(tuple)


@st.composite
def programs(draw) -> Groups:
    program = Groups()
    for k in range(draw(st.integers(1, 3))):
        group = Group("input", draw(_shapes), path=f"x{k}", batched=draw(st.booleans()))
        program.inputs.append(len(program.groups))
        program.groups.append(group)
    for _ in range(draw(st.integers(1, 5))):
        program.groups.append(draw(_groups(program.groups)))
    for _ in range(draw(st.integers(1, 2))):
        number = draw(st.integers(len(program.inputs), len(program.groups) - 1))
        shape = draw(st.one_of(st.none(), _shapes))
        ref = draw(_refs(program.groups, number, shape or ()))
        program.outputs.append(Output(shape, ref, program.groups[number].batched))
    return program


@st.composite
def _groups(draw, groups: list[Group]) -> Group:
    kind = draw(st.sampled_from(("map", "sum", "sum", "sum", "fold", "constant")))
    shape = draw(_shapes)
    if kind == "constant":
        return Group("constant", shape, data=draw(_constants(shape)))
    if kind == "map":
        op = draw(st.sampled_from(sorted(_OPERATIONS)))
        operands = tuple(draw(_refs(groups, None, shape)) for _ in range(_OPERATIONS[op]))
        return Group("map", shape, op=op, operands=operands, batched=_any_batched(groups, operands))
    if kind == "fold":
        return draw(_folds(groups, shape))
    terms = tuple(draw(_terms(groups, shape)) for _ in range(draw(st.integers(1, 3))))
    wide = any(_any_batched(groups, term.factors) for term in terms)
    over = draw(st.sampled_from(("", "sum", "mean"))) if wide else ""
    return Group("sum", shape, terms=terms, batched=wide and not over, over=over)


@st.composite
def _terms(draw, groups: list[Group], shape: tuple[int, ...]) -> Term:
    reduced = draw(st.lists(st.integers(1, 3), max_size=2).map(tuple))
    factors = tuple(draw(_refs(groups, None, shape + reduced)) for _ in range(draw(st.integers(1, 2))))
    mask, axes = draw(_masks(shape + reduced))
    return Term(factors, reduced, draw(st.sampled_from((1.0, -1.0))), mask, axes)


@st.composite
def _masks(draw, sizes: tuple[int, ...]):
    if not sizes or draw(st.booleans()):
        return None, ()
    axes = tuple(draw(st.lists(st.sampled_from(range(len(sizes))), min_size=1, max_size=2, unique=True)))
    shape = tuple(sizes[axis] for axis in axes)
    size = math.prod(shape)
    flags = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    return np.array(flags, dtype=bool).reshape(shape), axes


@st.composite
def _folds(draw, groups: list[Group], shape: tuple[int, ...]) -> Group:
    op = draw(st.sampled_from(("maximum", "minimum", "prod", "lookup")))
    if op == "lookup":
        size = draw(st.integers(1, 4))
        table = draw(_refs(groups, None, (*shape, size)))
        index = draw(_refs(groups, None, shape))
        batched = _any_batched(groups, (table, index))
        return Group("fold", shape, op=op, operands=(index,), terms=(Term((table,), (size,)),), batched=batched)
    reduced = draw(st.lists(st.integers(1, 3), min_size=1, max_size=2).map(tuple))
    factor = draw(_refs(groups, None, shape + reduced))
    mask, axes = draw(_masks(shape + reduced))
    if mask is not None:  # a graph has no fold of nothing
        first = [0 if axis >= len(shape) else slice(None) for axis in axes]
        mask[tuple(first)] = True
    term = Term((factor,), reduced, 1.0, mask, axes)
    return Group("fold", shape, op=op, terms=(term,), batched=_any_batched(groups, (factor,)))


@st.composite
def _refs(draw, groups: list[Group], number: int | None, sizes: tuple[int, ...]) -> Ref:
    if number is None:
        number = draw(st.integers(0, len(groups) - 1))
    group = groups[number]
    if draw(st.integers(0, 3)) == 0:
        return Ref(number, (draw(_indices(math.prod(group.shape), sizes)),), flat=True)
    return Ref(number, tuple(draw(_indices(size, sizes)) for size in group.shape))


@st.composite
def _indices(draw, size: int, sizes: tuple[int, ...]) -> Index:
    """A place along a dimension of that size, for coordinates along axes of those sizes."""
    kind = draw(st.sampled_from(("identity", "identity", "affine", "affine", "constant", "table")))
    fitting = [axis for axis, extent in enumerate(sizes) if extent == size]
    if kind == "identity" and fitting:
        return Index(0, ((draw(st.sampled_from(fitting)), 1),))
    if kind == "table" and sizes:
        axes = tuple(draw(st.lists(st.sampled_from(range(len(sizes))), min_size=1, max_size=2, unique=True)))
        shape = tuple(sizes[axis] for axis in axes)
        count = math.prod(shape)
        places = draw(st.lists(st.integers(0, size - 1), min_size=count, max_size=count))
        return Index(table=np.array(places, dtype=np.intp).reshape(shape), axes=axes)
    low, high, steps = 0, 0, []
    for axis in draw(st.permutations(range(len(sizes)))) if kind == "affine" else []:
        step = draw(st.sampled_from((1, -1, 2, 3, 4)))
        reach = step * (sizes[axis] - 1)
        if max(high, high + reach) - min(low, low + reach) < size:
            steps.append((axis, step))
            low, high = min(low, low + reach), max(high, high + reach)
    return Index(draw(st.integers(-low, size - 1 - high)), tuple(steps))


@st.composite
def _constants(draw, shape: tuple[int, ...]):
    size = math.prod(shape)
    if draw(st.booleans()):
        return np.full(shape, float(draw(st.integers(-2, 2))))
    numbers = draw(st.lists(st.integers(-2, 2), min_size=size, max_size=size))
    return np.array(numbers, dtype=float).reshape(shape)


def _any_batched(groups: list[Group], refs) -> bool:
    return any(groups[ref.group].batched for ref in refs)
