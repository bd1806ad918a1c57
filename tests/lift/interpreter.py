"""What a program of groups means, written down as plainly as can be: the oracle for every engine."""

from __future__ import annotations

import numpy as np

from tinygrad_lite import ops
from tinygrad_lite.lift.ir.groups import Group, Groups, Ref

_FOLDS = {"maximum": (np.max, -np.inf), "minimum": (np.min, np.inf), "prod": (np.prod, 1.0)}


def run(program: Groups, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The results. Each input has its group's shape, with the samples as a last axis if it is batched."""
    arrays: list[np.ndarray] = []
    given = dict(zip(program.inputs, inputs, strict=True))
    samples = next((a.shape[-1] for i, a in given.items() if program.groups[i].batched), None)
    with np.errstate(all="ignore"):
        for number, group in enumerate(program.groups):
            arrays.append(_value(program, group, arrays, given.get(number), samples))
    results = []
    for output in program.outputs:
        shape = output.shape or ()
        found = _read(program, output.ref, arrays, shape, program.groups[output.ref.group].batched)
        results.append(np.moveaxis(found, -1, 0) if output.batched else found)
    return results


def _value(program, group: Group, arrays, given, samples) -> np.ndarray:
    batch = (samples,) if group.batched else ()
    if group.kind == "input":
        assert given.shape == group.shape + batch
        return np.asarray(given, dtype=float)
    if group.kind == "constant":
        return np.asarray(group.data, dtype=float)
    if group.kind == "map":
        xs = [_read(program, r, arrays, group.shape, group.batched) for r in group.operands]
        forward = ops.find(group.op).forward

        def limit(*numbers):
            try:
                return float(forward(*numbers))
            except (ArithmeticError, ValueError):
                return np.nan

        return np.broadcast_to(np.vectorize(limit, otypes=[float])(*xs), group.shape + batch)
    if group.kind == "fold":
        return _fold(program, group, arrays)
    total = np.zeros(group.shape + batch)
    for term in group.terms:
        shape = group.shape + term.reduced
        wide = any(program.groups[r.group].batched for r in term.factors)
        product = term.sign
        for factor in term.factors:
            product = product * _read(program, factor, arrays, shape, wide)
        if term.mask is not None:
            mask = _over(term.mask, term.axes, len(shape))
            product = np.where(mask[..., None] if wide else mask, product, 0.0)
        product = product.sum(axis=tuple(range(len(group.shape), len(shape))))
        if wide and not group.batched:
            product = product.mean(axis=-1) if group.over == "mean" else product.sum(axis=-1)
        elif group.batched and not wide:
            product = product[..., None]
        total = total + product
    return np.broadcast_to(total, group.shape + batch)


def _fold(program, group: Group, arrays) -> np.ndarray:
    (term,) = group.terms
    shape = group.shape + term.reduced
    axes = tuple(range(len(group.shape), len(shape)))
    values = _read(program, term.factors[0], arrays, shape, group.batched)
    if group.op == "lookup":
        (axis,) = axes
        index = _read(program, group.operands[-1], arrays, group.shape, group.batched)
        index = index.astype(int) % term.reduced[0]
        return np.take_along_axis(values, np.expand_dims(index, axis), axis=axis).squeeze(axis)
    fold, neutral = _FOLDS[group.op]
    if term.mask is not None:
        mask = _over(term.mask, term.axes, len(shape))
        values = np.where(mask[..., None] if group.batched else mask, values, neutral)
    return fold(values, axis=axes)


def _read(program, ref: Ref, arrays, shape, wide: bool) -> np.ndarray:
    """The operand, for each coordinate of a grid of that shape (and each sample)."""
    source, array = program.groups[ref.group], arrays[ref.group]
    if not source.batched:
        array = array[..., None] if wide else array
    grid = np.indices(shape, sparse=True)
    places = [np.broadcast_to(np.asarray(i.at(grid)), shape) for i in ref.index]
    rest = array.shape[len(source.shape) :]
    if ref.flat:
        array = array.reshape((-1, *rest))
    return array[tuple(places)] if places else np.broadcast_to(array, shape + rest)


def _over(mask, axes, ndim: int) -> np.ndarray:
    """The mask with one dimension for each axis of the grid."""
    shape = [1] * ndim
    for axis, size in zip(axes, mask.shape, strict=True):
        shape[axis] = size
    order = np.argsort(axes)
    return mask.transpose(order).reshape(shape)
