"""bfloat16 with float32 accumulation: a program's source, rewritten to round what contractions read, not what they add.

- Factors of a contraction are rounded to bfloat16; products are added up in float32.
- An array with samples that a contraction was computed into is kept in bfloat16: it is the memory that such a program
  moves. What follows from it element by element is computed and kept as JAX promotes it.
- Sums and means are float32, and so are all results: the loss, and gradients, which are sums over the samples.
- Arguments and constants are float32 but in contractions, so that whole numbers, such as places in a table, stay
  exact. Arguments that are bfloat16 already stay so.

It is not the text that is searched, but its syntax tree: ``a @ b`` becomes ``matmul(a, b)``, ``x.sum(1)`` becomes
``total(x, 1)``. Costs one pass over that tree. It does not scale the loss: bfloat16 has float32's range of exponents.

References: Micikevicius et al. 2018, "Mixed precision training"; Kalamkar et al. 2019, "A study of BFLOAT16 for deep
learning training".
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from tinygrad_lite.lift.engines.jax_library import import_jax
from tinygrad_lite.lift.ir.groups import Groups

_CONTRACTIONS: Final = ("matmul", "einsum")
_METHODS: Final = {"sum": "total", "mean": "average"}


def find_narrow(program: Groups) -> set[str]:
    """Find the names of arrays with samples, of more than one number each, that may be kept in bfloat16."""
    return {group.name for group in program.groups if group.batched and group.size > 1}


def rewrite_source(text: str, narrow: Collection[str]) -> ast.Module:
    """Rewrite the source's syntax tree with contractions and sums as calls.

    Args:
        text: What :func:`tinygrad_lite.lift.source.emit.emit` made.
        narrow: The arrays that are kept in bfloat16, where a contraction is computed into them.
    """
    tree = _Calls().visit(ast.parse(text))
    last = {name: statement for statement in ast.walk(tree) for name in _find_assigned(statement)}
    for name in narrow:
        statement = last.get(name)
        if isinstance(statement, ast.Assign) and _has_contraction(statement.value):
            statement.value = _make_call("narrow", [statement.value])
    fixed: ast.Module = ast.fix_missing_locations(tree)
    return fixed


class _Calls(ast.NodeTransformer):
    """Matrix products and sums as calls of functions."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Turn ``a @ b`` into ``matmul(a, b)``."""
        self.generic_visit(node)
        return _make_call("matmul", [node.left, node.right]) if isinstance(node.op, ast.MatMult) else node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Turn ``x.sum(1)`` into ``total(x, 1)``."""
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
            return _make_call(_METHODS[node.func.attr], [node.func.value, *node.args])
        return node


def _make_call(name: str, arguments: list[ast.expr]) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), arguments, [])


def _find_assigned(statement: ast.AST) -> list[str]:
    if not isinstance(statement, ast.Assign):
        return []
    return [target.id for target in statement.targets if isinstance(target, ast.Name)]


def _has_contraction(value: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CONTRACTIONS
        for node in ast.walk(value)
    )


def make_functions() -> Mapping[str, Callable[..., Any]]:
    """Make the functions that these calls mean."""
    jnp, lax = import_jax().numpy, import_jax().lax

    def widen(x: Any) -> Any:
        return x.astype(jnp.float32)

    def narrow(x: Any) -> Any:
        return x.astype(jnp.bfloat16)

    def round_narrow(x: Any) -> Any:
        return lax.reduce_precision(widen(x), exponent_bits=8, mantissa_bits=7)

    def contract(product: Callable[..., Any], a: Any, b: Any) -> Any:
        """Multiply in float32 where XLA multiplies no stacks of bfloat16 matrices, on a CPU: the same numbers."""
        return lax.platform_dependent(
            a,
            b,
            cpu=lambda a, b: product(round_narrow(a), round_narrow(b)),
            default=lambda a, b: product(narrow(a), narrow(b), preferred_element_type=jnp.float32),
        )

    def matmul(a: Any, b: Any) -> Any:
        return contract(jnp.matmul, a, b)

    def einsum(subscripts: str, a: Any, b: Any) -> Any:
        return contract(functools.partial(jnp.einsum, subscripts), a, b)

    def total(x: Any, axis: Any = None) -> Any:
        return jnp.sum(widen(x), axis)

    def average(x: Any, axis: Any = None) -> Any:
        return jnp.mean(widen(x), axis)

    made = (matmul, einsum, narrow, total, average)
    return {**{function.__name__: function for function in made}, "mean": average}
