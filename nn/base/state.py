"""The state of a model as arrays by name, taken out and put back."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tinygrad_lite.nn.base.shapes import flat, is_number, nested, shape_of
from tinygrad_lite.pytree import foreign, is_array
from tinygrad_lite.value import Value


class IncompatibleKeys(NamedTuple):
    """The names that a state lacked, and those that the model does not know; as in PyTorch."""

    #: Names of the model that the state lacked.
    missing_keys: list[str]
    #: Names of the state that the model does not have.
    unexpected_keys: list[str]


class ParameterArray(NamedTuple):
    """Parameters that are one array, such as a weight: what programs and gradients know of a module's parameters.

    >>> ParameterArray((2,), [Value(1.0), Value(2.0)]).numbers()
    array([1., 2.])
    """

    #: As of a NumPy array; () for a single parameter.
    shape: tuple[int, ...]
    #: The parameters, the last axis running fastest.
    values: list[Value]
    #: Whether units were put together in it already, as the neurons of a layer are.
    of_units: bool = False

    def numbers(self) -> Any:
        """Copy the present numbers into a float64 array."""
        import numpy

        return numpy.array([value.data for value in self.values], numpy.float64).reshape(self.shape)


class StateEntry(NamedTuple):
    """A parameter, a rectangular nest of parameters, or a buffer."""

    name: str
    shape: tuple[int, ...]
    #: The leaves, or the numbers of a buffer.
    items: list[Any]
    #: The object and its attribute that hold a buffer; None for parameters.
    owner: tuple[Any, str] | None
    #: What holds parameters: a Value, a nest of them, or a list of units.
    holder: Any = None
    #: In each of the units, the name of the parameters in it; None where these are no units.
    unit_name: str | None = None


_IS_LEAF: Final = operator.attrgetter("is_leaf")
#: From so many leaves on a block is large: a table of all their ids would take more memory than they do.
_MANY_LEAVES: Final = 4096

#: Gives the parts of a container or a module with their names; None of anything else.
PartsOf = Callable[[Any], Iterator[tuple[str, Any]] | None]


def copy_numbers(entries: Sequence[StateEntry]) -> dict[str, Any]:
    """Copy the numbers of each entry into a float64 array.

    >>> copy_numbers([StateEntry("w", (2,), [Value(1.0), Value(2.0)], None)])
    {'w': array([1., 2.])}
    """
    import numpy

    return {
        entry.name: numpy.array(
            [x.data if isinstance(x, Value) else x for x in entry.items], dtype=numpy.float64
        ).reshape(entry.shape)
        for entry in entries
    }


def put_numbers(entries: Sequence[StateEntry], given: Any, strict: bool, who: str) -> IncompatibleKeys:
    """Put arrays into the entries of their names, all of them or none; see :meth:`Module.load_state_dict`.

    Args:
        entries: Of a model.
        given: Arrays by name.
        strict: Whether names that are missing or unknown are errors.
        who: The model, as messages name it.
    """
    import numpy

    if not isinstance(given, Mapping):
        raise TypeError(f"load_state_dict takes arrays by name, as state_dict() gives them, not {type(given).__name__}")
    by_name = {entry.name: entry for entry in entries}
    missing = [name for name in by_name if name not in given]
    unexpected = [name for name in given if name not in by_name]
    problems = []
    if strict and missing:
        problems.append(f"missing: {_some(missing)}")
    if strict and unexpected:
        problems.append(f"unexpected: {_some(unexpected)}")
    arrays: dict[str, Any] = {}
    for name, entry in by_name.items():
        if name not in given:
            continue
        unlike = foreign(given[name]) if is_array(given[name]) else ""
        if unlike:
            problems.append(f"{name} is {unlike}")
            continue
        try:
            array = numpy.asarray(given[name], dtype=numpy.float64)
        except (TypeError, ValueError):
            problems.append(f"{name} is no array of numbers but {type(given[name]).__name__}")
            continue
        if array.shape != entry.shape:
            problems.append(f"{name} has shape {entry.shape}, and was given shape {array.shape}")
        arrays[name] = array
    if problems:
        raise ValueError(
            f"the state does not fit {who}: {'; '.join(problems)}. Nothing was loaded. A state fits a model "
            "made with the same arguments; strict=False leaves out names that are missing or unexpected."
        )
    for name, array in arrays.items():
        entry = by_name[name]
        if entry.owner is None:
            for parameter, number in zip(entry.items, array.ravel().tolist(), strict=True):
                parameter.data = number
        else:
            owner, attribute = entry.owner
            setattr(owner, attribute, _as_buffer(getattr(owner, attribute), array))
    return IncompatibleKeys(missing, unexpected)


def collect(tree: Any, parts_of: PartsOf) -> list[StateEntry]:
    """Collect the parameters and buffers in a module, a rectangular nest of leaves as one entry.

    >>> [(entry.name, entry.shape) for entry in collect({"w": [Value(1.0), Value(2.0)]}, lambda tree: tree.items())]
    [('w', (2,))]
    """
    return list(_walk("", tree, _Seen(), parts_of))


class _Seen:
    """What was met before. Of large blocks there is an array of ids: a table of them would take more than the leaves.

    >>> block = [Value(float(i)) for i in range(5000)]
    >>> seen = _Seen()
    >>> seen.add(block)
    >>> seen.has(block[7]), seen.has_all(block), seen.has_any([Value(1.0)]), seen.has_all([Value(1.0), *block])
    (True, True, False, False)
    """

    def __init__(self) -> None:
        #: by id; it is kept, so that no other thing gets its id
        self._things: dict[int, Any] = {}
        #: large blocks: the lowest and the highest id, the array of them, and the leaves
        self._blocks: list[tuple[int, int, Any, Sequence[Value]]] = []

    def add(self, things: Sequence[Any]) -> None:
        """Add things that were met."""
        if len(things) < _MANY_LEAVES:
            self._things.update(zip(map(id, things), things, strict=True))
        else:
            numbers = _list_ids(things)
            self._blocks.append((int(numbers.min()), int(numbers.max()), numbers, things))

    def has(self, thing: Any) -> bool:
        """Whether it was met before."""
        number = id(thing)
        return number in self._things or (
            isinstance(thing, Value)
            and any(lowest <= number <= highest and number in ids for lowest, highest, ids, _ in self._blocks)
        )

    def has_all(self, things: Sequence[Any]) -> bool:
        """Whether all of them were met before."""
        if not self.has(things[0]):
            return False
        numbers = set(map(id, things)).difference(self._things)
        for _, _, ids, _ in self._blocks:
            if numbers:
                numbers.difference_update(ids.tolist())
        return not numbers

    def has_any(self, things: Sequence[Any]) -> bool:
        """Whether one of them was met before."""
        if not self._things.keys().isdisjoint(map(id, things)):
            return True
        if not self._blocks:
            return False
        numbers = _list_ids(things)
        for lowest, highest, ids, _ in self._blocks:
            near = numbers[(numbers >= lowest) & (numbers <= highest)]
            if len(near) and not set(near.tolist()).isdisjoint(ids.tolist()):
                return True
        return False


def _list_ids(things: Sequence[Any]) -> Any:
    import numpy

    return numpy.fromiter(map(id, things), dtype=numpy.uintp, count=len(things))


def _walk(path: str, tree: Any, seen: _Seen, parts_of: PartsOf) -> Iterator[StateEntry]:
    if seen.has(tree):
        return
    block = _block(tree)
    if block is not None:
        shape, leaves = block
        if not seen.has_all(leaves):
            seen.add(leaves)
            yield StateEntry(path, shape, leaves, None, tree)
        return
    rows = _rows_of_units(tree, seen, parts_of)
    if rows:
        yield from (entry._replace(name=f"{path}.{entry.name}" if path else entry.name) for entry in rows)
        return
    parts = parts_of(tree)
    if parts is None:
        return
    seen.add([tree])
    buffers = getattr(tree, "_buffers", ())
    for name, part in parts:
        below = f"{path}.{name}" if path else name
        if name in buffers:
            yield StateEntry(below, shape_of(part), list(flat(part)), (tree, name))
        else:
            yield from _walk(below, part, seen, parts_of)


def _block(tree: Any) -> tuple[tuple[int, ...], list[Value]] | None:
    """Return shape and leaves of a leaf or a rectangular nest of leaves; None if it is something else."""
    if isinstance(tree, Value):
        return ((), [tree]) if tree.is_leaf else None
    if not isinstance(tree, (list, tuple)) and not is_array(tree):
        return None
    first = tree
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    if not isinstance(first, Value) and not is_array(first):
        return None
    try:
        shape = shape_of(tree)
    except (TypeError, ValueError):
        return None
    leaves = list(flat(tree))
    if set(map(type, leaves)) != {Value} and not all(isinstance(leaf, Value) for leaf in leaves):
        return None
    if not leaves or not all(map(_IS_LEAF, leaves)):
        return None
    return shape, leaves


def _rows_of_units(tree: Any, seen: _Seen, parts_of: PartsOf) -> list[StateEntry]:
    """Return the parameters of units that are alike, as the neurons of a layer are, each as one array of all of them.

    Nothing, where they are not alike, or share parameters: each is then a part of its own.
    """
    if not isinstance(tree, (list, tuple)) or not tree or not all(getattr(unit, "is_unit", False) for unit in tree):
        return []
    if len({type(unit) for unit in tree}) > 1:
        return []
    each = [list(_walk("", unit, _Seen(), parts_of)) for unit in tree]
    kinds = {tuple([(entry.name, entry.shape, entry.owner is None) for entry in entries]) for entries in each}
    leaves = {id(item): item for entries in each for entry in entries for item in entry.items}
    count = sum([len(entry.items) for entries in each for entry in entries])
    if (
        len(kinds) > 1
        or any(entry.owner for entry in each[0])
        or len(leaves) < count
        or seen.has_any(list(leaves.values()))
    ):
        return []
    seen.add(list(leaves.values()))
    seen.add([*tree, tree])
    return [
        StateEntry(
            entry.name,
            (len(tree), *entry.shape),
            [item for entries in each for item in entries[number].items],
            None,
            tree,
            entry.name,
        )
        for number, entry in enumerate(each[0])
    ]


def _as_buffer(before: Any, array: Any) -> Any:
    """Return the numbers in the container, and of the type, that the buffer has."""
    if is_array(before):
        return array.astype(before.dtype)
    if is_number(before):
        return type(before)(array.item())
    whole = all(isinstance(x, int) for x in flat(before))
    return nested(array.shape, iter([int(x) if whole else x for x in array.ravel().tolist()]))


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
