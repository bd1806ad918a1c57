"""What pytest and hypothesis load when they start: small, and without importing tinygrad_lite.

A plugin within the package would import it before coverage is measured, and would slow every test run on the machine.
So nothing is imported here that Python has not loaded already; what needs the package stands in
``tinygrad_lite/testing/pytest_plugin.py`` and ``strategies.py``, and is imported when a test asks for it.

PYTEST_DONT_REWRITE: there is no assert in here, and it may have been imported, by hypothesis, before pytest starts.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # importing typing would take longer than all the rest
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import pytest
    from hypothesis.strategies import SearchStrategy

# ---------------------------------------------------------------------------------------------- hypothesis


def register_strategies() -> None:
    """Make ``hypothesis.strategies.from_type(Value)`` draw Values, as soon as both packages are imported.

    Called at the end of the import of either: by hypothesis's entry point, and by ``tinygrad_lite/__init__.py``. Does
    nothing if the other is not imported yet, or only in part: that one calls it again when it is done.
    """
    value = getattr(sys.modules.get("tinygrad_lite.value"), "Value", None)
    register = getattr(sys.modules.get("hypothesis.strategies"), "register_type_strategy", None)
    if value is not None and register is not None:
        register(value, _values)


def _values(kind: type) -> SearchStrategy[Any]:
    from tinygrad_lite.testing.strategies.strategies import values

    return values()


# -------------------------------------------------------------------------------------------------- pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--derivative-examples``."""
    group = parser.getgroup("tinygrad_lite", "tinygrad_lite")
    group.addoption(
        "--derivative-examples",
        type=_count,
        default=None,
        metavar="N",
        help="at how many points the fixture check_gradients looks at a function (20)",
    )


def _count(text: str) -> int:
    """Return a whole number of at least 1; argparse reports the error."""
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


def pytest_configure(config: pytest.Config) -> None:
    """Add the fixture."""
    config.pluginmanager.register(_fixtures(), "tinygrad_lite fixtures")


def _fixtures() -> object:
    """Return a plugin with the fixture; made here, as hypothesis loads this module too where pytest may not be
    there."""
    import pytest

    class Fixtures:
        @pytest.fixture(name="check_gradients")
        def checker(self, request: pytest.FixtureRequest) -> Callable[..., Any]:
            """tinygrad_lite.testing.check_gradients, at --derivative-examples points and with a seed of the test's."""
            from tinygrad_lite.testing.pytest_plugin import seeded_check

            return seeded_check(request.node.nodeid, request.config.getoption("derivative_examples"))

    return Fixtures()


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Says what ``==`` between Values means, where an assertion was about them."""
    value = getattr(sys.modules.get("tinygrad_lite.value"), "Value", None)
    if op not in ("==", "!=") or value is None:
        return None
    if not isinstance(left, (value, list, tuple, dict)) and not isinstance(right, (value, list, tuple, dict)):
        return None
    try:
        from tinygrad_lite.testing.pytest_plugin import compared
    except ImportError:  # tinygrad_lite.testing needs mpmath, which the user of the package alone may not have
        return None
    return compared(op, left, right)
