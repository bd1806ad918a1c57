"""Writes the functions and methods of the operation table: ``make generate``.

``tinygrad_lite/functions.py``, ``node/methods.py`` and ``tape/walk_cases.h`` are made from the records of
``operations/ops.py``, so that editors, type checkers and the compiler see them; a test fails when they are not what
this program writes.
"""

from __future__ import annotations

import itertools
import math
import operator
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

# The table without the package's __init__, which imports what is to be written here.
package = types.ModuleType("tinygrad_lite")
package.__path__ = [str(ROOT / "tinygrad_lite")]
sys.modules["tinygrad_lite"] = package
sys.path.insert(0, str(ROOT))

from tinygrad_lite.operations import numerics  # noqa: E402 (see above)
from tinygrad_lite.operations.operation import NARY, Interval, Op  # noqa: E402 (as above)
from tinygrad_lite.operations.ops import TABLE  # noqa: E402

NOTICE = "Made from the operation table by tools/generate.py (``make generate``): change the record, not this file."
PUBLIC = [op for op in TABLE.values() if op.public]
FIXED = [op for op in PUBLIC if op.arity != NARY]

#: Python's operators in C, where both give the same bits; where Python's raise, C's give the limit.
OPERATORS_IN_C: dict[Callable[..., Any], str] = {
    operator.add: "x + y",
    operator.sub: "x - y",
    operator.mul: "x * y",
    operator.truediv: "x / y",
    operator.neg: "-x",
    operator.pos: "x",
    operator.abs: "fabs(x)",
}
#: Functions of sequences that ``walk.c`` has.
SEQUENCES_IN_C: dict[Callable[..., Any], str] = {numerics.dot: "walk_dot", numerics.total: "walk_total"}
#: The functions of ``math`` that are not C's: more accurate ones of Python's own.
NOT_OF_C = {math.hypot}


def constant_name(op: Op) -> str:
    return f"_{op.name.upper()}"


def parameters(op: Op, annotation: str, *, method: bool = False) -> str:
    names = op.operands[1:] if method else op.operands
    plain = len(op.operands) - len(op.defaults)
    shown = []
    for name in names:
        k = op.operands.index(name) - plain
        default = f" = {op.defaults[k]!r}" if k >= 0 else ""
        shown.append(f"{name}: {annotation}{default}")
    optional = annotation if annotation == "Any" else f"{annotation} | None"
    return ", ".join([*(["self"] if method else []), *shown, *aliases(op, f"{optional} = None")])


def aliases(op: Op, annotation: str) -> list[str]:
    """Other libraries' names of operands, as keywords after a star."""
    names = [f"{name}: {annotation}" for others in op.aliases.values() for name in others]
    return ["*", *names] if names else []


def renamed(op: Op, indent: str) -> str:
    """Return the lines that take an operand from where it was given."""
    lines = ""
    for name, others in op.aliases.items():
        given = " else ".join(f"{other} if {other} is not None" for other in others)
        lines += f"{indent}{name} = {given} else {name}\n"
    return lines


def example(op: Op) -> list[str]:
    """Return a call that runs as a doctest, on Values at a point inside the domain."""
    required = len(op.operands) - len(op.defaults)
    first, *rest = [
        repr(point_in(domain, wanted)) for domain, wanted in zip(op.domain[:required], (0.5, 2.0, 3.0), strict=False)
    ]
    return [f">>> x = Value({first})", f">>> y = {op.name}({', '.join(['x', *rest])})"]


def point_in(domain: Interval, wanted: float) -> float:
    """Return the wanted number, or one within the domain if it is not."""
    if domain.whole:
        return 1.0
    return domain.low + 1.0 if wanted < domain.low else min(wanted, domain.high)


def docstring(op: Op, indent: str) -> str:
    lines = [op.doc, "", "Args:"]
    for name, domain in zip(op.operands, op.domain, strict=False):
        lines.append(f"    {name}: A Value, a number or an array of them, in {domain!r}.")
        lines += [f"    {other}: Another name of it." for other in op.aliases.get(name, ())]
    lines += ["", "Returns:", "    A Value if an operand is one (or an array of them); else a float (or an array)."]
    if any(interval.low != float("-inf") or interval.open for interval in op.domain):
        lines += ["", "Raises:", "    ValueError, ZeroDivisionError, OverflowError: As the float function raises."]
    if op.convention:
        lines += ["", f"At a kink: {op.convention}."]
    lines.append("")
    return "\n".join((indent + line).rstrip() for line in lines)


def overloads(op: Op) -> str:
    """One for floats alone, and one for each operand that may be the first Value."""
    n = len(op.operands)
    plain = n - len(op.defaults)
    text = ""
    for first in [None, *range(n)]:
        kinds = ["float"] * n if first is None else ["float"] * first + ["Value"] + ["Value | float"] * (n - first - 1)
        shown = []
        required_after = any(k >= plain and first == k for k in range(n))
        for k, (name, kind) in enumerate(zip(op.operands, kinds, strict=True)):
            optional = k >= plain and not (required_after and first is not None and k <= first)
            shown.append(f"{name}: {kind}{' = ...' if optional else ''}")
        shown += aliases(op, "float = ..." if first is None else "Value | float = ...")
        returns = "float" if first is None else "Value"
        text += f"@overload\ndef {op.name}({', '.join(shown)}) -> {returns}: ...\n"
    return text


def function(op: Op) -> str:
    code = constant_name(op)
    names = ", ".join(op.operands)
    text = overloads(op)
    text += f"def {op.name}({parameters(op, 'Any')}) -> Any:\n"
    lines = docstring(op, "    ")
    shown = "\n".join("    " + line for line in example(op))
    text += f'    """{lines.lstrip()}\n{shown}\n    >>> y.backward()\n    """\n' + renamed(op, "    ")
    if op.arity == 1:
        text += f"    if isinstance(x, Value):\n        return x._unary({code})\n"
    elif op.arity == 2:
        x, y = op.operands
        text += f"    if isinstance({x}, Value) and isinstance({y}, Value):\n        return {x}._binary({code}, {y})\n"
    text += f"    return apply(BY_CODE[{code}], ({names}{',' if op.arity == 1 else ''}))\n"
    return text


def method(op: Op) -> str:
    code = constant_name(op)
    others = op.operands[1:]
    text = f"    def {op.name}({parameters(op, 'Self | float', method=True)}) -> Self:\n"
    text += f'        """{op.doc}\n\n        As the function :func:`tinygrad_lite.{op.name}`.\n        """\n'
    text += renamed(op, "        ")
    if op.arity == 1:
        text += f"        return self._unary({code})\n"
    elif op.arity == 2:
        text += f"        return self._binary({code}, {others[0]})\n"
    else:
        text += f"        return self._nary({code}, ({', '.join(others)}))\n"
    if op.numpy.startswith("arc"):
        call = ", ".join(others)
        text += f"\n    def {op.numpy}({parameters(op, 'Self | float', method=True)}) -> Self:\n"
        text += f'        """NumPy\'s name for ``{op.name}``, which its functions look for on arrays of Values."""\n'
        text += f"        return self.{op.name}({call})\n"
    return text


def python_method(name: str) -> str:
    """Write the method that ``math.floor`` and ``math.ceil`` ask for."""
    return f"    def __{name}__(self) -> Self:\n        return self.{name}()\n"


def functions_module() -> str:
    parts = [
        f'"""The operations as functions: on Values and floats alike, named as in ``math``.\n\n{NOTICE}\n"""\n',
        "from __future__ import annotations\n",
        "from typing import Any, Final, overload\n",
        "from mypy_extensions import i16\n",
        "from tinygrad_lite.dispatch import apply_any as apply",
        "from tinygrad_lite.operations.ops import BY_CODE, TABLE",
        "from tinygrad_lite.nary import dot, logsumexp, lookup, mean, prod, softmax, sum",
        "from tinygrad_lite.value import Value\n",
        "",
    ]
    parts += [f'{constant_name(op)}: Final[i16] = TABLE["{op.name}"].code' for op in FIXED]
    names = sorted([op.name for op in PUBLIC])
    parts.append("\n__all__ = [\n" + "".join(f'    "{name}",\n' for name in names) + "]\n")
    parts += itertools.chain.from_iterable(("\n", function(op)) for op in FIXED)
    return "\n".join(parts)


def methods_module() -> str:
    parts = [
        f'"""The operations as methods of a Value.\n\n{NOTICE}\n"""\n',
        "from __future__ import annotations\n",
        "from typing import Final, Self\n",
        "from mypy_extensions import i16, mypyc_attr\n",
        "from tinygrad_lite.node.operators import Operators",
        "from tinygrad_lite.operations.ops import TABLE\n",
    ]
    parts += [f'{constant_name(op)}: Final[i16] = TABLE["{op.name}"].code' for op in FIXED]
    parts.append("\n\n@mypyc_attr(acyclic=True)\nclass Methods(Operators):")
    parts.append('    """What :class:`tinygrad_lite.Value` inherits."""\n')
    parts.append("    __slots__ = ()\n")
    parts += [method(op) for op in FIXED]
    parts += [python_method(name) for name in ("floor", "ceil")]
    return "\n".join(parts)


def walk_case(op: Op) -> str:
    """Write the case of an operation in the loop that walks a tape; "" where it is computed by Python there."""
    count = {1: "ONE", 2: "TWO", 3: "THREE", NARY: "MANY"}[op.arity]
    forward: Any = op.forward
    if forward in OPERATORS_IN_C:
        case = f"{count}({op.code}, {OPERATORS_IN_C[forward]})"
    elif forward in SEQUENCES_IN_C:
        case = f"{count}({op.code}, {SEQUENCES_IN_C[forward]})"
    elif op.arity in (1, 2) and forward.__module__ == "math" and forward not in NOT_OF_C:
        case = f"{count}({op.code}, {forward.__name__}({'x, y'[: 3 * op.arity - 2]}))"
    elif forward.__module__ == numerics.__name__:
        case = f"{count}_CHECKED({op.code}, CPyDef_numerics___{forward.__name__})"
    else:
        return ""
    line = f"{case} /* {op.name} */"
    return f"#ifdef WALK_TOTAL\n{line}\n#endif" if forward is numerics.total else line


def walk_cases() -> str:
    lines = [f"/* What walk.c does for each operation.\n *\n * {NOTICE}\n */"]
    return "\n".join([*lines, *filter(None, map(walk_case, TABLE.values())), ""])


def generated() -> dict[Path, str]:
    """Each file and its text, formatted."""
    texts = {"functions.py": functions_module(), "node/methods.py": methods_module()}
    result = {}
    for name, text in texts.items():
        for command in (["check", "--select", "I", "--fix"], ["format"]):
            whole = [sys.executable, "-m", "ruff", *command, "--quiet", "--stdin-filename", name, "-"]
            text = subprocess.run(whole, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
        result[ROOT / "tinygrad_lite" / name] = text
    result[ROOT / "tinygrad_lite" / "tape" / "walk_cases.h"] = walk_cases()
    return result


def main() -> int:
    """Write the files; with ``--check`` only says which are not up to date, and returns 1 if any is."""
    outdated = [path for path, text in generated().items() if path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in outdated:
            print(f"{path.relative_to(ROOT)} is not what the operation table says: run make generate")
        return 1 if outdated else 0
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
