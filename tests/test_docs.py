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
from xml.etree import ElementTree

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


def table_rows(text: str, first: str) -> Iterator[tuple[list[str], str]]:
    """Of the tables whose first column is headed so: the pieces of code in it, and the one beside them."""
    inside = False
    for line in text.splitlines():
        if not line.startswith("|"):
            inside = False
        elif cells(line)[:2] == [first, "here"]:
            inside = True
        elif inside and not set(line) <= set("|- "):
            left, right = cells(line)[:2]
            yield re.findall(r"`([^`]+)`", left), right.strip("`")


def plain(result: Any) -> Any:
    """Numbers in the place of Values."""
    if isinstance(result, (list, tuple)):
        return [plain(item) for item in result]
    return getattr(result, "data", result)


def micrograds_names() -> dict[str, Any]:
    """What the page for micrograd's users says that they have."""
    names: dict[str, Any] = {}
    setup = FENCE.search((DOCS / "coming_from_micrograd.md").read_text(encoding="utf-8"))
    assert setup is not None
    for example in doctest.DocTestParser().get_examples(setup[0].replace("\n```", "\n\n```")):
        exec(example.source, names)
    return names


def test_what_micrograds_users_write_gives_what_stands_beside_it() -> None:
    rows = list(table_rows((DOCS / "coming_from_micrograd.md").read_text(encoding="utf-8"), "micrograd"))
    assert len(rows) > 10
    names = micrograds_names()
    for (theirs,), ours in rows:
        assert plain(eval(theirs, names)) == plain(eval(ours, names)), theirs


def test_what_micrograds_users_cannot_write_is_refused_and_the_remedy_runs() -> None:
    rows = list(table_rows((DOCS / "coming_from_micrograd.md").read_text(encoding="utf-8"), "refused"))
    assert len(rows) > 7
    names = micrograds_names()
    for refused, ours in rows:
        for code in refused:
            with pytest.raises((AttributeError, TypeError, ValueError), match=r"Value|backward"):
                eval(code, names)
        eval(ours, names)


def test_programs_that_the_page_for_micrograds_users_names_are_in_the_tests() -> None:
    text = (DOCS / "coming_from_micrograd.md").read_text(encoding="utf-8")
    programs = re.findall(r"^- (.*?): (`tests/[^\n]*)$", text, re.MULTILINE | re.DOTALL)
    assert len(programs) == 4
    files = {file for _, named in programs for file in re.findall(r"`(tests/\S+)`", named)}
    sources = "".join((ROOT / file).read_text(encoding="utf-8") for file in sorted(files))
    for test in (
        "test_the_readme_of_micrograd", "test_the_moons_program_trains_as_with_micrograd",
        "test_micrograds_demo_notebook_trains_as_with_micrograd", "test_micrograds_drawing_notebook_draws",
        "test_the_lectures_derivatives_by_small_differences", "test_the_lectures_network_trains_as_pytorch_would",
        "test_the_lectures_exercises", "test_a_scalar_gpt_has_the_gradients_of_the_textbook",
    ):  # fmt: skip
        assert f"def {test}(" in sources
    times = re.search(r"\d+ times faster than micrograd", text)
    assert times is not None
    assert times[0] in (DOCS / "benchmarks.md").read_text(encoding="utf-8")


def test_code_that_does_not_run_is_found() -> None:
    table = "| micrograd | here |\n|---|---|\n| `a` | `1 + 1`, `absent` |\n\n`elsewhere`\n"
    assert list(right_hand_sides(table)) == ["1 + 1", "absent"]


# ------------------------------------------------------------------------------------- the operation reference


def test_the_operation_reference_is_what_the_table_says() -> None:
    reference = tool("operation_reference")
    measured = json.loads(reference.MEASURED.read_text(encoding="utf-8"))
    assert reference.page(measured) == reference.PAGE.read_text(encoding="utf-8"), "run make operations"


def test_every_public_operation_is_in_the_reference_with_its_measured_errors() -> None:
    from tinygrad_lite.operations.operation import NARY
    from tinygrad_lite.operations.ops import TABLE

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
    written = getattr(thing.__dict__.get("__init__"), "__globals__", {}) if inspect.isclass(thing) else {}
    module = thing if inspect.ismodule(thing) else sys.modules[written.get("__name__", thing.__module__)]
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
    for path in folder.rglob("*.py"):
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


# ------------------------------------------------------------------------------------- what the site is made with


def test_docstrings_become_markdown() -> None:
    pytest.importorskip("griffe", reason="the docs extra is not installed")
    markdown = tool("docs_docstrings").markdown
    text = "As ``f``, see :func:`~m.g`:\n\n>>> f(1)\n2\n\nThen :class:`K`."
    code = "```pycon\n>>> f(1)\n2\n```"
    links = [f'<autoref optional identifier="{path}"><code>{path[-1]}</code></autoref>' for path in ("m.g", "K")]
    assert markdown(text) == f"As `f`, see {links[0]}:\n\n{code}\n\nThen {links[1]}."


def test_a_missing_docstring_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    griffe = pytest.importorskip("griffe", reason="the docs extra is not installed")
    (tmp_path / "small.py").write_text('"""A module."""\n\ndef f(): ...\n\ndef _g(): ...\n', encoding="utf-8")
    extensions = griffe.load_extensions(tool("docs_docstrings").Docstrings)
    griffe.load("small", search_paths=[tmp_path], extensions=extensions, allow_inspection=False)
    (record,) = caplog.records
    assert record.getMessage().startswith("small.f has no docstring")
    assert record.getMessage().endswith("small.py, line 3)")


def test_what_is_wrong_with_a_built_site_is_found(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the docs extra is not installed")
    (tmp_path / "other.html").write_text('<h1 id="here">Other</h1>', encoding="utf-8")
    (tmp_path / "index.html").write_text(
        '<a href="other.html#here">good</a> <a href="other.html#gone">bad</a> <a href="gone.html">bad</a>'
        '<img src="gone.png"> <script src="https://elsewhere.org/x.js"></script> <a href="https://elsewhere.org">good</a>',
        encoding="utf-8",
    )
    assert list(tool("docs_site").complaints(tmp_path)) == [
        "index.html refers to other.html#gone, which has no such anchor",
        "index.html refers to gone.html, which is not on the site",
        "index.html refers to gone.png, which is not on the site",
        "index.html loads https://elsewhere.org/x.js, which is not on the site",
    ]


def test_every_formula_of_the_reference_becomes_mathml(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("mkdocs", reason="the docs extra is not installed")
    pytest.importorskip("latex2mathml", reason="the docs group is not installed")
    site, reference = tool("docs_site"), tool("operation_reference")
    for op in reference.public_operations():
        formulas = reference.template(op)
        for tree in (formulas.formula, *formulas.partials):
            text = site.mathml(reference.formula(tree), op.name, "inline")
            for element in ElementTree.fromstring(text).iter():
                if element.tag.rpartition("}")[2] in ("msub", "msup", "mfrac", "mroot"):
                    assert len(element) == 2, text
            assert "\\" not in text
    assert caplog.records == []


def test_a_formula_that_cannot_be_read_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("mkdocs", reason="the docs extra is not installed")
    pytest.importorskip("latex2mathml", reason="the docs group is not installed")
    tool("docs_site").mathml(r"a^b^c", "page.md", "inline")
    tool("docs_site").mathml(r"\unheardof x", "page.md", "inline")
    assert len(caplog.records) == 2


def test_a_notebook_becomes_a_page_with_its_pictures(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="the docs extra is not installed")
    outputs = [
        {"output_type": "stream", "text": ["\x1b[31mred\x1b[0m\n"]},
        {"output_type": "display_data", "data": {"image/png": "aGk=", "text/plain": "<Figure>"}},
        {"output_type": "execute_result", "data": {"text/html": '<iframe srcdoc="&lt;p&gt;"></iframe>'}},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "\n", "text"]},
        {"cell_type": "code", "source": ["1 + 1"], "outputs": outputs},
    ]
    path = tmp_path / "07_name.ipynb"
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    text, files = tool("docs_site").notebook_page(path)
    head, _, text = text.partition("</a>\n\n")
    assert head == "# Title\n\n<a class='md-button' href='07_name.ipynb' download>Download 07_name.ipynb"
    assert files.pop("notebooks/07_name.ipynb") == path.read_bytes()
    assert text.startswith("text\n\n```python\n1 + 1\n```\n\n```{ .text .output }\nred\n```\n")
    assert files == {"notebooks/07_name/1.png": b"hi", "notebooks/07_name/2.html": "<p>"}
    assert 'src="07_name/1.png"' in text
    assert tool("docs_site").title(path) == "7. Title"
