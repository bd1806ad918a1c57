"""Arrays by name in one file: the safetensors format, which holds numbers and text and nothing that could be run.

A file is the length of its header (8 bytes, the lowest first), the header (JSON: dtype, shape and place of each array,
and text by name under ``__metadata__``), and the numbers of the arrays one after the other. The format is described at
https://huggingface.co/docs/safetensors; other programs read these files.

The format knows no checksum. One of everything that follows the length is kept in the metadata, so that a changed byte
is noticed in numbers, too.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

#: NumPy's dtypes, as they lie in the file (lowest byte first), by the names that safetensors has for them.
DTYPES: Final = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
_NAMES: Final = {numpy_name: name for name, numpy_name in DTYPES.items()}
#: The longest header that is read, as in the reference implementation.
_LONGEST_HEADER: Final = 100_000_000
#: The most axes that a NumPy array has.
_MOST_AXES: Final = 64
_METADATA: Final = "__metadata__"
_CHECKSUM: Final = "sha256"


class Contents(NamedTuple):
    """What a file holds."""

    #: By name.
    arrays: dict[str, Any]
    #: Text by name.
    metadata: dict[str, str]
    #: Whether its checksum, which is right then, was there.
    has_checksum: bool


def to_bytes(arrays: Mapping[str, Any], metadata: Mapping[str, str]) -> bytes:
    """The contents of a file.

    Args:
        arrays: NumPy arrays by name, of the dtypes in ``DTYPES``.
        metadata: Text by name.

    Raises:
        TypeError: An array has another dtype.

    >>> import numpy as np
    >>> contents = from_bytes(to_bytes({"w": np.array([1.0, 2.0])}, {"author": "me"}))
    >>> contents.arrays["w"], contents.metadata
    (array([1., 2.]), {'author': 'me'})
    """
    header: dict[str, Any] = {}
    numbers = []
    end = 0
    # The reference implementation wants the widest numbers first, so that all are aligned.
    for name, array in sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        if name == _METADATA:
            raise ValueError(f"an array cannot be named {_METADATA!r}: the format uses this name")
        dtype = _NAMES.get(array.dtype.newbyteorder("<").str)
        if dtype is None:
            raise TypeError(
                f"{name} is an array of {array.dtype}, which safetensors files have no name for; there are: "
                f"{', '.join(DTYPES)}"
            )
        content = array.astype(DTYPES[dtype]).tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [end, end + len(content)]}
        numbers.append(content)
        end += len(content)
    header[_METADATA] = dict(metadata)
    header[_METADATA][_CHECKSUM] = _checksum(header, numbers)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *numbers])


def read_file(path: str | Path) -> Contents:
    """What a safetensors file holds.

    Args:
        path: Of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no safetensors file, or not a whole one; the message says what is wrong with it.
    """
    try:
        return from_bytes(Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None


def from_bytes(content: bytes) -> Contents:
    """What the bytes of a file stand for.

    Every array is a part of the bytes that were given, so none can be larger than the file.

    Raises:
        ValueError: They are no safetensors file, or not a whole one; the message says what is wrong.

    >>> from_bytes(b"hello")
    Traceback (most recent call last):
    ...
    ValueError: it is no safetensors file: it has 5 bytes, less than the shortest possible
    """
    header, start = _header(content)
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("it is no safetensors file: its metadata is not text by name")
    arrays = {}
    end = 0
    for entry in sorted((_entry(name, entry) for name, entry in header.items()), key=lambda entry: entry.places):
        first, last = entry.places
        if first != end:
            raise ValueError(f"it is damaged: {entry.name} begins at byte {first} of the numbers, not at {end}")
        if start + last > len(content):
            raise ValueError(
                f"it is truncated: {entry.name} ends at byte {start + last:,}, and the file has {len(content):,} bytes"
            )
        arrays[entry.name] = entry.array(content, start)
        end = last
    if start + end != len(content):
        raise ValueError(f"it is damaged: {len(content) - start - end:,} bytes follow the last array")
    expected = metadata.pop(_CHECKSUM, None)
    if expected is not None:
        header[_METADATA] = metadata
        if expected != _checksum(header, [content[start:]]):
            raise ValueError("it is damaged: its checksum is not that of its contents")
    return Contents(arrays, metadata, expected is not None)


class _Entry(NamedTuple):
    """What the header says about an array."""

    places: tuple[int, int]
    name: str
    dtype: str
    shape: tuple[int, ...]

    def array(self, content: bytes, start: int) -> Any:
        import numpy

        count = math.prod(self.shape)
        array = numpy.frombuffer(content, DTYPES[self.dtype], count, start + self.places[0] if count else 0)
        try:
            return array.reshape(self.shape).astype(array.dtype.newbyteorder("="))
        except (ValueError, OverflowError):  # of an axis beyond any memory, beside one of size 0
            raise ValueError(f"it is damaged: {self.name} has the impossible shape {self.shape}") from None


def _header(content: bytes) -> tuple[dict[str, Any], int]:
    """The header, and where the numbers begin."""
    if len(content) < 10:
        raise ValueError(f"it is no safetensors file: it has {len(content)} bytes, less than the shortest possible")
    length = int.from_bytes(content[:8], "little")
    if length > _LONGEST_HEADER or content[8:9] != b"{":
        raise ValueError("it is no safetensors file: it does not begin with the length of a header, and the header")
    if 8 + length > len(content):
        raise ValueError(
            f"it is truncated: its header ends at byte {8 + length:,}, and the file has {len(content):,} bytes"
        )
    try:
        header = json.loads(content[8 : 8 + length].decode(), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is damaged: its header cannot be parsed ({error})") from None
    return header, 8 + length


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _entry(name: str, given: Any) -> _Entry:
    """The entry of an array, each part of it checked."""
    if not isinstance(given, dict) or given.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"it is damaged: the header does not give dtype, shape and place of {name}")
    dtype, shape, places = given["dtype"], given["shape"], given["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"{name} has the dtype {dtype!r}; the known ones are: {', '.join(DTYPES)}")
    if not _are_sizes(shape) or len(shape) > _MOST_AXES or not _are_sizes(places) or len(places) != 2:
        raise ValueError(f"it is damaged: {name} has the shape {shape!r} and lies at {places!r}")
    size = int(DTYPES[dtype][2:]) * math.prod(shape)
    if places[1] - places[0] != size:
        raise ValueError(f"it is damaged: {name} has {places[1] - places[0]:,} bytes, and its shape needs {size:,}")
    return _Entry((places[0], places[1]), name, dtype, tuple(shape))


def _are_sizes(items: Any) -> bool:
    return isinstance(items, list) and all(type(item) is int and 0 <= item < 2**63 for item in items)


def _checksum(header: Mapping[str, Any], numbers: Iterable[bytes]) -> str:
    """Of the header without the checksum itself, names in order, and of the numbers."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for part in numbers:
        digest.update(part)
    return digest.hexdigest()
