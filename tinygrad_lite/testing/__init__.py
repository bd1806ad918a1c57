"""Property tests for derivatives: is the rule that I wrote right?

>>> import tinygrad_lite as tg
>>> from tinygrad_lite.testing import check_gradients
>>> check_gradients(lambda x, y: tg.tanh(x * y), 0.5, 2.0).verdict
<Verdict.CORRECT: 'smooth and correct'>
"""

from tinygrad_lite.testing.gradients import check_gradients
from tinygrad_lite.testing.verdicts import DerivativeError, Estimate, Finding, FunctionError, Report, Verdict

__all__ = ["DerivativeError", "Estimate", "Finding", "FunctionError", "Report", "Verdict", "check_gradients"]
