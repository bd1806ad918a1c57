"""Property tests for derivatives: is the rule that I wrote right? And how accurate is it?

>>> import tinygrad_lite as tg
>>> from tinygrad_lite.testing import check_gradients
>>> check_gradients(lambda x, y: tg.tanh(x * y), 0.5, 2.0).verdict
<Verdict.CORRECT: 'smooth and correct'>

``check_gradients`` is for functions on Values, ``check_derivative`` for any function and its derivative. The hypothesis
strategies (``values``, ``operand``, ``expressions`` ...) are loaded when they are first used. It needs the extra
``testing``.
"""

from typing import TYPE_CHECKING, Any

try:
    import mpmath as _mpmath  # noqa: F401 (what follows needs it)
except ImportError as error:
    raise ImportError(
        'tinygrad_lite.testing computes with mpmath, which is not installed: pip install "tinygrad-lite[testing]"'
    ) from error

from tinygrad_lite.testing.accuracy.accuracy import accuracy
from tinygrad_lite.testing.accuracy.profiles import Profile, Sample
from tinygrad_lite.testing.checks.derivatives import check_derivative
from tinygrad_lite.testing.checks.gradients import check_gradients
from tinygrad_lite.testing.checks.products import check_products
from tinygrad_lite.testing.oracles.oracles import (
    TaylorSlope,
    complex_step,
    finite_difference,
    forward_mode,
    mpmath_derivative,
    taylor_slope,
)
from tinygrad_lite.testing.oracles.verdicts import DerivativeError, Estimate, Finding, FunctionError, Report, Verdict

if TYPE_CHECKING:
    from tinygrad_lite.testing.strategies.strategies import (
        Formula,
        Node,
        expressions,
        expressions_with_points,
        operand,
        operands,
        parameters,
        values,
    )

_STRATEGIES = (
    "Formula",
    "Node",
    "expressions",
    "expressions_with_points",
    "operand",
    "operands",
    "parameters",
    "values",
)

__all__ = [
    "DerivativeError",
    "Estimate",
    "Finding",
    "Formula",
    "FunctionError",
    "Node",
    "Profile",
    "Report",
    "Sample",
    "TaylorSlope",
    "Verdict",
    "accuracy",
    "check_derivative",
    "check_gradients",
    "check_products",
    "complex_step",
    "expressions",
    "expressions_with_points",
    "finite_difference",
    "forward_mode",
    "mpmath_derivative",
    "operand",
    "operands",
    "parameters",
    "taylor_slope",
    "values",
]


def __getattr__(name: str) -> Any:
    if name in _STRATEGIES:
        import importlib

        return getattr(importlib.import_module("tinygrad_lite.testing.strategies.strategies"), name)
    raise AttributeError(f"module 'tinygrad_lite.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_STRATEGIES])
