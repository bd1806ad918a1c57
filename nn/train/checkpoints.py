"""Models, optimisers and whole training runs in files: safetensors, which hold numbers and nothing that could be run.

A file is written in one step: whoever reads it finds the old one or the new one, whole. A file that is damaged, cut off
or of another program is refused, and then nothing has changed.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from tinygrad_lite.files import json_codec
from tinygrad_lite.files.atomic import write_atomically
from tinygrad_lite.files.safetensors import read_file, to_bytes
from tinygrad_lite.nn.base.module import Module

_FORMAT: Final = "tinygrad_lite"
#: Of the files that are written; those up to it are read.
_VERSION: Final = 1
#: What the names of the weights begin with, beside the arrays of the other parts.
_WEIGHTS: Final = "model."


class Stateful(Protocol):
    """What has a state that can be saved: an optimiser, a schedule, a scaler, a callback."""

    def state_dict(self) -> Any:
        """Return the state, as plain data."""

    def load_state_dict(self, state_dict: Any, /) -> Any:
        """Take over what ``state_dict()`` gave, or raise."""


def save(model: Module, path: str | Path, optimizer: Stateful | None = None, extra: Any = None) -> None:
    """Write the weights and buffers of a model to a safetensors file, with the state of an optimiser if given.

    Args:
        model: Whose ``state_dict()`` is kept: float64 arrays, named as in it after ``"model."``.
        path: Of the file. If it exists, it is replaced, in one step.
        optimizer: What moves the parameters.
        extra: Plain data to keep beside: numbers, text, lists, tuples, dicts, arrays.

    Raises:
        TypeError: The extra is no plain data.
        OSError: The file cannot be written; what was there is as it was.

    >>> from tinygrad_lite.nn.layers.layers import MLP
    >>> model, other = MLP(2, [3, 1], seed=0), MLP(2, [3, 1], seed=1)
    >>> save(model, "model.safetensors", extra={"data": "moons"})
    >>> load(other, "model.safetensors")
    {'data': 'moons'}
    >>> other([1.0, 2.0]).data == model([1.0, 2.0]).data
    True
    """
    parts = {"extra": extra}
    if optimizer is not None:
        parts["optimizer"] = optimizer.state_dict()
    _write(model, parts, path)


def load(model: Module, path: str | Path, optimizer: Stateful | None = None, strict: bool = True) -> Any:
    """Take over what :func:`save` wrote; or the model and the optimiser of a checkpoint of ``fit``.

    Args:
        model: Made with the same arguments as the one that was saved.
        path: Of the file.
        optimizer: Of the same class as the one that was saved, over the same parameters; None leaves its state out.
        strict: Whether names of weights that are missing or unknown are errors.

    Returns:
        The ``extra`` that was saved.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, cut off, of another program or a newer version, or does not fit the model or
            the optimiser. The message says which, and neither has changed.
    """
    weights, parts = _read(path)
    changes: list[tuple[Stateful, Callable[[], Any]]] = [(model, lambda: model.load_state_dict(weights, strict))]
    if optimizer is not None:
        if "optimizer" not in parts:
            raise ValueError(f"{path} holds no optimiser: save(model, path, optimizer) keeps one")
        changes.append((optimizer, lambda: optimizer.load_state_dict(parts["optimizer"])))
    _change_all(changes, path)
    return parts.get("extra")


def save_run(model: Module, parts: Mapping[str, Stateful], path: str | Path) -> None:
    """Write a model and everything else that a training run needs to go on."""
    _write(model, {name: part.state_dict() for name, part in parts.items()}, path)


def load_run(model: Module, parts: Mapping[str, Stateful], path: str | Path) -> None:
    """Take over what :func:`save_run` wrote, for a run with the same parts.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or does not fit. Nothing has changed then.
    """
    weights, saved = _read(path)
    if saved.keys() != parts.keys():
        missing, unknown = [name for name in parts if name not in saved], [name for name in saved if name not in parts]
        raise ValueError(
            f"{path} is no checkpoint of such a run: "
            + "; ".join(
                [f"it lacks {', '.join(missing)}"] * bool(missing)
                + [f"it has {', '.join(unknown)}, and this run has not"] * bool(unknown)
            )
            + ". Call fit with the arguments that the checkpoint was made with, or load(model, path, optimizer) alone."
        )
    _change_all(
        [
            (model, lambda: model.load_state_dict(weights)),
            *((part, lambda name=name, part=part: part.load_state_dict(saved[name])) for name, part in parts.items()),
        ],
        path,
    )


class Generators:
    """Random generators by name, as something whose state can be saved.

    >>> rng = random.Random(0)
    >>> generators = Generators({"shuffling": rng})
    >>> state, first = generators.state_dict(), rng.random()
    >>> generators.load_state_dict(state)
    >>> rng.random() == first
    True
    """

    def __init__(self, generators: Mapping[str, random.Random]) -> None:
        self._generators = dict(generators)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of each."""
        return {name: generator.getstate() for name, generator in self._generators.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Set the state of each.

        Raises:
            ValueError: The names are others, or a state is none.
        """
        if state_dict.keys() != self._generators.keys():
            raise ValueError(
                f"random generators {', '.join(state_dict) or 'none'} were saved, and here are "
                f"{', '.join(self._generators) or 'none'}"
            )
        for name, generator in self._generators.items():
            generator.setstate(state_dict[name])


def _write(model: Module, parts: Mapping[str, Any], path: str | Path) -> None:
    arrays = {f"{_WEIGHTS}{name}": array for name, array in model.state_dict().items()}
    metadata = {"format": _FORMAT, "version": str(_VERSION), "parts": json_codec.encode(parts, "", arrays)}
    write_atomically(path, to_bytes(arrays, metadata))


def _read(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the weights and the other parts."""
    contents = read_file(path)
    _check_origin(contents.metadata, path)
    if not contents.has_checksum:
        raise ValueError(f"{path} cannot be read: it is damaged: it has no checksum")
    weights = {name.removeprefix(_WEIGHTS): a for name, a in contents.arrays.items() if name.startswith(_WEIGHTS)}
    for name, array in weights.items():
        if array.dtype != "float64":
            raise ValueError(f"{path} cannot be read: the weights {name} are {array.dtype}, and not float64")
    try:
        parts = json_codec.decode(contents.metadata["parts"], contents.arrays)
        if not (isinstance(parts, dict) and all(isinstance(name, str) for name in parts)):
            raise ValueError("its parts have no names")
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: it is damaged: {error}") from None
    return weights, parts


def _check_origin(metadata: Mapping[str, str], path: str | Path) -> None:
    if metadata.get("format") != _FORMAT:
        told = f" (its format is {metadata['format']!r})" if "format" in metadata else ""
        raise ValueError(
            f"{path} is a safetensors file of another program{told}: read its arrays with "
            "safetensors.numpy.load_file(path), and give them to from_torch(arrays, model) or model.load_state_dict"
        )
    version = metadata.get("version", "")
    if not (version.isdecimal() and len(version) < 10 and int(version) > 0):
        raise ValueError(f"{path} cannot be read: it is damaged: its version is {version!r:.20}")
    if int(version) > _VERSION:
        raise ValueError(
            f"{path} has version {version} of the format, and this tinygrad_lite reads up to {_VERSION}: "
            "pip install --upgrade tinygrad-lite"
        )


def _change_all(changes: list[tuple[Stateful, Callable[[], Any]]], path: str | Path) -> None:
    """Make all changes, or none."""
    before: list[tuple[Stateful, Any]] = []
    try:
        for target, change in changes:
            before.append((target, copy.deepcopy(target.state_dict())))
            change()
    except BaseException as error:
        for target, state in reversed(before):
            target.load_state_dict(state)
        if isinstance(error, Exception):
            raise ValueError(f"{path} does not fit: {error}") from error
        raise
