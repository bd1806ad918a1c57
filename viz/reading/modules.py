"""The modules of a model as a tree of paths, with what is known about each: its parameters, and what it applies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import CodeType
from typing import Any, Final

from tinygrad_lite.value import Value
from tinygrad_lite.viz.reading.names import enclosing

#: How far calls are followed from ``forward`` in the search for names of operations.
_CALLS: Final = 3


class ModuleTree:
    """Modules by their paths.

    Args:
        modules: As :func:`tinygrad_lite.viz.reading.names.find_names` finds them, each before those that it holds.

    Attributes:
        modules: The same.
        above: For each path that of the enclosing module; ``""`` for an outermost one.
        parameters: The path of the innermost module that holds a parameter, by the parameter's id.

    >>> from tinygrad_lite.nn.layers.layers import MLP
    >>> from tinygrad_lite.viz.reading.names import find_names
    >>> tree = ModuleTree(find_names({"model": MLP(2, [2, 1])}).modules)
    >>> tree.above["model.layers[0].neurons[1]"]
    'model.layers[0]'
    >>> tree.common(["model.layers[0].neurons[0]", "model.layers[0].neurons[1]"])
    'model.layers[0]'
    """

    def __init__(self, modules: Mapping[str, Any]) -> None:
        self.modules = modules
        self.above = {path: enclosing(path, modules) for path in modules}
        self._depth = {"": 0}
        for path, above in self.above.items():
            self._depth[path] = self._depth[above] + 1
        self.parameters: dict[int, str] = {}
        for path, module in reversed(list(modules.items())):
            for parameter in module.parameters():
                if isinstance(parameter, Value):
                    self._claim(id(parameter), path)
        self._names: dict[str, frozenset[str]] = {}
        self._followers: dict[str, list[str]] | None = None

    def _claim(self, parameter: int, path: str) -> None:
        """Let the innermost module keep a parameter; of two that share it, the first."""
        before = self.parameters.get(parameter)
        if before is None or path not in self.lineage(before):
            self.parameters[parameter] = path

    @property
    def deepest(self) -> int:
        """How many modules are at most around each other."""
        return max(self._depth.values())

    def at_depth(self, depth: int) -> list[str]:
        """Return the modules that have so many around them, itself included, and those further out that are not to be
        parted.

        These are the modules without parts, and those with parameters of their own besides: an attention with a weight
        and an output layer is one thing, as a model that is nothing but its layers is not.
        """
        whole = set(self.parameters.values()) | (self.modules.keys() - set(self.above.values()))
        return [
            path for path in self.modules if self._depth[path] == depth or (self._depth[path] < depth and path in whole)
        ]

    def lineage(self, path: str) -> Iterator[str]:
        """Yield the path itself and those of all modules around it, from the inside out."""
        while path:
            yield path
            path = self.above[path]

    def common(self, paths: Sequence[str]) -> str:
        """Return the smallest module that holds all of these; ``""`` if none does, or there are none."""
        first, *others = dict.fromkeys(paths) or [""]
        for other in others:
            while first != other:
                if self._depth[first] >= self._depth[other]:
                    first = self.above[first]
                else:
                    other = self.above[other]
        return first

    def follows(self, path: str, earlier: str) -> bool:
        """Whether a module has no parameters and follows another in the same container with only such between."""
        return path in self._following().get(earlier, ())

    def known_for(self, operation: str, path: str, used_in: str = "") -> str:
        """Return the module that applies an operation, by name, to what a module gave.

        Args:
            operation: The name of the operation.
            path: The module that gave its operand.
            used_in: The module that uses its result, if there is one.

        Returns:
            The module itself, or one that follows it, or ``used_in``, or one around it; ``""`` if none names it.
        """
        for inner in self.lineage(path):
            candidates: list[str] = [inner, *self._following().get(inner, []), used_in]
            for candidate in candidates:
                if candidate and operation in self._operations(candidate):
                    return candidate
        return ""

    def _operations(self, path: str) -> frozenset[str]:
        """Return the names that a module's ``forward`` mentions (and functions that it calls), and those in its
        attributes."""
        if path not in self._names:
            module = self.modules[path]
            attributes = [getattr(module, name, None) for name in ("activation", "function", "operation")]
            attributes += getattr(module, "__dict__", {}).values()
            named = [getattr(thing, "__name__", "") if callable(thing) else thing for thing in attributes]
            self._names[path] = frozenset(
                [*_mentioned(type(module)), *(name for name in named if isinstance(name, str))]
            )
        return self._names[path]

    def _following(self) -> dict[str, list[str]]:
        """For each module in a container, those that directly follow it and have no parameters."""
        if self._followers is None:
            owning = {path for owner in self.parameters.values() for path in self.lineage(owner)}
            self._followers = {}
            children: dict[str, list[str]] = {}
            for path, above in self.above.items():
                children.setdefault(above, []).append(path)
            for siblings in children.values():
                after: list[str] = []
                for path in reversed(siblings):
                    if path.endswith("]"):
                        self._followers[path] = after
                    after = [] if path in owning or not path.endswith("]") else [path, *after]
        return self._followers


def _mentioned(kind: type) -> set[str]:
    """Return the global names and attributes in the code of ``forward``, and in that of the functions and methods it
    calls."""
    names: set[str] = set()
    functions = [getattr(kind, "forward", kind.__call__)]
    for _ in range(_CALLS):
        found = [(function, _names(function.__code__)) for function in functions if hasattr(function, "__code__")]
        names.update(name for _, mentioned in found for name in mentioned)
        functions = [
            getattr(kind, name, None) or function.__globals__.get(name)
            for function, mentioned in found
            for name in mentioned
        ]
    return names


def _names(code: CodeType) -> set[str]:
    """Return the names that a function uses, and those that the functions defined in it use."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names, inner))
