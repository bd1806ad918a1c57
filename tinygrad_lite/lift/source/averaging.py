"""Where a mean over the samples divides by their number: once at the start of backpropagation, not in every gradient.

The mean of contractions ``Σ d · a / n`` is the sum of contractions with ``d / n``. Everything between the first delta
and the gradients is linear in the deltas, so that one division of the first delta, which is small, stands for one of
each gradient, which is as large as the weights: δ² = (ŷ − y)/n. Sound because each scaled array is read by nothing but
products with exactly one scaled factor, and by sums of such. Costs a few passes over the references.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinygrad_lite.lift.ir.groups import Group, Groups
from tinygrad_lite.operations import ops


@dataclass(frozen=True)
class Averaging:
    """Which arrays hold an n-th of their group's value.

    Attributes:
        divided: Groups that are divided by n where they are computed.
        scaled: Groups whose arrays hold an n-th: the divided ones, and what is computed from them.
        summed: Groups with ``over="mean"`` that are sums, as the n-th is in what they read.
    """

    divided: frozenset[int]
    scaled: frozenset[int]
    summed: frozenset[int]


def place_divisions(program: Groups) -> Averaging:
    """Find the groups that can be computed an n-th as large.

    Args:
        program: The program; it is left as it is.
    """
    consumers = _find_consumers(program)
    scaled = {number for number, group in enumerate(program.groups) if _may_be_scaled(group, consumers.get(number))}
    scaled -= {output.ref.group for output in program.outputs}
    for number, group in enumerate(program.groups):  # rows of a loop are either all divided or none
        scaled -= {ref.group for ref in group.initial}
        if group.initial:
            scaled.discard(number)
    scaled -= program.find_loops().keys()
    changed = True
    while changed:
        rejected = _find_rejected(program, scaled, consumers)
        scaled -= rejected
        changed = bool(rejected)
    scaled = _select_useful(program, scaled, consumers)
    read = {number: _find_scaled_operands(group, scaled) for number, group in enumerate(program.groups)}
    return Averaging(
        frozenset(number for number in scaled if not read[number]),
        frozenset(scaled),
        frozenset(n for n, group in enumerate(program.groups) if group.over == "mean" and read[n]),
    )


def _find_consumers(program: Groups) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for number, group in enumerate(program.groups):
        for ref in group.refs():
            found.setdefault(ref.group, set()).add(number)
    return found


def _may_be_scaled(group: Group, consumers: set[int] | None) -> bool:
    return bool(consumers) and group.batched and group.kind in ("sum", "map")


def _list_products(group: Group) -> list[tuple[int, ...]] | None:
    """List the groups of the factors of each product that it adds up, if it is linear in all of them."""
    if group.kind == "sum":
        return [tuple(factor.group for factor in term.factors) for term in group.terms]
    if group.kind == "map":
        symbol = ops.find(group.op).symbol
        if symbol in ("*", "neg"):
            return [tuple(ref.group for ref in group.operands)]
        if symbol == "/" and group.operands[0].group != group.operands[1].group:
            return [(group.operands[0].group,)]
    return None


def _find_scaled_operands(group: Group, scaled: set[int]) -> list[int]:
    return [ref.group for ref in group.refs() if ref.group in scaled]


def _find_rejected(program: Groups, scaled: set[int], consumers: dict[int, set[int]]) -> set[int]:
    """Find groups that something reads otherwise than as the one scaled factor of each product."""
    found = {
        number
        for number in scaled
        if any(not (reader in scaled or program.groups[reader].over == "mean") for reader in consumers[number])
    }
    if found:
        return found
    for group in program.groups:
        operands = _find_scaled_operands(group, scaled)
        if not operands:
            continue
        products = _list_products(group)
        counts = [0] if products is None else [sum(factor in scaled for factor in factors) for factors in products]
        if max(counts) > 1:
            return {min(operands, key=lambda operand: (_continues(program, operand, scaled), operand))}
        if min(counts) < 1 or sum(counts) != len(operands):
            return set(operands)
    return set()


def _continues(program: Groups, number: int, scaled: set[int]) -> bool:
    """Whether it is computed from a scaled array, as deltas are."""
    return bool(_find_scaled_operands(program.groups[number], scaled))


def _select_useful(program: Groups, scaled: set[int], consumers: dict[int, set[int]]) -> set[int]:
    """Select those that a mean of products needs; a mean of one array divides the few numbers of its result."""
    useful: set[int] = set()
    for number in sorted(scaled, reverse=True):
        if any(
            reader in useful or any(len(term.factors) > 1 for term in program.groups[reader].terms)
            for reader in consumers[number]
            if reader in useful or program.groups[reader].over == "mean"
        ):
            useful.add(number)
    changed = True
    while changed:
        before = len(useful)
        for group in program.groups:
            operands = set(_find_scaled_operands(group, scaled))
            if operands & useful and not operands <= useful:
                useful |= operands
        useful |= {
            number for number in scaled if useful.intersection(_find_scaled_operands(program.groups[number], scaled))
        }
        changed = len(useful) > before
    return useful
