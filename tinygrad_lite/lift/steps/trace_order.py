"""In which order the groups were recorded, and what each of them is, whatever it reads.

Grouping goes by depth: of a loop over time it mixes what several steps do, as their chains have other lengths. The code
did one step after the other, and its derivative does the same backwards. In the order in which a group's first scalar
was recorded, steps stand behind one another, and a group still stands behind everything that it reads: its first scalar
was recorded later than what that reads.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any, Final

from numpy.typing import NDArray

from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Ref, Term
from tinygrad_lite.operations.ops import TABLE

_PRODUCT: Final = TABLE["mul"].name


def order_by_trace(program: Groups) -> list[int]:
    """List the numbers of the statements in the order in which they were recorded.

    A statement that no recorded scalar stands for comes directly after what it reads.
    """
    keys: list[tuple[int, ...]] = []
    for number, group in enumerate(program.groups):
        below = max([keys[ref.group] for ref in group.refs()], default=(-1,))
        known = group.nodes[group.nodes >= 0] if group.nodes is not None else ()
        keys.append(max((int(min(known)),) if len(known) else (*below, number), (*below, 0)))
    computed = [number for number, group in enumerate(program.groups) if group.kind not in ("input", "constant")]
    return sorted(computed, key=lambda number: (keys[number], number))


def sort_terms(program: Groups, order: Sequence[int]) -> Groups:
    """Write the terms of sums, and the factors of products, in an order that does not depend on which step it is.

    Args:
        program: It is left as it is.
        order: Of its statements.

    Returns:
        The same program, in which terms and factors that look alike are in the order of what they read.
    """
    place = {number: place for place, number in enumerate(order)}

    def rank_ref(ref: Ref) -> tuple[Any, ...]:
        return repr(_describe_refs((ref,))), place.get(ref.group, -1), [index.offset for index in ref.index]

    def sort_factors(refs: tuple[Ref, ...]) -> tuple[Ref, ...]:
        return tuple(sorted(refs, key=rank_ref))

    def rank_term(term: Term) -> tuple[Any, ...]:
        return -term.sign, term.reduced, len(term.factors), [rank_ref(ref) for ref in term.factors]

    groups = []
    for group in program.groups:
        if group.kind == "sum":
            terms = [replace(term, factors=sort_factors(term.factors)) for term in group.terms]
            group = replace(group, terms=tuple(sorted(terms, key=rank_term)))
        elif group.op == _PRODUCT:
            group = replace(group, operands=sort_factors(group.operands))
        groups.append(group)
    return replace(program, groups=groups)


def describe(group: Group) -> Hashable:
    """Say what a group is: all but what it reads, and from where on. Steps that repeat are described alike."""
    terms = tuple(
        [
            (_describe_refs(term.factors), term.reduced, term.sign, term.axes, _to_bytes(term.mask))
            for term in group.terms
        ]
    )
    kind = (group.kind, group.op, group.over, group.batched, group.shape, group.role, group.axis)
    refs = (_describe_refs(group.operands), terms, _describe_refs(group.initial))
    return (*kind, *refs, _to_bytes(group.present))


def _describe_refs(refs: tuple[Ref, ...]) -> Hashable:
    return tuple([(ref.flat, tuple([_describe_index(index) for index in ref.index])) for ref in refs])


def _describe_index(index: Index) -> Hashable:
    return (index.steps, index.axes, _to_bytes(index.table))


def _to_bytes(array: NDArray[Any] | None) -> bytes | None:
    return None if array is None else array.tobytes()
