r"""Formulas written as text and as LaTeX, with the names of nodes or with their numbers.

>>> slope = Quotient(Number(1), Power(Call("cosh", (Operand("x", 0),)), Number(2)))
>>> print(text(slope))
1/cosh²(x)
>>> print(latex(slope))
\frac{1}{\cosh^{2}(x)}
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Final

from tinygrad_lite.operations.ops import find
from tinygrad_lite.viz.formulas.formulas import (
    Bars,
    Call,
    Cases,
    Condition,
    Constant,
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
    Symbol,
    Tree,
    parts_of,
)
from tinygrad_lite.viz.formulas.symbols import in_latex, in_text

#: How tightly the parts of a formula hang together, the loosest first.
SUM: Final = 1
PRODUCT: Final = 2
POWER: Final = 3
ATOM: Final = 4

_SUPERSCRIPTS: Final = str.maketrans("0123456789−-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")
_SUBSCRIPTS: Final = str.maketrans("0123456789ijknx", "₀₁₂₃₄₅₆₇₈₉ᵢⱼₖₙₓ")
#: Names of functions that LaTeX has commands for.
_COMMANDS: Final = {"σ": r"\sigma", "φ": r"\varphi", "Φ": r"\Phi"} | {
    name: rf"\{name}"
    for name in (
        *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"),
        *("ln", "log", "max", "min"),
    )
}
_PLAIN_DIGITS: Final = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_ROOTS: Final = {2: "√", 3: "∛"}
_IN_LATEX: Final = {"≤": r"\le", "≥": r"\ge", "≠": r"\ne", "Σ": r"\sum", "Π": r"\prod"}
_TEXT_BARS: Final = {"|": ("|", "|"), "floor": ("⌊", "⌋"), "ceil": ("⌈", "⌉")}
_LATEX_BARS: Final = {
    "|": (r"\left|", r"\right|"),
    "floor": (r"\left\lfloor", r"\right\rfloor"),
    "ceil": (r"\left\lceil", r"\right\rceil"),
}
#: Of the arguments of a function, so many are written.
_ARGUMENTS: Final = 4


def text(tree: Tree, *, numbers: bool = False, precision: int = 4) -> str:
    """Return a formula in one line of text.

    Args:
        tree: The formula.
        numbers: Whether the numbers that its names stand for are written, not the names.
        precision: Significant digits of the numbers.

    >>> a = Symbol("a", "a", -3.0)
    >>> text(Product((Number(2), a))), text(Product((Number(2), a)), numbers=True)
    ('2·a', '2·(−3)')
    """
    return _Text(numbers, precision).written(tree)[0]


def latex(tree: Tree, *, numbers: bool = False, precision: int = 4) -> str:
    r"""Return a formula in LaTeX, without the signs around it that begin mathematics.

    Args:
        tree: The formula.
        numbers: Whether the numbers that its names stand for are written, not the names.
        precision: Significant digits of the numbers.

    >>> print(latex(Quotient(Number(1), Symbol("w1", "w_{1}", 0.5))))
    \frac{1}{w_{1}}
    """
    return _Latex(numbers, precision).written(tree)[0]


def number_text(number: float | Fraction, precision: int = 4) -> str:
    """Return a number as text.

    >>> number_text(-1234567.0), number_text(1 / 3), number_text(float("inf"))
    ('−1.235×10⁶', '0.3333', '∞')
    """
    digits, power = _digits(number, precision)
    return digits + (f"×10{power.translate(_SUPERSCRIPTS)}" if power else "")


def number_latex(number: float | Fraction, precision: int = 4) -> str:
    r"""Return a number in LaTeX.

    >>> print(number_latex(-1234567.0))
    -1.235 \times 10^{6}
    """
    digits, power = _digits(number, precision)
    digits = digits.replace("−", "-").replace("∞", r"\infty").replace("nan", r"\mathrm{nan}")
    return digits + (rf" \times 10^{{{power}}}" if power else "")


def _digits(number: float | Fraction, precision: int) -> tuple[str, str]:
    """Return the significant digits of a number, and its power of ten where it is far from 1."""
    number = float(number) or 0.0  # not -0.0
    if not math.isfinite(number):
        return ("nan" if math.isnan(number) else "∞" if number > 0 else "−∞"), ""
    whole = number.is_integer() and abs(number) < 1e15
    digits, _, power = (f"{number:.0f}" if whole and abs(number) < 1e6 else f"{number:.{precision}g}").partition("e")
    return digits.replace("-", "−"), str(int(power)) if power else ""


def function_name(call: Call) -> str:
    """How the function of a call is named in formulas.

    >>> function_name(Call("asin", (Number(1),)))
    'arcsin'
    """
    return find(call.function).notation or call.function


def latex_name(name: str) -> str:
    r"""Return the name of a function in LaTeX.

    >>> print(latex_name("ln"), latex_name("log₂"), latex_name("arsinh"), latex_name("σ"))
    \ln \log_{2} \operatorname{arsinh} \sigma
    """
    letters = name.rstrip("₀₁₂₃₄₅₆₇₈₉")
    below = name[len(letters) :].translate(_PLAIN_DIGITS)
    if letters not in _COMMANDS and not re.fullmatch(r"[A-Za-z]+\d*", letters):
        return rf"\mathop{{{in_latex(name)}}}"
    command = _COMMANDS.get(letters) or rf"\operatorname{{{letters}}}"
    return command + (f"_{{{below}}}" if below else "")


class _Text:
    """Writes text; each part with how tightly it hangs together."""

    def __init__(self, numbers: bool, precision: int) -> None:
        self.numbers = numbers
        self.precision = precision

    def within(self, tree: Tree, level: int) -> str:
        """Return a part of another one, in parentheses where it hangs together less tightly than that needs."""
        written, own = self.written(tree)
        return written if own >= level else f"({written})"

    def number(self, number: float | Fraction) -> tuple[str, int]:
        written = number_text(number, self.precision)
        return written, SUM if written.startswith("−") else PRODUCT if "×" in written else ATOM

    def written(self, tree: Tree) -> tuple[str, int]:
        match tree:
            case Number(value):
                return self.number(value)
            case Symbol(name, _, data):
                return self.number(data) if self.numbers else (name, ATOM)
            case Constant(name):
                return name, ATOM
            case Operand(name):
                return in_text(name), ATOM
            case Sum(terms):
                return self.sum(terms), SUM
            case Negative(of):
                return f"−{self.within(of, PRODUCT)}", SUM
            case Product(factors):
                return "·".join(self.factor(part) for part in factors), PRODUCT
            case Quotient(top, bottom):
                return f"{self.factor(top, alone=True)}/{self.within(bottom, POWER)}", PRODUCT
            case Remainder(x, y):
                return f"{self.within(x, PRODUCT)} mod {self.within(y, PRODUCT)}", SUM
            case _:
                return self.more(tree)

    def sum(self, terms: tuple[Tree, ...]) -> str:
        parts = [self.written(terms[0])[0]]
        for term in terms[1:]:
            sign = "−" if isinstance(term, Negative) else "+"
            parts.append(f"{sign} {self.within(term.of if isinstance(term, Negative) else term, PRODUCT)}")
        return " ".join(parts)

    def factor(self, tree: Tree, *, alone: bool = False) -> str:
        """Return a factor of a product; a quotient among factors is in parentheses."""
        return self.within(tree, POWER if isinstance(tree, Quotient) and not alone else PRODUCT)

    def more(self, tree: Tree) -> tuple[str, int]:
        match tree:
            case Power(base, exponent):
                return self.power(base, exponent), POWER
            case Root(of, degree):
                return f"{_ROOTS[degree]}{self.within(of, ATOM)}", POWER
            case Call():
                return self.call(tree), ATOM
            case Bars(kind, of):
                left, right = _TEXT_BARS[kind]
                return f"{left}{self.written(of)[0]}{right}", ATOM
            case Condition(parts, relations):
                return f"[{self.chain(parts, relations)}]", ATOM
            case Cases(condition, then, otherwise):
                holds = self.chain(condition.parts, condition.relations)
                return f"({self.written(then)[0]} if {holds} else {self.written(otherwise)[0]})", ATOM
            case Series(kind, index, without, body, count):
                return self.series(kind, index, without, body, count), PRODUCT
            case Indexed(name, index):
                below = index.name if isinstance(index, Operand) else index
                return f"{name}{below.translate(_SUBSCRIPTS)}", ATOM
        raise TypeError(f"{tree!r} is no formula")

    def power(self, base: Tree, exponent: Tree) -> str:
        if isinstance(base, Call) and isinstance(exponent, Number):
            return self.call(base, number_text(exponent.value).translate(_SUPERSCRIPTS))
        raised, level = self.written(exponent)
        whole = re.fullmatch(r"−?\d{1,2}", raised)
        above = raised.translate(_SUPERSCRIPTS) if whole else f"^{raised if level == ATOM else f'({raised})'}"
        return f"{self.within(base, ATOM)}{above}"

    def call(self, call: Call, exponent: str = "") -> str:
        name = in_text(function_name(call))
        if call.by:
            name = name + "′" if len(call.arguments) == 1 else f"∂{str(call.by).translate(_SUBSCRIPTS)}{name}"
        if call.subscript is not None:
            below = self.written(call.subscript)[0]
            name += below.translate(_SUBSCRIPTS) if below.isdecimal() else f"_{below}"
        arguments = [self.written(argument)[0] for argument in call.arguments]
        if len(arguments) > _ARGUMENTS:
            arguments = [arguments[0], "…", arguments[-1]]
        return f"{name}{exponent}({', '.join(arguments)})"

    def chain(self, parts: tuple[Tree, ...], relations: tuple[str, ...]) -> str:
        written = [self.written(part)[0] for part in parts]
        return written[0] + "".join(f" {sign} {part}" for sign, part in zip(relations, written[1:], strict=True))

    def series(self, kind: str, index: str, without: str, body: Tree, count: int) -> str:
        rest = f" ≠ {without}" if without else ""
        over = (
            f"({index} = 1…{count}{',' if rest else ''}{rest and f' {index}{rest}'})" if count else f"({index}{rest})"
        )
        return f"{kind}{index.translate(_SUBSCRIPTS) if not count and not rest else over} {self.within(body, PRODUCT)}"


class _Latex(_Text):
    """Writes LaTeX."""

    def within(self, tree: Tree, level: int) -> str:
        written, own = self.written(tree)
        return written if own >= level else _parenthesised(written)

    def number(self, number: float | Fraction) -> tuple[str, int]:
        written = number_latex(number, self.precision)
        return written, SUM if written.startswith("-") else PRODUCT if r"\times" in written else ATOM

    def written(self, tree: Tree) -> tuple[str, int]:
        match tree:
            case Symbol(_, name, data):
                return self.number(data) if self.numbers else (name, ATOM)
            case Constant(_, name):
                return name, ATOM
            case Operand(name):
                return in_latex(name), ATOM
            case Negative(of):
                return f"-{self.within(of, PRODUCT)}", SUM
            case Product(factors):
                named = any(isinstance(part, Symbol) for part in parts_of(tree))
                return _times([self.within(part, PRODUCT) for part in factors], self.numbers, named), PRODUCT
            case Quotient(top, bottom):
                return rf"\frac{{{self.written(top)[0]}}}{{{self.written(bottom)[0]}}}", POWER
            case Remainder(x, y):
                return rf"{self.within(x, PRODUCT)} \bmod {self.within(y, PRODUCT)}", SUM
        return super().written(tree)

    def sum(self, terms: tuple[Tree, ...]) -> str:
        return super().sum(terms).replace(" − ", " - ")

    def more(self, tree: Tree) -> tuple[str, int]:
        match tree:
            case Root(of, degree):
                return rf"\sqrt{'' if degree == 2 else f'[{degree}]'}{{{self.written(of)[0]}}}", ATOM
            case Bars(kind, of):
                left, right = _LATEX_BARS[kind]
                return f"{left} {self.written(of)[0]} {right}", ATOM
            case Cases(condition, then, otherwise):
                holds = self.chain(condition.parts, condition.relations)
                rows = rf"{self.written(then)[0]} & {holds} \\ {self.written(otherwise)[0]} & \text{{otherwise}}"
                return rf"\begin{{cases}} {rows} \end{{cases}}", ATOM
            case Condition(parts, relations):
                return f"[{self.chain(parts, relations)}]", ATOM
            case Indexed(name, index):
                below = index.name if isinstance(index, Operand) else index
                shown = name if len(name) == 1 else rf"\operatorname{{{name}}}"
                return f"{shown}_{{{below}}}", ATOM
        return super().more(tree)

    def power(self, base: Tree, exponent: Tree) -> str:
        if isinstance(base, Call) and isinstance(exponent, Number):
            return self.call(base, f"^{{{number_latex(exponent.value)}}}")
        below = self.within(base, ATOM)
        return f"{below if len(below) == 1 else f'{{{below}}}'}^{{{self.written(exponent)[0]}}}"

    def call(self, call: Call, exponent: str = "") -> str:
        name = latex_name(function_name(call))
        if call.by:
            name = name + "'" if len(call.arguments) == 1 else rf"\partial_{{{call.by}}}{name}"
        below = "" if call.subscript is None else f"_{{{self.written(call.subscript)[0]}}}"
        arguments = [self.written(argument)[0] for argument in call.arguments]
        if len(arguments) > _ARGUMENTS:
            arguments = [arguments[0], r"\ldots", arguments[-1]]
        return f"{name}{below}{exponent}{_parenthesised(', '.join(arguments))}"

    def chain(self, parts: tuple[Tree, ...], relations: tuple[str, ...]) -> str:
        return super().chain(parts, tuple(_IN_LATEX.get(sign, sign) for sign in relations))

    def series(self, kind: str, index: str, without: str, body: Tree, count: int) -> str:
        above = f"^{{{count}}}" if count else ""
        over = rf"{index} \ne {without}" if without else f"{index}={1}" if count else index
        return rf"{_IN_LATEX[kind]}_{{{over}}}{'' if without else above} {self.within(body, PRODUCT)}"


def _times(factors: list[str], numbers: bool, named: bool) -> str:
    """Factors side by side before a parenthesis, or without names of nodes in them, else with a dot between them."""
    product = factors[0]
    for factor in factors[1:]:
        beside = (factor.startswith(("(", "[", r"\left(")) or not named) and not numbers
        product += (r"\," if beside else r" \cdot ") + factor
    return product


def _parenthesised(formula: str) -> str:
    tall = r"\frac" in formula or r"\sum" in formula or r"\prod" in formula
    return rf"\left({formula}\right)" if tall else f"({formula})"
