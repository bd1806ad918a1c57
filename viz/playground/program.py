"""Programs on Values, as one writes them in a notebook: run, and the graph found that they made."""

from __future__ import annotations

import ast
import builtins
import functools
import traceback
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any

from tinygrad_lite.value import Value

FILE = "<playground>"

#: What to write instead, by what an error's message has in it.
_INSTEAD = {
    "No module named 'micrograd'": "Value is at hand here, and behaves as micrograd's: leave this line out.",
    "No module named 'numpy'": "NumPy is not in the playground: use lists, and math.exp or tanh(x) on Values.",
    "No module named 'torch'": "PyTorch is not in the playground: Value is at hand, and nn is in tinygrad_lite.",
    "No module named": "The playground has Python's own library and tinygrad_lite; nothing else can be installed.",
}


class ProgramError(ValueError):
    """A program cannot be read or run.

    Attributes:
        start: Where what is wrong begins in the text.
        stop: Where it ends.

    >>> run("a = Value(2.0)\\nb = a / 0")
    Traceback (most recent call last):
    ...
    tinygrad_lite.viz.playground.program.ProgramError: line 2: ZeroDivisionError: float division by zero
    """

    def __init__(self, message: str, start: int | None = None, stop: int | None = None) -> None:
        super().__init__(message)
        self.start = start
        self.stop = stop


@functools.cache
def prelude() -> Mapping[str, Any]:
    """Names that a program has without an import: those of ``from tinygrad_lite import *``."""
    space: dict[str, Any] = {}
    exec("from tinygrad_lite import *", space)
    return {name: thing for name, thing in space.items() if not name.startswith("_")}


def run(text: str) -> tuple[dict[str, Any], Any]:
    """Run a program.

    Args:
        text: Lines of Python.

    Returns:
        The names that it assigned, with what they mean at its end; and what its last line gives, if that is an
        expression.

    Raises:
        ProgramError: It cannot be read, or it raised.

    >>> names, last = run("a = Value(2.0)\\na * a")
    >>> sorted(names), last.data
    (['a'], 4.0)
    """
    tree = _tree(text)
    space: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins, **prelude()}
    last = tree.body[-1] if tree.body else None
    try:
        if isinstance(last, ast.Expr):
            exec(_compiled(ast.Module(tree.body[:-1], []), "exec"), space)
            result = eval(_compiled(ast.Expression(last.value), "eval"), space)
        else:
            exec(_compiled(tree, "exec"), space)
            result = None
    except BaseException as error:  # a program may raise SystemExit too
        raise _explained(error, text) from error
    known = prelude()
    return {
        name: thing
        for name, thing in space.items()
        if not name.startswith("__") and not (name in known and known[name] is thing)
    }, result


def graph_of(text: str, names: Mapping[str, Any], last: Any) -> Value:
    """Return the node at the end of the graph that a program made.

    That is what its last line gives; or else the last variable that was assigned the result of an operation; or else
    the last leaf.

    Args:
        text: The program.
        names: Its names.
        last: What its last line gives.

    Raises:
        ProgramError: It made none.

    >>> text = "L = Value(2.0) * 3\\nn = 1"
    >>> graph_of(text, *run(text)).data
    6.0
    """
    if isinstance(last, Value):
        return last
    if isinstance(last, (list, tuple)) and last and all(isinstance(item, Value) for item in last):
        raise ProgramError("the last line gives several Values, and a graph ends in one: add them, with sum(...)")
    found: list[Value] = [names[name] for name in _assigned(text) if isinstance(names.get(name), Value)]
    for root in [*(node for node in found if not node.is_leaf), *found]:
        return root
    raise ProgramError(
        "no variable is a Value yet: write, for example, a = Value(2.0) and L = a * a; "
        "the graph of the last one is shown, or of what the last line gives"
    )


def _tree(text: str) -> ast.Module:
    try:
        return ast.parse(text, FILE)
    except SyntaxError as error:
        line, column = error.lineno or 1, error.offset or 1
        start = _place(text, line, column - 1)
        stop = _place(text, error.end_lineno or line, (error.end_offset or column + 1) - 1)
        raise ProgramError(f"line {line}: {error.msg}", start, max(stop, start + 1)) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ProgramError(f"this cannot be read: {error or 'it is nested too deeply'}") from None


def _compiled(tree: ast.Module | ast.Expression, mode: str) -> CodeType:
    code: CodeType = compile(tree, FILE, mode)
    return code


def _explained(error: BaseException, text: str) -> ProgramError:
    """Return what an error says, the line of the program at which it came, and what to write instead."""
    said = "".join(traceback.TracebackException.from_exception(error).format_exception_only()).strip()
    said = said.removeprefix("tinygrad_lite.errors.")
    instead = next((advice for part, advice in _INSTEAD.items() if part in said), "")
    message = f"{said}\n{instead}" if instead else said
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
    if not frames or frames[-1].lineno is None:
        return ProgramError(message)
    frame = frames[-1]
    line = frame.lineno or 1
    start = _place_of_byte(text, line, frame.colno)
    stop = _place_of_byte(text, frame.end_lineno or line, frame.end_colno)
    return ProgramError(f"line {line}: {message}", start, max(stop, start + 1))


def _place(text: str, line: int, column: int) -> int:
    """Where a column of a line is in the text; both may lie behind it."""
    lines = text.split("\n")
    above = sum(len(each) + 1 for each in lines[: line - 1])
    return min(above + max(column, 0), len(text))


def _place_of_byte(text: str, line: int, column: int | None) -> int:
    """Return the same for a column that Python counts in bytes."""
    lines = [*text.split("\n"), ""]
    here = lines[min(line, len(lines)) - 1].encode()[: column or 0].decode(errors="ignore")
    return _place(text, line, len(here))


def _assigned(text: str) -> Iterator[str]:
    """Names that the program's own lines assign, the last first."""
    for statement in reversed(ast.parse(text).body):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        stored = [
            node for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        ]
        stored.sort(key=lambda node: (node.lineno, node.col_offset))
        yield from (node.id for node in reversed(stored))
