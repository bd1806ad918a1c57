"""What is lowered and compiled gives what Python gives, bit for bit; what is not lowered is refused."""

from __future__ import annotations

import ast
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.engines import numba_engine
from tinygrad_lite.lift.loops import vector_functions
from tinygrad_lite.lift.machine_code import compilation, lowering
from tinygrad_lite.lift.machine_code.lowering import FLOAT_ARRAY, INT, INT_ARRAY, Dialect, Module

pytest.importorskip("llvmlite", reason="machine code needs numba's compiler: the extra fast")


def compiled(text, kinds, library=(), dialect=Dialect()):  # noqa: B008  # a tuple
    """The function of that text, which returns an int."""
    module = Module({name: ast.parse(part).body[0] for name, part in dict(library).items()}, {"inf": math.inf})
    module.add(ast.parse(text).body[0], kinds, INT, dialect)
    (tree,) = ast.parse(text).body
    text = module.text() + compilation.write_entry(tree.name, list(kinds.values()))
    return compilation.load_function(compilation.compile_object(text))


def same_bits(found, truth):
    return struct.pack("<d", found) == struct.pack("<d", truth) or (math.isnan(found) and math.isnan(truth))


#: Expressions of floats x, y > 0 and ints i, j, which Python computes too.
FLOATS = [
    "x + y", "x - y * x", "-x / y", "abs(-x)", "x**2", "y**-3", "x**0", "y**1.5", "x % y", "x // y", "2 % y", "x + 1",
    "1.0 if x > y else -1.0", "x if x >= y or x != x else y", "1.0 if not x < y else 0.0", "float(i) / 2",
    "1.0 if 0.0 < x < y < inf else 0.0", "1.0 if (x < 0.0) != (y < 2.0) else 0.0", "math.fmod(x, y)", "math.pi * x",
    "math.sqrt(y)", "math.sin(x)", "math.hypot(x, y)", "math.copysign(x, -0.0)", "math.log1p(y)", "1 if x == y else x",
    "x / y if i // j > 0 else y / (x * x + 1)", "number(bits(x))", "number(bits(y) | 1)", "-1e300 * y",
    "1.0 if i and x < y else 2.0",
]  # fmt: skip
INTS = [
    "i + j * 3 - 2", "-i", "i // 3", "(i - 20) // j", "(i - 20) % j", "max(i, j)", "min(i, 3)", "i << 2",
    "(i - 9) >> 1", "i & j | 8", "int(x)", "i if i < j else j", "bits(y) >> 52", "7 if i else j",
]  # fmt: skip


@pytest.fixture(scope="module")
def all_expressions():
    """All of them in one function."""
    lines = [f" o[{k}] = {text}" for k, text in enumerate(FLOATS)] + [
        f" t[{k}] = {text}" for k, text in enumerate(INTS)
    ]
    head = ["def f(o_, t_, n, i, j):", " o = pointer(o_, 2)", " t = pointer(t_, 0)", " xs = pointer(o, -2)"]
    text = "\n".join([*head, " x = constant(xs, 0)", " y = xs[1]", *lines, " return n"])
    kinds = {"o_": FLOAT_ARRAY, "t_": INT_ARRAY, "n": INT, "i": INT, "j": INT}
    module = Module(*numba_engine._read_library())
    module.add(ast.parse(text).body[0], kinds, INT, Dialect())
    return compilation.load_function(
        compilation.compile_object(module.text() + compilation.write_entry("f", list(kinds.values())))
    )


@given(x=st.floats(-1e9, 1e9), y=st.floats(1e-6, 1e9), i=st.integers(0, 40), j=st.integers(1, 9))
def test_expressions_mean_what_python_means(all_expressions, x, y, i, j):
    floats, ints = np.array([x, y] + [0.0] * len(FLOATS)), np.zeros(len(INTS), np.int64)
    assert all_expressions(floats, ints, 5, i, j) == 5
    names = {"math": math, "inf": math.inf, "x": x, "y": y, "i": i, "j": j}
    names |= {"bits": vector_functions.bits, "number": vector_functions.number}
    for text, found in zip(FLOATS, floats[2:].tolist(), strict=True):
        truth = float(eval(text, names))
        close = text in ("y**-3", "math.hypot(x, y)") and math.isclose(found, truth, rel_tol=2**-51)  # not C's own
        assert close or same_bits(found, truth), text
    for text, found in zip(INTS, ints.tolist(), strict=True):
        assert found == int(eval(text, names)), text


@pytest.mark.parametrize("x", [math.nan, math.inf, -math.inf, -0.0, 0.0])
@pytest.mark.parametrize("comparison", ["x < y", "x <= y", "x > y", "x >= y", "x == y", "x != y", "not x < y < inf"])
def test_comparisons_hold_as_pythons_for_what_is_no_number_too(comparison, x):
    text = f"def f(o_):\n o = pointer(o_, 0)\n x, y = o[0], o[1]\n return 1 if {comparison} else 0"
    run = compiled(text, {"o_": FLOAT_ARRAY})
    for y in (math.nan, 0.0, math.inf):
        assert run(np.array([x, y])) == int(eval(comparison, {"x": x, "y": y, "inf": math.inf}))


def test_loops_and_branches_run_as_pythons():
    text = """def f(t_, n):
 t = pointer(t_, 0)
 total = 0
 for i in range(2, n, 3):
  for b in range(i):
   if b % 2:
    total += b
   else:
    total -= 1
 if total > 40:
  return total
 low, high = total, 1
 low, high = high, low
 t[0] = low
 return high * 1000"""
    run = compiled(text, {"t_": INT_ARRAY, "n": INT}, dialect=Dialect(independent=("b",)))
    for n in range(15):
        namespace = {"pointer": lambda array, place: array}
        exec(text, namespace)
        expected, found = [0], np.zeros(1, np.int64)
        assert run(found, n) == namespace["f"](expected, n)
        assert found.tolist() == expected


def test_a_choice_computes_the_other_side_only_where_it_may():
    """A division by 0, and a place outside of the memory, are not reached."""
    text = "def f(t_, n):\n t = pointer(t_, 0)\n return (7 // n if n else -1) + (t[n * 1000000000] if n else 0)"
    assert compiled(text, {"t_": INT_ARRAY, "n": INT})(np.zeros(1, np.int64), 0) == -1


def test_what_an_index_that_is_no_number_becomes_is_within_the_table():
    text = "def f(o_, t_):\n o = pointer(o_, 0)\n t = pointer(t_, 0)\n j = int(o[0]) % 3\n return t[j]"
    run = compiled(text, {"o_": FLOAT_ARRAY, "t_": INT_ARRAY})
    for x in (math.nan, math.inf, -1e300, -1.0, 5.0):
        assert run(np.array([x]), np.array([10, 11, 12])) in (10, 11, 12)


def test_functions_of_the_library_are_added_with_what_they_call():
    library = {"twice": "def twice(x): return 2.0 * x", "fourfold": "def fourfold(x): return twice(twice(x))"}
    text = "def f(o_):\n o = pointer(o_, 0)\n o[0] = fourfold(o[0])\n return o_.size"
    numbers = np.array([[3.0, 1.0], [0.0, 0.0]])
    assert compiled(text, {"o_": FLOAT_ARRAY}, library)(numbers) == 4
    assert numbers[0, 0] == 12.0


def test_sums_are_reassociated_by_licence_only():
    text = """def f(o_):
 o = pointer(o_, 0)
 s = 0.0
 for k in range(4): s += o[k]
 return int(s)"""
    numbers = np.array([1e16, 1.0, -1e16, 1.0])
    assert compiled(text, {"o_": FLOAT_ARRAY})(numbers) == 1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return [n]", "List is not lowered"),
        ("while n: n = 0", "While is not lowered"),
        ("for i in t: n = 0", "range"),
        ("n = 1\n return n", "assigned to"),
        ("x = 1\n x = 1.5\n return x", "another kind"),
        ("return 1.5", "another kind"),
        ("return unknown", "no variable"),
        ("return unknown(1)", "no such function"),
        ("return n.imag", "attribute"),
        ("return n[0]", "places"),
        ("return pointer(n, 0)[0]", "memory"),
        ("return ~n", "UnaryOp is not lowered"),
        ("return 1.5 << n", "no such operator"),
        ("return 1 if 1.5 else 0", "condition"),
        ("return 'text'", "numbers"),
        ("return -'text'", "numbers"),
        ("return n is n", "Compare is not lowered"),
        ("return (lambda: 0)()", "Call is not lowered"),
        ("return int(math.erfinv(1.0))", "erfinv"),
    ],
)
def test_all_else_is_refused(body, why):
    with pytest.raises(LiftError, match=why):
        compiled(f"def f(t, n):\n {body}", {"t": INT_ARRAY, "n": INT})


def test_numbers_are_written_by_their_bits():
    for x in (0.1, -0.0, 5e-324, math.inf, -1e308):
        assert struct.unpack("<d", struct.pack("<Q", int(lowering.write_float(x), 16)))[0] == x
