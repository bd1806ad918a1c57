"""The verdict on one derivative, from the truth."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_lite.testing.oracles.truth import Truth
from tinygrad_lite.testing.oracles.verdicts import GRAVITY, Verdict

_MEETS = "a step of the chain rule is 0 times infinity"


def judged(got: float, truth: Truth) -> tuple[Verdict, float, float, str]:
    """Return the verdict on a derivative, the interval in which it may lie, and the reason."""
    if truth.sides is not None:
        return _judged_by_sides(got, truth)
    low, high = _float(truth.low), _float(truth.high)
    if math.isinf(low) or math.isinf(high):
        if low <= got <= high:
            return Verdict.NON_FINITE, low, high, "the derivative is too large for a float"
        return Verdict.WRONG, low, high, ""
    if math.isfinite(got) and truth.low - truth.tolerance <= got <= truth.high + truth.tolerance:
        if truth.high - truth.low > truth.tolerance:
            return Verdict.KINK, low, high, f"the slope jumps here; {got!r} is the convention"
        return Verdict.CORRECT, low, high, ""
    return Verdict.WRONG, low, high, "" if math.isfinite(got) else "it is not finite, though the derivative is"


def _judged_by_sides(got: float, truth: Truth) -> tuple[Verdict, float, float, str]:
    """Return the verdict where there are one-sided derivatives only."""
    known = [_float(side) for side in truth.sides or () if side is not None]
    if not known and not math.isfinite(got):
        return Verdict.DOMAIN_EDGE, math.nan, math.nan, "there is no derivative of this order here"
    if not known:
        return Verdict.UNDECIDED, math.nan, math.nan, f"{_MEETS}, and no truth is known here"
    below, above = min(known), max(known)
    slack = 1e-9 * max((abs(x) for x in known if math.isfinite(x)), default=0.0) + 1e-12
    if truth.is_limit and below - slack <= got <= above + slack:
        return Verdict.CORRECT, below, above, ""
    low = min([below, *(x for x in (_float(truth.low),) if not math.isnan(x))])
    high = max([above, *(x for x in (_float(truth.high),) if not math.isnan(x))])
    if truth.is_limit and math.isfinite(got) and low <= got <= high:
        return Verdict.UNDECIDED, below, above, f"{_MEETS}, and a convention at a kink takes part"
    if len(known) == 2 and low < high:
        verdict, reason = Verdict.KINK, f"the slope is {known[0]!r} from below and {known[1]!r} from above"
    else:
        verdict = Verdict.DOMAIN_EDGE
        reason = (
            "the slope is infinite here"
            if math.isinf(below) or math.isinf(above)
            else "the function is defined on one side only"
        )
    if math.isnan(got):  # not a number is not a wrong number, where the formula itself is 0 times infinity
        return max(verdict, Verdict.NON_FINITE, key=GRAVITY.index), low, high, _MEETS
    if low - slack <= got <= high + slack:
        return verdict, low, high, reason
    if not truth.settled:
        return Verdict.UNDECIDED, low, high, f"{_MEETS}, and what the derivative tends to is not known"
    return Verdict.WRONG, low, high, f"{_MEETS}; the expected number is the limit" if truth.is_limit else reason


def _float(x: Any) -> float:
    """To the nearest float; beyond the greatest, an infinity."""
    try:
        return float(x)
    except OverflowError:
        return math.copysign(math.inf, x)
