"""The explorer's page: one HTML file, put together from the parts in the folder ``page``.

Nothing in it is fetched, and nothing that is data can become markup or script: the graph is JSON in a block that
browsers do not run, with every ``<`` in it written as an escape; the page's script builds the document from it by
``textContent`` alone; and the page's content security policy admits the one script and the one style sheet by their
hashes, and no others.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygrad_lite.viz.explorer.explorer_colours import custom_properties

_FOLDER = Path(__file__).parent / "page"


@dataclass(frozen=True)
class Parts:
    """What a page is put together from, beside the shell that all have: the transport, the search, the theme.

    Attributes:
        texts: A file with what goes into the shell, part by part, each after a comment with its name.
        styles: Style sheets.
        scripts: In the order in which they need each other.
    """

    texts: Path
    styles: tuple[Path, ...]
    scripts: tuple[Path, ...]


#: Scripts for pages of boxes and lines through which one steps, whatever the boxes stand for.
SHARED = tuple(
    _FOLDER / name
    for name in (
        "dom.js",
        "layers.js",
        "layout.js",
        "curves.js",
        "camera.js",
        "links.js",
        "hint.js",
        "stepper.js",
        "controls.js",
    )
)
STYLE = _FOLDER / "explorer.css"
_SCRIPTS = (
    "formula.js",
    "model.js",
    "aids/expression.js",
    "aids/found.js",
    "aids/minimap.js",
    "scene.js",
    "cards.js",
    "picture.js",
    "details.js",
    "panel.js",
    "order.js",
    "aids/leaf_curves.js",
    "live.js",
)
EXPLORER = Parts(
    _FOLDER / "explorer.html",
    (STYLE,),
    (*SHARED, *(_FOLDER / name for name in (*_SCRIPTS, "explorer.js"))),
)

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def page(data: Mapping[str, Any], title: str, *, connects: bool = False, parts: Parts = EXPLORER) -> str:
    """Return a page that shows data.

    Args:
        data: What the page's script is told; see :func:`tinygrad_lite.viz.explorer.explorer_data.graph_data`.
        title: The page's title, as text.
        connects: Whether its script may talk to the server that the page came from.
        parts: What it is put together from.

    Returns:
        A whole HTML document.

    >>> page({"nodes": []}, "a < b").partition("<title>")[2][:8]
    'a &lt; b'
    """
    found = {
        "title": html.escape(title),
        "policy": policy(connects=connects, parts=parts),
        "style": _style(parts),
        "script": _script(parts),
        "data": in_script(data),
    }
    # In one pass: a label that reads {{script}} stays one.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: found[match[1]], _frame(parts))


def policy(*, connects: bool = False, parts: Parts = EXPLORER) -> str:
    """Return the content security policy of the page.

    Args:
        connects: Whether its script may talk to the server that the page came from.
        parts: What the page is put together from.

    >>> policy().split("; ")[0]
    "default-src 'none'"
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_digest(_script(parts))}'",
            f"style-src '{_digest(_style(parts))}'",
            "img-src data:",
            f"connect-src '{'self' if connects else 'none'}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def in_script(data: Mapping[str, Any]) -> str:
    r"""JSON for the inside of a ``<script type="application/json">``: ASCII, without ``<``, ``>`` and ``&``.

    Args:
        data: What JSON can hold.

    >>> in_script({"label": "</script>"})
    '{"label":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&]", lambda match: _ESCAPES[match[0]], text)


def notebook_theme() -> str:
    """Return what runs in a notebook beside a frame with a page: a function of the frame, as JavaScript.

    >>> "data-jp-theme-light" in notebook_theme()
    True
    """
    return _read(_FOLDER / "aids" / "notebook_theme.js")


@functools.cache
def _frame(parts: Parts) -> str:
    """Return the shell with the page's own texts in it."""
    pieces = re.split(r"^<!-- (\w+) -->\n", _read(parts.texts), flags=re.MULTILINE)
    texts = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    own = {name: text if text.startswith((" ", "<")) else text.rstrip("\n") for name, text in texts.items()}
    return re.sub(r"\{\{(\w+)\}\}", lambda match: own.get(match[1], match[0]), _read(_FOLDER / "shell.html"))


@functools.cache
def _script(parts: Parts) -> str:
    """All scripts as one, in a scope of its own."""
    return '(() => {\n"use strict";\n' + "\n".join(map(_read, parts.scripts)) + "})();\n"


@functools.cache
def _style(parts: Parts) -> str:
    return custom_properties() + "".join(map(_read, parts.styles))


@functools.cache
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
