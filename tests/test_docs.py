"""The pages of the documentation say what is there: names, links, and the table's operations."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.util
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
COMING_FROM = sorted(DOCS.glob("coming_from_*.md"))
PUBLIC = ("tinygrad_lite", *(f"tinygrad_lite.{name}" for name in ("nn", "nn.architectures", "viz", "testing", "lift")))
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
#: What a page's name or anchor is taken from, with the rules of repository viewers and of the site.
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def tool(name: str) -> ModuleType:
    """A program of the folder ``tools``."""
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


# ------------------------------------------------------------------------------------------------- coming from


def cells(row: str) -> list[str]:
    """The cells of a row of a Markdown table."""
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def right_hand_sides(text: str) -> Iterator[str]:
    """Every piece of code in a column that is headed "here"."""
    column = None
    for line in text.splitlines():
        if not line.startswith("|"):
            column = None
        elif column is None:
            column = cells(line).index("here")
        elif not set(line) <= set("|- "):
            yield from re.findall(r"`([^`]+)`", cells(line)[column])


@pytest.mark.parametrize("page", COMING_FROM, ids=lambda page: page.stem)
def test_what_stands_under_here_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page.read_text(encoding="utf-8")
    if "jax" in page.stem:
        pytest.importorskip("jax")
    if "pytorch" in page.stem:
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    setup = FENCE.search(text)
    assert setup is not None
    for example in doctest.DocTestParser().get_examples(setup[0].replace("\n```", "\n\n```")):
        exec(example.source, names)
    codes = list(right_hand_sides(text))
    assert len(codes) > 10
    for code in codes:
        try:
            value = eval(code, names)
        except Exception as error:
            pytest.fail(f"{page.name}: {code} raised {type(error).__name__}: {error}")
        assert value is not NotImplemented


def test_code_that_does_not_run_is_found() -> None:
    table = "| micrograd | here |\n|---|---|\n| `a` | `1 + 1`, `absent` |\n\n`elsewhere`\n"
    assert list(right_hand_sides(table)) == ["1 + 1", "absent"]


# ------------------------------------------------------------------------------------- the operation reference


def test_the_operation_reference_is_what_the_table_says() -> None:
    reference = tool("operation_reference")
    measured = json.loads(reference.MEASURED.read_text(encoding="utf-8"))
    assert reference.page(measured) == reference.PAGE.read_text(encoding="utf-8"), "run make operations"


def test_every_public_operation_is_in_the_reference_with_its_measured_errors() -> None:
    from tinygrad_lite.operation import NARY
    from tinygrad_lite.ops import TABLE

    headings = HEADING.findall((DOCS / "operations.md").read_text(encoding="utf-8"))
    measured = json.loads((ROOT / "tools" / "operation_accuracy.json").read_text(encoding="utf-8"))
    for op in TABLE.values():
        assert (op.name in headings) == op.public
        if op.public:
            errors = measured["ulp"][op.name]
            assert set(errors) == {name for name in op.operands if name != "index"}
            assert max(errors.values()) <= op.bound
            assert op.arity in (1, NARY) or len(errors) == op.arity


# -------------------------------------------------------------------------------------------------------- links


def anchors(text: str) -> set[str]:
    """The anchors that headings have, on the site and in viewers of repositories."""
    found = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        found.add(re.sub(r" ", "-", re.sub(r"[^\w\- ]", "", plain)))
    return found


def links(text: str) -> Iterator[str]:
    prose = FENCE.sub("", text)
    yield from re.findall(r"\]\(([^)\s]+)\)", prose)
    yield from re.findall(r"(?:src|srcset|href)=\"([^\"]+)\"", prose)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in links(text):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name} links to {link}"
        assert target.is_relative_to(ROOT)
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text(encoding="utf-8")), f"{page.name} links to {link}"


def test_links_and_anchors_are_found() -> None:
    assert list(links('[a](b.md#c) ```x``` <img src="d.png">\n```\n[no](link.md)\n```\n')) == ["b.md#c", "d.png"]
    assert anchors("# A `b`, c\n## What? (1)\n") == {"a-b-c", "what-1"}


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    listed = set(re.findall(r"- ([\w/]+\.md)", navigation))
    assert {str(page.relative_to(DOCS).as_posix()) for page in DOCS.rglob("*.md")} <= listed


# --------------------------------------------------------------------------------------------------- docstrings


@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_name_has_a_docstring(package: str) -> None:
    module = importlib.import_module(package)
    names = [*getattr(module, "__all__", ()), *getattr(module, "_LAZY", {})]
    for name in names:
        thing = getattr(module, name)
        if not (inspect.ismodule(thing) or inspect.isclass(thing) or callable(thing)):
            assert has_comment(module, name), f"the constant {package}.{name} has no comment"
            continue
        missing = list(without_docstring(thing))
        assert missing == [], f"{package}.{name}: no docstring: {missing}"


def without_docstring(thing: Any) -> Iterator[str]:
    """Which of a module, function or class, and the methods written in it, has no docstring.

    They are read from the source: what is compiled has lost its text.
    """
    if inspect.ismodule(thing):
        if not ast.get_docstring(source_of(thing)):
            yield thing.__name__
        return
    # Of overloads, the last one is the function.
    *_, node = (node for node in source_of(thing).body if getattr(node, "name", "") == thing.__name__)
    assert isinstance(node, (ast.ClassDef, ast.FunctionDef))
    if not ast.get_docstring(node):
        yield node.name
    for method in node.body if isinstance(node, ast.ClassDef) else ():
        if not isinstance(method, ast.FunctionDef) or method.name.startswith("_") or ast.get_docstring(method):
            continue
        if not any(ast.unparse(decorator).endswith(".setter") for decorator in method.decorator_list):
            yield f"{node.name}.{method.name}"


def source_of(thing: Any) -> ast.Module:
    """A module, or that in which a function or class is written; the text of a compiled one stands beside it."""
    module = thing if inspect.ismodule(thing) else sys.modules[thing.__module__]
    path = Path(str(module.__file__))
    if path.suffix != ".py":
        path = path.parent / f"{module.__name__.rpartition('.')[2]}.py"
    return ast.parse(path.read_text(encoding="utf-8"))


def test_a_class_without_docstring_is_found() -> None:
    found = list(without_docstring(Undocumented))
    assert found == ["Undocumented", "Undocumented.method"]


class Undocumented:
    def method(self) -> None: ...


def has_comment(module: ModuleType, name: str) -> bool:
    """Whether a constant is explained where it is set, by ``#:`` or by a string; dunders need no explanation."""
    if name.startswith("__"):
        return True
    folder = Path(str(module.__file__)).parent
    for path in folder.glob("*.py"):
        source = path.read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if any(getattr(target, "id", "") == name for target in targets):
                return source.splitlines()[node.lineno - 2].startswith("#:")
    return False


@pytest.mark.parametrize("package", PUBLIC)
def test_the_api_reference_shows_every_public_package(package: str) -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md"))
    assert f"<!-- api: {package} " in pages
