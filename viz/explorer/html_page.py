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
from pathlib import Path
from typing import Any

from tinygrad_lite.viz.explorer.explorer_colours import custom_properties

_PARTS = Path(__file__).parent / "page"
#: In the order in which they need each other.
SCRIPTS = (
    "dom.js",
    "formula.js",
    "model.js",
    "layers.js",
    "layout.js",
    "cards.js",
    "curves.js",
    "scene.js",
    "picture.js",
    "camera.js",
    "details.js",
    "panel.js",
    "hint.js",
    "order.js",
    "links.js",
    "live.js",
    "controls.js",
    "explorer.js",
)

_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def page(data: Mapping[str, Any], title: str, *, connects: bool = False) -> str:
    """Return the page that shows a graph.

    Args:
        data: What the page's script is told; see :func:`tinygrad_lite.viz.explorer.explorer_data.graph_data`.
        title: The page's title, as text.
        connects: Whether its script may talk to the server that the page came from.

    Returns:
        A whole HTML document.

    >>> page({"nodes": []}, "a < b").partition("<title>")[2][:8]
    'a &lt; b'
    """
    parts = {
        "title": html.escape(title),
        "policy": policy(connects=connects),
        "style": _style(),
        "script": _script(),
        "data": in_script(data),
    }
    # In one pass: a label that reads {{script}} stays one.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _part("explorer.html"))


def policy(*, connects: bool = False) -> str:
    """Return the content security policy of the page.

    Args:
        connects: Whether its script may talk to the server that the page came from.

    >>> policy().split("; ")[0]
    "default-src 'none'"
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_digest(_script())}'",
            f"style-src '{_digest(_style())}'",
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


@functools.cache
def _script() -> str:
    """All scripts as one, in a scope of its own."""
    return '(() => {\n"use strict";\n' + "\n".join(map(_part, SCRIPTS)) + "})();\n"


@functools.cache
def _style() -> str:
    return custom_properties() + _part("explorer.css")


@functools.cache
def _part(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
