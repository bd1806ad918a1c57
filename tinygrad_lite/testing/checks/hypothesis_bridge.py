"""Points drawn by hypothesis: the simplest failing one is what the user sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_lite.testing.oracles.verdicts import DerivativeError, FunctionError, Report, Verdict


def is_strategy(arg: Any) -> bool:
    """Whether it is a hypothesis strategy (without importing hypothesis)."""
    return any(kind.__name__ == "SearchStrategy" for kind in type(arg).__mro__)


def drawn_report(check: Callable[..., Report], args: Sequence[Any], examples: int, seed: int) -> Report:
    """Return the worst report over points drawn from strategies; the simplest point at which a derivative is wrong.

    Args:
        check: Gives the report on one point.
        args: Strategies; what is none is the same for every point.
        examples: How many points are drawn.
        seed: What is drawn depends on it alone.

    Raises:
        FunctionError: The function raises at every point.
    """
    from hypothesis import HealthCheck, Phase, given, settings, strategies
    from hypothesis import seed as seeded

    reports: list[Report] = []
    errors: list[FunctionError] = []

    @seeded(seed)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        print_blob=False,
    )
    @given(strategies.tuples(*(arg if is_strategy(arg) else strategies.just(arg) for arg in args)))
    def at(drawn: tuple[Any, ...]) -> None:
        try:
            report = check(*drawn)
        except FunctionError as error:
            if not error.outside_domain:
                raise
            errors.append(error)
            return
        reports.append(report)
        if report.verdict is Verdict.WRONG:
            raise DerivativeError(report)

    try:
        at()
    except DerivativeError as error:
        return error.report
    if not reports:
        raise errors[-1] if errors else ValueError("the strategies draw no point at all")
    worst = max(reports, key=lambda report: report.gravity)
    worst.skipped = len(errors)
    return worst
