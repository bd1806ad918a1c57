"""What is decided about one derivative from what oracles say: the verdict, and between which numbers it has to lie."""

from __future__ import annotations

import math

from tinygrad_lite.testing.oracles.verdicts import Estimate, Verdict

#: What cannot be told from a derivative that is off by this much, relative, is undecided.
RESOLUTION = 1e-3
#: What is less than this part of the slopes around is 0 there, as the derivative is where it changes its sign.
_NEARBY = 2.0**-33
#: What is smaller is 0: squares of such numbers underflow, and what f is there its values do not say.
NOTHING = 1e-120


def agree(difference: Estimate, true: Estimate) -> bool:
    """Whether finite differences do not contradict what 60 digits say."""
    return difference.kind is Verdict.UNDECIDED or (difference.kind is true.kind and _same(difference, true))


def decisive(difference: Estimate, others: list[Estimate], exact: bool) -> tuple[Estimate, str]:
    """Return the estimate to go by: the most exact one that finite differences do not contradict."""
    for other in others:
        if other.oracle != "mpmath":
            continue
        if difference.kind is Verdict.UNDECIDED:
            return other, ""
        if other.kind is difference.kind and _same(difference, other):
            return other, ""
        # Without exact=, it was f itself that was given mpmath's numbers, and did something else with them.
        return difference, f"exact gives {other}, which the values of f contradict: is it the same function?" * exact
    return difference, ""


def _same(difference: Estimate, other: Estimate) -> bool:
    pairs = [(difference.value, other.value), (difference.left, other.left), (difference.right, other.right)]
    known = [(x, y) for x, y in pairs if not (math.isnan(x) or math.isnan(y))]
    return all(x == y or abs(x - y) <= 4.0 * (difference.error + other.error) for x, y in known)


def below(error: float, got: float) -> str:
    """Say that a derivative is too small to be told from 0."""
    return (
        f"undecided below {error:.1e}: f's values cannot tell {got!r} from other numbers of that size; give "
        "exact=, f written with mpmath, to find out"
    )


def judged(
    got: float, estimate: Estimate, slack: float, least: float, unseen: float = 0.0
) -> tuple[Verdict, float, float, str]:
    """Return the verdict, the least and the greatest derivative that is right, and the reason.

    Args:
        got: The derivative under test.
        estimate: What it should be.
        slack: By how much its own rounding may have moved it.
        least: An error of the estimate that is as good as none.
        unseen: A size that is 0 beside the other derivatives.
    """
    kind, value = estimate.kind, estimate.value
    if kind in (Verdict.NON_FINITE, Verdict.UNDECIDED):
        advice = "" if kind is Verdict.NON_FINITE else "; give exact=, f written with mpmath, to find out"
        return kind, value, value, f"{estimate.note}{advice}"
    known = [end for end in (value, estimate.left, estimate.right) if not math.isnan(end)]
    if kind is Verdict.JUMP and not (known and math.isfinite(got)):  # whose slope is infinite there, if it has one
        return kind, min(known, default=math.nan), max(known, default=math.nan), estimate.note
    low, high = min(known), max(known)
    if math.isinf(value):
        if got == -value:
            return Verdict.WRONG, low, high, "the slope is infinite there, with the other sign"
        return Verdict.DOMAIN_EDGE, low, high, "the slope is infinite there; nan or a number is a convention"
    margin = 2.0 * estimate.error + slack
    if not low - margin <= got <= high + margin:
        return Verdict.WRONG, low, high, ""
    if kind is not Verdict.CORRECT:
        return kind, low, high, estimate.note
    flat = got == 0.0 == estimate.around  # to be asked is_flat
    if estimate.error > max(abs(value), abs(got), _NEARBY * estimate.around, unseen, NOTHING) and not flat:
        return Verdict.UNDECIDED, low, high, below(estimate.error, got)
    nearby = _NEARBY * estimate.around if math.isfinite(estimate.around) else 0.0
    if estimate.error > max(RESOLUTION * max(abs(value), abs(got)), least, nearby, NOTHING) and not flat:
        why = f"f's values tell the derivative as {value:.6g} ± {estimate.error:.1e} only"
        return Verdict.UNDECIDED, low, high, f"{why}; give exact=, f written with mpmath, to find out"
    return kind, low, high, ""
