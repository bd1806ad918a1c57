"""Which operation is to blame for a wrong derivative, and when none is: steps that leave the range of floats."""

from __future__ import annotations

import math

from mpmath import mp, mpf

from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.testing.oracles import exact
from tinygrad_lite.testing.oracles.dual import Dual, mpmath_arithmetic
from tinygrad_lite.testing.oracles.recorded_steps import Program
from tinygrad_lite.testing.oracles.truth import Reference, slope_of

#: Below and above this, floats lose digits or are no more.
SMALLEST = mpf("1e-290")
GREATEST = mpf("1e300")
#: Programs longer than this are not searched node by node.
_LONGEST = 2000


def culprit(program: Program) -> str:
    """Return the first operation whose own derivative is off, in words; ``""`` if none is."""
    for step, (op, operands) in enumerate(program.steps[:_LONGEST]):
        data = [program.data[i] for i in operands]
        if op.kink is not None and op.kink(*data):
            continue
        try:
            got = program.nodes[program.first + step].partials
        except Exception as error:
            return f"the rule of {op.name} raises {type(error).__name__} at {data}: {error}"
        for k in range(len(operands)):
            if program.nodes[operands[k]].is_constant or (
                op.arity == NARY and op.operands[-1] == "index" and k == len(operands) - 1
            ):
                continue
            try:
                truth = exact.partial(op, data, k)
            except (ArithmeticError, ValueError):
                continue
            if not SMALLEST < abs(truth) < GREATEST:
                if truth != 0 or abs(got[k]) < SMALLEST:
                    continue
            elif math.isfinite(got[k]) and abs(mpf(got[k]) - truth) <= abs(truth) * mpf(1e-9):
                continue
            name = op.operands[k] if op.arity != NARY else f"operand {k}"
            return (
                f"{op.name}: ∂{op.name}/∂{name} at ({', '.join(map(repr, data))}) is {mp.nstr(truth, 17)}; "
                f"its rule gives {got[k]!r}"
            )
    return ""


def out_of_range(program: Program, reference: Reference, output: int) -> bool:
    """Whether a value, a local derivative or an adjoint on the way is no float, or one with digits lost."""
    m = mpmath_arithmetic()
    with mp.workdps(reference.digits):
        values = program.evaluate(m, [m.number(x) for x in reference.point])
        if any(_outside(x) for x in values[program.first :]):  # a leaf is what it is
            return True
        adjoints = {program.outputs[output]: mpf(1)}
        for step in range(len(program.steps) - 1, -1, -1):
            adjoint = adjoints.get(program.first + step)
            if adjoint is None or adjoint == 0:
                continue
            op, operands = program.steps[step]
            for k in range(len(operands)):
                numbers = [values[i] for i in operands]
                numbers[k] = Dual(numbers[k], mpf(1))
                m.begin()
                slope = slope_of(exact.value(op, numbers, m), 1)
                if _outside(slope) or _outside(slope * adjoint):
                    return True
                adjoints[operands[k]] = adjoints.get(operands[k], mpf(0)) + slope * adjoint
        return any(_outside(x) for x in adjoints.values())


def _outside(x: object) -> bool:
    number = abs(mpf(x))
    return bool(number != 0 and not SMALLEST < number < GREATEST)
