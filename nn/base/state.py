"""The state of a model as arrays by name, taken out and put back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_lite.nn.base.shapes import flat, is_number, nested, shape_of
from tinygrad_lite.pytree import foreign, is_array
from tinygrad_lite.value import Value

if TYPE_CHECKING:
    from tinygrad_lite.nn.base.module import Module


class IncompatibleKeys(NamedTuple):
    """The names that a state lacked, and those that the model does not know; as in PyTorch."""

    #: Names of the model that the state lacked.
    missing_keys: list[str]
    #: Names of the state that the model does not have.
    unexpected_keys: list[str]


class _Entry(NamedTuple):
    """A parameter, a rectangular nest of parameters, or a buffer."""

    name: str
    shape: tuple[int, ...]
    #: The leaves, or the numbers of a buffer.
    items: list[Any]
    #: Where a buffer is kept; None for parameters.
    owner: tuple[Module, str] | None


def state_dict(module: Module) -> dict[str, Any]:
    """What :meth:`Module.state_dict` gives."""
    import numpy

    return {
        entry.name: numpy.array(
            [x.data if isinstance(x, Value) else x for x in entry.items], dtype=numpy.float64
        ).reshape(entry.shape)
        for entry in _entries(module)
    }


def load_state_dict(module: Module, given: Any, strict: bool = True) -> IncompatibleKeys:
    """What :meth:`Module.load_state_dict` does."""
    import numpy

    from tinygrad_lite.nn.base.module import head

    if not isinstance(given, Mapping):
        raise TypeError(f"load_state_dict takes arrays by name, as state_dict() gives them, not {type(given).__name__}")
    entries = {entry.name: entry for entry in _entries(module)}
    missing = [name for name in entries if name not in given]
    unexpected = [name for name in given if name not in entries]
    problems = []
    if strict and missing:
        problems.append(f"missing: {_some(missing)}")
    if strict and unexpected:
        problems.append(f"unexpected: {_some(unexpected)}")
    arrays: dict[str, Any] = {}
    for name, entry in entries.items():
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
            f"the state does not fit {head(module)}: {'; '.join(problems)}. Nothing was loaded. A state fits a model "
            "made with the same arguments; strict=False leaves out names that are missing or unexpected."
        )
    for name, array in arrays.items():
        entry = entries[name]
        if entry.owner is None:
            for parameter, number in zip(entry.items, array.ravel().tolist(), strict=True):
                parameter.data = number
        else:
            owner, attribute = entry.owner
            setattr(owner, attribute, _as_buffer(getattr(owner, attribute), array))
    return IncompatibleKeys(missing, unexpected)


def _entries(module: Module) -> Iterator[_Entry]:
    return _walk("", module, set())


def _walk(path: str, tree: Any, seen: set[int]) -> Iterator[_Entry]:
    """As the walk over the parameters, but a rectangular nest of leaves is one entry."""
    from tinygrad_lite.nn.base.module import Module, parts_of

    if id(tree) in seen:
        return
    block = _block(tree)
    if block is not None:
        shape, leaves = block
        if not all(id(leaf) in seen for leaf in leaves):
            seen.update(map(id, leaves))
            yield _Entry(path, shape, leaves, None)
        return
    parts = parts_of(tree)
    if parts is None:
        return
    seen.add(id(tree))
    buffers = getattr(tree, "_buffers", ()) if isinstance(tree, Module) else ()
    for name, part in parts:
        below = f"{path}.{name}" if path else name
        if name in buffers:
            yield _Entry(below, shape_of(part), list(flat(part)), (tree, name))
        else:
            yield from _walk(below, part, seen)


def _block(tree: Any) -> tuple[tuple[int, ...], list[Value]] | None:
    """Shape and leaves of a leaf or a rectangular nest of leaves; None if it is something else."""
    if isinstance(tree, Value):
        return ((), [tree]) if tree.is_leaf else None
    if not isinstance(tree, (list, tuple)) and not is_array(tree):
        return None
    try:
        shape = shape_of(tree)
    except (TypeError, ValueError):
        return None
    leaves = list(flat(tree))
    if not leaves or not all(isinstance(leaf, Value) and leaf.is_leaf for leaf in leaves):
        return None
    return shape, leaves


def _as_buffer(before: Any, array: Any) -> Any:
    """The numbers in the container, and of the type, that the buffer has."""
    if is_array(before):
        return array.astype(before.dtype)
    if is_number(before):
        return type(before)(array.item())
    whole = all(isinstance(x, int) for x in flat(before))
    return nested(array.shape, iter([int(x) if whole else x for x in array.ravel().tolist()]))


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
