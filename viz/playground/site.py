"""The playground's files: its page, its scripts, and the explorer in its frame; Python itself is added to these.

``tools/playground.py`` puts them into a folder, with Pyodide and the engine.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping
from pathlib import Path

from tinygrad_lite.viz.explorer.explorer_colours import custom_properties
from tinygrad_lite.viz.explorer.html_page import EXPLORER, SHARED, Parts, in_script, page, policy
from tinygrad_lite.viz.playground.clicking import operations
from tinygrad_lite.viz.playground.examples import EXAMPLES
from tinygrad_lite.viz.playground.playground import Playground

_FOLDER = Path(__file__).parent / "page"
#: The explorer's page, with what lets the page around it change the graph.
FRAME = Parts(EXPLORER.texts, (*EXPLORER.styles, _FOLDER / "frame.css"), (*EXPLORER.scripts, _FOLDER / "frame.js"))
_SCRIPTS = ("engine.js", "history.js", "links.js", "playground.js")


def files(engine: Mapping[str, bytes], salt: str = "") -> dict[str, str]:
    """Return the texts of the playground's files, by name.

    Args:
        engine: The files that Python needs, by their names in the folder.
        salt: What else the version depends on: what changes the files of ``engine``.

    Returns:
        ``index.html`` and what it loads.

    >>> sorted(files({}))
    ['frame.html', 'index.html', 'playground.css', 'playground.js', 'worker.js']
    """
    first = EXAMPLES[0]
    shown = Playground().answer({"do": first.kind, "text": first.text, "values": first.values})
    example = Playground().answer({"do": "program", "text": EXAMPLES[1].text})
    frame = page({"main": shown["graph"], "example": example["graph"], "live": "notebook"}, "Graph", parts=FRAME)
    dom = next(path for path in SHARED if path.name == "dom.js")
    scripts = [path.read_text(encoding="utf-8") for path in (dom, *(_FOLDER / name for name in _SCRIPTS))]
    texts = {
        "frame.html": frame,
        "playground.css": custom_properties() + _read("playground.css"),
        "playground.js": '(() => {\n"use strict";\n' + "\n".join(scripts) + "})();\n",
        "worker.js": _read("worker.js"),
    }
    index = _read("playground.html")
    version = hashlib.sha256("".join([salt, index, *texts.values()]).encode()).hexdigest()[:12]
    setup = {
        "version": version,
        # What the browser has kept is taken only if it is this: a program could have put something else there.
        "files": {
            name: {"size": len(content), "digest": hashlib.sha256(content).hexdigest()}
            for name, content in engine.items()
        },
        "examples": [example._asdict() for example in EXAMPLES],
        "operations": operations(),
    }
    found = {"policy": html.escape(_policy()), "version": version, "setup": in_script(setup)}
    texts["index.html"] = re.sub(r"\{\{(\w+)\}\}", lambda match: found[match[1]], index)
    return texts


def _policy() -> str:
    """Return the policy of the page, which holds for the frame and the worker in it too: only its own files.

    Nothing is loaded from another host or sent to one, whatever a program in the worker does.
    """
    frame = dict(rule.split(" ", 1) for rule in policy(parts=FRAME).split("; "))
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' blob: 'wasm-unsafe-eval' {frame['script-src']}",
            f"style-src 'self' {frame['style-src']}",
            "img-src data: blob:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "frame-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
