"""What an optimiser remembers of a group of parameters: an array for each number of its formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tinygrad_lite.nn.base.hyperparameters import COUNT, as_float
from tinygrad_lite.value import Value


class Bucket(NamedTuple):
    """Parameters of a group that have made equally many steps: one call of the formula moves them all."""

    #: Their places in the group: a slice of all, or an array of indices.
    places: Any
    #: The parameters themselves.
    parameters: Sequence[Value]
    #: The number of steps that they have made.
    steps: int

    def data(self) -> Any:
        """Return their numbers, as an array."""
        import numpy

        return numpy.array([parameter.data for parameter in self.parameters], dtype=float)

    def gradients(self) -> Any:
        """Return their gradients, as an array."""
        import numpy

        return numpy.array([parameter.grad for parameter in self.parameters], dtype=float)


class GroupState:
    """The numbers that an optimiser remembers of a group.

    Args:
        parameters: The parameters of the group, at least one.

    Attributes:
        parameters: A list of them.
        steps: How many steps each has made: an array of whole numbers. A parameter that was frozen has made fewer.
        numbers: An array of a number for each parameter, by name. A name that is not there has its first number yet.
        shared: A number of the group as a whole, by name.

    >>> state = GroupState([Value(1.0), Value(2.0)])
    >>> [bucket] = state.buckets()
    >>> state.commit(bucket, bucket.data() - 1.0, {}, {})
    >>> [parameter.data for parameter in state.parameters], state.steps.tolist()
    ([0.0, 1.0], [1, 1])
    """

    def __init__(self, parameters: Sequence[Value]) -> None:
        import numpy

        self.parameters = list(parameters)
        self.steps = numpy.zeros(len(self.parameters), dtype=numpy.int64)
        self.numbers: dict[str, Any] = {}
        self.shared: dict[str, float] = {}

    def buckets(self) -> list[Bucket]:
        """Return the parameters that move, those with equally many steps together: a single bucket if none was ever
        frozen."""
        import numpy

        moving = [parameter.requires_grad for parameter in self.parameters]
        first = int(self.steps[0])
        if all(moving) and (self.steps == first).all():
            return [Bucket(slice(None), self.parameters, first)]
        found = []
        for steps in sorted(set(self.steps[moving].tolist())):
            places = numpy.flatnonzero(moving & (self.steps == steps))
            found.append(Bucket(places, [self.parameters[i] for i in places], steps))
        return found

    def at(self, bucket: Bucket) -> dict[str, Any]:
        """Return the numbers of a bucket, by name."""
        return {name: array[bucket.places] for name, array in self.numbers.items()}

    def remember(self, bucket: Bucket, new: Mapping[str, Any], first: Mapping[str, float]) -> None:
        """Keep new numbers of a bucket; one that was not there is at first what ``first`` says, for the others."""
        import numpy

        for name, x in new.items():
            if name not in self.numbers:
                self.numbers[name] = numpy.full(len(self.parameters), first[name])
            self.numbers[name][bucket.places] = x

    def commit(self, bucket: Bucket, moved: Any, new: Mapping[str, Any], first: Mapping[str, float]) -> None:
        """Move a bucket by one step, and keep its new numbers."""
        import numpy

        self.remember(bucket, new, first)
        self.steps[bucket.places] += 1
        for parameter, x in zip(
            bucket.parameters, numpy.broadcast_to(moved, len(bucket.parameters)).tolist(), strict=True
        ):
            parameter.data = x

    def as_lists(self) -> dict[str, Any]:
        """Return all of it but the parameters, as plain data.

        >>> GroupState([Value(1.0)]).as_lists()
        {'step': [0]}
        """
        return {
            "step": self.steps.tolist(),
            **{name: array.tolist() for name, array in self.numbers.items()},
            **self.shared,
        }

    @classmethod
    def from_lists(
        cls,
        parameters: Sequence[Value],
        lists: Any,
        numbers: Mapping[str, float],
        shared: Mapping[str, float],
        where: str,
    ) -> GroupState:
        """Return what :meth:`as_lists` gave, for the same number of parameters.

        Args:
            parameters: The parameters.
            lists: What was saved. Lists may be arrays.
            numbers: The names that an array may have.
            shared: The names that a number of the whole group may have.
            where: How messages name it.

        Raises:
            TypeError: It is no dict, or something in it is no number.
            ValueError: A name is unknown, or a list has another length.
        """
        if not isinstance(lists, Mapping):
            raise TypeError(f"{where} is a dict of lists, not {type(lists).__name__}")
        state = cls(parameters)
        for name, given in lists.items():
            if name in shared:
                state.shared[name] = as_float(f"{where}[{name!r}]", given)
            elif name in numbers:
                state.numbers[name] = _as_array(given, len(parameters), f"{where}[{name!r}]")
            elif name != "step":
                raise ValueError(f"{where} has an entry {name!r}, which this optimiser does not remember")
        if "step" not in lists:
            raise ValueError(f"{where} has no entry 'step'")
        steps = _as_array(lists["step"], len(parameters), f"{where}['step']")
        for i, count in enumerate(steps.tolist()):
            COUNT(f"{where}['step'][{i}]", count)
        state.steps = steps.astype(state.steps.dtype)
        return state


def check_layout(state_dict: Any, optimizer: str, sizes: Sequence[int]) -> Mapping[str, Any]:
    """Check that the state of an optimiser is of this class, and has groups of these sizes.

    Raises:
        TypeError: It is no dict, or its parts are no lists.
        ValueError: It is of another optimiser or of other groups.
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"load_state_dict takes a dict, as state_dict() gives it, not {type(state_dict).__name__}")
    for name in ("optimizer", "param_groups", "state"):
        if name not in state_dict:
            raise ValueError(f"the state has no entry {name!r}: it is not what the state_dict() of an optimiser gave")
    if state_dict["optimizer"] != optimizer:
        raise ValueError(f"the state is of {state_dict['optimizer']!r}, and cannot be loaded into {optimizer}")
    for name in ("param_groups", "state"):
        if not isinstance(state_dict[name], (list, tuple)):
            raise TypeError(f"the entry {name!r} of the state is a list, not {type(state_dict[name]).__name__}")
        if len(state_dict[name]) != len(sizes):
            raise ValueError(
                f"the state has {_counted(len(state_dict[name]), 'parameter group')}, and this {optimizer} has "
                f"{len(sizes)}: make it with the same groups first"
            )
    for i, (group, size) in enumerate(zip(state_dict["param_groups"], sizes, strict=True)):
        if not isinstance(group, Mapping):
            raise TypeError(f"param_groups[{i}] of the state is a dict, not {type(group).__name__}")
        saved = group.get("params")
        if saved != size:
            raise ValueError(
                f"parameter group {i} of the state has {saved} parameters, and this {optimizer} has {size} there: "
                "the state is of another model"
            )
    return state_dict


def _as_array(given: Any, size: int, where: str) -> Any:
    import numpy

    try:
        array = numpy.array(given, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"{where} is a list of numbers, not {type(given).__name__}") from None
    if array.shape != (size,):
        raise ValueError(f"{where} has shape {array.shape}, and there are {_counted(size, 'parameter')}")
    return array


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
