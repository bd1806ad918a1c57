"""What the pytest plugin does once a test asks for it; pytest itself loads only ``_tinygrad_lite_plugin.py``."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from tinygrad_lite.value import Value

#: How many points the fixture looks at, where ``--derivative-examples`` does not say.
EXAMPLES: Final = 20

#: So many differences are shown at most: pytest cuts off what is longer than eight lines.
_SHOWN: Final = 4


def seeded_check(test: str, examples: int | None = None) -> Callable[..., Any]:
    """Return the function that the fixture ``check_gradients`` is.

    Args:
        test: The name of the test. The seed depends on it alone, so that a test draws the same points in every run,
            on every machine, alone or with others; and no two tests draw the same.
        examples: How many points; None for 20.

    Returns:
        ``check_gradients`` with other defaults of ``examples`` and ``seed``.

    >>> check = seeded_check("test_square.py::test_square", examples=3)
    >>> check(lambda x: x * x, 3.0).verdict
    <Verdict.CORRECT: 'smooth and correct'>
    """
    seed = zlib.crc32(test.encode())

    def check_gradients(f: Callable[..., Any], *args: Any, **options: Any) -> Any:
        __tracebackhide__ = True  # pytest then shows the line of the test
        from tinygrad_lite import testing

        return testing.check_gradients(f, *args, **{"examples": examples or EXAMPLES, "seed": seed, **options})

    return check_gradients


def compared(op: str, left: object, right: object) -> list[str] | None:
    """Return what pytest writes below a failed ``assert left == right`` (or ``!=``) about Values.

    Args:
        op: ``"=="`` or ``"!="``.
        left: What stood on the left.
        right: What stood on the right.

    Returns:
        The lines, the first a summary; None if there is no Value in it.

    >>> print("\\n".join(compared("==", Value(0.5, label="a"), Value(0.25))))
    Value(data=0.5, grad=0.0, label='a') == Value(data=0.25, grad=0.0)
    <BLANKLINE>
    == asks whether two Values are one node, and not about their numbers: write a.data == b.data
      data   0.5 | 0.25 (they differ by 0.25, 4.5e+15 ulp)
      label  'a' | none
    """
    if not _holds_value(left) and not _holds_value(right):
        return None
    summary = f"{_cut(left)} {op} {_cut(right)}"
    if op == "!=":
        return [summary, "", "!= asks whether two Values are two nodes, and these are one: write a.data != b.data"]
    if isinstance(left, Value) or isinstance(right, Value):
        whose = "a.data == b.data" if isinstance(left, Value) and isinstance(right, Value) else "the data of the Value"
        hint = f"== asks whether two Values are one node, and not about their numbers: write {whose}"
        return [summary, "", hint, *_rows(left, right)]
    hint = "== asks whether two Values are one node, and not about their numbers: compare their data"
    return [summary, "", hint, *_differences(list(_pairs("", left, right)))]


def _holds_value(x: object) -> bool:
    items = x.values() if isinstance(x, dict) else x if isinstance(x, (list, tuple)) else ()
    return isinstance(x, Value) or any(map(_holds_value, items))


def _pairs(path: str, left: object, right: object) -> Iterator[tuple[str, object, object]]:
    """Yield what stands in the same place on both sides, with the place: ``[0]['w']``."""
    keys: list[Any] | range | None = None
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        keys = range(min(len(left), len(right)))
        if len(left) != len(right):
            yield f"len({path or 'both'})", len(left), len(right)
    elif isinstance(left, dict) and isinstance(right, dict):
        keys = [key for key in left if key in right]
        if len(left) != len(keys) or len(right) != len(keys):
            yield f"keys({path or 'both'})", list(left), list(right)
    if keys is None:
        yield path, left, right
        return
    for key in keys:
        yield from _pairs(f"{path}[{key!r}]", left[key], right[key])  # type: ignore[index]  # they are what keys is of


def _rows(left: object, right: object) -> Iterator[str]:
    """In which attributes two Values, or a Value and a number, differ; data always."""
    yield f"  data   {_data(left)} | {_data(right)} ({_distance(left, right)})"
    for name in ("grad", "op", "label"):
        a, b = getattr(left, name, None), getattr(right, name, None)
        if a is not None and b is not None and not _same(a, b):
            yield f"  {name:<6} {_shown(name, a)} | {_shown(name, b)}"


def _differences(pairs: list[tuple[str, object, object]]) -> list[str]:
    """Return the places at which the data differ, the first of them with both numbers."""
    off = [(path, a, b) for path, a, b in pairs if not _same(_number(a), _number(b))]
    if not off:
        return ["  the data are the same everywhere"]
    width = max(len(path) for path, _, _ in off[:_SHOWN])
    lines = [f"  {path:<{width}}  {_data(a)} | {_data(b)} ({_distance(a, b)})" for path, a, b in off[:_SHOWN]]
    return [*lines, f"  ... {len(off) - _SHOWN} more"] if len(off) > _SHOWN else lines


def _number(x: object) -> object:
    return x.data if isinstance(x, Value) else x


def _data(x: object) -> str:
    return _cut(_number(x))


def _shown(name: str, attribute: object) -> str:
    return repr(attribute) if attribute != "" else "leaf" if name == "op" else "none"


def _same(a: object, b: object) -> bool:
    """Whether they are equal; nan is the same as nan."""
    return a is b or bool(a == b) or (a != a and b != b)


def _distance(left: object, right: object) -> str:
    """By how much two numbers differ."""
    a, b = _number(left), _number(right)
    if not isinstance(a, (int, float)) or not isinstance(b, (int, float)):
        return f"{type(left).__name__} and {type(right).__name__}"
    if _same(a, b):
        return "the same"
    if isinstance(a, int) and isinstance(b, int):
        return f"they differ by {abs(a - b)}"
    difference = abs(float(a) - float(b))
    if not math.isfinite(difference):
        return "not both finite" if not (math.isfinite(a) and math.isfinite(b)) else "too far apart"
    return f"they differ by {difference:.2g}, {difference / math.ulp(b):.2g} ulp"


def _cut(x: object) -> str:
    """Its repr, if that is short."""
    text = repr(x)
    return text if len(text) <= 80 else text[:60] + " ... " + text[-15:]
