"""Writes ``docs/operations.md``, the reference of the operation table: ``make operations``.

Formulas, domains and conventions are the table's. The errors in ulp are measured, which takes some minutes: with
``--measure`` they are measured anew and kept, with the date, in ``tools/operation_accuracy.json``; without it the page
is written with those that are there.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import json
import platform
import re
import sys
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "benchmarks")]

from tinygrad_lite.expressions import OPERATORS  # noqa: E402 (see above)
from tinygrad_lite.operations.operation import NARY, Op  # noqa: E402
from tinygrad_lite.operations.ops import TABLE  # noqa: E402
from tinygrad_lite.viz.formulas.expr_printer import latex  # noqa: E402
from tinygrad_lite.viz.formulas.formulas import Tree  # noqa: E402
from tinygrad_lite.viz.formulas.local_formulas import template  # noqa: E402
from tinygrad_lite.viz.formulas.symbols import in_latex  # noqa: E402

PAGE = ROOT / "docs" / "operations.md"
MEASURED = ROOT / "tools" / "operation_accuracy.json"
POINTS = 1000
SEED = 0

INTRODUCTION = """\
# Operations

Every operation of the table [`tinygrad_lite/operations/ops.py`](../tinygrad_lite/operations/ops.py): what it computes,
its derivatives, where it is defined, and what the derivative is taken to be where there is none. The engine, the
pictures, the property tests and `lift` read the same table, and so does this page: `make operations` writes it.

- **Value.** For floats, an operation is Python's operator or the function of `math`, bit for bit, and raises when that
  raises. An operation is a function (`tinygrad_lite.tanh(x)`) and a method (`x.tanh()`); those with a sign are written
  with it. Functions take Values, numbers, and NumPy arrays of them.
- **Derivative.** One formula for each operand. A condition in brackets is 1 where it holds, and 0 elsewhere; *z* is the
  operation's own result.
- **Domain.** Where the operands may lie, or, for those whose true domain is larger (`hardtanh`, `clamp`, `mod`,
  `floordiv`, `prod`, `logsumexp`, `softmax`), where the tests draw them from. ∞ stands for the greatest float.
- **Error.** The greatest error found for each derivative, in units in the last place (ulp), against the textbook
  formula in mpmath with 60 digits or more, at {points} points drawn from the whole domain. The bound is 4 ulp where
  nothing else is said. 0.5 is the error of a number that is rounded once, as well as it can be.

The errors were measured on {date} with Python {python} on {system}, by `python tools/operation_reference.py
--measure`. Those of PyTorch and JAX at the same points: `python benchmarks/accuracy.py`.
"""

#: Titles for the table's own headings, where those say more than a reader of the page needs.
TITLES = {
    "arithmetic, and what else value.py names": "Arithmetic, and relu",
    "trigonometry": "Trigonometric functions",
    "hyperbolic": "Hyperbolic functions",
    "error function": "The error function",
}


def signs() -> dict[str, str]:
    """How operations with a sign are written, by their names."""
    x, y = ast.Name("x"), ast.Name("y")
    return {
        name: ast.unparse(ast.UnaryOp(sign(), x) if issubclass(sign, ast.unaryop) else ast.BinOp(x, sign(), y))
        for sign, name in OPERATORS.items()
    }


def public_operations() -> list[Op]:
    """Return what the page is about, in the table's order."""
    return [op for op in TABLE.values() if op.public]


def headings() -> dict[str, str]:
    """Return the heading in the table's source above each operation."""
    source = (ROOT / "tinygrad_lite" / "operations" / "ops.py").read_text(encoding="utf-8")
    heading, found = "", {}
    for match in re.finditer(r"^    # -{20,} (.+)$|^    Op\(\"(\w+)\"", source, re.MULTILINE):
        if match[1]:
            heading = TITLES.get(match[1].strip(), match[1].strip().capitalize())
        else:
            found[match[2]] = heading
    return found


def formula(tree: Tree) -> str:
    r"""Return a formula in LaTeX, without bars: a Markdown table would take them for the end of a cell.

    >>> formula(template(TABLE["abs"]).formula)
    '\\lvert x \\rvert'
    """
    return latex(tree).replace(r"\left|", r"\lvert").replace(r"\right|", r"\rvert")


def signature(op: Op) -> str:
    """How the function is called."""
    names = list(op.operands)
    for k, default in enumerate(reversed(op.defaults), 1):
        names[-k] += f"={default:g}"
    if op.name == "dot":
        names[-1] += "=0"
    return f"{op.name}({', '.join(names)})"


def domain(op: Op) -> str:
    """Where the operands lie."""
    names = ["each operand"] if op.arity == NARY else op.operands
    parts = []
    for name, interval in zip(names, op.domain, strict=False):
        text = repr(interval).replace("inf", "∞").replace("-", "−").replace("e+06", "·10⁶").replace("1·10", "10")
        text = "every number" if text == "(−∞, ∞)" else text
        parts.append(f"{name}: {text}" if len(op.domain) > 1 or op.arity == NARY else text)
    if len(op.domain) > 1 and all(part.endswith("every number") for part in parts):
        return "every number"
    if op.name == "pow":
        parts.append("also x = 0 with y ≥ 0, and x < 0 with a whole y")
    return "; ".join(parts)


def derivatives(op: Op) -> list[tuple[str, str]]:
    """Operand and formula of each derivative."""
    names = [name for name in op.operands if name != "index"]
    short = {"xs": "x_j" if op.name == "softmax" else "x_i", "ws": "w_i", "table": "x_j", "bias": "b"}
    if op.arity != NARY:
        short = {name: in_latex(name) for name in names}
    return [(short[name], formula(tree)) for name, tree in zip(names, template(op).partials, strict=False)]


def error(op: Op, measured: dict[str, Any]) -> str:
    """Return the measured errors in words."""
    errors = measured["ulp"].get(op.name)
    if errors is None:
        return "not measured yet"
    values = [f"{error:.1f}" if error else "0" for error in errors.values()]
    text = (
        values[0] if len(set(values)) == 1 else ", ".join(f"{name} {v}" for name, v in zip(errors, values, strict=True))
    )
    if op.bound != 4.0:
        text += f" (bound {op.bound:g}: {op.bound_reason})"
    return f"{text} ulp" if op.bound == 4.0 else text.replace(" (", " ulp (", 1)


def entry(op: Op, measured: dict[str, Any]) -> str:
    """Return an operation as Markdown."""
    call = ", ".join(f"`{text}`" for text in [signs().get(op.name), signature(op)] if text)
    partials = derivatives(op)
    if len(partials) == 1 and op.arity == 1:
        shown = f"${partials[0][1]}$"
    else:
        shown = "; ".join(rf"$\partial z / \partial {name} = {latex}$" for name, latex in partials)
    rows = [("Value", f"${formula(template(op).formula)}$"), ("Derivative", shown), ("Domain", domain(op))]
    if op.convention:
        rows.append(("Kinks", op.convention))
    rows.append(("Error", error(op, measured)))
    if op.numpy and op.name != op.numpy:
        rows.append(("NumPy", f"`np.{op.numpy}`"))
    lines = [f"### {op.name}", "", f"{call}: {op.doc[0].lower() if op.doc[1:2].islower() else op.doc[0]}{op.doc[1:]}"]
    return "\n".join([*lines, "", "| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows), ""])


def page(measured: dict[str, Any]) -> str:
    """Return the whole page."""
    date = datetime.date.fromisoformat(measured["date"])
    words = {**measured, "date": f"{date.day} {date:%B %Y}"}
    parts = [INTRODUCTION.format(**words)]
    above, sections = headings(), dict[str, list[Op]]()
    for op in public_operations():
        sections.setdefault(above[op.name], []).append(op)
    for title, operations in sections.items():
        parts.append(f"## {title}\n")
        parts.append(" · ".join(f"[{op.name}](#{op.name})" for op in operations) + "\n")
        parts += [entry(op, measured) for op in operations]
    return "\n".join(parts)


def measure(points: int) -> dict[str, Any]:
    """Return the greatest error of every derivative of the page."""
    from accuracy import measured  # benchmarks/accuracy.py

    from tinygrad_lite.testing.strategies import sampling

    warnings.simplefilter("ignore")
    errors: dict[str, dict[str, float]] = {}
    for op in public_operations():
        drawn = list(sampling.points(op, points, SEED))
        errors[op.name] = {
            operand: round(measured(op, operand, drawn, {})["tinygrad_lite"].error, 2)
            for operand in op.operands
            if operand != "index"
        }
        print(op.name, errors[op.name], flush=True)
    libc = " ".join(platform.libc_ver())
    return {
        "date": datetime.date.today().isoformat(),
        "points": points,
        "python": platform.python_version(),
        "system": f"{platform.system()}, {platform.machine()}, {libc}",
        "ulp": errors,
    }


def main() -> int:
    """Write the page; with ``--check`` only says whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="measure the errors anew")
    parser.add_argument("--points", type=int, default=POINTS, help=f"points for each operation ({POINTS})")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is not up to date")
    options = parser.parse_args()
    if options.measure:
        MEASURED.write_text(json.dumps(measure(options.points), indent=1) + "\n", encoding="utf-8")
    text = page(json.loads(MEASURED.read_text(encoding="utf-8")))
    if options.check:
        return PAGE.read_text(encoding="utf-8") != text
    PAGE.write_text(text, encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}: {len(public_operations())} operations")
    return 0


if __name__ == "__main__":
    sys.exit(main())
