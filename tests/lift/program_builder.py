"""Programs of groups, made by hand: short names for what the IR spells out."""

from __future__ import annotations

import numpy as np

from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Output, Ref, Term


def ref(group: int, *places: int | Index, flat: bool = False) -> Ref:
    """Where a group is read: an int is an axis, along which the place moves by one."""
    return Ref(group, tuple(along(place) if isinstance(place, int) else place for place in places), flat)


def along(axis: int, step: int = 1, offset: int = 0) -> Index:
    return Index(offset, ((axis, step),))


def at(offset: int) -> Index:
    return Index(offset)


def table(places, *axes: int) -> Index:
    return Index(table=np.asarray(places, dtype=np.intp), axes=axes)


class Builder:
    """A program in the making; each method gives the new group's number."""

    def __init__(self) -> None:
        self.program = Groups()

    def _add(self, group: Group) -> int:
        self.program.groups.append(group)
        return len(self.program.groups) - 1

    def _batched(self, refs) -> bool:
        return any(self.program.groups[r.group].batched for r in refs)

    def input(self, path: str, *shape: int, batched: bool = False) -> int:
        number = self._add(Group("input", shape, path=path, batched=batched))
        self.program.inputs.append(number)
        return number

    def constant(self, data) -> int:
        data = np.asarray(data, dtype=float)
        return self._add(Group("constant", data.shape, data=data))

    def map(self, op: str, shape: tuple[int, ...], *operands: Ref, **more) -> int:
        return self._add(Group("map", shape, op=op, operands=operands, batched=self._batched(operands), **more))

    def sum(self, shape: tuple[int, ...], *terms: Term, over: str = "", **more) -> int:
        batched = not over and self._batched([factor for term in terms for factor in term.factors])
        return self._add(Group("sum", shape, terms=terms, over=over, batched=batched, **more))

    def fold(self, op: str, shape: tuple[int, ...], term: Term, *operands: Ref, **more) -> int:
        batched = self._batched([*term.factors, *operands])
        return self._add(Group("fold", shape, op=op, terms=(term,), operands=operands, batched=batched, **more))

    def result(self, group: int) -> Builder:
        """A group's array as it is."""
        found = self.program.groups[group]
        whole = ref(group, *range(len(found.shape)))
        self.program.outputs.append(Output(found.shape or None, whole, found.batched))
        return self


def mlp(*sizes: int) -> Groups:
    """Loss and gradients of an MLP: maximum(z, 0), one output with sigmoid and cross entropy, the mean over samples."""
    b = Builder()
    layers = len(sizes) - 1
    weights, biases = [], []
    for k in range(layers):
        weights.append(b.input(f"model.layers.{k}.weight", sizes[k + 1], sizes[k]))
        biases.append(b.input(f"model.layers.{k}.bias", sizes[k + 1]))
    x, y = b.input("x", sizes[0], batched=True), b.input("y", sizes[-1], batched=True)
    zero = b.constant(0.0)
    z, a = [], [x]
    for k in range(layers):
        product = Term((ref(weights[k], 0, 1), ref(a[k], 1)), (sizes[k],))
        z.append(b.sum((sizes[k + 1],), product, Term((ref(biases[k], 0),))))
        if k < layers - 1:
            a.append(b.map("maximum", (sizes[k + 1],), ref(z[k], 0), ref(zero)))
    softplus = b.map("softplus", (sizes[-1],), ref(z[-1], 0))
    terms = Term((ref(softplus, 0),), sizes[-1:]), Term((ref(y, 0), ref(z[-1], 0)), sizes[-1:], -1.0)
    loss = b.sum((), *terms, over="mean")
    probability = b.map("sigmoid", (sizes[-1],), ref(z[-1], 0))
    delta = b.sum((sizes[-1],), Term((ref(probability, 0),)), Term((ref(y, 0),), sign=-1.0))
    gradients: list[int] = []
    for k in reversed(range(layers)):
        gradients.insert(0, b.sum((sizes[k + 1],), Term((ref(delta, 0),)), over="mean"))
        outer = Term((ref(delta, 0), ref(a[k], 1)))
        gradients.insert(0, b.sum((sizes[k + 1], sizes[k]), outer, over="mean"))
        if k:
            back = b.sum((sizes[k],), Term((ref(weights[k], 1, 0), ref(delta, 1)), (sizes[k + 1],)))
            slope = b.map("greater", (sizes[k],), ref(z[k - 1], 0), ref(zero))
            delta = b.map("mul", (sizes[k],), ref(back, 0), ref(slope, 0))
    for number in (loss, *gradients):
        b.result(number)
    return b.program


def causal_attention(positions: int, width: int, heads: int, batched: bool) -> Groups:
    """Multi-head attention with a causal mask, whose elements above the diagonal the graph does not have."""
    b = Builder()
    size = width // heads
    weights = [b.input(f"model.{name}.weight", width, width) for name in ("query", "key", "value", "out")]
    x = b.input("x", positions, width, batched=batched)
    query, key, value = (b.sum((positions, width), Term((ref(w, 1, 2), ref(x, 0, 2)), (width,))) for w in weights[:3])
    causal = np.tri(positions, dtype=bool)
    grid = (positions, heads, positions)
    present = np.broadcast_to(causal[:, None, :], grid).copy()

    def place(head: int, inside: int) -> Index:
        return Index(0, ((head, size), (inside, 1)))

    product = Term((ref(query, 0, place(1, 3)), ref(key, 2, place(1, 3))), (size,))
    scores = b.sum(grid, product, present=present)
    largest = b.fold("maximum", grid[:2], Term((ref(scores, 0, 1, 2),), (positions,), 1.0, causal, (0, 2)))
    shifted = b.sum(grid, Term((ref(scores, 0, 1, 2),)), Term((ref(largest, 0, 1),), sign=-1.0), present=present)
    powers = b.map("exp", grid, ref(shifted, 0, 1, 2), present=present)
    total = b.sum(grid[:2], Term((ref(powers, 0, 1, 2),), (positions,), 1.0, causal, (0, 2)))
    weight = b.map("truediv", grid, ref(powers, 0, 1, 2), ref(total, 0, 1), present=present)
    mixing = Term((ref(weight, 0, 1, 3), ref(value, 3, place(1, 2))), (positions,), 1.0, causal, (0, 3))
    mixed = b.sum((positions, heads, size), mixing)
    joining = Term((ref(weights[3], 1, place(2, 3)), ref(mixed, 0, 2, 3)), (heads, size))
    return b.result(b.sum((positions, width), joining, Term((ref(x, 0, 1),)))).program
