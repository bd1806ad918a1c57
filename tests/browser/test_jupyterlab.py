"""A notebook that was just downloaded, opened in a real JupyterLab: it is not trusted, and shows its pictures."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tinygrad_lite import Value, tanh
from tinygrad_lite.plotting.themes import DARK, LIGHT
from tinygrad_lite.viz import animate_backward, draw, explore
from tinygrad_lite.viz.drawing import renderers

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
nbformat = pytest.importorskip("nbformat", reason="the notebook extra is not installed")
image_of_pillow = pytest.importorskip("PIL.Image", reason="Pillow, which comes with matplotlib, is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not renderers.installed(), reason="neither dot nor pygraphviz is installed"),
]
THEMES = {"light": LIGHT, "dark": DARK}


def shown() -> list[dict[str, str]]:
    """What IPython keeps of cells that end in a Value, a picture, an explorer, and a sweep."""
    formatter = pytest.importorskip("IPython.core.formatters").DisplayFormatter()
    a, b = Value(2.0, "a"), Value(-3.0, "b")
    root = tanh(a * b + 5.0)
    root.backward()
    return [formatter.format(thing)[0] for thing in (root, draw(root), explore(root), animate_backward(root))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("lab")
    new = nbformat.v4
    cells = []
    for number, bundle in enumerate(shown(), 1):
        output = new.new_output("execute_result", bundle, execution_count=number)
        cells.append(new.new_code_cell("...", execution_count=number, outputs=[output]))
    nbformat.write(new.new_notebook(cells=cells), path / "downloaded.ipynb")
    return path


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[str]:
    """The address of JupyterLab in that folder; its settings are there, too."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = {f"JUPYTER{name}": str(folder / name.lower()) for name in ("_CONFIG_DIR", "_DATA_DIR", "_RUNTIME_DIR")}
    folders["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "settings")
    options = [
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        "--IdentityProvider.token=",
        f"--notebook-dir={folder}",
    ]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        env={**os.environ, **folders},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=10.0).close()
                break
            except urllib.error.URLError:
                assert server.poll() is None, "JupyterLab stopped"
                time.sleep(0.1)
        yield address
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def opened(lab: str, folder: Path, browser: Any) -> Iterator[Callable[[str, str], Any]]:
    contexts = []

    def open_notebook(theme: str, system: str) -> Any:
        settings = folder / "settings" / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(json.dumps({"theme": f"JupyterLab {theme.title()}"}))
        contexts.append(browser.new_context(color_scheme=system, viewport={"width": 1280, "height": 3000}))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{lab}/lab/tree/downloaded.ipynb")
        page.wait_for_selector(".jp-OutputArea-output")
        page.wait_for_selector(f"body[data-jp-theme-name='JupyterLab {theme.title()}']", state="attached")
        return page

    yield open_notebook
    for context in contexts:
        context.close()


def corner(image: Any) -> str:
    """The colour of an image near its corner, where the page is."""
    picture = image_of_pillow.open(io.BytesIO(image.screenshot())).convert("RGB")
    return "#{:02X}{:02X}{:02X}".format(*picture.getpixel((4, 4)))


# the system's theme is the other one: the notebook's counts
@pytest.mark.parametrize(("theme", "system"), [("light", "dark"), ("dark", "light")])
def test_pictures_show_in_a_notebook_that_is_not_trusted_and_in_its_theme(
    opened: Callable[[str, str], Any], theme: str, system: str
) -> None:
    page = opened(theme, system)
    page.wait_for_function("document.querySelectorAll('.jp-OutputArea-output img').length === 4")
    dismiss = page.get_by_role("button", name="No Kernel", exact=True)  # it asks for one, for there is none
    if dismiss.count():
        dismiss.first.click()
    images = page.locator(".jp-OutputArea-output img")
    natural = images.evaluate_all("images => images.map(image => [image.naturalWidth, image.clientWidth])")
    assert all(0 < shown <= width + 1 for width, shown in natural)
    assert [corner(images.nth(k)) for k in range(3)] == [THEMES[theme].page] * 3
    assert page.locator(".jp-OutputArea-output iframe").count() == 0
    assert page.get_by_text("run the cell for the page to explore").is_visible()
