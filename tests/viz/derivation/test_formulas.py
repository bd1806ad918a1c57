"""The table's formulas are what its functions compute; what is written of them means the same; algebra is exact."""

from __future__ import annotations

import math
import random
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinygrad_lite import Value, define
from tinygrad_lite.dispatch import apply
from tinygrad_lite.operations.operation import NARY, Op
from tinygrad_lite.operations.ops import DEFINED, TABLE
from tinygrad_lite.viz.derivation.algebra import Algebra, TooComplexError
from tinygrad_lite.viz.formulas.expr_printer import latex, number_latex, number_text, text
from tinygrad_lite.viz.formulas.formula_reader import UnreadableError, read
from tinygrad_lite.viz.formulas.formula_values import evaluate
from tinygrad_lite.viz.formulas.formulas import (
    Call,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Symbol,
    Tree,
)
from tinygrad_lite.viz.formulas.local_formulas import LONGEST, Application

A, B, C = Symbol("a", "a", 3.0), Symbol("b", "b", -2.0), Symbol("c", "c", 0.5)


def operands_of(op: Op, rng: random.Random) -> list[float]:
    if op.arity == NARY:
        n = rng.randint(1, LONGEST)
        xs = [rng.uniform(-2.0, 2.0) for _ in range(2 * n if op.operands[0] == "ws" else n)]
        extra = {"bias": [rng.uniform(-1.0, 1.0)], "index": [float(rng.randrange(n))]}
        return xs + extra.get(op.operands[-1], [])
    if op.name == "hardtanh":
        return [rng.uniform(-2.0, 2.0), *op.defaults]  # its formula does not say its bounds
    ends = [(max(d.low, -3.0), min(d.high, 3.0)) for d in op.domain]
    return [
        float(rng.randint(0, 1)) if d.whole else rng.uniform(low, high)
        for d, (low, high) in zip(op.domain, ends, strict=True)
    ]


def applied(op: Op, numbers: list[float]) -> tuple[Application, Value]:
    node = apply(op, [Value(x) for x in numbers])
    symbols = tuple(Symbol(f"x{k}", f"x_{{{k}}}", x) for k, x in enumerate(numbers))
    return Application(op, symbols, Symbol("z", "z", node.data)), node


@pytest.mark.parametrize("op", TABLE.values(), ids=lambda op: op.name)
def test_formulas_of_the_table_are_what_its_functions_and_rules_compute(op: Op) -> None:
    rng = random.Random(op.name)
    for _ in range(25):
        application, node = applied(op, operands_of(op, rng))
        assert evaluate(application.formula()) == pytest.approx(node.data, rel=1e-9, abs=1e-12)
        for k, partial in enumerate(node.partials):
            assert evaluate(application.partial(k)) == pytest.approx(partial, rel=1e-9, abs=1e-12), application


@pytest.mark.parametrize("op", TABLE.values(), ids=lambda op: op.name)
def test_formulas_of_many_operands_stay_short(op: Op) -> None:
    if op.arity != NARY:
        return
    pairs = op.operands[0] == "ws"
    numbers = [0.5] * (200 if pairs else 100) + ([1.0] if op.operands[-1] in ("bias", "index") else [])
    application, _ = applied(op, numbers)
    for tree in (application.formula(), *(application.partial(k) for k in range(3))):
        assert len(text(tree)) < 60


# ------------------------------------------------------------------------------------------------- what is written


def trees() -> st.SearchStrategy[Tree]:
    leaves = st.sampled_from([A, B, C, Number(1), Number(2), Number(7)])

    def larger(parts: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        return st.one_of(
            st.lists(parts, min_size=2, max_size=3).map(lambda terms: Sum(tuple(terms))),
            st.lists(parts, min_size=2, max_size=3).map(lambda factors: Product(tuple(factors))),
            parts.map(Negative),
            st.tuples(parts, parts).map(lambda both: Quotient(*both)),
            st.tuples(parts, st.integers(0, 3)).map(lambda both: Power(both[0], Number(both[1]))),
        )

    return st.recursive(leaves, larger, max_leaves=8)


SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def computed(written: str, **names: float) -> float:
    """A formula in text as Python computes it."""
    code = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda found: "**" + found[0].translate(SUPERSCRIPTS), written)
    return float(eval(code.replace("·", "*").replace("−", "-"), {}, names))


def value(tree: Tree) -> float:
    try:
        return evaluate(tree)
    except ArithmeticError:
        return math.nan


@given(tree=trees())
@example(Product((Quotient(A, B), C)))
@example(Quotient(A, Quotient(B, C)))
@example(Negative(Sum((A, Negative(B)))))
@example(Power(Negative(A), Number(2)))
def test_text_has_the_parentheses_that_it_needs(tree: Tree) -> None:
    expected = value(tree)
    if not math.isfinite(expected) or abs(expected) > 1e6:
        return
    by_name = computed(text(tree), a=A.data, b=B.data, c=C.data)
    by_number = computed(text(tree, numbers=True, precision=17))
    assert by_name == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert by_number == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(tree=trees())
def test_latex_is_read_back_as_what_it_was(tree: Tree) -> None:
    written = latex(tree).replace(r"\left(", "(").replace(r"\right)", ")")
    for symbol, digit in ((A, 3), (C, 5), (B, 2)):
        written = re.sub(rf"(?<![a-z\\]){symbol.latex}(?![a-z])", str(digit), written)
    again = read(written)
    renamed = {A: 3.0, B: 2.0, C: 5.0}
    original = value(_with(tree, renamed))
    if math.isfinite(original):
        assert value(again) == pytest.approx(original, rel=1e-9, abs=1e-9)


def _with(tree: Tree, numbers: dict[Symbol, float]) -> Tree:
    from tinygrad_lite.viz.formulas.formulas import rebuilt

    return rebuilt(tree, lambda part: Number(numbers[part]) if isinstance(part, Symbol) else None)


@pytest.mark.parametrize(
    ("number", "in_text", "in_latex"),
    [
        (0.1, "0.1", "0.1"),
        (-0.0, "0", "0"),
        (-1 / 3, "−0.3333", "-0.3333"),
        (123456.0, "123456", "123456"),
        (1.5e-9, "1.5×10⁻⁹", r"1.5 \times 10^{-9}"),
        (math.inf, "∞", r"\infty"),
        (-math.inf, "−∞", r"-\infty"),
        (math.nan, "nan", r"\mathrm{nan}"),
    ],
)
def test_numbers(number: float, in_text: str, in_latex: str) -> None:
    assert number_text(number) == in_text
    assert number_latex(number) == in_latex


# ------------------------------------------------------------------------------------- operations of the user's


def test_an_operation_of_the_users_is_written_as_a_function() -> None:
    define("my_op", lambda x, y: x * y, [lambda m, x, y, z: y, lambda m, x, y, z: x])
    try:
        application, _ = applied(DEFINED["my_op"], [2.0, 3.0])
        assert text(application.formula()) == "my_op(x0, x1)"
        assert text(application.partial(1)) == "∂₂my_op(x0, x1)"
        assert latex(application.formula()) == r"\mathop{\text{my}\_\text{op}}(x_{0}, x_{1})"
    finally:
        del DEFINED["my_op"]


def test_latex_of_the_users_is_kept_although_it_cannot_be_read() -> None:
    define(
        "heart",
        lambda x: x * x,
        lambda m, x, z: 2.0 * x,
        latex=r"\heartsuit($x)",
        latex_partials=(r"2\spadesuit_{$z}($x)",),
    )
    try:
        application, _ = applied(DEFINED["heart"], [2.0])
        assert latex(application.formula()) == r"\heartsuit({x_{0}})"
        assert latex(application.partial(0)) == r"2\spadesuit_{{z}}({x_{0}})"
        assert text(application.formula()) == "heart(x0)"
        assert text(application.partial(0)) == "heart′(x0)"
    finally:
        del DEFINED["heart"]


@pytest.mark.parametrize("wrong", [r"\frac{1}", r"\unknown", "($x", "$x)", "", r"\begin{matrix} 1 \end{matrix}"])
def test_what_is_no_formula_of_the_table_is_refused(wrong: str) -> None:
    with pytest.raises(UnreadableError):
        read(wrong)


# --------------------------------------------------------------------------------------------------------- algebra


@given(tree=trees())
def test_algebra_changes_no_value(tree: Tree) -> None:
    algebra = Algebra()
    try:
        simplified = algebra.tree(algebra.ratio(tree))
    except TooComplexError:
        return
    expected = value(tree)
    if math.isfinite(expected) and abs(expected) < 1e6:
        assert evaluate(simplified) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(tree=trees())
def test_a_difference_with_itself_and_a_quotient_by_itself_vanish(tree: Tree) -> None:
    algebra = Algebra()
    try:
        ratio = algebra.ratio(tree)
        assert algebra.tree(algebra.ratio(Sum((tree, Negative(tree))))) == Number(0)
        if ratio.top:
            assert algebra.tree(algebra.ratio(Quotient(tree, tree))) == Number(1)
    except TooComplexError:
        return


def sum_of(*terms: Any) -> Tree:
    return Sum(tuple(terms))


@pytest.mark.parametrize(
    ("tree", "simplified"),
    [
        (Quotient(sum_of(Power(A, Number(2)), Negative(Power(B, Number(2)))), sum_of(A, B)), "a − b"),
        (sum_of(Quotient(Number(1), A), Quotient(Number(1), B)), "(a + b)/(a·b)"),
        (sum_of(Quotient(A, sum_of(A, Negative(B))), Quotient(B, sum_of(B, Negative(A)))), "1"),
        (Product((Number(0.25), sum_of(A, Negative(Number(1))))), "(a − 1)/4"),
        (Power(A, Number(-1)), "1/a"),
        (Quotient(Number(1), Product((sum_of(A, Negative(B)), sum_of(B, Negative(A))))), "−1/((a − b)·(a − b))"),
        (Power(Call(r"\sin", (A,)), Number(2)), "sin²(a)"),
    ],
    ids=str,
)
def test_algebra(tree: Tree, simplified: str) -> None:
    algebra = Algebra()
    assert text(algebra.tree(algebra.ratio(tree))) == simplified


def test_the_sigmoid_of_an_opposite_is_the_rest_to_one() -> None:
    p = Symbol("p", "p", 0.7)
    algebra = Algebra(names={Call(r"\sigma", (A,)): p})
    assert text(algebra.tree(algebra.ratio(Call(r"\sigma", (Negative(A),))))) == "1 − p"


@pytest.mark.parametrize(
    "tree",
    [
        Power(sum_of(A, B, C), Number(8)),
        Product((Power(A, Number(8)), A)),
        Number(math.inf),
        Quotient(A, sum_of(B, Negative(B))),
    ],
)
def test_algebra_gives_up_on_what_is_too_complex(tree: Tree) -> None:
    with pytest.raises(TooComplexError):
        Algebra().ratio(tree)
