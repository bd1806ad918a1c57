"""Expressions that arrive as text, such as ``"tanh(a*b + c)"``, read into graphs without ever being run as Python.

Python's own parser reads the text into a syntax tree. That tree is translated, node by node, into a list of steps for a
stack; what has no translation is refused. What a call may name is exactly what the operation table exports.
"""

from __future__ import annotations

import ast
import difflib
import math
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from tinygrad_lite import functions
from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.value import Value, operand

MAX_LENGTH: Final = 10_000
CONSTANTS: Final = {"pi": math.pi, "e": math.e}
FUNCTIONS: Final = {name: op for name, op in TABLE.items() if op.public}

#: The operation of each of Python's operators; ``operator`` has each under the same name.
OPERATORS: Final[dict[type, str]] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv", ast.Mod: "mod",
    ast.Pow: "pow", ast.USub: "neg", ast.UAdd: "pos",
}  # fmt: skip

#: What to write instead of what Python has and an expression has not.
_INSTEAD: Final[dict[type, str]] = {
    ast.BitXor: "a power is written a**b",
    ast.Compare: "a comparison is written greater(a, b), less_equal(a, b), ...",
    ast.IfExp: "a choice is written where(condition, a, b)",
    ast.BoolOp: "a choice is written where(condition, a, b)",
    ast.Attribute: "a function is written by its name alone: tanh(x), not math.tanh(x) or x.tanh()",
    ast.Starred: "write the operands out: sum(a, b, c)",
    ast.GeneratorExp: "write the operands out: sum(a, b, c)",
    ast.ListComp: "write the operands out: sum([a, b, c])",
}

_ALLOWED: Final = "an expression is made of numbers, names, + - * / // % ** and functions of the operation table"

#: How many characters of an expression a message or a label shows.
_SHOWN: Final = 72


class ExpressionError(ValueError):
    """The text is not an expression that can be read or evaluated; the message points at the place and says why.

    Attributes:
        start: Where in the text, without the space around it, what is wrong begins; ``None`` if it is the whole.
        stop: Where it ends.

    >>> parse("tanh(a) + foo(b)")
    Traceback (most recent call last):
    ...
    tinygrad_lite.expressions.ExpressionError: there is no function foo; did you mean floor?
      tanh(a) + foo(b)
                ^^^
    """

    def __init__(self, message: str, start: int | None = None, stop: int | None = None) -> None:
        super().__init__(message)
        self.start = start
        self.stop = stop


class Step(NamedTuple):
    """One step of the evaluation: it takes so many items from the stack and puts one there."""

    action: Callable[..., Any]
    takes: int
    #: where it stands in the text
    start: int
    stop: int


class Expression:
    """An expression that was read: a function of its names. :func:`parse` makes it.

    Attributes:
        text: What was read.
        names: The names of its variables, in the order in which they appear.
    """

    def __init__(self, text: str, names: tuple[str, ...], steps: tuple[Step | str, ...]) -> None:
        self.text: Final = text
        self.names: Final = names
        self._steps: Final = steps

    def __repr__(self) -> str:
        return f"parse({self.text!r})"

    def evaluate(self, variables: Mapping[str, float | Value]) -> Value:
        """Record the graph of the expression.

        Args:
            variables: A number, or a Value to be used as it is, for each name.

        Returns:
            The node at its end, labelled with the text. Numbers became leaves, labelled with their names.

        Raises:
            ExpressionError: A variable is missing or is one too many, or an operation fails (whose error is the cause).
            TypeError: A variable is not a number.

        >>> y = parse("a*b + 1").evaluate({"a": 2.0, "b": -3.0})
        >>> y.data, y.label
        (-5.0, 'a*b + 1')
        """
        self._check_names(variables)
        leaves = {name: _leaf(name, variables[name]) for name in self.names}
        stack: list[Any] = []
        for step in self._steps:
            if isinstance(step, str):
                stack.append(leaves[step])
                continue
            items = stack[len(stack) - step.takes :]
            del stack[len(stack) - step.takes :]
            try:
                stack.append(step.action(*items))
            except (ArithmeticError, ValueError, TypeError, IndexError) as error:
                raise _error_at(self.text, step.start, step.stop, str(error)) from error
        (result,) = stack
        if isinstance(result, list):
            raise _error_at(self.text, 0, len(self.text), "an expression is one number, not a list: pick one with [0]")
        root = operand(result)  # sum() is a float
        if not root.is_leaf and not any(root is leaf for leaf in leaves.values()):
            root.label = self.text if len(self.text) <= _SHOWN else self.text[: _SHOWN - 1] + "…"
        return root

    def _check_names(self, variables: Mapping[str, object]) -> None:
        missing = [name for name in self.names if name not in variables]
        if missing:
            given = ", ".join(f"{name}=..." for name in missing)
            raise ExpressionError(f"{self.text!r:.200} needs a number for {', '.join(missing)}: give {given}")
        surplus = [name for name in variables if name not in self.names]
        if surplus:
            constants = [name for name in surplus if name in CONSTANTS]
            why = f" ({', '.join(constants)} is a constant: choose another name)" if constants else ""
            has = f"has only {', '.join(self.names)}" if self.names else "has no variables"
            raise ExpressionError(f"{self.text!r:.200} {has}, not {', '.join(surplus)}{why}")


def parse(text: str) -> Expression:
    """Read an expression: numbers, names, ``pi``, ``e``, ``+ - * / // % **`` and the functions of the operation table.

    Nothing in the text is ever run. Functions of many operands take them one by one or in brackets: ``sum(a, b)``,
    ``sum([a, b])``, ``dot([w1, w2], [x1, x2], b)``; ``softmax([a, b])[0]`` picks one of several results.

    Args:
        text: At most 10,000 characters.

    Raises:
        ExpressionError: It is not such an expression, or is nested too deeply.

    >>> parse("tanh(a*b + c)").names
    ('a', 'b', 'c')
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"an expression has at most {MAX_LENGTH:,} characters, not {len(text):,}")
    line = re.sub(r"\s", " ", text).strip()
    if not line:
        raise ExpressionError("the expression is empty: write one such as tanh(a*b + c)")
    if "#" in line:  # Python would leave out what follows, silently
        raise _error_at(line, line.index("#"), len(line), "an expression has no comments")
    return _Reader(line).read()


class _Reader:
    """Translates the syntax tree of one expression, without recursion: how deep it may be, Python's parser decides."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self) -> Expression:
        # Last step first: a node comes before its operands, which come from the right to the left.
        steps: list[Step | str] = []
        waiting: list[ast.expr] = [_syntax_tree(self.text)]
        while waiting:
            step, operands = self._translate(waiting.pop())
            steps.append(step)
            waiting.extend(operands)
        steps.reverse()
        names = dict.fromkeys(step for step in steps if isinstance(step, str))
        return Expression(self.text, tuple(names), tuple(steps))

    def _translate(self, node: ast.expr) -> tuple[Step | str, list[ast.expr]]:
        """Return the step of a node, and the nodes whose results it takes."""
        symbol = getattr(node, "op", None)
        operation = OPERATORS.get(type(symbol))
        match node:
            case ast.Constant(value=bool()) | ast.UnaryOp(operand=ast.Constant(value=bool())):
                raise self._error(node, _ALLOWED)
            case ast.Constant(value=int() | float() as number):
                return self._number(node, number, 1.0), []
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return self._number(node, number, -1.0), []
            case ast.Name(id=name):
                return self._name(node, name), []
            case ast.UnaryOp(operand=x) if operation:
                return self._step(node, getattr(operator, operation), 1), [x]
            case ast.BinOp(left=x, right=y) if operation:
                return self._step(node, getattr(operator, operation), 2), [x, y]
            case ast.Call(func=function, args=args, keywords=keywords):
                return self._call(node, function, args, keywords)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return self._step(node, lambda *xs: list(xs), len(items)), items
            case ast.Subscript(value=ast.expr() as items, slice=ast.Constant(value=int() as index)):
                return self._step(node, lambda xs: _item(xs, index), 1), [items]
        raise self._error(node, _INSTEAD.get(type(symbol)) or _INSTEAD.get(type(node), _ALLOWED))

    def _number(self, node: ast.AST, number: float, sign: float) -> Step:
        try:
            leaf = sign * float(number)
        except OverflowError:
            raise self._error(node, "the number is too large for a float") from None
        return self._step(node, lambda: operand(leaf), 0)

    def _name(self, node: ast.AST, name: str) -> Step | str:
        if name in FUNCTIONS:
            raise self._error(node, f"{name} is a function: write {_usage(FUNCTIONS[name])}")
        if name in CONSTANTS:
            return self._step(node, lambda: _constant(name), 0)
        return name

    def _call(
        self, node: ast.AST, function: ast.expr, args: list[ast.expr], keywords: list[ast.keyword]
    ) -> tuple[Step, list[ast.expr]]:
        if not isinstance(function, ast.Name):
            raise self._error(function, _INSTEAD.get(type(function), _ALLOWED))
        op = FUNCTIONS.get(function.id)
        if op is None:
            raise self._error(function, f"there is no function {function.id}; {_nearest(function.id)}")
        names = [keyword.arg for keyword in keywords]
        for keyword in keywords:
            if keyword.arg not in op.operands:
                raise self._error(keyword, f"{op.name} has no operand of that name: write {_usage(op)}")
        count = len(args) + len(names)
        if op.arity != NARY and not op.arity - len(op.defaults) <= count <= op.arity:
            raise self._error(node, f"{op.name} takes {op.arity} operands, not {count}: write {_usage(op)}")
        call = _Call(op, len(args), tuple(str(name) for name in names))
        return self._step(node, call, count), [*args, *(keyword.value for keyword in keywords)]

    def _step(self, node: ast.AST, action: Callable[..., Any], count: int) -> Step:
        return Step(action, count, *_span(self.text, node))

    def _error(self, node: ast.AST, why: str) -> ExpressionError:
        return _error_at(self.text, *_span(self.text, node), why)


class _Call:
    """A function of the operation table, with the last operands given by name."""

    def __init__(self, op: Op, positional: int, names: tuple[str, ...]) -> None:
        self.op = op
        self.positional = positional
        self.names = names

    def __call__(self, *items: Any) -> Any:
        args = items[: self.positional]
        if self.op.arity == NARY and not any(isinstance(x, list) for x in items):
            args = (list(args),)  # sum(a, b) as well as sum([a, b])
        named = dict(zip(self.names, items[self.positional :], strict=True))
        try:
            return getattr(functions, self.op.name)(*args, **named)
        except TypeError as error:
            raise TypeError(f"{error}: write {_usage(self.op)}") from error


def _leaf(name: str, number: float | Value) -> Value:
    return number if isinstance(number, Value) else Value(number, label=name)


def _constant(name: str) -> Value:
    node = operand(CONSTANTS[name])
    node.label = name
    return node


def _item(items: Any, index: int) -> Any:
    if not isinstance(items, list):
        raise TypeError("only a list, or what softmax gives, has items to pick")
    return items[index]


def _syntax_tree(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():  # on "1if", say, which is refused all the same
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        start = min(max((error.offset or 1) - 1, 0), len(text) - 1)
        raise _error_at(text, start, start + 1, f"this cannot be read: {error.msg}") from None
    except (RecursionError, MemoryError):
        why = "this is nested too deeply to be read; sum(a, b, ...) and prod(a, b, ...) are flat"
        raise _error_at(text, 0, len(text), why) from None
    except ValueError as error:  # a NUL, half a surrogate pair
        raise _error_at(text, 0, len(text), f"this cannot be read: {error}") from None


def _span(text: str, node: ast.AST) -> tuple[int, int]:
    """Where a node stands in the text, in characters: Python counts bytes."""
    in_bytes = text.encode()
    start, stop = getattr(node, "col_offset", 0), getattr(node, "end_col_offset", None)
    return len(in_bytes[:start].decode()), len(in_bytes[:stop].decode())


def _usage(op: Op) -> str:
    """How a function is called: ``clamp(x, low, high)``."""
    if op.arity == NARY and len(op.operands) == 1:
        return f"{op.name}(a, b, ...)"
    required = len(op.operands) - len(op.defaults)
    optional = [f"{name}={x:g}" for name, x in zip(op.operands[required:], op.defaults, strict=True)]
    return f"{op.name}({', '.join([*op.operands[:required], *optional])})"


def _nearest(name: str) -> str:
    symbols = [op.name for op in FUNCTIONS.values() if op.symbol.lower() == name.lower()]
    near = symbols or difflib.get_close_matches(name, FUNCTIONS, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(FUNCTIONS))}"


def _error_at(text: str, start: int, stop: int, why: str) -> ExpressionError:
    """Return the error that says why, with the text around the place and carets under it."""
    printable = "".join(c if c.isprintable() else "\ufffd" for c in text)
    left = max(0, min(start - _SHOWN // 2, len(text) - _SHOWN))
    right = min(len(text), left + _SHOWN)
    before, after = "…" if left else "", "…" if right < len(text) else ""
    indent = " " * (len(before) + start - left)
    carets = "^" * max(1, min(stop, right) - start)
    return ExpressionError(f"{why}\n  {before}{printable[left:right]}{after}\n  {indent}{carets}", start, stop)
