"""Functions in a small part of Python → text in LLVM's language: what loops are compiled by.

The part is what :mod:`tinygrad_lite.lift.loops` writes: assignments, ``for`` over ``range``, ``if``, ``return``,
calls, and arithmetic on ints of 64 bits, floats and truths, whose kinds follow from those of the parameters. Everything
else is refused. It means what Python means by it, with five exceptions: ints have 64 bits and are divided by what is
above 0 only, floats divide by 0, a choice may compute both of its sides, a parameter that is an int is not below 0, and
memory is read without a look whether the place is in it.

Besides operators there are the functions of ``math``, ``abs``, ``int``, ``float``, ``min`` and ``max`` of two ints,
and:

- ``pointer(array, place)``: the memory of an array, or of a pointer, from a place on; ``array.size``;
- ``constant(memory, place)``: a number in memory that is never written to while the function runs: LLVM
  takes such a read out of loops, whatever these write;
- ``bits(x)``, ``number(i)``: a float's bits as an int, and back.

Why a lowering of our own: all kinds are known here, and finding them out is what took a general compiler most of its
time. Variables are places on the stack, which LLVM's optimiser makes registers of. Costs: linear in the text.
"""

from __future__ import annotations

import ast
import itertools
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tinygrad_lite.errors import LiftError

#: The kinds of what a function computes with.
FLOAT, INT, TRUTH, FLOATS, INTS, FLOAT_ARRAY, INT_ARRAY = range(7)
NOTHING = 7
#: What LLVM calls them.
_TYPES: Final = ("double", "i64", "i1", "ptr", "ptr", "ptr", "ptr", "void")
#: What is known of parameters: memory is read and written by no other name, and ints are not below 0.
_PROMISES: Final = {FLOATS: "noalias ", INTS: "noalias ", INT: f"range(i64 0, {2**62}) "}
_ELEMENTS: Final = {FLOATS: FLOAT, INTS: INT}
_MEMORY: Final = {FLOAT_ARRAY: FLOATS, INT_ARRAY: INTS, FLOATS: FLOATS, INTS: INTS}

_FLOAT_OPERATORS: Final = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}
_INT_OPERATORS: Final = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.LShift: "shl", ast.RShift: "ashr", ast.BitAnd: "and",
    ast.BitOr: "or",
}  # fmt: skip
_COMPARISONS: Final = {
    ast.Lt: ("olt", "slt"), ast.LtE: ("ole", "sle"), ast.Gt: ("ogt", "sgt"), ast.GtE: ("oge", "sge"),
    ast.Eq: ("oeq", "eq"), ast.NotEq: ("une", "ne"),
}  # fmt: skip
#: Functions of ``math`` that LLVM knows; others are the C library's of that name.
_INTRINSICS: Final = {name: f"llvm.{name}.f64" for name in ("sqrt", "sin", "cos", "exp", "log", "log10", "copysign")}
_INTRINSICS["fabs"] = "llvm.fabs.f64"
_PURE: Final = "nounwind willreturn memory(none)"
#: Whole powers up to here are products.
_MOST_FACTORS = 0x10000


class Signature(NamedTuple):
    """The kinds of a function's parameters, and of its result."""

    parameters: tuple[int, ...]
    result: int


class Operand(NamedTuple):
    """What an expression is: its kind, and its name or number in LLVM's language."""

    kind: int
    text: str


class Dialect(NamedTuple):
    """How a function is to be computed.

    Attributes:
        licences: LLVM's licences for arithmetic on floats, such as ``contract``.
        attributes: The function's, such as ``noinline``.
        wraps: Whether ints may become larger than 64 bits hold, and keep the last 64.
        independent: Names of variables: what the steps of a loop over one of them write, no other step reads or writes.
            LLVM makes vectors of such a loop without a look at run time whether it may.
    """

    licences: Sequence[str] = ()
    attributes: str = ""
    wraps: bool = False
    independent: Sequence[str] = ()


def write_float(number: float) -> str:
    """Write a float as LLVM does, by its bits.

    >>> write_float(1.0)
    '0x3FF0000000000000'
    """
    return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"


class Module:
    """Functions in LLVM's language, with what they call.

    Args:
        library: Functions that the text may call, by name: those that are called are made part of the module.
        constants: Numbers that their text names.
    """

    def __init__(self, library: Mapping[str, ast.FunctionDef], constants: Mapping[str, float]) -> None:
        self._library = library
        self._constants = constants
        self._signatures: dict[str, Signature] = {}
        self._declared: dict[str, str] = {}
        self._texts: list[str] = []
        self._notes: list[str] = ["!{}"]

    def add(self, tree: ast.FunctionDef, kinds: Mapping[str, int], result: int, dialect: Dialect) -> None:
        """Add a function.

        Args:
            tree: Its text.
            kinds: Those of its parameters, by name.
            result: The kind of what it returns.
            dialect: How it is computed.

        Raises:
            LiftError: The text has something else than the module's docstring says.

        >>> module = Module({}, {})
        >>> (tree,) = ast.parse("def double(x): return 2.0 * x").body
        >>> module.add(tree, {"x": FLOAT}, FLOAT, Dialect())
        >>> " = fmul double 0x4000000000000000, %x" in module.text()
        True
        """
        names = [argument.arg for argument in tree.args.args]
        self._signatures[tree.name] = Signature(tuple([kinds[name] for name in names]), result)
        self._texts.append(_Function(self, tree, kinds, result, dialect).write())

    def text(self) -> str:
        """Return everything that was added, with the declarations of what is called besides."""
        notes = [f"!{number} = {note}" for number, note in enumerate(self._notes)]
        return "\n".join([*self._declared.values(), *self._texts, *notes, ""])

    def find_constant(self, name: str) -> float | None:
        """Return the number of that name, or None."""
        return self._constants.get(name)

    def find_function(self, name: str) -> Signature | None:
        """Return the kinds of a function, which is added if it is the library's; None if there is none."""
        if name not in self._signatures and name in self._library:
            tree = self._library[name]
            kinds = {argument.arg: FLOAT for argument in tree.args.args}
            self.add(tree, kinds, FLOAT, Dialect(("contract",), "alwaysinline", wraps=True))
        return self._signatures.get(name)

    def note(self, text: str) -> str:
        """Return the name of a note to LLVM; ``{own}`` in its text is that name."""
        name = f"!{len(self._notes)}"
        self._notes.append(text.format(own=name))
        return name

    def declare(self, name: str, arity: int) -> None:
        """Declare a function of floats without effects."""
        self._declared[name] = f"declare double @{name}({', '.join(['double'] * arity)}) {_PURE}"


class _Function(ast.NodeVisitor):
    """Writes one function; ``visit`` of a statement writes it, of an expression it gives the operand."""

    def __init__(
        self, module: Module, tree: ast.FunctionDef, kinds: Mapping[str, int], result: int, dialect: Dialect
    ) -> None:
        self.module = module
        self.tree = tree
        self.dialect = dialect
        self.result = result
        self._lines: list[str] = []
        self._fresh = itertools.count()
        self._known = {argument.arg: kinds[argument.arg] for argument in tree.args.args}
        #: The kind of each variable that is assigned to, known from its first assignment on.
        self._variables: dict[str, int] = {}
        self._flags = "".join([f"{licence} " for licence in dialect.licences])
        self._exact = "" if dialect.wraps else "nsw "
        self._ended = False
        self._accesses = ""  # the note of what reads and writes in the independent loop that is open

    def write(self) -> str:
        parameters = ", ".join([
            f"{_TYPES[kind]} {_PROMISES.get(kind, '')}%{name}" for name, kind in self._known.items()
        ])  # fmt: skip
        for statement in self.tree.body:
            self.visit(statement)
        if not self._ended:
            self._add("ret void" if self.result == NOTHING else "unreachable")
        places = [f"  %{name}.place = alloca {_TYPES[kind]}" for name, kind in self._variables.items()]
        head = f"define internal {_TYPES[self.result]} @{self.tree.name}({parameters})"
        return "\n".join([f"{head} nounwind {self.dialect.attributes} {{", "entry:", *places, *self._lines, "}"])

    # ------------------------------------------------------------------------------------------------- writing

    def _add(self, line: str) -> None:
        self._lines.append(f"  {line}")

    def _name(self, line: str) -> str:
        """Write a line that gives a value, and name this."""
        name = f"%.{next(self._fresh)}"
        self._lines.append(f"  {name} = {line}")
        return name

    def _make(self, kind: int, line: str) -> Operand:
        return Operand(kind, self._name(line))

    def _begin(self, label: str) -> None:
        self._lines.append(f"{label}:")
        self._ended = False

    def _go(self, label: str) -> None:
        """Go to a label, unless the function has returned."""
        if not self._ended:
            self._add(f"br label %{label}")

    def _labels(self, *names: str) -> list[str]:
        number = next(self._fresh)
        return [f"{name}.{number}" for name in names]

    def _refuse(self, node: ast.AST, why: str) -> LiftError:
        return LiftError(f"no machine code for {ast.unparse(node)!r}: {why}")

    # ------------------------------------------------------------------------------------------------- statements

    def visit_Assign(self, node: ast.Assign) -> None:
        (target,) = node.targets
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            values = [self.visit(value) for value in node.value.elts]  # all of them before any is stored
            for each, value in zip(target.elts, values, strict=True):
                self._store(each, value)
        else:
            self._store(target, self.visit(node.value))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._store(node.target, self._combine(node, type(node.op), self.visit(node.target), self.visit(node.value)))

    def _store(self, target: ast.expr, value: Operand) -> None:
        if isinstance(target, ast.Subscript):
            memory = self.visit(target.value)
            place = self._locate(memory, target.slice)
            value = self._convert(target, value, _ELEMENTS[memory.kind])
            self._add(f"store {_TYPES[value.kind]} {value.text}, ptr {place}, align 8{self._accesses}")
            return
        if not isinstance(target, ast.Name) or target.id in self._known:
            raise self._refuse(target, "only variables and memory are assigned to")
        value = self._convert(target, value, self._variables.setdefault(target.id, value.kind))
        self._add(f"store {_TYPES[value.kind]} {value.text}, ptr %{target.id}.place")

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.visit(node.value)

    def visit_Return(self, node: ast.Return) -> None:
        assert node.value is not None
        value = self._convert(node, self.visit(node.value), self.result)
        self._add(f"ret {_TYPES[value.kind]} {value.text}")
        self._ended = True

    def visit_If(self, node: ast.If) -> None:
        then, other, end = self._labels("then", "else", "end")
        self._add(f"br i1 {self._decide(node.test)}, label %{then}, label %{other}")
        for label, body in ((then, node.body), (other, node.orelse)):
            self._begin(label)
            for statement in body:
                self.visit(statement)
            self._go(end)
        self._begin(end)

    def visit_For(self, node: ast.For) -> None:
        call = node.iter
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "range"):
            raise self._refuse(node, "a loop is one over a range")
        bounds = [self._convert(node, self.visit(bound), INT).text for bound in call.args]
        first, last, step = [*(["0"] if len(bounds) == 1 else []), *bounds, *(["1"] if len(bounds) < 3 else [])]
        self._store(node.target, Operand(INT, first))
        test, body, end = self._labels("test", "body", "end")
        self._go(test)
        self._begin(test)
        count = self.visit(ast.Name(node.target.id, ast.Load()))  # type: ignore[attr-defined]  # as it is stored
        self._add(f"br i1 {self._name(f'icmp slt i64 {count.text}, {last}')}, label %{body}, label %{end}")
        self._begin(body)
        outer, law = self._accesses, ""
        if self._is_independent(node):
            accesses = self.module.note("distinct !{{}}")
            self._accesses = f", !llvm.access.group {accesses}"
            law = self.module.note(f'!{{{{!"llvm.loop.parallel_accesses", {accesses}}}}}')
        elif any(map(self._is_independent, ast.walk(node))):  # copies of those would be vectorised one by one
            law = self.module.note('!{{!"llvm.loop.unroll.disable"}}')
        for statement in node.body:
            self.visit(statement)
        self._accesses = outer
        self._store(node.target, self._make(INT, f"add nsw i64 {count.text}, {step}"))
        note = f", !llvm.loop {self.module.note(f'distinct !{{{{{{own}}, {law}}}}}')}" if law else ""
        self._add(f"br label %{test}{note}")
        self._begin(end)

    def _is_independent(self, node: ast.AST) -> bool:
        return isinstance(node, ast.For) and ast.unparse(node.target) in self.dialect.independent

    def generic_visit(self, node: ast.AST) -> Any:
        raise self._refuse(node, f"{type(node).__name__} is not lowered")

    # ------------------------------------------------------------------------------------------------- expressions

    def visit_Constant(self, node: ast.Constant) -> Operand:
        return self._write_number(node, node.value)

    def _write_number(self, node: ast.expr, number: Any) -> Operand:
        if isinstance(number, float):
            return Operand(FLOAT, write_float(number))
        if isinstance(number, int) and not isinstance(number, bool):
            return Operand(INT, str(number))
        raise self._refuse(node, "constants are numbers")

    def visit_Name(self, node: ast.Name) -> Operand:
        if node.id in self._variables:
            kind = self._variables[node.id]
            return self._make(kind, f"load {_TYPES[kind]}, ptr %{node.id}.place")
        if node.id in self._known:
            return Operand(self._known[node.id], f"%{node.id}")
        number = self.module.find_constant(node.id)
        if number is None:
            raise self._refuse(node, "there is no variable of this name")
        return self._write_number(node, number)

    def visit_Attribute(self, node: ast.Attribute) -> Operand:
        if isinstance(node.value, ast.Name) and node.value.id == "math":
            return self._write_number(node, getattr(math, node.attr))
        array = self.visit(node.value)
        if node.attr != "size" or array.kind not in (FLOAT_ARRAY, INT_ARRAY):
            raise self._refuse(node, "the only attribute is the size of an array")
        return self._make(INT, f"call i64 @array.size(ptr {array.text})")

    def visit_Subscript(self, node: ast.Subscript) -> Operand:
        memory = self.visit(node.value)
        return self._load(memory, self._locate(memory, node.slice), "")

    def _locate(self, memory: Operand, place: ast.expr) -> str:
        if memory.kind not in _ELEMENTS:
            raise self._refuse(place, "only memory has places")
        element = _TYPES[_ELEMENTS[memory.kind]]
        at = self._convert(place, self.visit(place), INT)
        return self._name(f"getelementptr inbounds {element}, ptr {memory.text}, i64 {at.text}")

    def _load(self, memory: Operand, place: str, more: str) -> Operand:
        kind = _ELEMENTS[memory.kind]
        return self._make(kind, f"load {_TYPES[kind]}, ptr {place}, align 8{self._accesses}{more}")

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Operand:
        if isinstance(node.op, ast.Not):
            return self._make(TRUTH, f"xor i1 {self._decide(node.operand)}, true")
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            self.visit(node.operand)  # refuses what is no number
            return self._write_number(node, -node.operand.value)  # type: ignore[operator]
        value = self.visit(node.operand)
        if not isinstance(node.op, ast.USub) or value.kind not in (FLOAT, INT):
            return self.generic_visit(node)  # type: ignore[no-any-return]  # raises
        if value.kind == FLOAT:
            return self._make(FLOAT, f"fneg {self._flags}double {value.text}")
        return self._make(INT, f"sub {self._exact}i64 0, {value.text}")

    def visit_BinOp(self, node: ast.BinOp) -> Operand:
        if isinstance(node.op, ast.Pow):
            return self._raise_to_power(node)
        return self._combine(node, type(node.op), self.visit(node.left), self.visit(node.right))

    def _combine(self, node: ast.AST, operator: type[ast.operator], left: Operand, right: Operand) -> Operand:
        if left.kind == right.kind == INT and operator in _INT_OPERATORS:
            name = _INT_OPERATORS[operator]
            exact = self._exact if name in ("add", "sub", "mul") else ""
            return self._make(INT, f"{name} {exact}i64 {left.text}, {right.text}")
        if left.kind == right.kind == INT and operator in (ast.FloorDiv, ast.Mod):
            return self._divide_whole(operator, left, right)
        left, right = self._convert(node, left, FLOAT), self._convert(node, right, FLOAT)
        if operator in (ast.FloorDiv, ast.Mod):
            return self._call("floor_divide" if operator is ast.FloorDiv else "remainder", [left, right])
        if operator not in _FLOAT_OPERATORS:
            raise self._refuse(node, "there is no such operator for these numbers")
        return self._make(FLOAT, f"{_FLOAT_OPERATORS[operator]} {self._flags}double {left.text}, {right.text}")

    def _divide_whole(self, operator: type[ast.operator], left: Operand, right: Operand) -> Operand:
        """Divide an int by one above 0, down: C's division goes towards 0."""
        rest = self._name(f"srem i64 {left.text}, {right.text}")
        below = self._name(f"icmp slt i64 {rest}, 0")
        if operator is ast.Mod:
            up = self._name(f"add i64 {rest}, {right.text}")
            return self._make(INT, f"select i1 {below}, i64 {up}, i64 {rest}")
        quotient = self._name(f"sdiv i64 {left.text}, {right.text}")
        return self._make(INT, f"add i64 {quotient}, {self._name(f'sext i1 {below} to i64')}")

    def _raise_to_power(self, node: ast.BinOp) -> Operand:
        """Raise a float to a power: a product of squares where it is a whole number that the text has."""
        base, exponent = self._convert(node, self.visit(node.left), FLOAT), _find_whole(node.right)
        if exponent is None or abs(exponent) > _MOST_FACTORS:
            power = self._convert(node, self.visit(node.right), FLOAT)
            return self._call_math("llvm.pow.f64", [base, power])
        square, result, rest = base, Operand(FLOAT, write_float(1.0)), abs(exponent)
        while rest:
            if rest & 1:
                result = self._combine(node, ast.Mult, result, square)
            rest >>= 1
            square = self._combine(node, ast.Mult, square, square) if rest else square
        one = Operand(FLOAT, write_float(1.0))
        return self._combine(node, ast.Div, one, result) if exponent < 0 else result

    def visit_Compare(self, node: ast.Compare) -> Operand:
        left, found = self.visit(node.left), ""
        for operator, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.visit(comparator)
            if type(operator) not in _COMPARISONS:
                return self.generic_visit(node)  # type: ignore[no-any-return]  # raises
            ordered, whole = _COMPARISONS[type(operator)]
            if left.kind == right.kind and left.kind in (INT, TRUTH):
                text = self._name(f"icmp {whole} {_TYPES[left.kind]} {left.text}, {right.text}")
            else:
                floats = [self._convert(node, side, FLOAT).text for side in (left, right)]
                text = self._name(f"fcmp {self._flags}{ordered} double {floats[0]}, {floats[1]}")
            found = self._name(f"and i1 {found}, {text}") if found else text
            left = right
        return Operand(TRUTH, found)

    def visit_BoolOp(self, node: ast.BoolOp) -> Operand:
        name = "or" if isinstance(node.op, ast.Or) else "and"
        found, *others = [self._decide(value) for value in node.values]
        for other in others:
            found = self._name(f"{name} i1 {found}, {other}")
        return Operand(TRUTH, found)

    def visit_IfExp(self, node: ast.IfExp) -> Operand:
        """Choose: both sides are computed where this is cheap, so that LLVM can make vectors of it."""
        if any(map(_costs, (node.body, node.orelse))):
            return self._branch(node)
        condition = self._decide(node.test)
        left, right = self._unify(node, self.visit(node.body), self.visit(node.orelse))
        kind = _TYPES[left.kind]
        return self._make(left.kind, f"select i1 {condition}, {kind} {left.text}, {kind} {right.text}")

    def _branch(self, node: ast.IfExp) -> Operand:
        """Compute only the side that is chosen."""
        name = f".choice{next(self._fresh)}"
        sides: list[list[ast.stmt]] = [
            [ast.Assign([ast.Name(name, ast.Store())], side)] for side in (node.body, node.orelse)
        ]
        choose = ast.If(node.test, *sides)
        self.visit(choose)
        return self.visit(ast.Name(name, ast.Load()))  # type: ignore[no-any-return]  # an Operand

    def visit_Call(self, node: ast.Call) -> Operand:
        if isinstance(node.func, ast.Attribute):
            return self._call_math(node.func.attr, [self._convert(node, self.visit(x), FLOAT) for x in node.args])
        if not isinstance(node.func, ast.Name):
            return self.generic_visit(node)  # type: ignore[no-any-return]  # raises
        special: Callable[[ast.Call], Operand] | None = getattr(self, f"_call_{node.func.id}", None)
        if special is not None and node.func.id in _SPECIAL:
            return special(node)
        return self._call(node.func.id, [self.visit(argument) for argument in node.args], node)

    def _call(self, name: str, arguments: Sequence[Operand], node: ast.AST | None = None) -> Operand:
        signature = self.module.find_function(name)
        if signature is None or len(signature.parameters) != len(arguments):
            raise self._refuse(node or ast.Name(name), "there is no such function")
        pairs = zip(arguments, signature.parameters, strict=True)
        given = [self._convert(node or self.tree, argument, kind) for argument, kind in pairs]
        texts = ", ".join([f"{_TYPES[argument.kind]} {argument.text}" for argument in given])
        if signature.result == NOTHING:
            self._add(f"call void @{name}({texts})")
            return Operand(NOTHING, "")
        flags = self._flags if signature.result == FLOAT else ""
        return self._make(signature.result, f"call {flags}{_TYPES[signature.result]} @{name}({texts})")

    def _call_math(self, name: str, arguments: Sequence[Operand]) -> Operand:
        texts = [f"double {argument.text}" for argument in arguments]
        if name == "fmod":
            return self._make(FLOAT, f"frem {self._flags}double {arguments[0].text}, {arguments[1].text}")
        name = _INTRINSICS.get(name, name)
        self.module.declare(name, len(arguments))
        return self._make(FLOAT, f"call {self._flags}double @{name}({', '.join(texts)})")

    def _call_abs(self, node: ast.Call) -> Operand:
        return self._call_math("fabs", [self._convert(node, self.visit(node.args[0]), FLOAT)])

    def _call_int(self, node: ast.Call) -> Operand:
        """Make a float an int; of what is no number any int, but the same wherever it is read."""
        value = self._convert(node, self.visit(node.args[0]), FLOAT)
        return self._make(INT, f"freeze i64 {self._name(f'fptosi double {value.text} to i64')}")

    def _call_float(self, node: ast.Call) -> Operand:
        return self._convert(node, self.visit(node.args[0]), FLOAT)

    def _call_max(self, node: ast.Call) -> Operand:
        return self._choose_int(node, "sgt")

    def _call_min(self, node: ast.Call) -> Operand:
        return self._choose_int(node, "slt")

    def _choose_int(self, node: ast.Call, comparison: str) -> Operand:
        left, right = [self._convert(node, self.visit(argument), INT).text for argument in node.args]
        chosen = self._name(f"icmp {comparison} i64 {left}, {right}")
        return self._make(INT, f"select i1 {chosen}, i64 {left}, i64 {right}")

    def _call_pointer(self, node: ast.Call) -> Operand:
        array = self.visit(node.args[0])
        if array.kind not in _MEMORY:
            raise self._refuse(node, "only arrays have memory")
        memory = Operand(_MEMORY[array.kind], array.text)
        if array.kind not in _ELEMENTS:
            memory = self._make(memory.kind, f"call ptr @array.data(ptr {array.text})")
        return Operand(memory.kind, self._locate(memory, node.args[1]))

    def _call_constant(self, node: ast.Call) -> Operand:
        memory = self.visit(node.args[0])
        return self._load(memory, self._locate(memory, node.args[1]), ", !invariant.load !0")

    def _call_bits(self, node: ast.Call) -> Operand:
        value = self._convert(node, self.visit(node.args[0]), FLOAT)
        return self._make(INT, f"bitcast double {value.text} to i64")

    def _call_number(self, node: ast.Call) -> Operand:
        value = self._convert(node, self.visit(node.args[0]), INT)
        return self._make(FLOAT, f"bitcast i64 {value.text} to double")

    # ------------------------------------------------------------------------------------------------- kinds

    def _decide(self, node: ast.expr) -> str:
        """Write whether an expression holds."""
        value: Operand = self.visit(node)
        if value.kind == TRUTH:
            return value.text
        if value.kind == INT:
            return self._name(f"icmp ne i64 {value.text}, 0")
        raise self._refuse(node, "a condition is a comparison or an int")

    def _convert(self, node: ast.AST, value: Operand, kind: int) -> Operand:
        """Make a value one of that kind."""
        if value.kind == kind:
            return value
        if kind == FLOAT and value.kind == INT:
            if value.text.lstrip("-").isdigit():
                return Operand(FLOAT, write_float(float(value.text)))
            return self._make(FLOAT, f"sitofp i64 {value.text} to double")
        raise self._refuse(node, "it is of another kind than what it is used as")

    def _unify(self, node: ast.AST, left: Operand, right: Operand) -> tuple[Operand, Operand]:
        if left.kind == right.kind:
            return left, right
        return self._convert(node, left, FLOAT), self._convert(node, right, FLOAT)


#: The calls that are written here.
_SPECIAL: Final = frozenset(
    name.removeprefix("_call_") for name in vars(_Function) if name.startswith("_call_") and name != "_call_math"
)


def _find_whole(node: ast.expr) -> int | None:
    """Return the whole number that a text is, or None."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        found = _find_whole(node.operand)
        return None if found is None else -found
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, int) else None


def _costs(node: ast.expr) -> bool:
    """Whether a side of a choice must not be computed, or had better not, unless it is chosen."""
    for part in ast.walk(node):
        if isinstance(part, (ast.Subscript, ast.FloorDiv, ast.Mod)):
            return True
        if isinstance(part, ast.Call) and (isinstance(part.func, ast.Attribute) or part.func.id == "constant"):  # type: ignore[attr-defined]  # a Name
            return True
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Pow) and _find_whole(part.right) is None:
            return True
    return False
