"""Every theme is legible, and tells signs apart without hue where it must."""

from __future__ import annotations

import itertools
import math

import pytest

from tinygrad_lite import Value, sqrt
from tinygrad_lite.plotting.themes import DARK, LIGHT, PRINT, THEMES, Theme, all_faded, faded, find_theme
from tinygrad_lite.viz import draw
from tinygrad_lite.viz.drawing.palette import pen, text_colour_of


def linear(colour: str) -> list[float]:
    """The parts of an sRGB colour as amounts of light (IEC 61966-2-1)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 defines it."""
    light, dark = sorted(
        (sum(w * x for w, x in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) for c in (one, other)),
        reverse=True,
    )
    return (light + 0.05) / (dark + 0.05)


def seen_by_deuteranopes(colour: str) -> list[float]:
    """The light that is left to an eye without green cones (Viénot et al. 1999, for sRGB)."""
    r, g, b = linear(colour)
    yellow = 0.29275 * r + 0.70725 * g
    return [yellow, yellow, -0.02234 * r + 0.02234 * g + b]


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
def test_text_has_a_contrast_of_at_least_4_5_on_whatever_it_stands(theme: Theme) -> None:
    page = theme.backdrop
    fills = {page, theme.leaf, theme.interior, theme.output, theme.module, theme.frame}
    texts = (theme.ink, theme.muted, theme.positive_text, theme.negative_text, theme.not_finite_text)
    for text, fill in itertools.product(texts, fills):
        assert contrast(text, fill) >= 4.5, (text, fill)
    assert contrast(theme.failure_text, theme.failure_fill) >= 4.5
    assert contrast(theme.ink, theme.failure_fill) >= 4.5


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
def test_lines_have_a_contrast_of_at_least_3_or_are_meant_to_be_faint(theme: Theme) -> None:
    for line in (theme.positive, theme.negative, theme.mixed, theme.failure):
        assert contrast(line, theme.backdrop) >= 3.0, line


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_signs_are_told_apart_without_green_cones(theme: Theme) -> None:
    for one, other in itertools.combinations((theme.positive, theme.negative, theme.mixed), 2):
        assert math.dist(seen_by_deuteranopes(one), seen_by_deuteranopes(other)) > 0.15


def test_in_print_negative_edges_are_dashed() -> None:
    assert pen(-1.0, 1.0, PRINT)["style"] == "dashed"
    assert "style" not in pen(1.0, 1.0, PRINT)
    assert "style" not in pen(-1.0, 1.0, LIGHT)


def test_numbers_are_written_in_the_colour_of_their_sign() -> None:
    colours = [text_colour_of(x, DARK) for x in (1.0, -1.0, 0.0, math.nan)]
    assert colours == [DARK.positive_text, DARK.negative_text, DARK.muted, DARK.not_finite_text]


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
def test_a_picture_has_the_colours_of_its_theme_and_no_other(theme: Theme) -> None:
    x = Value(0.0, "x")
    y = sqrt(x) * Value(-2.0, "y") + 1.0
    y.backward()
    used = set(re_colours(draw(y, theme=theme.name).source))
    assert used <= set(theme)
    assert (f'bgcolor="{theme.page}"' if theme.page[0] == "#" else f"bgcolor={theme.page}") in draw(
        y, theme=theme.name
    ).source


def re_colours(source: str) -> list[str]:
    return [source[i : i + 7] for i in range(len(source)) if source[i] == "#" and source[i - 1] == '"']


def test_a_theme_of_ones_own_is_taken() -> None:
    assert find_theme(LIGHT._replace(page="#FFF8E7")).page == "#FFF8E7"


def test_unknown_themes_are_refused() -> None:
    with pytest.raises(ValueError, match="theme is one of light, dark, print, not 'blue'"):
        draw(Value(1.0), theme="blue")


def test_fading_goes_towards_the_page() -> None:
    assert faded("#FFFFFF", DARK, 0.0) == DARK.page
    assert faded(DARK.ink, DARK, 1.0) == DARK.ink
    assert contrast(all_faded(DARK).ink, DARK.page) < contrast(DARK.ink, DARK.page)
