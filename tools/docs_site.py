"""What turns the repository's own pages into the site, for mkdocs: ``make docs``.

The pages of ``docs/`` are written for the repository first, where they read well without a build. On the way to the
site,

- links that leave ``docs/`` stay on the site: notebooks, CONTRIBUTING.md and source files become pages of it;
- pictures in a light and a dark variant follow the switch of the site; the explorer's picture is the explorer itself;
- a comment ``<!-- api: PACKAGE MODULE ... -->`` becomes the reference of the public names of these modules;
- LaTeX becomes MathML, which browsers typeset by themselves;
- at the end every link, every anchor and every picture of the built site is looked up, and nothing may be asked of
  another host.

What is missing is a warning, and ``mkdocs build --strict`` fails on it.
"""

from __future__ import annotations

import ast
import base64
import doctest
import html
import json
import logging
import os
import re
import runpy
import shutil
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
LOG = logging.getLogger("mkdocs.hooks.docs_site")
#: The package as it is installed, but its sources only: what mkdocstrings reads.
SOURCES = ROOT / "build" / "docs" / "sources"
#: What ``tools/playground.py`` builds; a site that is built without it has no page of it.
PLAYGROUND = ROOT / "build" / "playground"
FOLDERS = {"tinygrad_lite": "tinygrad_lite", "nn": "tinygrad_lite/nn", "viz": "tinygrad_lite/viz"}

#: Files of the repository that are pages of the site under another name.
RENAMED = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}

LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))|(?<=href=\")([^\"]+)(?=\")")
FENCE = re.compile(r"^(?P<indent> *)(?P<mark>```+)[^\n]*\n.*?^(?P=indent)(?P=mark)\n?", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"<picture>\s*<source[^>]*srcset=\"(?P<dark>[^\"]+)\">\s*(?P<image><img[^>]*>)\s*</picture>")
API = re.compile(r"^<!-- api: (?P<package>[\w.]+)(?P<modules>[^>]*) -->$", re.MULTILINE)

#: The picture of the explorer, in whose place the site has the page that it is of.
EXPLORER = "gallery/explorer-light.png"
LIVE = "live/xor.html"

#: Where each page stands in the repository, by its path on the site; pages of ``docs/`` are not in it.
_origins: dict[str, str] = {}
#: Names that a page of the reference has shown, by package.
_shown: dict[str, set[str]] = {}


# --------------------------------------------------------------------------------------------- the hooks of mkdocs


@event_priority(100)  # before mkdocstrings looks for the sources
def on_config(config: Any) -> Any:
    """Copy the sources together, and puts the notebooks that there are into the navigation."""
    shutil.rmtree(SOURCES, ignore_errors=True)
    for folder, package in FOLDERS.items():
        ignored = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__", "*.h")
        shutil.copytree(ROOT / folder, SOURCES / package, ignore=ignored, dirs_exist_ok=True)
    for section in config.nav:
        if "Notebooks" in section:
            section["Notebooks"] += [{title(path): _site_path(path)} for path in notebooks()]
    if not PLAYGROUND.exists():
        LOG.info("The site has no playground: tools/playground.py builds it.")
        config.nav = [section for section in config.nav if "Playground" not in section]
    _origins.clear()
    _shown.clear()
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add what the pages of ``docs/`` link to outside of it."""
    if not PLAYGROUND.exists():
        files.remove(files.get_file_from_path("playground.md"))
    files.append(File.generated(config, LIVE, content=explorer_page()))
    wanted = [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    wanted += [str(path.relative_to(ROOT)) for path in notebooks()]
    wanted += list(RENAMED)[1:]
    done = set()
    while wanted:
        origin = wanted.pop()
        if origin in done:
            continue
        done.add(origin)
        path = ROOT / origin
        if origin.startswith("docs/"):
            text = path.read_text(encoding="utf-8")
        else:
            text, attached = _page_of(path)
            for name, content in attached.items():
                files.append(File.generated(config, name, content=content))
            site_path = _site_path(path)
            _origins[site_path] = origin
            files.append(File.generated(config, site_path, content=text))
        if not origin.startswith("docs/") and path.suffix not in (".md", ".ipynb"):
            continue
        for target in _links(text):
            linked = _resolved(origin, target)
            if linked is not None and not linked.startswith("docs/") and (ROOT / linked).exists():
                wanted.append(linked)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Return the repository's Markdown as the site's."""
    here = page.file.src_uri
    origin = _origins.get(here, f"docs/{here}")
    if origin.endswith((".md", ".ipynb")):
        markdown = _outside_fences(markdown, lambda text: _with_links_of_the_site(text, origin, here))
        markdown = _outside_fences(markdown, lambda text: PICTURE.sub(_two_pictures, text))
        markdown = _outside_fences(markdown, lambda text: text.replace("<details>", '<details markdown="1">'))
    markdown = markdown.replace("<!-- playground -->", _PLAYGROUND_FRAME)
    markdown = re.sub(r"```python\n(?=>>> )", "```pycon\n", markdown)
    return API.sub(lambda match: reference(match["package"], match["modules"].split()), markdown)


_PLAYGROUND_FRAME = """\
<p><a href="playground/index.html">On a page of its own</a></p>
<iframe class="playground" title="Playground" src="playground/index.html" allow="clipboard-write"></iframe>"""


def on_page_content(content: str, page: Any, config: Any, files: Any) -> str:
    """LaTeX as MathML."""
    block = re.compile(r"<div class=\"arithmatex\">\s*\\\[(.*?)\\\]\s*</div>", re.DOTALL)
    inline = re.compile(r"<span class=\"arithmatex\">\\\((.*?)\\\)</span>", re.DOTALL)
    where = page.file.src_uri
    content = block.sub(lambda match: f'<div class="formula">{mathml(match[1], where, "block")}</div>', content)
    return inline.sub(lambda match: _inline(match[1], where), content)


def _inline(latex: str, where: str) -> str:
    """Return a formula in a line of text; a long one scrolls by itself where the page is narrow."""
    text = mathml(latex, where, "inline")
    return text if len(latex) < 80 else f'<span class="wide-formula">{text}</span>'


def on_post_build(config: Any) -> None:
    """Add the playground, and look everything up that the built site refers to."""
    if PLAYGROUND.exists():
        shutil.copytree(PLAYGROUND, Path(config.site_dir) / "playground", dirs_exist_ok=True)
    for package, names in _shown.items():
        missing = sorted(set(exports(package)) - names)
        if missing:
            LOG.warning("%s: no page of the reference shows %s", package, ", ".join(missing))
    for complaint in complaints(Path(config.site_dir)):
        LOG.warning(complaint)


# --------------------------------------------------------------------------------------------------------- links


def _outside_fences(text: str, change: Any) -> str:
    """Return the text with its code blocks as they are, and the rest changed."""
    parts, at = [], 0
    for match in FENCE.finditer(text):
        parts += [change(text[at : match.start()]), match[0]]
        at = match.end()
    return "".join([*parts, change(text[at:])])


def _links(text: str) -> Iterator[str]:
    for match in LINK.finditer(FENCE.sub("", text)):
        yield match[0]


def _resolved(origin: str, target: str) -> str | None:
    """Return the file of the repository that a link of another one means; None for addresses and anchors."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or not parts.path:
        return None
    path = os.path.normpath(PurePosixPath(origin).parent / unquote(parts.path))
    return None if path.startswith("..") else path


def _site_path(path: Path) -> str:
    """Where a file of the repository is on the site."""
    origin = path.relative_to(ROOT).as_posix()
    if origin in RENAMED:
        return RENAMED[origin]
    if origin.startswith("docs/"):
        return origin.removeprefix("docs/")
    if path.suffix == ".ipynb":
        return origin.removesuffix(".ipynb") + ".md"
    return f"source/{origin}.md"


def _with_links_of_the_site(text: str, origin: str, here: str) -> str:
    def replaced(match: re.Match[str]) -> str:
        target = _resolved(origin, match[0])
        if target is None or (origin.startswith("docs/") and target.startswith("docs/")):
            return match[0]
        if not (ROOT / target).exists():
            return match[0]  # mkdocs says that it is missing
        anchor = urlsplit(match[0]).fragment
        there = os.path.relpath(_site_path(ROOT / target), PurePosixPath(here).parent)
        return f"{there}#{anchor}" if anchor else there

    return LINK.sub(replaced, text)


def _two_pictures(match: re.Match[str]) -> str:
    """Two images, of which the site's style shows one; for the explorer's picture the explorer itself."""
    light = match["image"]
    if EXPLORER in light:
        from tinygrad_lite.viz.explorer.graph_page import follow_themes

        above = light.partition('src="')[2].partition(EXPLORER)[0]
        frame = f'<iframe class="output tall" data-explorer title="The explorer" src="{above}{LIVE}"></iframe>'
        return f"{frame}<script>{follow_themes()}</script>"
    dark = re.sub(r"src=\"[^\"]*\"", f'src="{match["dark"]}#only-dark"', light)
    return re.sub(r"(src=\"[^\"]*)\"", r'\1#only-light"', light) + dark


def explorer_page() -> str:
    """Return the explorer of the graph with which the gallery begins."""
    parts = runpy.run_path(str(ROOT / "tools" / "gallery.py"))["PARTS"]
    names: dict[str, Any] = {}
    pages = [part.code for part in parts if part.title == "The explorer"]
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for code in (parts[0].code, *pages):
                for example in doctest.DocTestParser().get_examples(code):
                    exec(example.source, names)
            return Path("xor.html").read_text(encoding="utf-8")
        finally:
            os.chdir(here)


# ------------------------------------------------------------------------------------------- pages of other files


def notebooks() -> list[Path]:
    """Return the notebooks, in their order."""
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def title(path: Path) -> str:
    """Return a notebook's first heading, with the number in its file's name."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    name = heading[1].strip() if heading else path.stem
    number = path.stem.partition("_")[0].removeprefix("0") or "0"
    return f"{number}. {name}"


def _page_of(path: Path) -> tuple[str, dict[str, str | bytes]]:
    """Return a file of the repository as a page, and the pictures in it."""
    if path.suffix == ".ipynb":
        return notebook_page(path)
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8"), {}
    name = path.relative_to(ROOT).as_posix()
    head = f"---\nsearch:\n  exclude: true\n---\n\n# {name}\n\n"
    if path.is_dir():
        rows = []
        for file in sorted(path.glob("*.py")):
            words = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
            rows.append(f"- `{file.name}`: {_without_roles(' '.join(words.split()))}")
        return head + "\n".join(rows) + "\n", {}
    text = path.read_text(encoding="utf-8")
    language = {".py": "python", ".svg": "xml"}.get(path.suffix, "text")
    fence = "`" * (max((len(run) for run in re.findall("`{3,}", text)), default=2) + 1)
    return f"{head}{fence}{language}\n{text.rstrip()}\n{fence}\n", {}


def _without_roles(text: str) -> str:
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")


def notebook_page(path: Path) -> tuple[str, dict[str, str | bytes]]:
    """Return a notebook with its outputs as Markdown, and its pictures as files."""
    parts: list[str] = []
    attached: dict[str, str | bytes] = {f"notebooks/{path.name}": path.read_bytes()}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            parts.append(source)
            continue
        if source.strip():
            parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            name = f"notebooks/{path.stem}/{len(attached)}"
            text, files = _output(output, name)
            attached |= files
            parts.append(text)
    download = f"<a class='md-button' href='{path.name}' download>Download {path.name}</a>"
    parts[0] = re.sub(r"^(# .+)$", lambda heading: f"{heading[1]}\n\n{download}", parts[0], count=1, flags=re.MULTILINE)
    return "\n\n".join(parts) + "\n", attached


def _output(output: Any, name: str) -> tuple[str, dict[str, str | bytes]]:
    """Return an output of a cell: the richest form that a page can show."""
    if output["output_type"] == "stream":
        return _block("".join(output["text"])), {}
    data = {
        kind: content if isinstance(content, dict) else "".join(content) for kind, content in output["data"].items()
    }
    folder = PurePosixPath(name).parent.name
    words = html.escape(re.sub(r"\s+", " ", data.get("text/plain", ""))[:80], quote=True)
    for kind, suffix in (("image/svg+xml", "svg"), ("image/png", "png"), ("image/gif", "gif")):
        if kind in data:
            content = data[kind] if suffix == "svg" else base64.b64decode(data[kind])
            image = f'<img class="output" alt="{words}" src="{folder}/{PurePosixPath(name).name}.{suffix}">'
            return image, {f"{name}.{suffix}": content}
    if "text/markdown" in data:
        return data["text/markdown"], {}
    if "text/html" in data:
        content = data["text/html"]
        picture = re.fullmatch(r"<div[^>]*><img[^>]* src=\"data:image/svg\+xml;base64,([^\"]*)\"></div>", content)
        if picture:
            image = f'<img class="output" alt="{words}" src="{folder}/{PurePosixPath(name).name}.svg">'
            return image, {f"{name}.svg": base64.b64decode(picture[1])}
        if "<script" not in content and "<iframe" not in content:
            return f'<div class="output">{re.sub(chr(10) + "+", chr(10), content)}</div>', {}
        framed = re.search(r"<iframe[^>]*srcdoc=\"([^\"]*)\"", content)
        page = html.unescape(framed[1]) if framed else f"<!doctype html><meta charset=utf-8>{content}"
        frame = f'<iframe class="output" title="{words}" src="{folder}/{PurePosixPath(name).name}.html"></iframe>'
        return frame, {f"{name}.html": page}
    return _block(data.get("text/plain", "")), {}


def _block(text: str) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", text).rstrip()
    return f"```{{ .text .output }}\n{text}\n```"


# ------------------------------------------------------------------------------------------------------ formulas


def mathml(latex: str, where: str, display: str) -> str:
    """Return a formula as MathML; a warning if it cannot be read."""
    from latex2mathml.converter import convert

    latex = html.unescape(latex).strip()
    readable = re.sub(r"\\(begin|end)\{aligned\}", r"\\\1{align*}", latex)
    readable = readable.replace(r"\lvert", r"\left|").replace(r"\rvert", r"\right|")
    readable = re.sub(r"\\operatorname\{(\w*\d)\}", r"\\text{\1}", readable)
    try:
        text = convert(readable, display=display)
    except Exception as error:
        LOG.warning("%s: the formula %s cannot be read: %s", where, latex, error)
        return f"<code>{html.escape(latex)}</code>"
    if re.search(r"<mi>(&amp;|&|\\\w*)</mi>|<m[io]>\\", text):
        LOG.warning("%s: latex2mathml does not know all of the formula %s", where, latex)
    return _set(text)


#: The name of a function, alone or with an index or a power.
_NAME = r"<mi>[A-Za-z]{2,}</mi>"
_INDEX = r"(?:<m[in][^>]*>[^<]*</m[in]>|<mrow>(?:(?!<mrow>).)*?</mrow>)"
_FUNCTION = rf"(?:(?<!<msub>)(?<!<msup>){_NAME}|<m(?:sub|sup)>{_NAME}{_INDEX}</m(?:sub|sup)>)"
_ARGUMENT = r"<(?:m[in]|mfrac|msqrt|mroot|msub|msup|mrow|mstyle)\b"
_THIN_SPACE = r'\1<mspace width="0.167em"></mspace>'
#: What stands before a minus that is a sign: a bracket, an operator, or nothing.
_BEFORE_SIGN = r"<mo[^>]*>(?:[=([,≤≥⋅·]|&lt;|&gt;)</mo>|<mrow>|<mtd[^>]*>"


def _set(text: str) -> str:
    """MathML as browsers set it well: what latex2mathml leaves to them, and they do not do."""
    text = re.sub("&#x([0-9A-F]+);", lambda match: html.escape(chr(int(match[1], 16))), text)
    text = text.replace("<mi>&</mi>", "<mi>&amp;</mi>").replace('mathvariant="sans-serif"', 'mathvariant="normal"')
    # Names of functions are no operators, which have space on both sides.
    text = re.sub(r"<mo>([A-Za-z]{2,})</mo>", r"<mi>\1</mi>", text)
    # But an argument without brackets stands apart from them, and so does a factor before them.
    text = re.sub(rf"({_FUNCTION})(?={_ARGUMENT})", _THIN_SPACE, text)
    text = re.sub(rf"(</m[in]>|</mtext>|</msub>|</msup>)(?={_NAME})", _THIN_SPACE, text)
    # A minus that is a sign is set close to its number.
    return re.sub(rf"({_BEFORE_SIGN})<mo>(?=[-−]</mo>)", r'\1<mo form="prefix">', text)


# --------------------------------------------------------------------------------------------- the API reference


def _init(package: str) -> ast.Module:
    folder = SOURCES / package.replace(".", "/")
    return ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))


def exports(package: str) -> dict[str, str]:
    """Return the public names of a package, and the module that each comes from, read from its ``__init__.py``.

    A name that is imported from nowhere is a submodule, and comes from itself.
    """
    names: list[str] = []
    modules: dict[str, str] = {}
    for node in ast.walk(_init(package)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tinygrad_lite"):
            for alias in node.names:
                modules[alias.asname or alias.name] = node.module
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            for element in getattr(node.value, "elts", []):
                if isinstance(element, ast.Constant):
                    names.append(element.value)
                else:
                    functions = exports_of_functions()
                    names += functions
                    modules |= functions
    found = {}
    for name in dict.fromkeys(names):
        module = modules.get(name, "")
        found[name] = f"{package}.{name}" if module in ("", package) else module
    return found | lazy_exports(package)


def lazy_exports(package: str) -> dict[str, str]:
    """Names that a package loads when they are first used, with their modules: what it has in ``_LAZY``."""
    for node in _init(package).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_LAZY":
            return {name: f"{package}.{module}" for name, module in ast.literal_eval(node.value).items() if module}
    return {}


def exports_of_functions() -> dict[str, str]:
    """Return the functions of the operation table, and the module in which each is written."""
    tree = ast.parse((SOURCES / "tinygrad_lite" / "functions.py").read_text(encoding="utf-8"))
    written = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            names = ast.literal_eval(node.value)
    return {name: f"tinygrad_lite.{'functions' if name in written else 'nary'}" for name in names}


def reference(package: str, modules: list[str]) -> str:
    """Directives of mkdocstrings for the public names of a package that these modules define; ``*`` for the others."""
    shown = _shown.setdefault(package, set())
    lazy = lazy_exports(package)
    lines = []
    for name, module in sorted(exports(package).items(), key=lambda item: item[0].lower()):
        if name.startswith("__"):
            shown.add(name)
            continue
        if name in shown or ("*" not in modules and module.removeprefix(f"{package}.") not in modules):
            continue
        shown.add(name)
        # What is loaded when it is first used is not to be found in the package by reading it.
        lines += [f"::: {module}.{name}" if name in lazy else f"::: {package}.{name}", ""]
    if not lines:
        LOG.warning("no public name of %s is defined in %s", package, ", ".join(modules))
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------------ the built site


class _Page(HTMLParser):
    """The anchors of a page, what it links to and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if "src" in found:
            self.loads.append(found["src"])
        if "srcset" in found:
            self.loads += [part.split()[0] for part in found["srcset"].split(",")]
        if tag == "link" and "href" in found and "canonical" not in found.get("rel", ""):
            self.loads.append(found["href"])


def complaints(site: Path) -> Iterator[str]:
    """Yield what is wrong with a built site: links to files and anchors that are missing, and what is loaded from
    afar."""
    paths = [path for path in sorted(site.rglob("*.html")) if path.name != "404.html"]
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in paths}
    for path, page in pages.items():
        here = path.relative_to(site).as_posix()
        for target in [*page.links, *page.loads]:
            parts = urlsplit(target)
            if parts.scheme in ("http", "https") or parts.netloc:
                if target in page.loads:
                    yield f"{here} loads {target}, which is not on the site"
                continue
            if parts.scheme:
                continue
            there = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
            if not there.exists():
                yield f"{here} refers to {target}, which is not on the site"
            elif parts.fragment and there in pages and parts.fragment not in ("only-light", "only-dark"):
                anchor = unquote(parts.fragment)
                if anchor not in pages[there].anchors and not anchor.startswith("__"):
                    yield f"{here} refers to {target}, which has no such anchor"
