"""A training in motion: how the weights of a network become what they are, :func:`animate_network`."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, final

from tinygrad_lite.plotting.themes import Theme
from tinygrad_lite.viz.animation.svg_picture import image_of, view_box
from tinygrad_lite.viz.networks.network import NetworkDrawing, shown, state_of, written
from tinygrad_lite.viz.networks.network_svg import NetworkSvg
from tinygrad_lite.viz.training.animation import Animation, save_as, spread_evenly
from tinygrad_lite.viz.training.recorders import WeightRecorder

#: Pixels of a GIF for each unit of the picture, and its greatest width in pixels.
_SCALE: Final = 1.4
_WIDEST: Final = 1000.0


def animate_network(
    recorder: WeightRecorder,
    x: Any = None,
    *,
    frames: int = 40,
    fps: float = 8.0,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    max_neurons: int = 16,
    theme: str | Theme = "light",
) -> NetworkAnimation:
    """Show how the weights of a network change while it is trained: the picture of :func:`network`, in motion.

    All moments are drawn on one scale. The model is left as it is.

    Args:
        recorder: What took down the weights, at least once.
        x: One sample, a number for each input: the circles are filled by what each neuron gives for it.
        frames: At most so many moments, spread evenly over what was taken down.
        fps: Moments a second.
        input_names: As for :func:`network`.
        output_names: As for :func:`network`.
        max_neurons: As for :func:`network`.
        theme: As for :func:`network`.

    Returns:
        What a notebook shows; ``save("training.svg")``, ``.gif`` or ``.html`` writes it.

    Raises:
        TypeError: It is no WeightRecorder, or :func:`network` cannot draw its model.
        ValueError: Nothing was taken down, or an option is out of range.

    >>> from tinygrad_lite.nn import MLP
    >>> recorder = WeightRecorder(MLP(2, [3, 1]))
    >>> recorder.record(0.7)
    >>> recorder.record(0.4)
    >>> animation = animate_network(recorder, [1.0, 0.0])
    >>> animation
    <animation of a network, 2 moments>
    """
    if not isinstance(recorder, WeightRecorder):
        raise TypeError(
            f"animate_network takes a WeightRecorder, which fit(..., callbacks=[recorder]) fills, not "
            f"{type(recorder).__name__} {recorder!r:.60}"
        )
    if not recorder.states:
        raise ValueError("the recorder took down nothing: give it to fit(..., callbacks=[recorder]), or call record()")
    if not isinstance(frames, int) or frames < 2:
        raise ValueError(f"frames is an int from 2 on, not {frames!r}")
    if not 0.0 < fps <= 50.0:
        raise ValueError(f"fps is a number of moments a second, at most 50, not {fps!r}")
    model = copy.deepcopy(recorder.model)  # so that no graph over the parameters becomes stale
    drawn = NetworkDrawing(model, input_names, output_names, max_neurons, theme)
    states = []
    for k in spread_evenly(len(recorder.states), frames):
        model.load_state_dict(recorder.states[k])
        loss = recorder.losses[k]
        caption = f"epoch {recorder.epochs[k]}" + (f", loss {loss:.3g}" if math.isfinite(loss) else "")
        states.append(state_of(model, drawn.columns, x, "weight", caption.replace("-", "−")))
    return NetworkAnimation(
        drawn.svg(states, "weight", "The weights of a network while it is trained"), fps, drawn.theme
    )


@final
class NetworkAnimation:
    """A network while it is trained, as :func:`animate_network` makes it."""

    def __init__(self, drawn: NetworkSvg, fps: float, theme: Theme) -> None:
        self._drawn = drawn
        self._fps = fps
        self._theme = theme

    def svg(self) -> str:
        """As an SVG file that moves by itself; where nothing moves, and on request of the reader, its last moment."""
        return written(self._drawn.animated(1.0 / self._fps))

    def gif(self) -> bytes:
        """As a GIF, which begins anew at its end.

        Raises:
            ImportError: matplotlib is not installed.
        """
        return self._pictures().gif()

    def html(self) -> str:
        """As a page with a player.

        Raises:
            ImportError: matplotlib is not installed.
        """
        return self._pictures().html()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it to a file.

        Args:
            path: Ends in ``.svg``, ``.gif`` or ``.html``.

        Returns:
            The path.

        Raises:
            ValueError: It has another suffix.
            ImportError: A GIF and a page need matplotlib.
            OSError: The file cannot be written.
        """
        forms = {".svg": lambda: self.svg().encode(), ".gif": self.gif, ".html": lambda: self.html().encode()}
        return save_as(path, forms, "the animation of a network")

    def _pictures(self) -> Animation:
        stills = [self._drawn.still(k) for k in range(len(self._drawn.states))]
        scale = min(_SCALE, _WIDEST / view_box(stills[0]).right)
        pictures = [image_of(still, scale, self._theme.backdrop) for still in stills]
        return Animation(pictures, self._fps, self._drawn.title)

    def _repr_html_(self) -> str:
        return shown(self._drawn.animated(1.0 / self._fps))

    def __repr__(self) -> str:
        return f"<animation of a network, {len(self._drawn.states)} moments>"
