"""One name for many: ``layers[0].neurons[0–15].w[0–1]`` for the weights of a layer."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Above how many names the rest is left out, where the names have no pattern.
_FEW = 3


def pattern(names: Sequence[str]) -> str:
    """Return a name that stands for several.

    Args:
        names: Names of nodes; ``""`` for one that has none.

    Returns:
        The name, with the range of each number that differs; or, where the names differ in more than numbers, the first
        few of them. ``""`` if one has no name.

    >>> pattern(["w[0]", "w[1]", "w[2]"])
    'w[0–2]'
    >>> pattern(["a", "b", "c", "d", "e"])
    'a, b, c, …'
    """
    distinct = list(dict.fromkeys(names))
    if not all(distinct):
        return ""
    if len(distinct) == 1:
        return distinct[0]
    split = [re.split(r"([0-9]+)", name) for name in distinct]
    if len({tuple(pieces[::2]) for pieces in split}) > 1:
        return ", ".join(distinct[:_FEW]) + (", …" if len(distinct) > _FEW else "")
    columns = zip(*split, strict=True)
    return "".join(column[0] if len(set(column)) == 1 else _range(column) for column in columns)


def _range(digits: Sequence[str]) -> str:
    numbers = [int(number[:18]) for number in digits]  # longer ones are no indices
    return f"{min(numbers)}–{max(numbers)}"
