r"""The reader of formulas: from the LaTeX of the operation table, such as ``\frac{1}{\cosh^2 $x}``, to trees."""

from __future__ import annotations

import functools
import re

from tinygrad_lite.operations import numerics
from tinygrad_lite.viz.formulas.formulas import (
    Bars,
    Call,
    Cases,
    Condition,
    Constant,
    Delta,
    Indexed,
    Negative,
    Number,
    Operand,
    Power,
    Product,
    Quotient,
    Remainder,
    Root,
    Series,
    Sum,
    Tree,
)


class UnreadableError(ValueError):
    """LaTeX beyond that of the operation table: an operation of the user's may be written in it."""


_TOKENS = re.compile(r"\\[a-zA-Z]+|\\.|\$[a-z]|[a-zA-Z0-9]|\S")
#: What changes nothing but the look.
_LAYOUT = frozenset({r"\,", r"\;", r"\!", r"\ ", r"\left", r"\right"})
_RELATIONS = {"<": "<", ">": ">", "=": "=", r"\le": "≤", r"\ge": "≥", r"\ne": "≠"}
#: Whose argument may stand beside them without parentheses.
_FUNCTIONS = re.compile(r"\\(?:(?:arc)?(?:sin|cos|tan)|(?:sin|cos|tan)h|ln|log|max|min|sigma|varphi|Phi)")
_CONSTANTS = {
    "e": Constant("e", "e", 2.718281828459045),
    r"\pi": Constant("π", r"\pi", 3.141592653589793),
    r"\lambda": Constant("λ", r"\lambda", numerics.SELU_SCALE),
    r"\alpha": Constant("α", r"\alpha", numerics.SELU_SLOPE / numerics.SELU_SCALE),
}
_BARS = {"|": ("|", "|"), r"\lfloor": ("floor", r"\rfloor"), r"\lceil": ("ceil", r"\rceil")}
_ENDS = frozenset({"", "+", "-", "]", ")", "}", "|", ",", "&", r"\\", r"\end", r"\bmod", r"\rfloor", r"\rceil"})


@functools.cache
def read(latex: str) -> Tree:
    r"""A formula of the operation table as a tree.

    Args:
        latex: ``latex``, or one of ``latex_partials``, of a record.

    Raises:
        UnreadableError: It has commands that no formula of the table has.

    >>> read(r"\frac{1}{$x}") == Quotient(Number(1), Operand("x"))
    True
    """
    reader = _Reader([token for token in _TOKENS.findall(latex) if token not in _LAYOUT])
    tree = reader.expression()
    if reader.next:
        raise UnreadableError(f"{reader.next!r} in {latex!r}")
    return tree


class _Reader:
    """Reads a list of tokens, from the left to the right."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.place = 0

    @property
    def next(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.next
        if not token or (expected and token != expected):
            raise UnreadableError(f"{token!r}, where {expected or 'something'!r} was expected")
        self.place += 1
        return token

    def accept(self, token: str) -> bool:
        if self.next == token:
            self.place += 1
            return True
        return False

    def expression(self) -> Tree:
        terms = [Negative(self.term()) if self.accept("-") else self.term()]
        while self.next in ("+", "-"):
            terms.append(Negative(self.term()) if self.take() == "-" else self.term())
        return terms[0] if len(terms) == 1 else Sum(tuple(terms))

    def term(self) -> Tree:
        factors = [self.factor()]
        while self.accept(r"\cdot") or not (self.next in _ENDS or self.next in _RELATIONS):
            factors.append(self.factor())
        tree = factors[0] if len(factors) == 1 else Product(tuple(factors))
        return Remainder(tree, self.term()) if self.accept(r"\bmod") else tree

    def factor(self) -> Tree:
        tree = self.base()
        return Power(tree, self.argument()) if self.accept("^") else tree

    def argument(self) -> Tree:
        """What a command is given: a group in braces, or the next token."""
        if self.accept("{"):
            tree = self.expression()
            self.take("}")
            return tree
        return self.single(self.take())

    def single(self, token: str) -> Tree:
        if token.isdecimal():
            return Number(int(token))
        if token.startswith("$") or token in ("n", "b"):
            return Operand(token.lstrip("$"))
        if token in _CONSTANTS:
            return _CONSTANTS[token]
        raise UnreadableError(f"{token!r} is no formula")

    def base(self) -> Tree:
        token = self.take()
        if token.isdecimal():
            while self.next.isdecimal():
                token += self.take()
            return Number(int(token))
        if token in ("{", "("):
            tree = self.expression()
            self.take("}" if token == "{" else ")")
            return tree
        if token == "[":
            condition = self.condition()
            self.take("]")
            return condition
        if token in _BARS:
            kind, end = _BARS[token]
            tree = self.expression()
            self.take(end)
            return Bars(kind, tree)
        return self.command(token)

    def command(self, token: str) -> Tree:
        if token in (r"\frac", r"\tfrac"):
            return Quotient(self.argument(), self.argument())
        if token == r"\sqrt":
            degree = 2
            if self.accept("["):
                degree = int(self.take())
                self.take("]")
            return Root(self.argument(), degree)
        if token in (r"\sum", r"\prod"):
            return self.series("Σ" if token == r"\sum" else "Π")
        if _FUNCTIONS.fullmatch(token) or token == r"\operatorname":
            return self.call(token + self.word() if token == r"\operatorname" else token)
        if token == r"\delta":
            self.take("_")
            self.take("{")
            delta = Delta(self.take(), self.take())
            self.take("}")
            return delta
        if token == r"\begin" and self.word() == "{cases}":
            return self.cases()
        if token in ("x", "w"):
            return self.indexed(token)
        return self.single(token)

    def word(self) -> str:
        """What stands in braces, as it is written."""
        word = self.take("{")
        while self.next not in ("}", ""):
            word += self.take()
        return word + self.take("}")

    def call(self, function: str) -> Tree:
        exponent = subscript = None
        while self.next in ("^", "_", "'"):
            sign = self.take()
            if sign == "'":
                function += "'"
            elif sign == "^":
                exponent = self.argument()
            elif self.next in ("i", "j", "k"):
                return Indexed(function.removeprefix(r"\operatorname{").removesuffix("}"), self.take())
            else:
                subscript = self.number() if self.next == "{" else self.argument()
        arguments = []
        if self.accept("("):
            arguments.append(self.expression())
            while self.accept(","):
                arguments.append(self.expression())
            self.take(")")
        else:
            arguments.append(self.factor())
        tree = Call(function, tuple(arguments), subscript)
        return tree if exponent is None else Power(tree, exponent)

    def number(self) -> Tree:
        """A group in braces that may be a number of several digits."""
        self.take("{")
        tree = self.base()
        self.take("}")
        return tree

    def indexed(self, name: str) -> Indexed:
        self.take("_")
        if self.accept("{"):
            index = Operand(self.take().lstrip("$"))
            self.take("}")
            return Indexed(name, index)
        return Indexed(name, self.take())

    def series(self, kind: str) -> Series:
        self.take("_")
        without = ""
        if self.accept("{"):
            index = self.take()
            self.take(r"\ne")
            without = self.take()
            self.take("}")
        else:
            index = self.take()
        return Series(kind, index, without, self.term())

    def condition(self) -> Condition:
        parts, relations = [self.side()], []
        while self.next in _RELATIONS:
            relations.append(_RELATIONS[self.take()])
            parts.append(self.side())
        return Condition(tuple(parts), tuple(relations))

    def side(self) -> Tree:
        """One side of a comparison; an index alone is an operand of that name."""
        if self.next in ("i", "j"):
            return Operand(self.take())
        return self.expression()

    def cases(self) -> Cases:
        then = self.expression()
        self.take("&")
        condition = self.condition()
        self.take(r"\\")
        otherwise = self.expression()
        self.take("&")
        self.take(r"\text")
        self.word()
        self.take(r"\end")
        self.word()
        return Cases(condition, then, otherwise)
