"""Arrays by name in one file: the safetensors format, which holds numbers and text and nothing that could be run.

The library of this name writes and reads them; other programs read these files. The format knows no checksum: one of
all arrays and texts is kept among the texts, so that a changed byte is noticed in numbers, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

#: NumPy's names of the dtypes that files may hold, by the names that they have there.
DTYPES: Final = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}
#: The longest header that is read, as in the library.
_LONGEST_HEADER: Final = 100_000_000
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
    """Make the contents of a file; the same arrays and texts give the same bytes.

    Args:
        arrays: NumPy arrays by name, of the dtypes in ``DTYPES``.
        metadata: Text by name.

    Raises:
        TypeError: An array has another dtype.
        ImportError: The library is not installed.

    >>> import numpy as np
    >>> contents = from_bytes(to_bytes({"w": np.array([1.0, 2.0])}, {"author": "me"}))
    >>> contents.arrays["w"], contents.metadata
    (array([1., 2.]), {'author': 'me'})
    """
    import numpy

    library = _library()
    for name, array in arrays.items():
        if name == _METADATA:
            raise ValueError(f"an array cannot be named {_METADATA!r}: the format uses this name")
        if array.dtype.name not in DTYPES.values():
            raise TypeError(
                f"{name} is an array of {array.dtype}, which safetensors files have no name for; there are: "
                f"{', '.join(DTYPES.values())}"
            )
    # The library writes the bytes of an array as they lie in memory, and texts in an order that changes from process
    # to process.
    content = library.numpy.save({name: numpy.asarray(array, order="C") for name, array in arrays.items()})
    header, start = _read_header(content)
    texts = {**metadata, _CHECKSUM: _checksum(arrays, metadata)}
    text = json.dumps({_METADATA: texts, **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, content[start:]])


def read_file(path: str | Path) -> Contents:
    """Read a safetensors file.

    Args:
        path: Of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no safetensors file, or not a whole one; the message says what is wrong with it.
        ImportError: The library is not installed.
    """
    try:
        return from_bytes(Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None


def from_bytes(content: bytes) -> Contents:
    """Read the contents of a file, and check that they are whole.

    Raises:
        ValueError: They are no safetensors file, or not a whole one; the message says what is wrong.
        ImportError: The library is not installed.

    >>> from_bytes(b"hello")
    Traceback (most recent call last):
    ...
    ValueError: it is no safetensors file: it has 5 bytes, less than the shortest possible
    """
    library = _library()
    header, start = _read_header(content)
    metadata = header.pop(_METADATA, {})
    for name, entry in header.items():
        dtype = entry.get("dtype") if isinstance(entry, dict) else None
        if isinstance(dtype, str) and dtype not in DTYPES:
            raise ValueError(f"{name} has the dtype {dtype!r}; the known ones are: {', '.join(DTYPES)}")
    try:
        loaded = library.numpy.load(content)  # in an order that changes from process to process
        arrays = {name: loaded[name].copy() for name in header if name in loaded}
    except (library.SafetensorError, ValueError, OverflowError) as error:  # NumPy's are of impossible shapes
        raise ValueError(_wrong_length(header, len(content) - start) or f"it is damaged: {error}") from None
    expected = metadata.pop(_CHECKSUM, None)
    if expected is not None and expected != _checksum(arrays, metadata):
        raise ValueError("it is damaged: its checksum is not that of its contents")
    return Contents(arrays, metadata, expected is not None)


def _library() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("files of models and programs need safetensors: pip install safetensors") from error
    return safetensors


def _read_header(content: bytes) -> tuple[dict[str, Any], int]:
    """Return what stands in JSON before the numbers, and where they begin."""
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
        return json.loads(content[8 : 8 + length].decode(), object_pairs_hook=_without_duplicates), 8 + length
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is damaged: its header cannot be parsed ({error})") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):  # of two that have one name, the library takes the last
        raise ValueError("a name is there twice")
    return found


def _wrong_length(header: Mapping[str, Any], length: int) -> str:
    """Say that numbers are missing, or that there are too many, if the header tells."""
    try:
        name, end = max(((name, entry["data_offsets"][1]) for name, entry in header.items()), key=lambda item: item[1])
        if end > length:
            return f"it is truncated: {name} ends at byte {end:,} of the numbers, and there are {length:,}"
        return f"it is damaged: {length - end:,} bytes follow the last array" if end < length else ""
    except (LookupError, TypeError, ValueError):
        return ""


def _checksum(arrays: Mapping[str, Any], metadata: Mapping[str, str]) -> str:
    """Compute the checksum of all names, dtypes, shapes, numbers and texts."""
    names = sorted(arrays)
    described = [[name, arrays[name].dtype.name, list(arrays[name].shape)] for name in names]
    digest = hashlib.sha256(json.dumps([described, sorted(metadata.items())]).encode())
    for name in names:
        digest.update(arrays[name].astype(arrays[name].dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
