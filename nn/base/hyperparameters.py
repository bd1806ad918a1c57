"""What the hyperparameters of an optimiser may be: each has a check, which gives it back as the formulas take it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tinygrad_lite.node.fields import is_numpy_scalar
from tinygrad_lite.operations.operation import Interval
from tinygrad_lite.value import Value

#: ``check(name, given)`` returns what was given, as a float, an int, a bool or a tuple of floats, or raises.
Check = Callable[[str, Any], Any]


def number_in(interval: Interval) -> Check:
    """Return the check of a number that lies in an interval; infinite ends do not belong to it.

    Args:
        interval: Where it may lie.

    Returns:
        A check. It gives a float, or an int where the interval is of whole numbers.

    >>> number_in(Interval(0.0, 1.0, open="high"))("momentum", 0)
    0.0
    >>> number_in(Interval(0.0, 1.0, open="high"))("momentum", 1.0)
    Traceback (most recent call last):
    ValueError: momentum is in [0, 1), not 1.0
    """

    def check(name: str, given: Any) -> float:
        number = as_float(name, given)
        inside = interval.low <= number <= interval.high and math.isfinite(number)
        if interval.open in ("low", "both") and number == interval.low:
            inside = False
        if interval.open in ("high", "both") and number == interval.high:
            inside = False
        if not inside or (interval.whole and number != math.floor(number)):
            raise ValueError(f"{name} is in {interval!r}, not {given!r}")
        return int(number) if interval.whole else number

    return check


def pair_of(first: Check, second: Check) -> Check:
    """Return the check of two numbers, such as the betas of Adam.

    >>> pair_of(FRACTION, FRACTION)("betas", [0.9, 0.999])
    (0.9, 0.999)
    """

    def check_pair(name: str, given: Any) -> tuple[Any, Any]:
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise TypeError(f"{name} is a pair of numbers, such as (0.9, 0.999), not {given!r}")
        return first(f"{name}[0]", given[0]), second(f"{name}[1]", given[1])

    return check_pair


def one_of(*choices: str) -> Check:
    """Return the check of a choice between strings.

    >>> one_of("min", "max")("mode", "min")
    'min'
    """

    def check(name: str, given: Any) -> str:
        if given not in choices:
            raise ValueError(f"{name} is {' or '.join(map(repr, choices))}, not {given!r}")
        return str(given)

    return check


def list_of(check: Check) -> Check:
    """Return the check of a list, such as a number for each group.

    >>> list_of(FRACTION)("momentum", (0, 0.5))
    [0.0, 0.5]
    """

    def check_list(name: str, given: Any) -> list[Any]:
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise TypeError(f"{name} is a list, not {type(given).__name__} {given!r}")
        return [check(f"each of {name}", x) for x in given]

    return check_list


def one_or_list_of(check: Check) -> Check:
    """Return the check of a number, or of a list of one for each group.

    >>> one_or_list_of(FRACTION)("momentum", 0.5)
    0.5
    """
    check_list = list_of(check)
    return lambda name, given: (check_list if isinstance(given, (list, tuple)) else check)(name, given)


def boolean(name: str, given: Any) -> bool:
    """Check a choice between True and False, and return it.

    >>> boolean("nesterov", True)
    True
    """
    if not isinstance(given, bool):
        raise TypeError(f"{name} is True or False, not {given!r}")
    return given


def as_float(name: str, given: Any) -> float:
    """Check that something is a plain number, and return it as a float.

    Raises:
        TypeError: It is something else. (A bool too: it is a slip, as in ``SGD(parameters, 0.1, True)``.)

    >>> as_float("lr", 1)
    1.0
    """
    if isinstance(given, (float, int)) and not isinstance(given, bool):
        return float(given)
    if is_numpy_scalar(given) and given.dtype.kind != "b":
        return float(given)
    hint = (
        ": write v.data; to differentiate by it, call the optimiser's update(m, ...)"
        if isinstance(given, Value)
        else ""
    )
    raise TypeError(f"{name} is a number, not {type(given).__name__} {given!r}{hint}")


def check_names(given: Iterable[str], known: Iterable[str], who: str) -> None:
    """Refuse a name that is not known, with the nearest one that is.

    Raises:
        ValueError: There is one.

    >>> check_names(["momentun"], ["lr", "momentum"], "SGD")
    Traceback (most recent call last):
    ValueError: SGD has no hyperparameter 'momentun'; did you mean 'momentum'?
    """
    names = list(known)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names)}"
            raise ValueError(f"{who} has no hyperparameter {name!r}; {hint}")


def check_all(given: Mapping[str, Any], checks: Mapping[str, Check]) -> dict[str, Any]:
    """Check every hyperparameter that has a check, and return them as the checks do.

    >>> check_all({"lr": 1}, {"lr": AT_LEAST_ZERO})
    {'lr': 1.0}
    """
    return {name: checks[name](name, x) if name in checks else x for name, x in given.items()}


#: A finite number of at least 0.
AT_LEAST_ZERO: Final = number_in(Interval(0.0))
#: A finite number above 0.
ABOVE_ZERO: Final = number_in(Interval(0.0, open="low"))
#: From 0 up to 1, but not 1: the weight of the past in a running average.
FRACTION: Final = number_in(Interval(0.0, 1.0, open="high"))
#: From 0 to 1.
PROPORTION: Final = number_in(Interval(0.0, 1.0))
#: Between 0 and 1.
INNER_FRACTION: Final = number_in(Interval(0.0, 1.0, open="both"))
#: A whole number of at least 0.
COUNT: Final = number_in(Interval(0.0, whole=True))
#: A whole number of at least 1.
POSITIVE_COUNT: Final = number_in(Interval(1.0, whole=True))
