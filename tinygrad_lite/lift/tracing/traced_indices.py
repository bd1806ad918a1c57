"""Values that were given as an index, a slice or a count, by what the error says, and by what stands in the index.

Lists name the type of what they do not take. NumPy's arrays and slices say the same of a Value as of a float of the
user's own, which is the user's mistake: there the index that failed is looked up in the source.
"""

from __future__ import annotations

import ast
import linecache
import traceback
from itertools import islice
from types import FrameType
from typing import Any, Final

import numpy as np

from tinygrad_lite.errors import TraceError
from tinygrad_lite.value import Value

#: How errors begin that do not say of what they speak.
_UNNAMED: Final = ("only integers, slices", "arrays used as indices must be", "slice indices must be")


def explain_traced_index(error: Exception) -> TraceError | None:
    """Say what to write in place of a Value as an index or a count; None if the error is about something else.

    Args:
        error: As the function raised it.
    """
    text = str(error)
    named = isinstance(error, TypeError) and "Value" in text and "integer" in text
    if not named and not (text.startswith(_UNNAMED) and _has_value_in_index(error)):
        return None
    line = traceback.extract_tb(error.__traceback__)[-1]
    code = f": {line.line}" if line.line else ""  # none, where it was typed in
    return TraceError(
        f"lift cannot trace a Value as an index or a count, at {line.filename}:{line.lineno}{code}. It "
        "would take the number of this example, and the program would use it for all others. Instead: "
        "lookup(table, v) takes v as an index. If it comes from an argument that is a setting, not data, keep "
        'that one as a number: lift(f, static=("n",)).'
    )


def _has_value_in_index(error: Exception) -> bool:
    """Whether a name in the index that failed stands for a Value, or for something that holds Values."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    known = {**frame.f_globals, **frame.f_locals}
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    tree = None if last is None else _parse_failed(frame, last.tb_lasti)
    if tree is None:
        return any(isinstance(item, Value) for item in frame.f_locals.values())
    indices = [node.slice for node in ast.walk(tree) if isinstance(node, ast.Subscript)]
    names = {node.id for index in indices for node in ast.walk(index) if isinstance(node, ast.Name)}
    return any(_holds_value(known.get(name)) for name in names)


def _parse_failed(frame: FrameType, instruction: int) -> ast.AST | None:
    """Parse the expression that failed; None where its source is not to be had."""
    positions = next(islice(frame.f_code.co_positions(), instruction // 2, None))
    first, last, start, end = positions
    if first is None or last is None or start is None or end is None:
        return None
    lines = [linecache.getline(frame.f_code.co_filename, n, frame.f_globals).encode() for n in range(first, last + 1)]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    try:
        return ast.parse(b"".join(lines).strip(), mode="eval") if all(lines) else None
    except SyntaxError:
        return None


def _holds_value(item: Any) -> bool:
    if isinstance(item, np.ndarray):
        return item.dtype == object and any(isinstance(element, Value) for element in item.flat)
    return isinstance(item, Value) or (isinstance(item, (list, tuple)) and any(map(_holds_value, item)))
