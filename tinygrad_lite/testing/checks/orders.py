"""First and second derivatives in one call: what is the derivative of what, and how findings are called."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tinygrad_lite.testing.checks.user_derivative import Handwritten
from tinygrad_lite.testing.oracles.verdicts import Finding


def highest_order(df: Any, order: int | None) -> int:
    """Up to which order there are derivatives.

    Args:
        df: A derivative, a sequence of one for each order, or the name of a library that takes them.
        order: As the user gave it; None if not.

    Raises:
        ValueError: There are none of that order.

    >>> highest_order((abs, abs), None), highest_order("torch", 2), highest_order(abs, None)
    (2, 2, 1)
    """
    given = len(df) if isinstance(df, (tuple, list)) else 1
    if order is not None and (not isinstance(order, int) or order < 1):
        raise ValueError(f"order is a whole number of at least 1, not {order!r}")
    if not given:
        raise ValueError("check_derivative(f, df, ...): df is empty; write (first derivative, second derivative, ...)")
    if isinstance(df, str):
        return order or 1
    if order not in (None, given):
        raise ValueError(
            f"order={order}, and df has {given}: give a function for each order, as (df, d2f), or the name of a "
            'library that takes them, as "torch"'
        )
    return given


def of_order(level: int, before: Handwritten, rule: Handwritten, finding: Finding) -> Finding:
    """Return a finding on the derivative of a derivative, named as one of f.

    Args:
        level: The order.
        before: f and its derivative, or for a higher order those of the order before.
        rule: That derivative and its own.
        finding: Which calls the derivative f.
    """
    names = {rule.output_name(row): before.names_of(row, rule) for row in range(rule.size)} if level == 2 else {}
    output, first = names.get(finding.output, ("", "..."))
    return replace(finding, order=level, output=output, argument=f"{first}, {finding.argument}")
