"""The loop that walks a tape: each instruction computes one number of the graph from numbers before it.

The compiled engine has it in C: ``walk.c``, with a case for each operation that ``make generate`` writes from the table
into ``walk_cases.h``. What stands here says what that computes, to the bit, and is what an interpreted engine runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mypy_extensions import i64


def walk(tape: Any, numbers: Any, first: i64, width: i64, evaluate: Callable[[int, list[float]], float]) -> None:
    """Compute the numbers of all nodes with operands, for some samples at once.

    Args:
        tape: 32-bit ints: for each of these nodes, in an order in which operands come first, the code of its operation,
            the number of its operands, and these operands' numbers. They are taken to be right.
        numbers: Floats that can be written to: ``width`` for each node, one a sample.
        first: The number of the first node with operands.
        width: How many samples there are.
        evaluate: Computes an operation, by its code, of a list of floats; where floats raise, its IEEE limit.

    >>> from array import array
    >>> numbers = array("d", [3.0, 4.0, 0.0, 0.0])
    >>> tape = array("i", [4, 2, 0, 1, 2, 2, 2, 0])  # a product of both, and its sum with the first
    >>> walk(tape, numbers, 2, 1, lambda code, xs: sum(xs) if code == 2 else xs[0] * xs[1])
    >>> numbers.tolist()
    [3.0, 4.0, 12.0, 15.0]
    """
    place: i64 = 0
    node: i64 = first
    end: i64 = len(tape)
    while place < end:
        operands = tape[place + 2 : place + 2 + tape[place + 1]]
        for sample in range(width):
            xs = [numbers[operand * width + sample] for operand in operands]
            numbers[node * width + sample] = evaluate(tape[place], xs)
        place += 2 + tape[place + 1]
        node += 1
