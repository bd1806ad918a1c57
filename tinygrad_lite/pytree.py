"""Arguments of any structure as a flat list of numbers, and back: lists, tuples, dicts, dataclasses, arrays, Modules.

What is made in a structure is of its kind: a gradient by a namedtuple, an OrderedDict or a dataclass's object is one.

A structure is read once, into *units*: the numbers, the arrays and the modules' parameters in it, each with its place,
and a function that puts other contents in these places. An object that holds parameters, as an ``nn.Module`` does, says
so by a method ``__parameter_tree__()``, which gives for each array of them its name, its shape and its leaves in C
order. What is made in the structure of such an object (its gradient) is a dict of numbers and arrays by these names.
"""

from __future__ import annotations

import copy
import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from tinygrad_lite.node.fields import is_numpy_scalar
from tinygrad_lite.value import Value

Rebuild = Callable[[Iterator[Any]], Any]
#: None for a plain number.
Shape = tuple[int, ...] | None
_REMEDY: Final = "Mark other arguments as not differentiated, with argnums."


def flatten(tree: Any, what: str) -> tuple[list[Any], Rebuild]:
    """The leaves of a structure, each a Value or a float, and the function that puts others in their places.

    Args:
        tree: Numbers and Values in lists, tuples, dicts and NumPy arrays, nested in any way.
        what: What the structure is, for the message: ``"argument 0 of loss"``.

    Raises:
        TypeError: A leaf is no number; the message says where.

    >>> leaves, rebuild = flatten({"w": [1, 2.0], "b": 3.0}, "the argument")
    >>> leaves
    [1.0, 2.0, 3.0]
    >>> rebuild(iter(x * 10 for x in leaves))
    {'w': [10.0, 20.0], 'b': 30.0}
    """
    flat = Flat(tree, what)
    return flat.leaves, lambda leaves: flat.block([list(islice(leaves, len(flat.leaves)))], None)


class Flat:
    """The numbers of a structure in one row, and the way back from rows like it.

    A parameter of a Module counts once, however often the structure holds it: what is made for it stands in each of
    these places.

    Args:
        tree: As for :func:`flatten`; and Modules, if ``counts`` is given.
        what: As for :func:`flatten`.
        counts: Which parameters of Modules have a place in the row. What is made for a Module has no entry for an array
            in which none has, and 0 for the others of an array in which some have.

    Attributes:
        leaves: The row: floats and Values.
        parameters: The ids of those leaves that are parameters of a Module.
        modules: The Modules.

    Raises:
        TypeError: A leaf is no number; the message says where.

    >>> flat = Flat([1.0, (2.0, 3.0)], "the argument")
    >>> flat.leaves
    [1.0, 2.0, 3.0]
    >>> flat.block([[1, 2, 3], [4, 5, 6]], (2,))
    [array([1., 4.]), (array([2., 5.]), array([3., 6.]))]
    """

    def __init__(self, tree: Any, what: str, counts: Callable[[Value], bool] | None = None) -> None:
        reading = _Reading(what, counts)
        self._build = reading.read(tree, None)
        self._shapes = [unit.shape for unit in reading.units]
        #: for each unit the places of its numbers in the row; −1 for one that has none
        self._places: list[Sequence[int]] = []
        self.leaves: list[Any] = []
        self.modules: list[Any] = reading.modules
        held = [unit.leaves for unit in reading.units if unit.held]
        known: dict[int, int] = {id(x): -1 for leaves in held for x in leaves if counts is not None and counts(x)}
        self.parameters = known.keys()
        for unit in reading.units:
            self._places.append(self._new_places(unit, known) if held else self._places_in_a_row(unit))

    def _places_in_a_row(self, unit: _Unit) -> Sequence[int]:
        start = len(self.leaves)
        self.leaves += _row(unit.leaves)
        return range(start, len(self.leaves))

    def _new_places(self, unit: _Unit, known: dict[int, int]) -> Sequence[int]:
        """The places of a unit's numbers; ``known`` has the parameters' places, −1 before they have one."""
        places = []
        for leaf in unit.leaves if unit.held else _row(unit.leaves):
            place = known.get(id(leaf), -1)
            if place < 0 and (not unit.held or id(leaf) in known):
                place = len(self.leaves)
                self.leaves.append(leaf)
                if id(leaf) in known:
                    known[id(leaf)] = place
            places.append(place)
        return places

    def block(self, rows: list[list[Any]], shape: Shape) -> Any:
        """The structure with contents made of rows, such as the derivatives of an array's numbers by the leaves.

        Args:
            rows: One for each number of an array of ``shape``; a row has a number for each leaf.
            shape: None for a single row: the structure then holds what the row says.

        Returns:
            The structure with an array of shape ``shape + s`` in the place of a number or an array of shape s, and a
            dict of these in the place of a Module.
        """
        parts: list[Any] = []
        for places, unit_shape in zip(self._places, self._shapes, strict=True):
            if unit_shape is not None:
                parts.append(as_array(_picked(rows, places), (shape or ()) + unit_shape))
            elif shape is None:
                parts += _picked(rows, places)
            else:
                parts += [as_array(_picked(rows, [place]), shape) for place in places]
        return self._build(iter(parts), False)

    def assembled(self, parts: Sequence[Any]) -> Any:
        """The structure with other things in the places of its numbers and arrays."""
        return self._build(iter(parts), False)

    def passed(self, leaves: list[Any]) -> Any:
        """The structure with other leaves, and Modules as they are: what a function is called with."""
        parts: list[Any] = []
        for places, shape in zip(self._places, self._shapes, strict=True):
            chosen = [leaves[place] if place >= 0 else None for place in places]
            parts += chosen if shape is None else [as_array(chosen, shape)]
        return self._build(iter(parts), True)

    def units(self) -> list[tuple[int, Shape]]:
        """How many numbers each number or array holds (1 for a number), and its shape.

        >>> import numpy as np
        >>> Flat([1.0, np.zeros((2, 3))], "the argument").units()
        [(1, None), (6, (2, 3))]
        """
        found: list[tuple[int, Shape]] = []
        for places, shape in zip(self._places, self._shapes, strict=True):
            found += [(1, None)] * len(places) if shape is None else [(len(places), shape)]
        return found

    def row_of(self, numbers: Iterator[Any], what: str) -> list[Any]:
        """The other way round: a number for each leaf, from a structure such as ``block`` gives, as a flat iterator.

        Raises:
            ValueError: A parameter that the structure holds in two places is given two different numbers.
        """
        row: list[Any] = [None] * len(self.leaves)
        for places in self._places:
            for place in places:
                number = next(numbers)
                if place < 0:
                    continue
                if row[place] is not None and _number(row[place]) != _number(number):
                    raise ValueError(
                        f"{what} give two numbers for a parameter that is shared: {_number(row[place])} and "
                        f"{_number(number)}. It is one parameter: give the same number in each of its places"
                    )
                row[place] = number
        return row


class Unit(NamedTuple):
    """A number, an array of numbers, or nested lists that are as regular as one.

    Attributes:
        path: Where it stands: ``"params.w.0"``.
        shape: None for a plain number.
        leaves: Its numbers and Values in C order: a list, or for a NumPy array its elements in one row.
    """

    path: str
    shape: Shape
    leaves: Any

    def array(self) -> Any:
        """Its numbers as they are now, a float64 array of its shape.

        >>> Unit("x", (2,), [1, Value(2.0)]).array()
        array([1., 2.])
        """
        import numpy

        numbers = self.leaves
        if not is_array(numbers) or numbers.dtype == object:
            numbers = [_number(x) for x in numbers]
        return numpy.array(numbers, dtype=numpy.float64).reshape(self.shape or ())


def named_units(tree: Any, name: str, remedy: str = "") -> tuple[list[Unit], Rebuild]:
    """The arrays and numbers of a structure by name, and the function that puts others in their places.

    Nested lists and tuples of numbers that are as regular as an array are one unit; others fall apart into their parts.
    All parameters of a Module are there, frozen ones too; buffers are not.

    Args:
        tree: Numbers and Values in lists, tuples, dicts, NumPy arrays and Modules, nested in any way.
        name: What it is called, for the paths and messages.
        remedy: What to do about a leaf that is no number, for the message.

    Returns:
        The units, and a function of the contents of each: a number, or an array, or its leaves in one row. It gives the
        structure with these, Modules as they were. An array of another shape than the unit's (such as one with an axis
        more, over samples) takes the unit's place as it is.

    Raises:
        TypeError: A leaf is no number; the message says where.

    >>> units, rebuild = named_units({"w": [[1, 2], [3, 4]], "b": 5.0}, "params")
    >>> units
    [Unit(path='params.w', shape=(2, 2), leaves=[1, 2, 3, 4]), Unit(path='params.b', shape=None, leaves=[5.0])]
    >>> rebuild(iter([[10, 20, 30, 40], 50]))
    {'w': [[10, 20], [30, 40]], 'b': 50}
    """
    reading = _Reading(name, lambda parameter: True, remedy, regular=True)
    build = reading.read(tree, None)
    units = [Unit(_path(name, unit.place), unit.shape, unit.leaves) for unit in reading.units]

    def rebuild(contents: Iterator[Any]) -> Any:
        return build(contents, True)

    return units, rebuild


def structure(tree: Any) -> Any:
    """What two structures must have in common to be added number by number.

    >>> structure([1.0, (2.0, 3.0)]) == structure([0, (0, 0)])
    True
    """
    if is_array(tree) and tree.ndim:
        return tree.shape
    if isinstance(tree, dict):
        return {key: structure(item) for key, item in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [structure(item) for item in tree]
    if is_record(tree):
        return {name: structure(getattr(tree, name)) for name in record_fields(tree)}
    return "number"


def in_order(tree: Any, pattern: Any) -> Any:
    """The structure with the items of each dict in the order of a dict of the same structure.

    >>> in_order({"b": 1, "a": 2}, {"a": 0, "b": 0})
    {'a': 2, 'b': 1}
    """
    if isinstance(tree, dict):
        return {key: in_order(tree[key], item) for key, item in pattern.items()}
    if isinstance(tree, (list, tuple)):
        return [in_order(item, like) for item, like in zip(tree, pattern, strict=True)]
    if is_record(tree):
        likes = pattern if isinstance(pattern, dict) else vars_of(pattern)
        return {name: in_order(getattr(tree, name), like) for name, like in likes.items()}
    return tree


def is_record(tree: Any) -> bool:
    """Whether it is an object of a dataclass."""
    return hasattr(type(tree), "__dataclass_fields__")


def record_fields(tree: Any) -> list[str]:
    """The names of what an object of a dataclass was made of: not of what it computes of that in ``__post_init__``."""
    return [field.name for field in dataclasses.fields(tree) if field.init]


def vars_of(tree: Any) -> dict[str, Any]:
    """What an object of a dataclass was made of, by name.

    >>> from dataclasses import make_dataclass
    >>> vars_of(make_dataclass("Point", ["x", "y"])(1.0, 2.0))
    {'x': 1.0, 'y': 2.0}
    """
    return {name: getattr(tree, name) for name in record_fields(tree)}


def dict_like(tree: Any, items: dict[Any, Any]) -> Any:
    """A dict of the same kind and with the same keys: an OrderedDict, or a defaultdict with its default."""
    made = copy.copy(tree)
    for key, item in items.items():
        made[key] = item
    return made


def record_like(tree: Any, items: dict[str, Any], checked: bool) -> Any:
    """An object of the same dataclass, made of these.

    Args:
        tree: An object of it.
        items: What it is made of, by name.
        checked: Whether it is made as the user makes it, so that ``__post_init__`` runs: for what a function is called
            with. A gradient is not: numbers that must be positive have gradients that are not. In a gradient there is
            None where ``__post_init__`` computes something.
    """
    return dataclasses.replace(tree, **items) if checked else record_of(type(tree), items)


def record_of(kind: Any, items: dict[str, Any]) -> Any:
    """An object of a dataclass with these fields and None in the others, without a call of what its class defines.

    >>> from dataclasses import make_dataclass
    >>> record_of(make_dataclass("Point", ["x", "y"]), {"x": 1.0})
    Point(x=1.0, y=None)
    """
    made = object.__new__(kind)
    for field in dataclasses.fields(kind):
        object.__setattr__(made, field.name, items.get(field.name))
    return made


def is_array(tree: Any) -> bool:
    """Whether it is a NumPy array (without importing NumPy: if it is one, NumPy is there)."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(tree, numpy.ndarray)


def foreign(array: Any) -> str:
    """Why an array is not NumPy's own, and what to give instead; "" if it is, and for what has no more than a name.

    A subclass has rules of its own: a mask, another ``*``, units, fields. What replaces its numbers by Values, or reads
    them as floats, would leave these out.

    >>> import numpy as np
    >>> foreign(np.ones(2))
    ''
    >>> foreign(np.ma.masked_array([1.0])).split(":")[0]
    'a masked array, and nothing stands in for what is masked'
    """
    numpy = sys.modules.get("numpy")
    kind = type(array)
    if hasattr(kind, "to_numpy"):
        return f"a {kind.__name__}, whose own rules (its labels, its std and var) would be lost: give x.to_numpy()"
    if kind.__module__ == "torch" and hasattr(kind, "numpy"):
        return "a tensor of PyTorch, whose own rules (its std and var, its names) would be lost: give x.numpy()"
    if numpy is None or not isinstance(array, numpy.ndarray) or kind in (numpy.ndarray, numpy.memmap):
        return ""
    if kind.__name__ == "ValueArray":  # the array below a masked one, of tinygrad_lite.foreign.masked
        return ""
    if isinstance(array, numpy.ma.MaskedArray):
        remedy = (
            "x.compressed(), the numbers that are not masked, or x.filled(0.0) with weights that are 0 for the others"
        )
        return f"a masked array, and nothing stands in for what is masked: give {remedy}"
    if isinstance(array, numpy.matrix):
        return "a matrix, whose * is the matrix product: give numpy.asarray(x), whose matrix product is @"
    return f"a {kind.__name__}, whose own rules would be lost: give numpy.asarray(x), if it is an array of numbers"


def as_array(leaves: list[Any], shape: tuple[int, ...]) -> Any:
    """A float array, or an object array if a leaf is not a number."""
    import numpy

    if all(isinstance(x, (float, int)) for x in leaves):
        return numpy.array(leaves, dtype=float).reshape(shape)
    array = numpy.empty(len(leaves), dtype=object)
    for i, leaf in enumerate(leaves):
        array[i] = leaf
    return array.reshape(shape)


# ------------------------------------------------------------------------------------------------- reading a structure

#: The steps from the root to a part, the last one first: the steps before, and a key or an index.
_Place = tuple[Any, Any] | None
#: Takes the units' contents, and whether this is for a function to be called with: Modules stay as they are (and do not
#: become dicts), and objects of dataclasses are made as their users make them. Gives the structure.
_Build = Callable[[Iterator[Any], bool], Any]


class _Field(str):
    """The name of a part that is an attribute: of a namedtuple's field, of a Module's array."""


class _Unit(NamedTuple):
    place: _Place
    #: None where each leaf has a content of its own: one number, or a list of them
    shape: Shape
    leaves: Any
    #: Whether a Module holds it.
    held: bool = False


class _Reading:
    """One walk over a structure, which collects its units and its Modules.

    Args:
        what: What the structure is, for the message.
        counts: For which parameters the arrays of Modules are units; None where Modules are refused.
        remedy: What to do about a leaf that is no number, for the message.
        regular: Whether nested lists that are as regular as an array are one unit.
    """

    def __init__(
        self, what: str, counts: Callable[[Value], bool] | None, remedy: str = _REMEDY, regular: bool = False
    ) -> None:
        self.what = what
        self.counts = counts
        self.remedy = remedy
        self.regular = regular
        self.units: list[_Unit] = []
        self.modules: list[Any] = []

    def read(self, tree: Any, place: _Place) -> _Build:
        """Collects the units of a part, and gives the function that builds it again."""
        if _is_number(tree):
            self.units.append(_Unit(place, None, [tree]))
            return _next
        if self.counts is not None and hasattr(type(tree), "__parameter_tree__"):
            return self._read_module(tree, self.counts, place)
        if isinstance(tree, dict):
            return self._read_dict(tree, place)
        if isinstance(tree, (list, tuple)):
            regular = _regular(tree) if self.regular else None
            return self._read_sequence(tree, place) if regular is None else self._read_regular(tree, *regular, place)
        if is_array(tree):
            return self._read_array(tree, place)
        if is_record(tree) and not isinstance(tree, type):
            return self._read_record(tree, place)
        raise self._no_number(tree, place)

    def _read_dict(self, tree: dict[Any, Any], place: _Place) -> _Build:
        parts = [(key, self.read(item, (place, key))) for key, item in tree.items()]
        if type(tree) is dict:
            return lambda contents, keep: {key: build(contents, keep) for key, build in parts}
        return lambda contents, keep: dict_like(tree, {key: build(contents, keep) for key, build in parts})

    def _read_record(self, tree: Any, place: _Place) -> _Build:
        parts = [(name, self.read(item, (place, _Field(name)))) for name, item in vars_of(tree).items()]
        return lambda contents, keep: record_like(tree, {name: build(contents, keep) for name, build in parts}, keep)

    def _read_sequence(self, tree: Any, place: _Place) -> _Build:
        kind = type(tree)
        fields = getattr(kind, "_fields", None)
        if fields is None and not self.regular and all(map(_is_number, tree)):
            count = len(tree)
            self.units.append(_Unit(place, None, tree))
            return lambda contents, keep: kind(list(islice(contents, count)))
        keys: Any = range(len(tree)) if fields is None else map(_Field, fields)
        parts = [self.read(item, (place, key)) for key, item in zip(keys, tree, strict=True)]

        def build(contents: Iterator[Any], keep: bool) -> Any:
            items = [part(contents, keep) for part in parts]
            return kind(items) if fields is None else kind(*items)

        return build

    def _read_regular(self, tree: Any, shape: tuple[int, ...], numbers: list[Any], place: _Place) -> _Build:
        self.units.append(_Unit(place, shape, numbers))
        return lambda contents, keep: _nested_again(tree, shape, next(contents))

    def _read_array(self, tree: Any, place: _Place) -> _Build:
        import numpy

        if foreign(tree):
            raise self._no_number(tree, place)
        row = numpy.asarray(tree).reshape(-1)
        if tree.dtype.kind not in "fiub":
            for i, item in enumerate(row):
                if isinstance(item, (list, tuple, dict)) or (is_array(item) and item.ndim):
                    where = _brackets(place)
                    raise TypeError(f"{self.what}{where} is an array of sequences; an array holds numbers and Values")
                if not _is_number(item) and not is_numpy_scalar(item):
                    raise self._no_number(item, (place, i))
        self.units.append(_Unit(place, tree.shape, row))
        if not self.regular:
            return _next
        return lambda contents, keep: _array_again(tree.shape, next(contents))

    def _read_module(self, module: Any, counts: Callable[[Value], bool], place: _Place) -> _Build:
        self.modules.append(module)
        names = []
        for name, (shape, leaves) in module.__parameter_tree__().items():
            if any(counts(leaf) for leaf in leaves):
                names.append(name)
                self.units.append(_Unit((place, _Field(name)), shape or None, leaves, held=True))

        def build(contents: Iterator[Any], keep: bool) -> Any:
            found = {name: next(contents) for name in names}
            return module if keep else found

        return build

    def _no_number(self, tree: Any, place: _Place) -> TypeError:
        unlike = foreign(tree)
        if unlike:
            return TypeError(f"{self.what}{_brackets(place)} is {unlike}. {self.remedy}".rstrip())
        modules = " a Module," if self.counts is not None else ""
        return TypeError(
            f"{self.what}{_brackets(place)} is a {type(tree).__name__}, {tree!r}; expected a number, a Value,{modules} "
            f"or a list, tuple, dict, dataclass or NumPy array of those. {self.remedy}".rstrip()
        )


def _next(contents: Iterator[Any], keep: bool) -> Any:
    return next(contents)


def _is_number(tree: Any) -> bool:
    return isinstance(tree, (Value, float, int)) or (is_numpy_scalar(tree) and not is_array(tree))


def _number(leaf: Any) -> Any:
    return leaf.data if isinstance(leaf, Value) else leaf


def _row(leaves: Any) -> list[Any]:
    """A unit's numbers as floats and Values."""
    if is_array(leaves) and leaves.dtype != object:
        return list(leaves.astype(float).tolist())
    return [x if isinstance(x, Value) else float(x) for x in leaves]


def _picked(rows: list[list[Any]], places: Sequence[int]) -> list[Any]:
    """The numbers at these places of each row, and zeros for the places −1: Values among Values."""
    if not isinstance(places, range) and min(places) < 0:
        values = any(isinstance(x, Value) for row in rows for x in row)
        return [row[place] if place >= 0 else Value(0.0) if values else 0.0 for row in rows for place in places]
    return [row[place] for row in rows for place in places]


def _regular(tree: Any) -> tuple[tuple[int, ...], list[Any]] | None:
    """Shape and numbers of nested lists and tuples that are as regular as an array; None if they are not."""
    if not tree or hasattr(tree, "_fields"):
        return None
    if all(map(_is_number, tree)):
        return (len(tree),), list(tree)
    parts: list[tuple[tuple[int, ...], list[Any]]] = []
    for item in tree:
        part = _regular(item) if isinstance(item, (list, tuple)) else None
        if part is None or (parts and part[0] != parts[0][0]):
            return None
        parts.append(part)
    return (len(tree), *parts[0][0]), [x for _, numbers in parts for x in numbers]


def _nested_again(tree: Any, shape: tuple[int, ...], content: Any) -> Any:
    """The content of a regular unit in lists and tuples as they were; an array of another shape as it is."""
    if is_array(content):
        if content.shape != shape:
            return content
        content = content.reshape(-1).tolist()
    return _nested_like(tree, iter(content))


def _nested_like(tree: Any, numbers: Iterator[Any]) -> Any:
    if isinstance(tree, (list, tuple)):
        return type(tree)([_nested_like(item, numbers) for item in tree])
    return next(numbers)


def _array_again(shape: tuple[int, ...], content: Any) -> Any:
    return content if is_array(content) else as_array(list(content), shape)


def _steps(place: _Place) -> list[Any]:
    steps = []
    while place is not None:
        place, step = place
        steps.append(step)
    return steps[::-1]


def _brackets(place: _Place) -> str:
    """A place as code: ``['layers'][1].x``."""
    return "".join(f".{step}" if isinstance(step, _Field) else f"[{step!r}]" for step in _steps(place))


def _path(name: str, place: _Place) -> str:
    """A place as a name: ``params.layers.1.x``."""
    return ".".join(part for part in (name, *map(str, _steps(place))) if part)
