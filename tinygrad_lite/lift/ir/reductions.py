"""The folds that make one number of many: maximum, minimum and product. One record each, and nothing elsewhere.

Who reads it: the canonical form and grouping (``code``), the check of a program (``name``), the array source and the
loops (``method``, ``neutral``, ``step``), the bounds on rounding (``selects``) and messages (``noun``). Together with
:data:`LOOKUP`, which takes one of many, they are what a ``fold`` group may do (:mod:`tinygrad_lite.lift.ir.groups`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from tinygrad_lite.operations.ops import TABLE


@dataclass(frozen=True)
class Reduction:
    """How a fold is computed.

    Attributes:
        name: Of the operation in the table, and of the groups.
        code: Of its nodes in the canonical graph: the table's; below 0 where the table's operation takes two operands
            and the fold any number.
        method: Of arrays, and the function of NumPy: ``max`` ...
        neutral: What counts for elements that a mask leaves out.
        step: The text of a total, ``{0}``, and one element more, ``{1}``.
        selects: Whether the result is one of the elements.
        noun: What messages call the result.
    """

    name: str
    code: int
    method: str
    neutral: float
    step: str
    selects: bool
    noun: str


_LARGER: Final = "{1} if {1} > {0} or {1} != {1} else {0}"

MAXIMUM: Final = Reduction("maximum", -1, "max", -math.inf, _LARGER, True, "the maximum")
MINIMUM: Final = Reduction("minimum", -2, "min", math.inf, _LARGER.replace(">", "<"), True, "the minimum")
PROD: Final = Reduction("prod", TABLE["prod"].code, "prod", 1.0, "{0} * {1}", False, "the product")

#: All of them, by name.
REDUCTIONS: Final = {reduction.name: reduction for reduction in (MAXIMUM, MINIMUM, PROD)}
#: The other fold: the element of a table that an index names.
LOOKUP: Final = TABLE["lookup"].name
