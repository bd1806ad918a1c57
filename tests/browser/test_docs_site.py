"""The documentation site in a browser, opened from files: nothing overflows, nothing is loaded from elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built anew: with what is missing in it, which ``make docs`` refuses; or the one of ``make docs``."""
    if "BUILT_SITE" in os.environ:
        return Path(os.environ["BUILT_SITE"])
    pytest.importorskip("mkdocs", reason="the docs extra is not installed")
    pytest.importorskip("mkdocstrings", reason="the docs extra is not installed")
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )
    return folder


def pages(site: Path) -> list[Path]:
    """Every page of the site, but of the listings of sources only the first: they are alike.

    Without the page that a server shows for those that it does not have: its links begin at the server's root.
    """
    found = [path for path in sorted(site.rglob("*.html")) if "md-content" in path.read_text(encoding="utf-8")]
    found.remove(site / "404.html")
    sources = [path for path in found if "source" in path.relative_to(site).parts]
    return [path for path in found if path not in sources[1:]]


def test_no_page_scrolls_sideways_on_a_phone(site: Path, tabs: Callable[..., Any]) -> None:
    tab = tabs()
    tab.page.set_viewport_size(PHONE)
    shown = pages(site)
    assert len(shown) > 30
    too_wide = {}
    for path in shown:
        tab.page.goto(path.as_uri())
        width = tab.page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            too_wide[str(path.relative_to(site))] = width
    assert too_wide == {}
    assert {address.partition(":")[0] for address in tab.requests} <= {"file", "data", "about"}


def test_the_search_finds_without_a_server(site: Path, tabs: Callable[..., Any]) -> None:
    page = tabs().page
    page.goto((site / "index.html").as_uri())
    page.locator("input[name=query]").click()
    page.keyboard.type("logsumexp")  # a query for each letter: a word with a star in it breaks some
    page.wait_for_selector(".md-search-result__item")
    found = page.eval_on_selector_all(".md-search-result__link", "links => links.map(link => link.href)")
    assert any("operations.html" in address for address in found)


@pytest.mark.parametrize(
    ("query", "page_found"), [("decision boundary", "api/viz.html"), ("logsum", "operations.html")]
)
def test_the_search_finds_names_by_their_words(
    site: Path, tabs: Callable[..., Any], query: str, page_found: str
) -> None:
    page = tabs().page
    page.goto((site / "index.html").as_uri())
    page.locator("input[name=query]").click()
    page.keyboard.type(query, delay=20)
    page.wait_for_selector(".md-search-result__item")
    page.wait_for_function(
        "end => [...document.querySelectorAll('.md-search-result__link')].some(link => link.href.includes(end))",
        arg=page_found,
    )
    assert "Missing" not in page.locator(".md-search-result__item").first.inner_text()


def test_the_reference_of_operations_is_filtered(site: Path, tabs: Callable[..., Any]) -> None:
    page = tabs().page
    page.goto((site / "operations.html").as_uri())
    total = page.locator("h3:visible").count()
    page.locator(".filter input").fill("HYPERBOLIC tangent")
    shown = page.locator("h3:visible").all_inner_texts()
    assert 0 < len(shown) < total / 4
    assert any(name.startswith("tanh") for name in shown)
    assert page.locator(".filter [role=status]").inner_text() == f"{len(shown)} found"
    page.goto((site / "operations.html").as_uri() + "#add")
    assert page.locator("#add").is_visible()
    page.locator(".filter input").fill("")
    assert page.locator("h3:visible").count() == total


def test_a_picture_is_enlarged_by_a_click(site: Path, tabs: Callable[..., Any]) -> None:
    page = tabs(color_scheme="light").page
    page.goto((site / "gallery.html").as_uri())
    small = page.locator("main img:visible").first
    width = small.bounding_box()["width"]
    small.click()
    page.wait_for_selector(".gslide.current img")
    page.wait_for_timeout(600)  # it grows
    assert page.locator(".gslide.current img").bounding_box()["width"] > width
    page.keyboard.press("Escape")


def test_the_explorer_on_a_page_is_alive_and_has_the_theme_of_the_site(site: Path, tabs: Callable[..., Any]) -> None:
    page = tabs(color_scheme="light").page
    for name in ("index.html", "guide_viz.html", "gallery.html"):
        page.goto((site / name).as_uri())
        assert page.locator("iframe[src$='live/xor.html']").count() == 1
    explorer = page.frame_locator("iframe[src$='live/xor.html']")
    page.locator("iframe[src$='live/xor.html']").scroll_into_view_if_needed()
    theme = "getComputedStyle(document.body).backgroundColor"
    explorer.locator("html[data-ready]").wait_for()
    light = explorer.locator("body").evaluate(theme)
    page.locator("label[for^=__palette_]:visible").click()
    page.wait_for_timeout(500)
    assert explorer.locator("body").evaluate(theme) != light
    explorer.get_by_role("button", name="Watch backpropagation").click()
    explorer.locator("#phase", has_text="Backward").wait_for()


def test_notebooks_can_be_downloaded(site: Path, tabs: Callable[..., Any]) -> None:
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert (site / "notebooks" / path.name).read_bytes() == path.read_bytes()
        page = (site / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
        assert f"href='{path.name}' download" in page or f'href="{path.name}" download' in page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_follow_the_switch_between_light_and_dark(site: Path, tabs: Callable[..., Any], scheme: str) -> None:
    tab = tabs(color_scheme=scheme)
    tab.page.goto((site / "gallery.html").as_uri())

    def shown() -> set[str]:
        images = "images => images.filter(image => image.offsetWidth).map(image => image.src)"
        addresses = tab.page.eval_on_selector_all("img[src*='#only-']", images)
        return {address.partition("#only-")[2] for address in addresses}

    assert shown() == {scheme}
    tab.page.locator("label[for^=__palette_]:visible").click()
    assert shown() == {"light", "dark"} - {scheme}


def test_formulas_are_typeset(site: Path, tabs: Callable[..., Any]) -> None:
    page = tabs().page
    page.goto((site / "operations.html").as_uri())
    fractions = "all => all.map(one => one.getBoundingClientRect()).map(box => [box.width, box.height])"
    sizes = page.eval_on_selector_all("mfrac", fractions)
    assert len(sizes) > 20
    assert all(width > 3 and height > 8 for width, height in sizes)
    assert "\\frac" not in page.locator("main").inner_text()
