"""Nested containers, their leaves in one row, and back: the names and the rules of JAX and optree.

Lists, tuples, named tuples, dicts of any class, objects of dataclasses and None are containers; so are objects of
classes that are registered here, everywhere: in :func:`~tinygrad_lite.grad` and its kin, ``lift``, ``nn`` and
``testing``. All else is a leaf: a number, a Value, an array, a Module.

The leaves of a dict come in the order of its sorted keys, as in JAX and optree, so that dicts that were filled in
another order agree; what is made in its structure has its own order again, as in optree. Keys that do not compare are
sorted by the names of their types first, as in optree. An ``OrderedDict`` has the order that it has.

>>> leaves, treedef = tree_flatten({"w": [1.0, 2.0], "b": (3.0, None)})
>>> leaves, treedef
([3.0, 1.0, 2.0], PyTreeDef({'b': (*, None), 'w': [*, *]}))
>>> tree_unflatten(treedef, [10, 20, 30])
{'w': [20, 30], 'b': (10, None)}
"""

from tinygrad_lite.pytree.array_kinds import foreign, is_array
from tinygrad_lite.pytree.keys import DictKey, FlattenedIndexKey, GetAttrKey, SequenceKey, keystr
from tinygrad_lite.pytree.registry import (
    register_dataclass,
    register_pytree_node,
    register_pytree_node_class,
    register_pytree_with_keys,
)
from tinygrad_lite.pytree.treedef import (
    PyTreeDef,
    tree_flatten,
    tree_flatten_with_path,
    tree_leaves,
    tree_map,
    tree_map_with_path,
    tree_structure,
    tree_unflatten,
)

__all__ = [
    "DictKey",
    "FlattenedIndexKey",
    "GetAttrKey",
    "PyTreeDef",
    "SequenceKey",
    "foreign",
    "is_array",
    "keystr",
    "register_dataclass",
    "register_pytree_node",
    "register_pytree_node_class",
    "register_pytree_with_keys",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_leaves",
    "tree_map",
    "tree_map_with_path",
    "tree_structure",
    "tree_unflatten",
]
