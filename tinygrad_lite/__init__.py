"""tinygrad_lite: a scalar reverse-mode autograd engine.

Write mathematics one scalar at a time. See every gradient. Trust every derivative.

>>> from tinygrad_lite import Value, tanh
>>> a, b = Value(0.5, label="a"), Value(-2.0, label="b")
>>> y = tanh(a * b + 1)
>>> y.backward()
>>> y.data, a.grad, b.grad
(0.0, -2.0, 0.5)

The submodules ``lift``, ``nn``, ``testing`` and ``viz`` are loaded when they are first used.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tinygrad_lite import display as _display
from tinygrad_lite import errors, functions
from tinygrad_lite import serialization as _serialization  # noqa: F401 (it completes Value)
from tinygrad_lite.dispatch import define
from tinygrad_lite.errors import AnomalyError, GraphError, StaleGraphError, TraceError
from tinygrad_lite.files.compiled_sources import show_in_tracebacks as _show_in_tracebacks
from tinygrad_lite.foreign import attributes as _attributes  # noqa: F401 (as serialization does)
from tinygrad_lite.functions import *  # noqa: F403 (the functions of the operation table, which lists them)
from tinygrad_lite.jacobians.sparse_values import SparseValues
from tinygrad_lite.modes import autocast, detect_anomaly, is_recording, no_grad
from tinygrad_lite.operations import ops
from tinygrad_lite.pytree import (
    DictKey,
    FlattenedIndexKey,
    GetAttrKey,
    PyTreeDef,
    SequenceKey,
    keystr,
    register_dataclass,
    register_pytree_node,
    register_pytree_node_class,
    register_pytree_with_keys,
    tree_flatten,
    tree_flatten_with_path,
    tree_leaves,
    tree_map,
    tree_map_with_path,
    tree_structure,
    tree_unflatten,
)
from tinygrad_lite.transforms import grad, gradient, hessian, hvp, jacobian, jvp, value_and_grad
from tinygrad_lite.value import Value, topological_order

if TYPE_CHECKING:  # no type checker knows a package that can be called; tinygrad_lite.lift.lift has its types
    lift: Any

__version__ = "0.1.0"

__all__ = [
    "AnomalyError",
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "GraphError",
    "PyTreeDef",
    "SequenceKey",
    "SparseValues",
    "StaleGraphError",
    "TraceError",
    "Value",
    "__version__",
    "autocast",
    "define",
    "detect_anomaly",
    "errors",
    "grad",
    "gradient",
    "hessian",
    "hvp",
    "is_recording",
    "jacobian",
    "jvp",
    "keystr",
    "no_grad",
    "ops",
    "register_dataclass",
    "register_pytree_node",
    "register_pytree_node_class",
    "register_pytree_with_keys",
    "topological_order",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_leaves",
    "tree_map",
    "tree_map_with_path",
    "tree_structure",
    "tree_unflatten",
    "value_and_grad",
    *functions.__all__,
]
# `from tinygrad_lite import *` leaves Python's own, which work on Values as they are and on all else as ever.
__all__.remove("abs")
__all__.remove("pow")
__all__.remove("sum")

_SUBMODULES = ("lessons", "lift", "nn", "testing", "viz")
#: Names of PyTorch and JAX, and what does here what people look for when they write them.
_ELSEWHERE = {
    "Tensor": "Value, a number; arrays of them are NumPy's",
    "jacfwd": 'jacobian(f, mode="forward")',
    "jacrev": 'jacobian(f, mode="reverse")',
    "jit": "lift",
    "tensor": "Value, a number; arrays of them are NumPy's",
    "tree": "tree_map, tree_leaves, tree_flatten",
    "tree_util": "tree_map, tree_leaves, tree_flatten",
    "vmap": "lift(f, batch=...)",
}

# hypothesis, where it was imported first, could not register Value yet. (The plugin is loaded if it is installed.)
getattr(sys.modules.get("_tinygrad_lite_plugin"), "register_strategies", lambda: None)()


_show_in_tracebacks(sys.modules.copy(), __name__)


def _import(name: str) -> Any:
    return import_module(f"tinygrad_lite.{name}")


# viz draws, and is imported when the first is shown.
_display.register(lambda *asked: _import("viz").mimebundle(*asked))


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return _import(name)
    hint = f": look at {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
    raise AttributeError(f"module 'tinygrad_lite' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_SUBMODULES])
