"""An operation written in Python is Python that computes it."""

from __future__ import annotations

import ast

import pytest

import tinygrad_lite as tg
from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.syntax import written
from tinygrad_lite.testing.strategies import sampling


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in TABLE.values() if op.public])
def test_what_is_written_computes_the_operation(op: Op) -> None:
    operands = (3.0, -1.0, 0.5, 2.0, 1) if op.arity == NARY else next(sampling.points(op, 1, seed=3))
    names = [f"x{k}" for k in range(len(operands))]
    for parts in (list(map(ast.Name, names)), list(map(ast.Constant, operands))):
        text = ast.unparse(written(op, list(parts)))
        found = eval(text, vars(tg.functions) | dict(zip(names, operands, strict=True)))
        assert found == op.value([float(x) for x in operands]), text
