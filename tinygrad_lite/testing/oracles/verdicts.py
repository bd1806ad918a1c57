"""What a check says: a verdict on each derivative, and a report on all of them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """What is found out about one derivative, or about a whole function (the gravest of its derivatives').

    A correct rule is never WRONG. Where a function is not differentiable, the verdict says so, and the derivative is
    held against the one-sided ones.
    """

    #: differentiable here, and equal to what an independent oracle says
    CORRECT = "smooth and correct"
    #: the slope jumps here; the derivative lies between the one-sided ones, as a convention may choose
    KINK = "kink"
    #: the function itself jumps here; the derivative lies between those on either side, or is no number
    JUMP = "jump"
    #: the function is defined on one side only, or its derivative is not finite there
    DOMAIN_EDGE = "domain edge"
    #: the value, the derivative or a step on the way is too large for a float, or no number
    NON_FINITE = "non-finite"
    #: the oracles cannot tell; the reason says why
    UNDECIDED = "undecided"
    #: an oracle disagrees by more than rounding explains
    WRONG = "wrong"

    def __str__(self) -> str:
        return self.value


#: From harmless to grave: a report has the gravest verdict of its findings.
GRAVITY = tuple(Verdict)


class _ToTheBit:
    """Equality of records by what they show: nan is nan on every Python, as in dataclasses until 3.12."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and repr(other) == repr(self)

    def __hash__(self) -> int:
        return hash(repr(self))


@dataclass(frozen=True, eq=False)
class Estimate(_ToTheBit):
    """What one oracle says about a derivative at a point.

    Attributes:
        value: The derivative; nan if there is none.
        error: A bound on its error; inf if the oracle does not know.
        oracle: The oracle's name.
        left: The derivative from below, where it was looked at.
        right: The derivative from above.
        kind: CORRECT where the function is smooth there; KINK, JUMP, DOMAIN_EDGE, NON_FINITE or UNDECIDED where not.
        note: What else there is to say: why undecided, at which steps.
        step: With which step, for differences.
        around: How steep the function is on the scale of that step around the point; inf where that is not known.
    """

    value: float
    error: float
    oracle: str
    left: float = math.nan
    right: float = math.nan
    kind: Verdict = Verdict.CORRECT
    note: str = ""
    step: float = math.nan
    around: float = math.inf

    def __str__(self) -> str:
        if self.kind in (Verdict.KINK, Verdict.JUMP):
            jumps = "f jumps; " if self.kind is Verdict.JUMP else ""
            return f"{jumps}{self.left:.17g} from below, {self.right:.17g} from above"
        if self.kind is not Verdict.CORRECT:
            return f"{self.kind}{': ' + self.note if self.note else ''}"
        bound = f" ± {self.error:.1e}" if self.error > 0.0 else ""
        return f"{self.value:.17g}{bound}"


@dataclass(frozen=True, eq=False)
class Finding(_ToTheBit):
    """One derivative, held against what it should be.

    Attributes:
        argument: By what it is taken: ``x``, ``args[0][2]``; for higher orders all, ``x, y``.
        output: Of what: ``""`` for the only output, else ``[3]``.
        order: 1 for the gradient, 2 for the Hessian, ...
        got: The derivative under test.
        low: The least that is right.
        high: The greatest that is right; the same as ``low`` where the function is smooth.
        tolerance: By how much rounding may have moved ``got``.
        oracle: Who says so.
        verdict: The verdict.
        reason: Why, where that is not plain.
        others: What further oracles say, by name.
        epsilon: The spacing of the numbers next to 1 in the derivative's format.
    """

    argument: str
    output: str
    order: int
    got: float
    low: float
    high: float
    tolerance: float
    oracle: str
    verdict: Verdict
    reason: str = ""
    others: Sequence[Estimate] = ()
    epsilon: float = math.ulp(1.0)

    @property
    def expected(self) -> float:
        """What is right and nearest to what was got."""
        return min(max(self.got, self.low), self.high) if math.isfinite(self.got) else self.low

    @property
    def difference(self) -> float:
        """|got - expected|."""
        return abs(self.got - self.expected)

    @property
    def relative(self) -> float:
        """The difference in units of what is expected; inf if that is 0."""
        if self.difference == 0.0:
            return 0.0
        return self.difference / abs(self.expected) if self.expected else math.inf

    @property
    def ulps(self) -> float:
        """The difference in units in the last place of what is expected, in the derivative's own format."""
        if not math.isfinite(self.difference) or not math.isfinite(self.expected):
            return math.inf
        return self.difference / (math.ulp(self.expected) * (self.epsilon / math.ulp(1.0)))

    @property
    def name(self) -> str:
        """Such as ``∂²f[0]/∂x∂y``; ``f[0]`` for a value."""
        if self.order == 0:
            return f"f{self.output}"
        if self.argument.startswith("a "):
            return f"the slope of f{self.output} along {self.argument}"
        power = "" if self.order == 1 else "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(self.order))
        below = "".join(f"∂{x}" for x in _items(self.argument))
        return f"∂{power}f{self.output}/{below}"


def _items(names: str) -> list[str]:
    """Return the names in a list of them; ``x[0, 1]`` is one.

    >>> _items("x[0, 1], y")
    ['x[0, 1]', 'y']
    """
    return re.split(r", (?![^\[]*\])", names)


@dataclass(repr=False)
class Report:
    """What a check found: its ``verdict`` is the gravest of its ``findings``. Printed, it tells about that one.

    Attributes:
        function: The name of the function.
        point: The arguments, as code.
        given: The arguments that the caller gave, as code, where a smaller failing input was found.
        findings: One for each derivative looked at.
        numbers: The numbers in the arguments.
        code: The function's expression at that point as code, where it was recorded.
        call: The call that shows the same again.
        seed: What was drawn depends on it alone.
        culprit: The operation whose own derivative is off, where one was found.
        unused: The inputs that the function does not depend on.
        skipped: How many of the points drawn lay outside the function's domain.
    """

    function: str
    point: str
    findings: list[Finding] = field(default_factory=list)
    given: str = ""
    code: str = ""
    call: str = ""
    numbers: tuple[float, ...] = ()
    seed: int = 0
    culprit: str = ""
    unused: list[str] = field(default_factory=list)
    skipped: int = 0

    @property
    def verdict(self) -> Verdict:
        """The gravest of the findings'."""
        return max((finding.verdict for finding in self.findings), key=GRAVITY.index, default=Verdict.UNDECIDED)

    @property
    def gravity(self) -> int:
        """How grave the verdict is: 0 for correct."""
        return GRAVITY.index(self.verdict)

    @property
    def worst(self) -> Finding | None:
        """The finding that the verdict rests on: of several those of lowest order, of these the one off by most."""
        found = [finding for finding in self.findings if finding.verdict is self.verdict]
        return max(found, key=lambda finding: (-finding.order, _size(finding)), default=None)

    @property
    def reason(self) -> str:
        """Why it has that verdict."""
        return self.worst.reason if self.worst else "nothing was checked"

    def __repr__(self) -> str:
        return f"<{self.verdict}: {self.function} at {shortened(self.point)}, {len(self.findings)} findings>"

    def __str__(self) -> str:
        worst = self.worst
        if worst is None:
            return f"{self.function} at {self.point}: {self.verdict} ({self.reason})"
        lines = [f"{self.verdict}: {worst.name} of {self.function} at {shortened(self.point)}"]
        rows = [(name, text) for name, text in _rows(self, worst) if text]
        width = max(len(name) for name, _ in rows) + 2
        lines += [f"  {name:<{width}}" + text.replace("\n", "\n" + " " * (width + 2)) for name, text in rows]
        return "\n".join(lines)


def _rows(report: Report, worst: Finding) -> list[tuple[str, str]]:
    same = worst.low == worst.high
    expected = f"{worst.expected!r}" if same else f"between {worst.low!r} and {worst.high!r}"
    off = worst.verdict is Verdict.WRONG
    size = f"{worst.difference:.3g}, {_percent(worst.relative)}, {worst.ulps:.3g} ulp"
    return [
        ("you gave", shortened(report.given)),
        ("argument", worst.argument),
        ("output", worst.output),
        ("order", str(worst.order)),
        ("got", repr(worst.got)),
        ("expected", f"{expected} ({worst.oracle})" if worst.oracle and not math.isnan(worst.low) else ""),
        ("difference", f"{size}; rounding explains {worst.tolerance:.1g}" if off else ""),
        ("reason", worst.reason),
        ("unused", f"{report.function} does not depend on {_some(report.unused)}" if report.unused else ""),
        ("culprit", report.culprit),
        *((estimate.oracle, str(estimate)) for estimate in worst.others),
        ("code", report.code),
        ("reproduce", _call(report)),
        ("seed", str(report.seed)),
    ]


def _some(names: Sequence[str]) -> str:
    """Return the names, or of many the first ones and how many more.

    >>> _some(["x", "y"]), _some(["x"] * 1000)
    ('x, y', 'x, x, x, x, x, x, x, x and 992 more')
    """
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more


def shortened(text: str) -> str:
    """Return a text of any length, as one that can be read.

    >>> len(shortened("1.0, " * 10_000)) < 400
    True
    """
    return text if len(text) <= 400 else f"{text[:250]} ... {text[-50:]}"


def _call(report: Report) -> str:
    """Return the call; of a long one its two ends, and where the rest is."""
    short = shortened(report.call)
    return short if short == report.call else f"{short}\n(the whole call, {len(report.call):,} characters: report.call)"


def _percent(relative: float) -> str:
    return f"{100 * relative:.3g} %" if math.isfinite(relative) else "infinitely many %"


def _size(finding: Finding) -> float:
    size = finding.relative
    return size if not math.isnan(size) else math.inf


class DerivativeError(AssertionError):
    """A derivative is wrong, or cannot be decided. The message is the report; ``report`` holds its parts."""

    __module__ = __name__.partition(".oracles")[0]  # where it is imported from stands in front of each report

    def __init__(self, report: Report) -> None:
        undecided = report.verdict is Verdict.UNDECIDED
        super().__init__(f"\n{report}" + "\n  strict=False lets pass what is undecided" * undecided)
        self.report = report


class FunctionError(ValueError):
    """The function under test cannot be checked at a point: it raises, changes its arguments, is not deterministic.

    Attributes:
        outside_domain: Whether it raised what floats raise outside a domain; at another point it may not.
    """

    def __init__(self, message: str, outside_domain: bool = False) -> None:
        super().__init__(message)
        self.outside_domain = outside_domain
