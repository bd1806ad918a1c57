"""Arguments of any structure as a flat row of numbers, and back: containers of numbers, arrays and Modules.

What is made in a structure is of its kind: a gradient by a namedtuple, an OrderedDict or a dataclass's object is one.

A structure is read once, into *units*: the numbers, the arrays and the modules' parameters in it, and a function that
puts other contents in their places. An object that holds parameters, as an ``nn.Module`` does, says so by a method
``__parameter_tree__()``, which gives for each array of them its name, its shape and its leaves in C order. What is made
in the structure of such an object (its gradient) is a dict of numbers and arrays by these names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from tinygrad_lite.node.fields import is_numpy_scalar
from tinygrad_lite.pytree.array_kinds import foreign, is_array
from tinygrad_lite.pytree.keys import Place, SequenceKey, keystr, path_to
from tinygrad_lite.pytree.registry import container_of
from tinygrad_lite.value import Value

Rebuild = Callable[[Iterator[Any]], Any]
#: None for a plain number.
Shape = tuple[int, ...] | None
_REMEDY: Final = "Mark other arguments as not differentiated, with argnums."


def flatten(tree: Any, what: str) -> tuple[list[Any], Rebuild]:
    """Return the leaves of a structure, each a Value or a float, and the function that puts others in their places.

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
    return flat.leaves, lambda leaves: flat.passed(list(islice(leaves, len(flat.leaves))))


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
        """Return the places of a unit's numbers; ``known`` has the parameters' places, −1 before they have one."""
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
        """Return the structure with contents made of rows, such as the derivatives of an array's numbers by the leaves.

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
        """Return the structure with other things in the places of its numbers and arrays."""
        return self._build(iter(parts), False)

    def passed(self, leaves: list[Any]) -> Any:
        """Return the structure with other leaves, and Modules as they are: what a function is called with."""
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
        """Return the other way round: a number for each leaf, from a structure such as ``block`` gives, as a flat
        iterator.

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


class _Unit(NamedTuple):
    #: None where each leaf has a content of its own: one number, or a sequence of them
    shape: Shape
    leaves: Any
    #: Whether a Module holds it.
    held: bool = False


#: Takes the units' contents, and whether this is for a function to be called with: Modules stay as they are (and do not
#: become dicts), and containers are made as their users make them. Gives the structure.
_Build = Callable[[Iterator[Any], bool], Any]


class _Reading:
    """One walk over a structure, which collects its units and its Modules.

    Args:
        what: What the structure is, for the message.
        counts: For which parameters the arrays of Modules are units; None where Modules are refused.
    """

    def __init__(self, what: str, counts: Callable[[Value], bool] | None) -> None:
        self.what = what
        self.counts = counts
        self.units: list[_Unit] = []
        self.modules: list[Any] = []

    def read(self, tree: Any, place: Place) -> _Build:
        """Collect the units of a part, and gives the function that builds it again."""
        if _is_number(tree):
            self.units.append(_Unit(None, [tree]))
            return _next
        if self.counts is not None and hasattr(type(tree), "__parameter_tree__"):
            return self._read_module(tree, self.counts)
        kind = type(tree)
        container = container_of(kind)
        if container is None:
            return self._read_array(tree, place)
        items, aux = container.flatten(tree)
        numbers, count = all(map(_is_number, items)), len(items)
        if numbers:
            self.units.append(_Unit(None, items))
            if kind is list:  # a row of a matrix, mostly: there are many
                return lambda contents, keep: list(islice(contents, count))
        made, called = container.made_of(aux), container.called_of(tree, aux)
        if numbers:
            return lambda contents, keep: (called if keep else made)(list(islice(contents, count)))
        steps = container.steps(tree)
        builds = [self.read(item, (place, step)) for step, item in zip(steps, items, strict=True)]
        return lambda contents, keep: (called if keep else made)([build(contents, keep) for build in builds])

    def _read_array(self, tree: Any, place: Place) -> _Build:
        if not is_array(tree) or foreign(tree):
            raise self._no_number(tree, place)
        import numpy

        row = numpy.asarray(tree).reshape(-1)
        if tree.dtype.kind not in "fiub":
            for i, item in enumerate(row):
                if isinstance(item, (list, tuple, dict)) or (is_array(item) and item.ndim):
                    where = keystr(path_to(place))
                    raise TypeError(f"{self.what}{where} is an array of sequences; an array holds numbers and Values")
                if not _is_number(item) and not is_numpy_scalar(item):
                    raise self._no_number(item, (place, SequenceKey(i)))
        self.units.append(_Unit(tree.shape, row))
        return _next

    def _read_module(self, module: Any, counts: Callable[[Value], bool]) -> _Build:
        self.modules.append(module)
        names = []
        for name, (shape, leaves, *_) in module.__parameter_tree__().items():
            if any(counts(leaf) for leaf in leaves):
                names.append(name)
                self.units.append(_Unit(shape or None, leaves, held=True))

        def build(contents: Iterator[Any], keep: bool) -> Any:
            found = {name: next(contents) for name in names}
            return module if keep else found

        return build

    def _no_number(self, tree: Any, place: Place) -> TypeError:
        at = keystr(path_to(place))
        unlike = foreign(tree)
        if unlike:
            return TypeError(f"{self.what}{at} is {unlike}. {_REMEDY}")
        modules = " a Module," if self.counts is not None else ""
        return TypeError(
            f"{self.what}{at} is a {type(tree).__name__}, {tree!r}; expected a number, a Value,{modules} or a list, "
            f"tuple, dict, dataclass or NumPy array of those. {_REMEDY}"
        )


def _next(contents: Iterator[Any], keep: bool) -> Any:
    return next(contents)


def _is_number(tree: Any) -> bool:
    return isinstance(tree, (Value, float, int)) or (is_numpy_scalar(tree) and not is_array(tree))


def _number(leaf: Any) -> Any:
    return leaf.data if isinstance(leaf, Value) else leaf


def _row(leaves: Any) -> list[Any]:
    """Return a unit's numbers as floats and Values."""
    if is_array(leaves) and leaves.dtype != object:
        return list(leaves.astype(float).tolist())
    return [x if isinstance(x, Value) else float(x) for x in leaves]


def _picked(rows: list[list[Any]], places: Sequence[int]) -> list[Any]:
    """Return the numbers at these places of each row, and zeros for the places −1: Values among Values."""
    if not isinstance(places, range) and min(places) < 0:
        values = any(isinstance(x, Value) for row in rows for x in row)
        return [row[place] if place >= 0 else Value(0.0) if values else 0.0 for row in rows for place in places]
    return [row[place] for row in rows for place in places]


def as_array(leaves: list[Any], shape: tuple[int, ...]) -> Any:
    """Return a float array, or an object array if a leaf is not a number."""
    import numpy

    if all(isinstance(x, (float, int)) for x in leaves):
        return numpy.array(leaves, dtype=float).reshape(shape)
    array = numpy.empty(len(leaves), dtype=object)
    for i, leaf in enumerate(leaves):
        array[i] = leaf
    return array.reshape(shape)
