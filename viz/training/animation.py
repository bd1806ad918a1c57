"""Animations of a training: GIFs, and pages with a player."""

from __future__ import annotations

import base64
import copy
import html
import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, final

from tinygrad_lite.files.atomic import write_atomically
from tinygrad_lite.plotting.plot_style import (
    Style,
    frame,
    image_of_figure,
    label_axes,
    new_figure,
    spread,
    style_of,
    whole_ticks,
)
from tinygrad_lite.plotting.themes import Theme
from tinygrad_lite.viz.training.boundary import draw_boundary, draw_points
from tinygrad_lite.viz.training.decision_grid import evaluate_grid, most_probable, points_of, probabilities_of
from tinygrad_lite.viz.training.recorders import WeightRecorder

#: The last frame stays for so many seconds, before the first one comes again.
_END: Final = 2.0
#: Bands of certainty: a GIF has 256 colours.
_BANDS: Final = 8
_DPI: Final = 100


def animate_training(
    recorder: WeightRecorder,
    X: Any,  # noqa: N803 (scikit-learn's name)
    y: Any,
    *,
    frames: int = 40,
    fps: float = 8.0,
    resolution: int = 50,
    outputs: str = "logits",
    feature_names: tuple[str, str] = ("x₁", "x₂"),
    theme: str | Theme = "light",
) -> Animation:
    """How the boundary between the classes moves while a model is trained, beside its loss.

    The model is asked with the weights that were taken down; it is left as it is.

    Args:
        recorder: What took down the weights, at least once.
        X: The samples: n pairs of numbers.
        y: Their classes, as for :func:`~tinygrad_lite.viz.plot_decision_boundary`.
        frames: At most so many pictures, spread evenly over what was taken down.
        fps: Pictures a second.
        resolution: On so many places along each axis the model is asked.
        outputs: ``"logits"``, or ``"probabilities"`` if the model gives these.
        feature_names: The names of the axes.
        theme: ``"light"``, ``"dark"`` or ``"print"``, or a theme of one's own.

    Returns:
        What a notebook shows; ``save("training.gif")`` or ``save("training.html")`` writes it.

    Raises:
        ValueError: Nothing was taken down, samples and classes do not fit, or an option is out of range.
        TypeError: It is no WeightRecorder.
        ImportError: matplotlib is not installed.

    >>> from tinygrad_lite.nn.layers.layers import MLP
    >>> from tinygrad_lite.nn.train.data import xor
    >>> recorder = WeightRecorder(MLP(2, [3, 1]))
    >>> recorder.record(0.7)
    >>> animation = animate_training(recorder, *xor(), resolution=10)
    >>> animation.gif()[:6]
    b'GIF89a'
    """
    if not isinstance(recorder, WeightRecorder):
        raise TypeError(
            f"animate_training takes a WeightRecorder, which fit(..., callbacks=[recorder]) fills, not "
            f"{type(recorder).__name__} {recorder!r:.60}"
        )
    if not recorder.states:
        raise ValueError("the recorder took down nothing: give it to fit(..., callbacks=[recorder]), or call record()")
    for name, number in (("frames", frames), ("resolution", resolution)):
        if not isinstance(number, int) or number < 2:
            raise ValueError(f"{name} is an int from 2 on, not {number!r}")
    style = style_of(theme)
    points = points_of(X, y)
    model = copy.deepcopy(recorder.model)  # so that no graph over the parameters becomes stale
    pictures = []
    chosen = spread_evenly(len(recorder.states), frames)
    for k in chosen:
        model.load_state_dict(recorder.states[k])
        figure = new_figure(8.0, 3.7, style, fixed=True)  # each picture has its axes in the same place
        figure.subplots_adjust(left=0.075, right=0.985, bottom=0.14, top=0.915, wspace=0.19)
        left, right = figure.subplots(1, 2, width_ratios=(5, 4))
        frame(left, style)
        grid = evaluate_grid(model, points, resolution, outputs)
        draw_boundary(left, grid, style, bands=_BANDS)
        seen = [most_probable(p) for p in probabilities_of(model, points.inputs, outputs)]
        draw_points(left, points, seen, style)
        label_axes(left, *feature_names, style)
        _draw_losses(right, recorder, k, style)
        figure.set_facecolor(style.theme.backdrop)  # not a transparent one
        figure.set_dpi(_DPI)
        pictures.append(image_of_figure(figure))
    last = recorder.epochs[chosen[-1]]
    return Animation(pictures, fps, f"The boundary between the classes and the loss over {last} epochs of training")


@final
class Animation:
    """Pictures one after the other, as :func:`animate_training` makes them.

    Args:
        pictures: Images of Pillow, all of one size.
        fps: How many are shown a second.
        description: What they show, for those who do not see them.

    Raises:
        ValueError: There are none, or ``fps`` is not positive.

    Attributes:
        pictures: The images.
        seconds: How long each is shown.
        description: What they show.
    """

    def __init__(self, pictures: Sequence[Any], fps: float, description: str) -> None:
        if not pictures:
            raise ValueError("an animation has at least one picture")
        if not 0.0 < fps <= 50.0:
            raise ValueError(f"fps is a number of pictures a second, at most 50, not {fps!r}")
        self.pictures = list(pictures)
        self.description = description
        self.seconds = [1.0 / fps] * (len(self.pictures) - 1) + [_END]

    def gif(self) -> bytes:
        """As a GIF, which begins anew at its end; the same bytes each time."""
        from PIL import Image

        # One palette for all: it is taken from the first, the middle and the last picture.
        some = [self.pictures[k] for k in sorted({0, len(self.pictures) // 2, len(self.pictures) - 1})]
        strip = Image.new("RGB", (sum(image.width for image in some), some[0].height))
        for k, image in enumerate(some):
            strip.paste(image, (k * image.width, 0))
        page = self.pictures[-1].getpixel((0, 0))
        palette = _palette(strip, page)
        drawn = [_indexed(image, palette, page) for image in self.pictures]
        file = io.BytesIO()
        durations = [round(1000.0 * seconds) for seconds in self.seconds]
        drawn[0].save(
            file, "GIF", save_all=True, append_images=drawn[1:], duration=durations, loop=0, optimize=True, disposal=1
        )
        return file.getvalue()

    def html(self) -> str:
        """As a page with a player, which loads nothing from elsewhere: buttons, a slider, the keyboard's arrows."""
        frames = [base64.b64encode(_png(image)).decode() for image in self.pictures]
        return _PAGE.format(
            title=html.escape(self.description),
            width=self.pictures[0].width,
            last=len(frames) - 1,
            frames=",".join(f'"{frame}"' for frame in frames),
            milliseconds=[round(1000.0 * seconds) for seconds in self.seconds],
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it to a file.

        Args:
            path: Ends in ``.gif`` or ``.html``.

        Returns:
            The path.

        Raises:
            ValueError: It has another suffix.
            OSError: The file cannot be written.
        """
        return save_as(path, {".gif": self.gif, ".html": lambda: self.html().encode()}, "an animation")

    def _repr_html_(self) -> str:
        source = base64.b64encode(self.gif()).decode()
        return f'<img src="data:image/gif;base64,{source}" alt="{html.escape(self.description)}">'

    def __repr__(self) -> str:
        return f"<animation of {len(self.pictures)} pictures, {math.fsum(self.seconds):.1f} s>"


def save_as(path: str | os.PathLike[str], forms: Mapping[str, Callable[[], bytes]], what: str) -> Path:
    """Write the form that a file's suffix asks for.

    Args:
        path: Of the file.
        forms: What makes the contents, by suffix.
        what: What is saved, for the message.

    Returns:
        The path.

    Raises:
        ValueError: It has another suffix.
        OSError: The file cannot be written.
    """
    target = Path(path)
    form = forms.get(target.suffix.lower())
    if form is None:
        raise ValueError(f"{what} is saved as {' or '.join(forms)}, not as {target.name!r}")
    write_atomically(target, form())
    return target


def spread_evenly(count: int, wanted: int) -> list[int]:
    """At most so many places, the first and the last among them."""
    if count <= wanted:
        return list(range(count))
    return sorted({round(k * (count - 1) / (wanted - 1)) for k in range(wanted)})


def _draw_losses(ax: Any, recorder: WeightRecorder, k: int, style: Style) -> None:
    """Draw the loss up to now, over the faint line of all."""
    frame(ax, style)
    epochs, losses = recorder.epochs, [x if math.isfinite(x) else math.nan for x in recorder.losses]
    ax.plot(epochs, losses, color=style.theme.faint, linewidth=1.2)
    ax.plot(epochs[: k + 1], losses[: k + 1], color=style.colour(0), linewidth=1.8)
    ax.scatter([epochs[k]], [losses[k]], s=36, color=style.colour(0), zorder=3, clip_on=False)
    if spread([x for x in losses if not math.isnan(x)]) > 30.0:
        ax.set_yscale("log")
    ax.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    ax.set_title(f"epoch {epochs[k]}", loc="right", fontsize=9, color=style.theme.muted, pad=7)
    label_axes(ax, "epoch", "loss", style)
    whole_ticks(ax)


def _palette(image: Any, page: tuple[int, int, int]) -> Any:
    """Return the colours of an image, as they are needed most, and its page's as it is."""
    from PIL import Image

    found = image.quantize(127, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).getpalette()[: 3 * 127]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*page, *found])
    return palette


def _indexed(image: Any, palette: Any, page: tuple[int, int, int]) -> Any:
    """Return an image in the colours of a palette, whose first is the page's."""
    import numpy as np
    from PIL import Image

    places = np.array(image.quantize(palette=palette, dither=Image.Dither.NONE))
    places[(np.asarray(image) == page).all(axis=2)] = 0  # Pillow looks up colours by their first six bits
    indexed = Image.fromarray(places)
    indexed.putpalette(palette.getpalette())
    return indexed


def _png(image: Any) -> bytes:
    file = io.BytesIO()
    page = image.getpixel((0, 0))
    _indexed(image, _palette(image, page), page).save(file, "PNG", optimize=True)
    return file.getvalue()


_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
  body {{ margin: 1rem auto; max-width: {width}px; font: 14px system-ui, sans-serif; }}
  img {{ width: 100%; display: block; }}
  div {{ display: flex; gap: .75rem; align-items: center; margin-top: .5rem; }}
  input {{ flex: 1; }}
  :root {{ color-scheme: light dark; }}
</style>
<img id="picture" alt="{title}">
<div>
  <button id="play" type="button">Pause</button>
  <input id="place" type="range" min="0" max="{last}" value="0" aria-label="picture">
</div>
<script>
  const frames = [{frames}], durations = {milliseconds};
  const picture = document.getElementById("picture"), place = document.getElementById("place");
  const button = document.getElementById("play");
  let timer = null;
  function show() {{ picture.src = "data:image/png;base64," + frames[place.value]; }}
  function next() {{
    place.value = (Number(place.value) + 1) % frames.length;
    show();
    timer = setTimeout(next, durations[place.value]);
  }}
  function play(on) {{
    clearTimeout(timer);
    timer = on ? setTimeout(next, durations[place.value]) : null;
    button.textContent = on ? "Pause" : "Play";
  }}
  button.onclick = () => play(timer === null);
  place.oninput = () => {{ play(false); show(); }};
  show();
  play(!matchMedia("(prefers-reduced-motion: reduce)").matches && frames.length > 1);
</script>
</html>
"""
