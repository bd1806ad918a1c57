"""The arguments of a lifted function: their structure, their arrays, and the Values that stand for them in a trace.

An argument is a number, an array, a Value, a module, or a container of these (a list, a tuple, a dict, a dataclass, one
that was registered), nested in any way. A rectangular nest of numbers counts as one array. Everything else (strings,
booleans, None, functions, what ``static`` names) is static: it is given to the function as it is, and a program holds
for these very things only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.tracing.cache_key import make_metadata_key, make_module_key, make_static_key
from tinygrad_lite.lift.tracing.module_reader import describe_parameters
from tinygrad_lite.node.sameness import codes_of, read_numbers
from tinygrad_lite.pytree import foreign
from tinygrad_lite.pytree.keys import simple_key
from tinygrad_lite.pytree.registry import Container, DictNames, container_of
from tinygrad_lite.value import Value

Floats = NDArray[np.float64]
#: Makes an argument anew of what stands for its units.
_Build = Callable[["StandIns"], Any]
_NUMBERS = (float, int, np.floating, np.integer)
#: What units have in common that are one input group: their paths before and after a number, their shape and axis.
_MergeKey = tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...], int | None]
#: A list of so many matrices may be one of samples, and is one array.
_FEW = 16


@dataclass(eq=False)
class Unit:
    """One array or number of the arguments.

    Attributes:
        path: Where it stands: ``("model", "layers", "0", "weight")``.
        shape: Of one sample, where it has samples.
        axis: Along which the samples run; None if it has none.
        values: The Values of a module's parameters in C order; None where it is no module's.
        frozen: The places of those among them that are frozen.
        whole: Whether the caller gave it as one array.
        integer: Whether the caller gave integers: the function is shown integers where it runs on numbers.
        given: What the caller gave, where Values are among it: in C order, the samples along the last axis.
    """

    path: tuple[str, ...]
    shape: tuple[int, ...]
    axis: int | None = None
    values: list[Value] | None = None
    whole: bool = False
    integer: bool = False
    frozen: tuple[int, ...] = ()
    given: list[Any] | None = None


class StandIns(Iterator[Any]):
    """What stands for the arrays of arguments in one call of a function, one after the other.

    Args:
        items: One for each unit: an object array of Values, a number, or :data:`ITSELF` for the parameters of a module.
        lengths: For axes that are shorter than the caller's, their lengths.

    Attributes:
        copied: What was copied, by the ids of what it was copied from.
        copies: The copies of modules.
    """

    def __init__(self, items: Iterable[Any], lengths: Mapping[int, int] | None = None) -> None:
        self._items = iter(items)
        self._lengths = lengths or {}
        self.copied: dict[int, Any] = {}
        self.copies: list[Any] = []

    def __next__(self) -> Any:
        return next(self._items)

    def take_rest(self) -> tuple[list[Any], Mapping[int, int]]:
        """Take all items that are left, and the lengths of shorter axes."""
        return list(self), self._lengths

    def copy_module(self, module: Any, names: Sequence[str], twins: list[Any]) -> Any:
        """Copy a module, with the next items as its parameters; the module itself, where they are its own.

        Args:
            module: The module.
            names: Of its arrays.
            twins: What makes copies of it, or nothing: then that is added.

        Raises:
            LiftError: It has no copy with these parameters.
        """
        given = [np.asarray(item, dtype=object) for item in islice(self, len(names))]
        if any(array.size == 1 and array.flat[0] is ITSELF for array in given):
            return module
        contents = {name: Parameters(a.shape, list(a.flat)) for name, a in zip(names, given, strict=True)}
        if not twins:
            twins.append(module.__twins__())
        try:
            self.copies.append(twins[0].make(contents, self.copied, self._lengths))
        except ValueError as error:
            raise LiftError(str(error)) from error
        return self.copies[-1]


class Parameters(NamedTuple):
    """An array of parameters, as modules give and take them."""

    shape: tuple[int, ...]
    values: list[Any]


#: In the places of a module's parameters: the function is called with the module itself.
ITSELF: Final = object()


@dataclass(frozen=True)
class Signature:
    """What two calls must have in common to run the same program. Hashable."""

    parts: tuple[Any, ...]


@dataclass(eq=False)
class Arguments:
    """The arguments of one call, taken apart.

    Attributes:
        units: Their arrays and numbers.
        arrays: The numbers of each unit; samples along the last axis.
        signature: Their structure.
        samples: How many samples there are; None without a batch.
        code: Functions, objects and modules among them, which may read more than they are.
        lengths: For axes that are shorter than the caller's, their lengths.
        modules: The modules among them.
        is_bound: Whether the function is called with these modules themselves, not with copies.
    """

    units: list[Unit] = field(default_factory=list)
    arrays: list[Floats] = field(default_factory=list)
    signature: Signature = field(default_factory=lambda: Signature(()))
    samples: int | None = None
    code: list[Any] = field(default_factory=list)
    lengths: Mapping[int, int] = field(default_factory=dict)
    modules: list[Any] = field(default_factory=list)
    is_bound: bool = False
    _builders: list[tuple[str | None, _Build]] = field(default_factory=list)
    #: the answer of ``share_parameters``, which these and arguments of other sizes have in common
    _sharing: list[bool] = field(default_factory=list)

    def rebuild(self, items: Iterable[Any], copies: list[Any] | None = None) -> tuple[list[Any], dict[str, Any]]:
        """Put other things in the place of each unit; modules are copied, and have them as parameters.

        Args:
            items: For each unit an object array, or a number.
            copies: Is given the copies of modules.

        Returns:
            The arguments by position, and those by name.
        """
        units = self.units
        leaves = StandIns(
            [ITSELF if self.is_bound and unit.values is not None else x for unit, x in zip(units, items, strict=True)],
            self.lengths,
        )
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for name, build in self._builders:
            if name is None:
                args.append(build(leaves))
            else:
                kwargs[name] = build(leaves)
        if copies is not None:
            copies += leaves.copies
        return args, kwargs

    @property
    def holds_values(self) -> bool:
        """Whether the caller gave Values, those of modules aside."""
        return any(unit.given is not None for unit in self.units)

    def share_parameters(self) -> bool:
        """Whether a parameter stands in several places."""
        if not self._sharing:
            each = [unit.values for unit in self.units if unit.values]
            self._sharing.append(len({id(value) for values in each for value in values}) < sum(map(len, each)))
        return self._sharing[0]

    def read_directly(self, captured: Sequence[Value]) -> bool:
        """Tell whether there are parameters of the caller's modules among Values that the function closed over."""
        if not captured or self.is_bound:
            return False
        own = {id(value) for unit in self.units for value in unit.values or ()}
        return not own.isdisjoint(map(id, captured))


def take_apart(
    names: Sequence[str],
    args: Sequence[Any],
    kwargs: dict[str, Any],
    batch: Sequence[int | None],
    static: Sequence[int | str],
) -> Arguments:
    """Take a call's arguments apart: their arrays and their structure.

    Args:
        names: Of the positional arguments.
        args: The positional arguments.
        kwargs: The others.
        batch: For each positional argument the axis along which samples run, or None.
        static: Positions and names of arguments that are not traced.

    Raises:
        LiftError: An argument does not fit its batch axis, or samples differ in number.
    """
    taken = Arguments()
    parts: list[Any] = []
    args, kwargs = _order_arguments(names, args, kwargs, batch)
    for position, argument in enumerate(args):
        axis = batch[position] if position < len(batch) else None
        name = names[position] if position < len(names) else f"argument{position}"
        fixed = position in static or name in static
        build, part = _take_argument(taken, argument, (name,), axis, fixed)
        taken._builders.append((None, build))
        parts.append(part)
    for name, argument in kwargs.items():
        build, part = _take_argument(taken, argument, (name,), None, name in static)
        taken._builders.append((name, build))
        parts.append(("keyword", name, part))
    taken.signature = Signature(tuple(parts))
    return taken


def _order_arguments(
    names: Sequence[str], args: Sequence[Any], kwargs: dict[str, Any], batch: Sequence[int | None]
) -> tuple[list[Any], dict[str, Any]]:
    """Put arguments that were given by name into their positions: positions have batch axes."""
    args, kwargs = list(args), dict(kwargs)
    while len(args) < len(names) and names[len(args)] in kwargs:
        args.append(kwargs.pop(names[len(args)]))
    batched = [name for name, axis in zip(names, batch, strict=False) if axis is not None and name in kwargs]
    if batched:
        raise LiftError(
            f"{', '.join(batched)}: batch names the axes of positional arguments, and these come after one that was "
            "left out. Give that one too."
        )
    if len(args) > len(batch) and any(axis is not None for axis in batch):
        raise LiftError(
            f"batch names the axes of {len(batch)} arguments, and {len(args)} were given: name one for each"
        )
    return args, kwargs


def _take_argument(
    taken: Arguments, tree: Any, path: tuple[str, ...], axis: int | None, static: bool
) -> tuple[_Build, Any]:
    """Add the units of one argument; give what rebuilds it, and its part of the signature."""
    if static:
        return _take_static(taken, tree, True, path)
    container = container_of(type(tree))
    if container is not None:
        return _take_items(taken, tree, container, path, axis)
    if isinstance(tree, Value):
        _add(taken, path, np.float64(tree.data), axis, given=np.array(tree, dtype=object))
        return next, "number"
    if isinstance(tree, _NUMBERS) and not isinstance(tree, bool):
        _add(taken, path, tree, axis)
        return next, "number"
    unlike = foreign(tree)
    if unlike:
        raise LiftError(f"{_join_path(path)} is {unlike}")
    if isinstance(tree, np.ndarray) and tree.dtype.kind in "fiub":
        shape = _add(taken, path, tree, axis, whole=True)
        return next, ("array", shape, axis)
    if hasattr(tree, "__array__") and hasattr(tree, "dtype") and not isinstance(tree, (np.ndarray, np.generic)):
        shape = _add(taken, path, np.asarray(tree), axis, whole=True)  # another library's array
        return next, ("array", shape, axis)
    if hasattr(tree, "__parameter_tree__"):
        return _take_module(taken, tree, path, axis)
    if isinstance(tree, np.ndarray) and tree.dtype == object:
        numbers = _read_numbers(tree)
        if numbers is None:
            raise LiftError(f"{_join_path(path)} is an array of objects that are neither Values nor numbers")
        shape = _add(taken, path, numbers, axis, whole=True, given=tree)
        return next, ("array", shape, axis)
    return _take_static(taken, tree, False, path)


def _take_items(
    taken: Arguments, tree: Any, container: Container, path: tuple[str, ...], axis: int | None
) -> tuple[_Build, Any]:
    """Add the units of a container's items, as :func:`_take_argument` does."""
    if container.is_sequence:
        kinds = [] if axis is None and _is_few_matrices(tree) else _find_kinds(tree)
        nest = _make_rectangular(tree) if kinds else None
        numbers = None if nest is None else _read_numbers(nest) if nest.dtype == object else nest
        if nest is not None and numbers is not None:
            shape = _add(taken, path, numbers, axis, given=nest if nest.dtype == object else None)
            if axis is not None and axis % nest.ndim < len(kinds):
                kinds.pop(axis % nest.ndim)
            return (lambda leaves: _nest(next(leaves), kinds)), ("nest", shape, axis, tuple(kinds))
    items, aux = container.flatten(tree)
    names: Iterable[Any] = range(len(items))
    if not container.is_sequence:
        names = aux if isinstance(aux, DictNames) else [simple_key(key) for key in container.keys(tree)]
    parts = [
        _take_argument(taken, item, (*path, str(name)), axis, False) for name, item in zip(names, items, strict=True)
    ]
    make = container.called_of(tree, aux)

    def build(leaves: StandIns) -> Any:
        return make([build(leaves) for build, _ in parts])

    inner = tuple([part for _, part in parts])
    if container.is_sequence:
        return build, (container.kind.__name__, inner)
    signature = ("dict", tuple(zip(names, inner, strict=True)))
    if container.kind is dict:
        return build, signature
    settings = getattr(tree, "default_factory", None) if isinstance(aux, DictNames) else aux
    if isinstance(settings, tuple) and not settings:
        return build, (_name_kind(tree), (signature,))
    if settings is not None:
        taken.code.append(settings)
    return build, (_name_kind(tree), (signature, ("static", type(settings).__name__, make_metadata_key(settings))))


def _name_kind(tree: Any) -> str:
    return f"{type(tree).__module__}.{type(tree).__qualname__}"


def _add(
    taken: Arguments,
    path: tuple[str, ...],
    array: Any,
    axis: int | None,
    values: list[Value] | None = None,
    whole: bool = False,
    given: NDArray[Any] | None = None,
) -> tuple[int, ...]:
    integer = np.asarray(array).dtype.kind in "iu"
    array = np.asarray(array, dtype=np.float64)
    if axis is not None:
        if not -array.ndim <= axis < array.ndim:
            raise LiftError(
                f"batch names axis {axis} of {_join_path(path)} for the samples, which has shape {array.shape}. "
                "Give None for arguments that all samples share."
            )
        if taken.samples not in (None, array.shape[axis]):
            raise LiftError(
                f"{_join_path(path)} has {array.shape[axis]} samples along axis {axis}, and the arguments before it "
                f"have {taken.samples}: they must agree"
            )
        taken.samples = array.shape[axis]
        array = np.moveaxis(array, axis, -1)
        given = None if given is None else np.moveaxis(given, axis, -1)
    shape: tuple[int, ...] = array.shape if axis is None else array.shape[:-1]
    items = None if given is None else list(given.flat)
    has_values = items is not None and any(isinstance(item, Value) for item in items)
    taken.units.append(Unit(path, shape, axis, values, whole, integer, given=items if has_values else None))
    taken.arrays.append(array)
    return shape


def _take_module(taken: Arguments, module: Any, path: tuple[str, ...], axis: int | None) -> tuple[Any, Any]:
    if axis is not None:
        raise LiftError(
            f"batch names an axis of {_join_path(path)}, a module: its parameters are shared by all samples"
        )
    tree = module.__parameter_tree__()
    described = describe_parameters(tree)
    for (name, (shape, values, *of_units)), (_, _, frozen) in zip(tree.items(), described, strict=True):
        array = _read_parameters(values).reshape(shape)
        _add(taken, (*path, *name.split(".")), array, None, list(values), whole=any(of_units))
        taken.units[-1].frozen = frozen
    names = list(tree)
    twins: list[Any] = []
    taken.code.append(module)
    taken.modules.append(module)
    taken.is_bound = taken.is_bound or not names or not hasattr(type(module), "__twins__")

    def build(leaves: StandIns) -> Any:
        return leaves.copy_module(module, names, twins) if names else module

    return build, ("module", make_module_key(module), bool(getattr(module, "training", False)), described)


def _read_parameters(values: list[Value]) -> Floats:
    """Read the numbers of parameters, by the engine's compiled loop."""
    leaves, numbers = list(values), np.empty(len(values))
    if not read_numbers(leaves, codes_of(leaves), numbers):  # another thread has just frozen one
        numbers[:] = [value.data for value in values]
    return numbers


def _take_static(taken: Arguments, tree: Any, named: bool, path: tuple[str, ...]) -> tuple[_Build, Any]:
    if tree is not None and not isinstance(tree, (str, bool, int, float)):
        taken.code.append(tree)
    return (lambda leaves: tree), ("static", type(tree).__name__, make_static_key(tree, named, _join_path(path)))


def _is_few_matrices(tree: Sequence[Any]) -> bool:
    """Whether it is a short list of matrices, such as the weights of layers: each is an array of its own."""
    return 0 < len(tree) <= _FEW and all(isinstance(item, np.ndarray) and item.ndim > 1 for item in tree)


def _make_rectangular(tree: Any) -> Any:
    """Make an array of a nest, if it is rectangular: of its numbers, or of objects, where Values are among them."""
    try:
        array = np.array(tree)
    except (ValueError, TypeError):
        return None
    if array.dtype.kind in "fiu" and array.size:
        return array
    return array if array.dtype == object and array.size else None


def _read_numbers(array: NDArray[Any]) -> Any:
    numbers = np.empty(array.size)
    for i, item in enumerate(array.flat):
        if isinstance(item, Value):
            numbers[i] = item.data
        elif isinstance(item, _NUMBERS) and not isinstance(item, bool):
            numbers[i] = item
        else:
            return None
    return numbers.reshape(array.shape)


def _find_kinds(tree: Any) -> list[str]:
    """Whether each level of a nest is made of lists or of tuples; nothing if it is of both, or holds booleans."""
    kinds: list[str] = []
    items = [tree]
    while True:
        types = set(map(type, items))
        if types == {list} or types == {tuple}:
            kinds.append(types.pop().__name__)
            items = [item for row in items for item in row]
        elif any(issubclass(kind, (list, tuple, dict, bool, np.bool_)) for kind in types):
            return []
        else:
            return kinds


def _nest(array: Any, kinds: Sequence[str]) -> Any:
    """Turn an object array into nested lists and tuples."""
    if not kinds:
        return array.item() if isinstance(array, np.ndarray) and array.ndim == 0 else array
    items = [_nest(item, kinds[1:]) for item in array]
    return tuple(items) if kinds[0] == "tuple" else items


def _join_path(path: Sequence[str]) -> str:
    return ".".join(path)


def merge_units(units: Sequence[Unit]) -> list[tuple[tuple[str, ...], list[int]]]:
    """Find which units make up one input group: the neurons of a layer, each with weights of its own, are one matrix.

    Units whose paths differ in one number, which runs from 0 in all of them, and whose shapes are equal.
    """
    groups = [(unit.path, [number]) for number, unit in enumerate(units)]
    for depth in range(1, max((len(unit.path) for unit in units), default=0)):
        candidates: dict[_MergeKey | int, list[int]] = {}
        for number, (path, members) in enumerate(groups):
            key = _find_merge_key(path, units[members[0]], depth) if len(members) == 1 else None
            candidates.setdefault(number if key is None else key, []).append(number)
        found = []
        for shared, numbers in candidates.items():
            if isinstance(shared, tuple) and _counts_up([groups[number][0][-depth] for number in numbers]):
                before, after, *_ = shared
                found.append((min(numbers), ((*before, *after), [groups[number][1][0] for number in numbers])))
            else:
                found += [(number, groups[number]) for number in numbers]
        groups = [group for _, group in sorted(found, key=lambda item: item[0])]
    return groups


def _find_merge_key(path: tuple[str, ...], unit: Unit, depth: int) -> _MergeKey | None:
    """Find what units have in common that may differ in one number of their paths, so far from the end."""
    place = len(path) - depth
    if place < 1 or not path[place].isdigit() or len(unit.shape) > 1 or unit.whole:
        return None
    return path[:place], path[place + 1 :], unit.shape, unit.axis


def _counts_up(names: Sequence[str]) -> bool:
    return len(names) > 1 and list(names) == [str(i) for i in range(len(names))]
