"""The codes by which nodes name their operations, and what the engine looks up by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mypy_extensions import i16, i64

from tinygrad_lite.operations.operation import Op
from tinygrad_lite.operations.ops import BY_CODE, CONSTANT_CODE, LEAF_CODE, TABLE

# As literals, so that the compiler sees numbers. (Checked at the end.)
LEAF: Final[i16] = 0
CONSTANT: Final[i16] = 1
ADD: Final[i16] = 2
SUB: Final[i16] = 3
MUL: Final[i16] = 4
TRUEDIV: Final[i16] = 5
NEG: Final[i16] = 6
POS: Final[i16] = 7
POW: Final[i16] = 8
FLOORDIV: Final[i16] = 9
MOD: Final[i16] = 10
ABS: Final[i16] = 11
DOT: Final[i16] = 12
RELU: Final[i16] = 13

#: The first code of the operations that users define.
DEFINED: Final[i16] = len(BY_CODE)

#: The time of an interior node whose number was set by hand: before that of all its operands, so it is stale.
BY_HAND: Final[i64] = -2

#: The float function of each code.
FORWARD: Final[list[Callable[..., Any]]] = [float if _op is None else _op.forward for _op in BY_CODE]
#: The derivative rule of each code with one operand.
UNARY_RULE: Final[list[Callable[..., Any] | None]] = [
    _op.partials[0] if _op is not None and _op.arity == 1 else None for _op in BY_CODE
]
#: The record of each code that has operands at which a partial is infinite.
EDGED: Final[list[Op | None]] = [_op if _op is not None and _op.may_be_singular else None for _op in BY_CODE]

for _name, _code in (
    ("add", ADD), ("sub", SUB), ("mul", MUL), ("truediv", TRUEDIV), ("neg", NEG), ("pos", POS), ("pow", POW),
    ("floordiv", FLOORDIV), ("mod", MOD), ("abs", ABS), ("dot", DOT), ("relu", RELU),
):  # fmt: skip
    _agree = TABLE[_name].code == _code and LEAF == LEAF_CODE and CONSTANT == CONSTANT_CODE
    if not _agree:  # pragma: no cover (only after a wrong edit of the table)
        raise RuntimeError(f"codes.py and the operation table disagree on the code of {_name!r}")
