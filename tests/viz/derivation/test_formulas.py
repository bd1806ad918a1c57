"""The table's formulas are what its functions compute; what is written of them means the same; algebra is exact."""

from __future__ import annotations

import functools
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
from tinygrad_lite.testing.oracles import exact
from tinygrad_lite.viz.derivation.algebra import Algebra, TooComplexError
from tinygrad_lite.viz.formulas.expr_printer import latex, number_latex, number_text, text
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
    parts_of,
)
from tinygrad_lite.viz.formulas.local_formulas import Application, template
from tinygrad_lite.viz.formulas.simplification import add, divide, multiply, negate, raise_to
from tinygrad_lite.viz.formulas.symbolic import LONGEST, SYMBOLIC, Term

A, B, C = Symbol("a", "a", 3.0), Symbol("b", "b", -2.0), Symbol("c", "c", 0.5)


def operands_of(op: Op, rng: random.Random) -> list[float]:
    if op.arity == NARY:
        n = rng.randint(1, LONGEST)
        xs = [rng.uniform(-2.0, 2.0) for _ in range(2 * n if op.operands[0] == "ws" else n)]
        extra = {"bias": [rng.uniform(-1.0, 1.0)], "index": [float(rng.randrange(n))]}
        return xs + extra.get(op.operands[-1], [])
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
def test_formulas_of_the_table_are_what_60_digits_say(op: Op) -> None:
    rng = random.Random(op.name)
    for _ in range(4):
        numbers = operands_of(op, rng)
        application, _ = applied(op, numbers)
        value = exact.value(op, [exact.mpf(x) for x in numbers])
        assert evaluate(application.formula()) == pytest.approx(float(value), rel=1e-9, abs=1e-12)
        for k in range(len(numbers) - (op.operands[-1] == "index")):
            partial = float(exact.partial(op, numbers, k))
            assert evaluate(application.partial(k)) == pytest.approx(partial, rel=1e-9, abs=1e-12), (numbers, k)


@pytest.mark.parametrize("op", TABLE.values(), ids=lambda op: op.name)
def test_every_rule_of_the_table_has_a_formula(op: Op) -> None:
    formulas = template(op)
    for tree in (formulas.formula, *formulas.partials):
        calls = [part for part in parts_of(tree) if isinstance(part, Call)]
        assert not any(call.by for call in calls)  # a derivative that is named for want of a formula
        assert len(text(tree)) < 60


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


INNERMOST = (
    (re.compile(r"\\frac\{([^{}]*)\}\{([^{}]*)\}"), r"((\1)/(\2))"),
    (re.compile(r"\^\{([^{}]*)\}"), r"**(\1)"),
    (re.compile(r"(?<![c}])\{([^{}]*)\}"), r"(\1)"),
)


def from_latex(written: str) -> str:
    r"""LaTeX as the text of the same formula: ``\frac{a}{b}`` as ``((a)/(b))``."""
    written = re.sub(r"\\left|\\right", "", written.replace(r"\,", "·")).replace(r" \cdot ", "·")
    while "{" in written:
        for pattern, replacement in INNERMOST:
            written, count = pattern.subn(replacement, written)
            if count:
                break
    return written


@given(tree=trees())
@example(Power(Quotient(A, B), Number(2)))
@example(Product((A, Negative(B))))
def test_latex_has_the_parentheses_that_it_needs(tree: Tree) -> None:
    expected = value(tree)
    if not math.isfinite(expected) or abs(expected) > 1e6:
        return
    by_name = computed(from_latex(latex(tree)), a=A.data, b=B.data, c=C.data)
    by_number = computed(from_latex(latex(tree, numbers=True, precision=17)))
    assert by_name == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert by_number == pytest.approx(expected, rel=1e-9, abs=1e-9)


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
        assert text(application.partial(1)) == "x0"
        assert latex(application.formula()) == r"\mathop{\text{my}\_\text{op}}(x_{0}, x_{1})"
    finally:
        del DEFINED["my_op"]


def test_a_rule_of_the_users_is_shown_and_named_where_it_branches() -> None:
    define(
        "swish_of_mine",
        lambda x, y: x * y if x > y else 0.0,
        [lambda m, x, y, z: m.sigmoid(x) * (2.0 / 3.0) / y / y, lambda m, x, y, z: x if x > y else 0.0],
        notation="sw₂",
    )
    define("heart", lambda xs: sum(xs), lambda m, xs, z: [1.0 if x > 0.0 else 2.0 for x in xs], arity=NARY)
    try:
        application, _ = applied(DEFINED["swish_of_mine"], [2.0, 3.0])
        assert text(application.formula()) == "sw₂(x0, x1)"
        assert text(application.partial(0)) == "2·σ(x0)/(3·x1²)"
        assert text(application.partial(1)) == "∂₂sw₂(x0, x1)"
        assert latex(application.partial(1)) == r"\partial_{2}\operatorname{sw}_{2}(x_{0}, x_{1})"
        assert evaluate(application.partial(1)) == 0.0
        many, node = applied(DEFINED["heart"], [2.0, -1.0])
        assert text(many.partial(1)) == "∂₂heart(x0, x1)"
        assert evaluate(many.partial(1)) == node.partials[1] == 2.0
    finally:
        del DEFINED["swish_of_mine"], DEFINED["heart"]


# ---------------------------------------------------------------------------------------------------- simplification


@given(tree=trees())
def test_what_is_simplified_has_the_same_value(tree: Tree) -> None:
    def simplified(part: Tree) -> Tree:
        match part:
            case Sum(terms) | Product(terms):
                combine = add if isinstance(part, Sum) else multiply
                return functools.reduce(combine, map(simplified, terms))
            case Negative(of):
                return negate(simplified(of))
            case Quotient(top, bottom):
                return divide(simplified(top), simplified(bottom))
            case Power(base, exponent):
                return raise_to(simplified(base), exponent)
        return part

    expected = value(tree)
    if math.isfinite(expected) and abs(expected) < 1e6:
        assert value(simplified(tree)) == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("rule", "written"),
    [
        (lambda m, x: x * x * x, "a³"),
        (lambda m, x: (1.0 - x) * (x + 1.0), "1 − a²"),
        (lambda m, x: 2.0 * x * 3.0 - 0.0, "6·a"),
        (lambda m, x: -(1.0 / x) / -x, "1/a²"),
        (lambda m, x: m.sigmoid(-x) * m.sigmoid(x), "σ(a)·(1 − σ(a))"),
        (lambda m, x: m.greater(x, -1.0) * m.less_equal(x, 1.0), "[−1 < a ≤ 1]"),
        (lambda m, x: m.sqrt(x) * m.sqrt(x) + 1.0 - 3.0, "a − 2"),
        (lambda m, x: 2.0**x + x % 2.0 - x // 3.0, "2^a + (a mod 2) − ⌊a/3⌋"),
        (lambda m, x: (x < 3.0) * 0.1 + (x >= 2.0) / 7.0, "(1/10)·[a < 3] + [a ≥ 2]/7"),
        (lambda m, x: m.where(m.equal(1.0, 0.0), x, abs(x)), "|a|"),
        (lambda m, x: math.pi * x, "3.142·a"),
    ],
)
def test_a_rule_gives_the_formula_that_a_hand_would_write(rule: Any, written: str) -> None:
    assert text(rule(SYMBOLIC, Term(A)).tree) == written


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
        (Power(Call("sin", (A,)), Number(2)), "sin²(a)"),
    ],
    ids=str,
)
def test_algebra(tree: Tree, simplified: str) -> None:
    algebra = Algebra()
    assert text(algebra.tree(algebra.ratio(tree))) == simplified


def test_the_sigmoid_of_an_opposite_is_the_rest_to_one() -> None:
    p = Symbol("p", "p", 0.7)
    algebra = Algebra(names={Call("sigmoid", (A,)): p})
    assert text(algebra.tree(algebra.ratio(Call("sigmoid", (Negative(A),))))) == "1 − p"


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
