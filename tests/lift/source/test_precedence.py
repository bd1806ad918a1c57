"""Generated text means what was put together: it is parsed back, and the trees are compared, and its numbers are."""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite.lift.loops.scalar_functions import Formula, make_formula
from tinygrad_lite.lift.source.fragments import Fragment, binary, call, literal, negate
from tinygrad_lite.lift.source.precedence import (
    OPERATORS,
    Text,
    access,
    fill_template,
    find_level,
    infix,
    write_choice,
    write_minus,
)
from tinygrad_lite.operations.ops import TABLE

PYTHON = {
    "+": ast.Add,
    "-": ast.Sub,
    "*": ast.Mult,
    "/": ast.Div,
    "//": ast.FloorDiv,
    "%": ast.Mod,
    "**": ast.Pow,
    "@": ast.MatMult,
    "<": ast.Lt,
    ">": ast.Gt,
    "≥": ast.GtE,
    "≤": ast.LtE,
    "=": ast.Eq,
    "≠": ast.NotEq,
}
NAMES = ("a", "b", "c")
NUMBERS = (0.5, 1.0, 2.0, -1.0, -2.0, -0.5, 1e22, 3e-7)


@dataclass(frozen=True)
class Tree:
    """An expression: what stands outermost, and what it is made of."""

    kind: str
    parts: tuple[Any, ...]


def trees(symbols: tuple[str, ...], kinds: tuple[str, ...]) -> st.SearchStrategy[Tree]:
    leaves = st.one_of(
        st.sampled_from(NAMES).map(lambda name: Tree("name", (name,))),
        st.sampled_from(NUMBERS).map(lambda number: Tree("number", (number,))),
    )

    def larger(smaller: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        pairs = st.tuples(st.sampled_from(symbols), smaller, smaller).map(lambda parts: Tree("infix", parts))
        others = [smaller.map(lambda part, kind=kind: Tree(kind, (part,))) for kind in kinds]
        return st.one_of(pairs, pairs, *others)

    return st.recursive(leaves, larger, max_leaves=12)


def expected(tree: Tree) -> ast.expr:
    """The tree as Python's."""
    if tree.kind == "name":
        return ast.Name(tree.parts[0], ast.Load())
    if tree.kind == "number":
        number = ast.Constant(abs(tree.parts[0]))
        return number if tree.parts[0] >= 0 else ast.UnaryOp(ast.USub(), number)
    if tree.kind == "infix":
        symbol, left, right = tree.parts
        left, right = expected(left), expected(right)
        if issubclass(PYTHON[symbol], ast.cmpop):
            return ast.Compare(left, [PYTHON[symbol]()], [right])
        return ast.BinOp(left, PYTHON[symbol](), right)
    part = expected(tree.parts[0])
    if tree.kind == "minus":
        return ast.UnaryOp(ast.USub(), part)
    if tree.kind == "attribute":
        return ast.Attribute(part, "T", ast.Load())
    if tree.kind == "subscript":
        return ast.Subscript(part, ast.Constant(0), ast.Load())
    return ast.Call(ast.Name(tree.kind, ast.Load()), [part], [])


class SignsMoved(ast.NodeTransformer):
    """Minus a product, as minus its first factor, times the rest; numbers as floats."""

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        operand = node.operand
        if isinstance(operand, ast.BinOp) and isinstance(operand.op, (ast.Mult, ast.Div, ast.MatMult)):
            operand.left = self.visit(ast.UnaryOp(ast.USub(), operand.left))
            return operand
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant(float(node.value))


def shown(tree: ast.AST) -> str:
    return ast.dump(SignsMoved().visit(tree))


def reads_as(text: str, tree: Tree) -> bool:
    return shown(ast.parse(text, mode="eval").body) == shown(expected(tree))


def fragment(tree: Tree) -> Fragment:
    """The tree, written as array source."""
    if tree.kind == "name":
        return Fragment(tree.parts[0], axes=(0,))
    if tree.kind == "number":
        return literal(tree.parts[0])
    if tree.kind == "infix":
        symbol, left, right = tree.parts
        return binary(symbol, fragment(left), fragment(right))
    part = fragment(tree.parts[0])
    if tree.kind == "minus":
        return Fragment(*write_minus(part), part.axes)
    if tree.kind == "attribute":
        return part.call_method("T", part.axes)
    if tree.kind == "subscript":
        return part.close().with_items(("0",), ())
    return call(tree.kind, [part], part.axes)


def formula(tree: Tree) -> Formula:
    """The tree, written as the text of loops."""
    if tree.kind == "name":
        return Formula(tree.parts[0])
    if tree.kind == "number":
        return Formula(*(lambda text: (text.text, text.level))(Text.of(tree.parts[0])))
    if tree.kind == "infix":
        symbol, left, right = tree.parts
        if symbol in ("//", "%"):
            return make_formula({"//": "floordiv", "%": "mod"}[symbol], [formula(left), formula(right)])
        return arithmetic(symbol, formula(left), formula(right))
    return -formula(tree.parts[0]) if tree.kind == "minus" else abs(formula(tree.parts[0]))


def arithmetic(symbol: str, left: Any, right: Any) -> Any:
    names = {"+": "add", "-": "sub", "*": "mul", "/": "truediv", "**": "pow"}
    return getattr(operator, names[symbol])(left, right)


ARITHMETIC = ("+", "-", "*", "/", "//", "%", "**")


@given(trees((*ARITHMETIC, "@"), ("minus", "exp", "attribute", "subscript")))
def test_array_source_reads_back_as_the_tree_that_was_written(tree):
    assert reads_as(fragment(tree).text, tree)


@given(trees(tuple(OPERATORS), ("minus",)))
def test_every_operator_reads_back_in_every_other(tree):
    def piece(tree: Tree) -> Text:
        if tree.kind == "infix":
            return Text(*infix(tree.parts[0], piece(tree.parts[1]), piece(tree.parts[2])))
        if tree.kind == "minus":
            return Text(*write_minus(piece(tree.parts[0])))
        return Text.of(tree.parts[0]) if tree.kind == "number" else Text(tree.parts[0])

    assert reads_as(piece(tree).text, tree)


@given(trees(ARITHMETIC, ("minus", "abs")))
def test_the_text_of_loops_reads_back_as_the_tree_that_was_written(tree):
    assert reads_as(formula(tree).text, tree)


@given(trees(ARITHMETIC, ("minus", "abs")), st.lists(st.floats(0.1, 9.0), min_size=3, max_size=3))
def test_both_texts_compute_what_the_tree_computes_to_the_bit(tree, numbers):
    names = dict(zip(NAMES, numbers, strict=True))

    def computed(tree: Tree) -> Any:
        if tree.kind == "name":
            return names[tree.parts[0]]
        if tree.kind == "number":
            return tree.parts[0]
        if tree.kind == "infix":
            symbol, left, right = tree.parts
            left, right = computed(left), computed(right)
            if symbol in ("//", "%"):
                return left // right if symbol == "//" else left % right
            return arithmetic(symbol, left, right)
        return -computed(tree.parts[0]) if tree.kind == "minus" else abs(computed(tree.parts[0]))

    try:
        truth = computed(tree)
    except ArithmeticError:
        return
    for text in (fragment(tree).text, formula(tree).text):
        assert repr(complex(eval(text, {**names, "abs": abs}))) == repr(complex(truth))


@pytest.mark.parametrize("op", [op for op in TABLE.values() if op.source], ids=lambda op: op.name)
@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "**"])
def test_what_the_table_writes_out_has_brackets_inside_of_an_operator(op, symbol):
    names = ("a", "b", "c")[: op.arity]
    inner = op.source.format(*names)
    written = make_formula(op.name, [Formula(name) for name in names])
    for text, outer in (
        (arithmetic(symbol, written, Formula("d")).text, f"({inner}) {symbol} d"),
        (arithmetic(symbol, Formula("d"), written).text, f"d {symbol} ({inner})"),
        ((-written).text, f"-({inner})"),
        (make_formula("maximum", [written, Formula("d")]).text, TABLE["maximum"].source.format(f"({inner})", "d")),
    ):
        assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(outer))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (lambda a, b, c: negate(binary("//", a, b)), "-(a // b)"),
        (lambda a, b, c: negate(binary("%", a, b)), "-(a % b)"),
        (lambda a, b, c: negate(binary("*", binary("%", a, b), c)), "-(a % b) * c"),
        (lambda a, b, c: negate(binary("/", binary("//", a, b), c)), "-(a // b) / c"),
        (lambda a, b, c: negate(binary("*", a, b)), "-a * b"),
        (lambda a, b, c: negate(negate(binary("*", a, b))), "-(-a * b)"),
        (lambda a, b, c: negate(binary("**", a, b)), "-a**b"),
        (lambda a, b, c: binary("**", negate(a), b), "(-a)**b"),
        (lambda a, b, c: binary("**", literal(-1.0), a), "(-1)**a"),
        (lambda a, b, c: binary("**", a, literal(-1.0)), "a**-1"),
        (lambda a, b, c: binary("**", binary("**", a, b), c), "(a**b)**c"),
        (lambda a, b, c: binary("-", a, binary("-", b, c)), "a - (b - c)"),
        (lambda a, b, c: binary("/", a, binary("/", b, c)), "a / (b / c)"),
        (lambda a, b, c: binary("/", a, binary("*", b, c)), "a / (b * c)"),
        (lambda a, b, c: binary("@", a, binary("@", b, c)), "a @ (b @ c)"),
        (lambda a, b, c: binary("*", binary("@", a, b), c), "(a @ b) * c"),
        (lambda a, b, c: binary("/", binary("@", a, b), c), "a @ b / c"),
        (lambda a, b, c: binary("<", binary("<", a, b), c), "1.0 * (a < b) < c"),
        (lambda a, b, c: binary("+", binary(">", a, b), c), "(a > b) + c"),
        (lambda a, b, c: negate(binary("/", binary(">", a, b), c)), "-1.0 * (a > b) / c"),
        (lambda a, b, c: binary("+", a, b).call_method("T", ()), "(a + b).T"),
        (lambda a, b, c: Fragment(*infix("+", a, b), (0,)).with_items(("0",), ()), "(a + b)[0]"),
        (lambda a, b, c: Fragment(*write_minus(a), (0,)).with_items(("0",), ()), "(-a)[0]"),
    ],
)
def test_brackets_stand_where_they_are_needed_and_nowhere_else(text, written):
    a, b, c = (Fragment(name, axes=(0,)) for name in "abc")
    assert text(a, b, c).text == written


def test_a_number_is_no_place_for_a_bare_point():
    assert access(Text("2"), "real") == "(2).real"
    assert access(Text.of(2.0), "real") == "2.0.real"
    assert access(Text.of(-2.0), "real") == "(-2.0).real"


def test_choices_are_in_brackets_but_at_their_ends():
    a, b = Text("a"), Text("b")
    inner = Text(*write_choice(a, a, b))
    assert write_choice(inner, inner, inner)[0] == "(a if a else b) if (a if a else b) else a if a else b"
    assert infix("<", inner, b)[0] == "(a if a else b) < b"
    assert fill_template("{0} if {0} else {1}", [inner, b])[0] == "(a if a else b) if (a if a else b) else b"


@given(trees(tuple(OPERATORS), ("minus",)))
def test_the_level_of_a_text_is_that_of_its_outermost_operator(tree):
    text = ast.unparse(ast.fix_missing_locations(ast.Expression(expected(tree))))
    kind = tree.kind if tree.kind != "number" or tree.parts[0] >= 0 else "minus"
    levels = {"name": Text("a").level, "number": Text("a").level, "minus": write_minus(Text("a"))[1]}
    assert find_level(text) == (OPERATORS[tree.parts[0]].level if kind == "infix" else levels[kind])
