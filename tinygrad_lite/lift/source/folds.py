"""Folds as array source: ``max``, ``min`` and ``prod`` along axes, and ``W[index]``."""

from __future__ import annotations

import math

from tinygrad_lite.lift.ir.groups import Group
from tinygrad_lite.lift.ir.reductions import LOOKUP, REDUCTIONS
from tinygrad_lite.lift.source.fragments import BATCH, Fragment, binary, call, join, literal
from tinygrad_lite.lift.source.precedence import ATOM
from tinygrad_lite.lift.source.terms import Scope, find_axes, find_mask, write_axis, write_mask
from tinygrad_lite.lift.source.views import align


def write_fold(group: Group, scope: Scope) -> Fragment:
    """Write the source of a fold.

    Args:
        group: The group, of kind ``fold``.
        scope: Names of arrays and of constants.
    """
    (term,) = group.terms
    values = scope.read(term.factors[0], group, term.reduced, group.batched).as_number()
    if values.number is not None:
        values = call("asarray", (values,), ())
    if group.op == LOOKUP:
        return _write_lookup(group, values, scope)
    reduction = REDUCTIONS[group.op]
    sizes = group.shape + term.reduced
    mask = find_mask(term, sizes)
    if mask is not None:
        values = write_mask(values, *mask, literal(reduction.neutral), scope.constants)
    folded = range(len(group.shape), len(sizes))
    places = [place for place, axis in enumerate(values.axes) if axis in folded]
    repeats = math.prod(sizes[axis] for axis in folded if axis not in values.axes)
    rest = tuple(axis for axis in values.axes if axis not in folded)
    if places:
        values = values.call_method(f"{reduction.method}({write_axis(places, len(values.axes))})", rest)
    if not reduction.selects and repeats > 1:
        values = binary("**", values, literal(float(repeats)))
    return align(values, find_axes(group))


def _write_lookup(group: Group, table: Fragment, scope: Scope) -> Fragment:
    """Write ``W[index]`` where all elements look in one table; ``take_along_axis`` where each has its own."""
    (term,) = group.terms
    along = len(group.shape)
    wanted = find_axes(group)
    if along not in table.axes:
        return align(table, wanted)
    index = scope.read(group.operands[-1], group, (), group.batched).as_number()
    if index.number is not None:
        index = call("asarray", (index,), ())
    index = binary("%", index.call_method("astype(int)", index.axes), Fragment(str(term.reduced[0])), index.axes)
    if not set(index.axes) & set(table.axes):
        at = table.axes.index(along)
        items = [index.text if axis == along else ":" for axis in table.axes]
        looked = table.close().with_items(items, ()).text
        return align(Fragment(looked, ATOM, (*table.axes[:at], *index.axes, *table.axes[at + 1 :])), wanted)
    order = (*range(along + 1), *((BATCH,) if group.batched else ()))
    table, index = align(table, order), align(index, order)
    both = max(len(table.axes), len(index.axes))
    table, index = (array.insert_axes([0] * (both - len(array.axes))) for array in (table, index))
    at = table.axes.index(along)
    found = join((table, index))
    text = f"take_along_axis({table.text}, {index.text}, {at})"
    items = ["0" if place == at else ":" for place in range(both)]
    return align(Fragment(text, ATOM, (*found[:at], *found[at + 1 :]), tuple(items)), wanted)
