"""What the code that recorded a graph calls its nodes: ``w``, ``xs[0]``, ``model.layers[0].neurons[3].w[1]``.

A graph knows labels, but not variables. They are found in a mapping from names to objects, ``locals()`` say: among the
objects themselves, and in the lists, tuples, dicts, NumPy arrays and modules that they hold. A name is the Python
expression that gives the Value.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, product
from typing import Any, NamedTuple

from tinygrad_lite.pytree import is_array
from tinygrad_lite.pytree.registry import parts_of
from tinygrad_lite.value import Value

#: What a notebook adds to the variables of its cells.
_OF_NOTEBOOKS = frozenset({"In", "Out", "exit", "quit", "get_ipython", "open"})

#: By so many of its parameters a model is found.
_FIRST = 64


class Names(NamedTuple):
    """What was found in a mapping."""

    #: The name of each Value, by its id.
    values: dict[int, str]
    #: Each module by its name, a module before those that it holds.
    modules: dict[str, Any]
    #: The Values themselves, by id.
    nodes: dict[int, Value]


def find_names(names: Mapping[str, Any] | Any) -> Names:
    """Return the names of all Values and modules that a mapping leads to.

    A Value that is found in several places is named after a module that holds it, or else after its variable, or else
    after the list or dict that it is in; among equals after the first. Variables that begin with ``_`` are passed over.

    Args:
        names: Objects by name, such as ``locals()``; or a module alone, which is then called ``model``.

    Returns:
        The names of Values and of modules.

    Raises:
        TypeError: It is neither a mapping nor a module.

    >>> w, xs = Value(1.0), [Value(2.0), Value(3.0)]
    >>> sorted(find_names({"w": w, "xs": xs}).values.values())
    ['w', 'xs[0]', 'xs[1]']
    """
    if is_module(names):
        names = {"model": names}
    if not isinstance(names, Mapping):
        raise TypeError(
            f"names are given as a mapping such as locals() or {{'w': w}}, or as a module, not as "
            f"{type(names).__name__} {names!r:.80}"
        )
    entries = [(name, thing) for name, thing in list(names.items()) if _is_variable(name)]
    found = Names({}, {}, {})
    seen: set[int] = set()
    keep: list[Any] = []  # an id means something only as long as its object lives
    of_modules = [(name, thing) for name, thing in entries if _leads_to_module(thing)]
    for name, thing in of_modules:
        _collect(name, thing, found, seen, keep)
    for name, thing in entries:
        if isinstance(thing, Value):
            _add(found, name, thing)
    for name, thing in entries:
        _collect(name, thing, found, seen, keep)
    return found


def find_names_of_models(nodes: Iterable[Value]) -> Names:
    """Return the names of those nodes that are parameters of a model, by where they are in it.

    A model is called ``model``; where there are several, each is called after its class.

    Args:
        nodes: Of a graph.

    Returns:
        The names of Values; no modules.

    >>> from tinygrad_lite.nn.layers.layers import MLP
    >>> model = MLP(1, [1])
    >>> list(find_names_of_models(model(2.0).parents).values.values())
    ['model.layers[0].neurons[0].w[0]', 'model.layers[0].neurons[0].b']
    """
    there = {id(node): node for node in nodes if node.is_leaf and not node.is_constant}
    models = _models_with(there) if there else []
    kinds = Counter(type(model).__name__.lower() for model in models)
    numbers: Counter[str] = Counter()
    called = {}
    for model in models:
        kind = type(model).__name__.lower()
        numbers[kind] += 1
        called["model" if len(models) == 1 else f"{kind}{numbers[kind] if kinds[kind] > 1 else ''}"] = model
    found = find_names(called).values
    return Names({key: found[key] for key in there if key in found}, {}, there)


def _models_with(leaves: Mapping[int, Value]) -> list[Any]:
    """Return the modules that hold some of the leaves and are in no other such module."""
    module = sys.modules.get("tinygrad_lite.nn.base.module")
    alive = module.modules_alive() if module is not None else []
    for candidates in ([one for one in alive if not one.is_unit], alive):
        # The first parameters will do: a model of millions, which is not in the picture, is not walked through.
        holding = [one for one in candidates if _holds(one, leaves)]
        inner = {id(part) for one in holding for part in one.modules() if part is not one}
        if holding:
            return [one for one in holding if id(one) not in inner]
    return []


def _holds(module: Any, leaves: Mapping[int, Value]) -> bool:
    try:
        return any(id(parameter) in leaves for _, parameter in islice(module.named_parameters(), _FIRST))
    except Exception:  # one that is half made, or has a named_parameters of its own, must not spoil other pictures
        return False


def enclosing(path: str, modules: Mapping[str, Any]) -> str:
    """Return the name of the module that holds the one with this name; ``""`` for an outermost one.

    Args:
        path: The name of a module.
        modules: Modules by name, as :class:`Names` has them.

    >>> enclosing("model.layers[0]", {"model": ..., "model.layers[0]": ...})
    'model'
    """
    for end in range(len(path) - 1, 0, -1):
        if path[end] in ".[" and path[:end] in modules:
            return path[:end]
    return ""


def is_module(thing: object) -> bool:
    """Whether it is a part of a model: a ``Module``, or an object with a method ``parameters`` as in micrograd."""
    if isinstance(thing, (type, Mapping, Value)):
        return False
    return callable(getattr(type(thing), "parameters", None)) and not is_array(thing)


def _is_variable(name: object) -> bool:
    return isinstance(name, str) and not name.startswith("_") and name not in _OF_NOTEBOOKS


def _leads_to_module(thing: Any) -> bool:
    """Whether it is a module, or a list, tuple or dict that begins with one."""
    if isinstance(thing, tuple) and hasattr(thing, "_fields"):
        return any(is_module(part) for part in thing)
    for _ in range(4):
        if isinstance(thing, Mapping):
            thing = next(iter(thing.values()), None)
        elif isinstance(thing, (list, tuple)):
            thing = thing[0] if thing else None
    return is_module(thing)


def _collect(name: str, thing: Any, found: Names, seen: set[int], keep: list[Any]) -> None:
    """Add what ``thing`` leads to, in the order in which it is written; without recursion."""
    stack: list[Iterator[tuple[str, Any]]] = [iter([(name, thing)])]
    while stack:
        try:
            path, part = next(stack[-1])
        except StopIteration:
            stack.pop()
            continue
        if isinstance(part, Value):
            _add(found, path, part)
            continue
        below = _parts(part)
        if below is None or id(part) in seen:
            continue
        seen.add(id(part))
        keep.append(part)
        if is_module(part):
            found.modules[path] = part
        stack.append(_under(path, below))


def _add(found: Names, name: str, node: Value) -> None:
    found.values.setdefault(id(node), name)
    found.nodes.setdefault(id(node), node)


def _under(path: str, parts: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    return ((path + step, part) for step, part in parts)


def _parts(thing: Any) -> Iterator[tuple[str, Any]] | None:
    """Return what a container or a module holds, with the code that leads there; None if it is neither."""
    if isinstance(thing, (float, int, str)):
        return None
    if is_array(thing):
        if thing.dtype != object:
            return None
        indices = product(*map(range, thing.shape))
        return ((f"[{', '.join(map(str, index))}]" if index else "[()]", thing[index]) for index in indices)
    parts = parts_of(thing)
    if is_module(thing) and not (parts and isinstance(thing, (list, tuple))):
        return _attributes(thing)
    return None if parts is None else zip(map(str, parts.keys), list(parts.items), strict=True)


def _attributes(thing: Any) -> Iterator[tuple[str, Any]] | None:
    module = sys.modules.get("tinygrad_lite.nn.base.module")
    parts = module.parts_of(thing) if module is not None else None
    if parts is None:  # another class with parameters()
        parts = iter(list(getattr(thing, "__dict__", {}).items()))
    return ((_step(thing, name), part) for name, part in parts)


def _step(thing: Any, name: str) -> str:
    if name.isidentifier() and hasattr(thing, name):
        return f".{name}"
    return f"[{name}]" if name.isdecimal() else f"[{name!r}]"  # a part of a Sequential
