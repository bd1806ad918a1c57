"""What loops are written into: lines with their indentation, loops over b, and the tables that they read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Text:
    """Lines, indented by how many blocks are open."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0

    def add(self, line: str) -> None:
        """Add a line in the block that is open."""
        self.lines.append(" " * self.depth + line)

    def open(self, head: str) -> None:
        """Begin a block."""
        self.add(head)
        self.depth += 1

    def close(self, depth: int = 0) -> None:
        """End blocks until so many are open."""
        self.depth = depth

    def append(self, other: Text) -> None:
        """Append the lines of another text."""
        for line in other.lines:
            self.add(line)


class Tables:
    """Arrays of ints, one behind the other; equal ones are kept once."""

    def __init__(self) -> None:
        self._arrays: list[NDArray[np.int64]] = []
        self._places: dict[bytes, int] = {}
        self._end = 0

    def place(self, array: Any) -> int:
        """Keep an array, and say where it begins."""
        flat = np.ascontiguousarray(array, np.int64).reshape(-1)
        key = flat.tobytes()
        if key not in self._places:
            self._places[key] = self._end
            self._arrays.append(flat)
            self._end += flat.size
        return self._places[key]

    def join(self) -> NDArray[np.int64]:
        """Join all of them; at least one number, as an array without any has no place."""
        return np.concatenate([*self._arrays, np.zeros(1, np.int64)])


class Lane:
    """A loop over b while it is written: what stands before it, what is in it, and what it stores in the end."""

    def __init__(self) -> None:
        self.before, self.inside, self.after = Text(), Text(), Text()
        self._names: dict[str, str] = {}

    def load(self, place: str, varies: bool) -> str:
        """Name what is read there; it is read once."""
        if place not in self._names:
            self._names[place] = f"l{len(self._names)}"
            (self.inside if varies else self.before).add(f"{self._names[place]} = {place}")
        return self._names[place]
