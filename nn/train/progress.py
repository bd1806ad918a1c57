"""The progress bar of a training run, in a terminal or a notebook: epoch, loss, metrics and the time left."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any


def import_tqdm() -> Any:
    """Import tqdm, which draws the bars, when the first of them is shown.

    Raises:
        ImportError: It is not installed; the message says what to install.
    """
    try:
        import tqdm.auto
    except ImportError as error:
        raise ImportError("progress bars need tqdm: pip install tqdm. Or pass progress=False") from error
    return tqdm


class Bar:
    """Counts the batches of all epochs.

    Args:
        epochs: How many there are.
        batches: How many batches an epoch has.
        done: How many epochs were done before.
        show: True, False, or None: where somebody watches, in a terminal and in a notebook, if tqdm is installed.

    >>> with Bar(epochs=2, batches=10, done=0, show=False) as bar:
    ...     bar.batch_done(epoch=1, numbers={"loss": 0.5})
    """

    def __init__(self, epochs: int, batches: int, done: int, show: bool | None) -> None:
        self._epochs = epochs
        self._bar: Any = None
        self._of_epoch: dict[str, str] = {}
        if show or (show is None and find_spec("tqdm") is not None):
            self._bar = import_tqdm().auto.tqdm(
                total=epochs * batches,
                initial=done * batches,
                unit="batch",
                disable=None if show is None and not _in_notebook() else False,
            )

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def batch_done(self, epoch: int, numbers: Mapping[str, float]) -> None:
        """Move on by one batch, and show its numbers."""
        if self._bar is None or self._bar.disable:
            return
        self._bar.set_description(f"epoch {epoch}/{self._epochs}", refresh=False)
        self._bar.set_postfix({**self._of_epoch, **_written(numbers)}, refresh=False)
        self._bar.update()

    def epoch_done(self, numbers: Mapping[str, float]) -> None:
        """Show the numbers of an epoch; those of the validation stay until the next one is done."""
        if self._bar is None or self._bar.disable:
            return
        written = _written({name: number for name, number in numbers.items() if name != "lr"})
        self._bar.set_postfix(written)
        self._of_epoch = {name: text for name, text in written.items() if name.startswith("val_")}


def _written(numbers: Mapping[str, float]) -> dict[str, str]:
    return {name: f"{number:.4f}" if 1e-3 <= abs(number) < 1e4 else f"{number:.3g}" for name, number in numbers.items()}


def _in_notebook() -> bool:
    """Tell whether this is a Jupyter kernel, whose stderr is no terminal and is watched all the same."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")
