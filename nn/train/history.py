"""What a training run leaves behind: the numbers of each epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any


class History(Mapping[str, list[float]]):
    """The numbers of each epoch, as plain lists by name: ``history["loss"]``.

    Two are equal if their numbers are; how long the epochs took does not count.

    Attributes:
        seconds: How long each epoch took.
        stopped: Why the training ended: ``"all epochs are done"``, ``"interrupted"``, or what a callback said.

    >>> history = History()
    >>> history.append({"loss": 0.5}, seconds=1.0)
    >>> history.append({"loss": 0.25}, seconds=1.0)
    >>> history["loss"]
    [0.5, 0.25]
    >>> history
    History(2 epochs; last: loss=0.25)
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[float]] = {}
        self.seconds: list[float] = []
        self.stopped = ""

    def append(self, numbers: Mapping[str, float], seconds: float) -> None:
        """Add an epoch.

        Args:
            numbers: By name. One that other epochs have, and this one has not, is NaN.
            seconds: How long it took.
        """
        for name in numbers:
            self._columns.setdefault(name, [math.nan] * len(self.seconds))
        for name, column in self._columns.items():
            column.append(float(numbers.get(name, math.nan)))
        self.seconds.append(seconds)

    def to_frame(self) -> Any:
        """Return the numbers as a pandas DataFrame, a row an epoch, a column a name.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError(
                "to_frame() makes a pandas DataFrame, and pandas is not installed: pip install pandas, or use the "
                'lists themselves, history["loss"]'
            ) from None
        return pandas.DataFrame(self._columns, index=pandas.RangeIndex(1, len(self.seconds) + 1, name="epoch"))

    def state_dict(self) -> dict[str, Any]:
        """Return all of it, as plain data.

        >>> History().state_dict()
        {'numbers': {}, 'seconds': [], 'stopped': ''}
        """
        numbers = {name: list(column) for name, column in self._columns.items()}
        return {"numbers": numbers, "seconds": list(self.seconds), "stopped": self.stopped}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave.

        >>> history = History()
        >>> history.load_state_dict({"numbers": {"loss": [0.5]}, "seconds": [1.0], "stopped": ""})
        >>> history["loss"]
        [0.5]
        """
        self._columns = {name: list(column) for name, column in state_dict["numbers"].items()}
        self.seconds = list(state_dict["seconds"])
        self.stopped = state_dict["stopped"]

    def __getitem__(self, name: str) -> list[float]:
        try:
            return self._columns[name]
        except KeyError:
            raise KeyError(f"no {name!r} in the history; there are: {', '.join(self._columns) or 'none yet'}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping) or self.keys() != other.keys():
            return NotImplemented if not isinstance(other, Mapping) else False
        # by repr, which tells all floats apart, and for which NaN is equal to itself
        return all(list(map(repr, self[name])) == list(map(repr, other[name])) for name in self)

    __hash__ = None  # type: ignore[assignment]  # it can be changed, as lists can

    def __repr__(self) -> str:
        epochs = len(self.seconds)
        last = ", ".join(f"{name}={column[-1]:.4g}" for name, column in self._columns.items() if column)
        return f"History({epochs} epoch{'' if epochs == 1 else 's'}{f'; last: {last}' if last else ''})"
