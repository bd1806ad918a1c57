"""A copy of a module with other parameters, which may be of other sizes: what ``lift`` tries a model out on.

What a module is made of is copied: modules, containers, arrays, and the nests that hold its parameters. Everything else
is shared with the original, as functions and random generators are. Nothing is written into the original.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from types import MemberDescriptorType, MethodType
from typing import Any, Final

from tinygrad_lite.nn.base import state
from tinygrad_lite.nn.base.state import ParameterArray, PartsOf, StateEntry
from tinygrad_lite.pytree import is_array
from tinygrad_lite.pytree.registry import container_of
from tinygrad_lite.value import Value

_ATOMS: Final = (int, float, str, bool, type(None))
#: What was copied, by the id of the original, which is kept so that no other thing gets its id.
Memo = dict[int, tuple[Any, Any]]


class Twins:
    """Makes copies of a module with other parameters in the places of its own.

    Args:
        module: The module.
        parts_of: Gives the parts of a module or a container with their names.

    >>> from tinygrad_lite.nn import Linear
    >>> layer = Linear(9, 10)
    >>> small = {"weight": ParameterArray((2, 3), [Value(float(i)) for i in range(6)]),
    ...          "bias": ParameterArray((2,), [Value(0.0), Value(1.0)])}
    >>> twin = layer.__twins__().make(small, {}, {9: 3, 10: 2})
    >>> twin
    Linear(3, 2): 8 parameters
    >>> [y.data for y in twin([1.0, 1.0, 1.0])]
    [3.0, 13.0]
    """

    def __init__(self, module: Any, parts_of: PartsOf) -> None:
        self.module = module
        self._parts_of = parts_of
        self._entries = state.collect(module, parts_of)
        self._is_checked = False
        #: whether parameters are replaced one by one, as they stand in several containers: that takes longer
        self._one_by_one = False

    def make(self, contents: Mapping[str, ParameterArray], memo: Memo, lengths: Mapping[int, int]) -> Any:
        """Make a copy.

        Args:
            contents: For each array of its parameters, by its name in ``state_dict()``, the new one.
            memo: What was copied before; what is copied is added. Modules that share parts are copied with one memo.
            lengths: For numbers that the module keeps of the sizes of its arrays, where these are others: the new ones.

        Returns:
            A module of the same class.

        Raises:
            ValueError: The parameters of the copy are not those that were given: the module keeps some of them in
                several arrays, whose sizes cannot be changed.
        """
        known = dict(memo)
        while True:
            copier = _Copier(memo, lengths, self._parts_of)
            copier.place(self._entries, contents, self._one_by_one)
            twin = copier.copy(self.module)
            if (self._is_checked and not lengths) or _are_same(twin.__parameter_tree__(), contents):
                self._is_checked = self._is_checked or not lengths
                return twin
            if self._one_by_one or lengths:
                raise ValueError(
                    f"{type(self.module).__name__} keeps parameters in several arrays, or makes its arrays anew, and "
                    "cannot be copied with others"
                )
            self._one_by_one = True
            memo.clear()
            memo.update(known)


def _is_module(thing: Any) -> bool:
    return hasattr(type(thing), "__parameter_tree__")


def _are_same(found: Mapping[str, ParameterArray], wanted: Mapping[str, ParameterArray]) -> bool:
    return found.keys() == wanted.keys() and all(
        array.shape == wanted[name].shape and list(map(id, array.values)) == list(map(id, wanted[name].values))
        for name, array in found.items()
    )


class _Copier:
    """Copies what is made of modules and containers."""

    def __init__(self, memo: Memo, lengths: Mapping[int, int], parts_of: PartsOf) -> None:
        self.memo = memo
        self.parts_of = parts_of
        self.lengths = lengths

    def place(
        self, entries: Sequence[StateEntry], contents: Mapping[str, ParameterArray], one_by_one: bool = True
    ) -> None:
        """Say what stands in the places of parameters: in those of their nests, or of each of them."""
        lists: dict[int, list[StateEntry]] = {}
        for entry in entries:
            given = contents.get(entry.name)
            if entry.owner is not None or given is None:
                continue
            if given.shape == entry.shape and (one_by_one or entry.unit_name is not None or not entry.shape):
                for leaf, value in zip(entry.items, given.values, strict=True):
                    self._keep(leaf, value)
            elif entry.unit_name is None:
                self._keep(entry.holder, _nest_like(entry.holder, given.shape, iter(given.values)))
            else:
                lists.setdefault(id(entry.holder), []).append(entry)
        for members in lists.values():
            self._place_units(members, contents)

    def _place_units(self, entries: Sequence[StateEntry], contents: Mapping[str, ParameterArray]) -> None:
        """Say what stands in the place of a list of units, more or fewer of which are wanted."""
        units = entries[0].holder
        rows = [iter(contents[entry.name].values) for entry in entries]
        shapes = [contents[entry.name].shape for entry in entries]
        twins = []
        for number in range(shapes[0][0]):
            own = {}
            for entry, values, shape in zip(entries, rows, shapes, strict=True):
                size = len(entry.items) // len(units)
                for length, new in zip(entry.shape[1:], shape[1:], strict=True):
                    size = size // length * new
                own[str(entry.unit_name)] = ParameterArray(shape[1:], list(islice(values, size)))
            twins.append(Twins(units[min(number, len(units) - 1)], self.parts_of).make(own, {}, self.lengths))
        self._keep(units, type(units)(twins))

    def copy(self, tree: Any) -> Any:
        """Copy a module, or what its attributes hold."""
        kind = type(tree)
        if kind in _ATOMS:
            return tree
        if id(tree) in self.memo:
            return self.memo[id(tree)][1]
        if isinstance(tree, Value):
            return tree
        if _is_module(tree):
            return self._copy_module(tree)
        if is_array(tree):
            return self._copy_array(tree)
        if isinstance(tree, MethodType) and _is_module(tree.__self__):
            return MethodType(tree.__func__, self.copy(tree.__self__))
        if isinstance(tree, functools.partial):
            call: Any = self.copy(tree.func)
            named = {name: self.copy(part) for name, part in tree.keywords.items()}
            return functools.partial(call, *[self.copy(part) for part in tree.args], **named)
        container = container_of(kind)
        if container is None:
            return tree
        items, aux = container.flatten(tree)
        return self._keep(tree, container.called_of(tree, aux)([self.copy(item) for item in items]))

    def _keep(self, original: Any, twin: Any) -> Any:
        self.memo[id(original)] = original, twin
        return twin

    def _copy_module(self, module: Any) -> Any:
        twin = self._keep(module, object.__new__(type(module)))
        for kind in type(module).__mro__:
            for slot in vars(kind).values():
                if type(slot) is MemberDescriptorType:  # what a name in __slots__ is
                    with suppress(AttributeError):  # nothing stands in it
                        slot.__set__(twin, self._copy_attribute(slot.__get__(module)))
        buffers = getattr(module, "_buffers", ())
        for name, part in list(vars(module).items()):
            vars(twin)[name] = self.copy(part) if name in buffers else self._copy_attribute(part)
        return twin

    def _copy_attribute(self, part: Any) -> Any:
        """Copy an attribute, in which lengths may stand."""
        return self._with_lengths(self.copy(part)) if self.lengths else self.copy(part)

    def _with_lengths(self, part: Any) -> Any:
        """Put new lengths into the places of old ones: whole numbers, alone or in a row of such."""
        if type(part) is int:
            return self.lengths.get(part, part)
        if type(part) in (list, tuple) and part and all(type(item) is int for item in part):
            return type(part)([self.lengths.get(item, item) for item in part])
        return part

    def _copy_array(self, tree: Any) -> Any:
        twin = self._keep(tree, tree.copy())
        if tree.dtype == object:
            twin.flat = [self.copy(item) for item in tree.flat]
        return twin


def _nest_like(holder: Any, shape: Sequence[int], values: Iterator[Value]) -> Any:
    """Nest Values as deep as a nest of them, in the same kinds of containers."""
    if is_array(holder):
        array = holder.ravel()[:0].copy()
        array.resize(shape)
        array.flat = list(values)
        return array
    if not shape:
        return next(values)
    if type(holder) not in (list, tuple):
        raise ValueError(f"the parameters in a {type(holder).__name__} are of one size, which cannot be changed")
    if len(shape) == 1 and not is_array(holder[0]):
        return type(holder)(islice(values, shape[0]))
    return type(holder)([_nest_like(holder[0], shape[1:], values) for _ in range(shape[0])])
