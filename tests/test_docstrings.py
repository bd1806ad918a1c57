"""Every example in a docstring, and in the README and the docs, runs and gives what it says."""

from __future__ import annotations

import ast
import doctest
import importlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: Folders of the sources, and the packages that they are.
PACKAGES = {"tinygrad_lite": "tinygrad_lite", "nn": "tinygrad_lite.nn", "viz": "tinygrad_lite.viz"}
SOURCES = {
    ".".join((package, *path.relative_to(ROOT / folder).with_suffix("").parts)): path
    for folder, package in PACKAGES.items()
    for path in sorted((ROOT / folder).rglob("*.py"))
}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
#: What a page needs that no extra installs.
LIBRARIES = {"is_my_rule_right_pytorch.md": ["torch"], "is_my_rule_right_jax.md": ["jax"], "gallery.md": ["matplotlib"]}
#: Pictures of whole training runs, and 60 digits for many rules.
SLOW = {"gallery.md", "is_my_rule_right.md"}
#: And what the docstrings of a module, or one of them, need.
EXAMPLES_NEED = {
    "nn.estimators": "sklearn",
    "lift.engines.numba_engine": "numba",
    "lift.engines.jax_engine": "jax",
    "lift.engines.jax_library": "jax",
    "lift.engines.registry": "jax",
    "lift.engines.op_lowerings:load_jax_functions": "jax",
    "testing.oracles.libraries:arrays_of": "torch",
    "testing.oracles.libraries:library_of": "torch",
}
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


def docstrings() -> Iterator[tuple[str, str, str, int]]:
    """Module, qualified name, text and line of each docstring with an example, read from the source.

    From the source, because a compiled function does not tell where it came from.
    """
    for module, path in SOURCES.items():
        stack: list[tuple[str, ast.AST]] = [("", ast.parse(path.read_text(encoding="utf-8")))]
        while stack:
            name, node = stack.pop()
            stack += [
                (f"{name}.{child.name}".lstrip("."), child)
                for child in ast.iter_child_nodes(node)
                if isinstance(child, (ast.FunctionDef, ast.ClassDef))
            ]
            if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)):
                text = ast.get_docstring(node)
                if text and ">>>" in text:
                    yield module.removesuffix(".__init__"), name, text, getattr(node, "lineno", 1)


EXAMPLES = sorted(set(docstrings()))


def run(text: str, namespace: dict[str, object], name: str, line: int) -> None:
    test = doctest.DocTestParser().get_doctest(text, namespace, name, name, line)
    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=OPTIONS)
    failed, _ = runner.run(test, out=report.append)
    assert not failed, "".join(report)


@pytest.mark.parametrize(
    ("module", "name", "text", "line"), EXAMPLES, ids=[f"{module}:{name}" for module, name, _, _ in EXAMPLES]
)
def test_example_in_docstring(
    module: str, name: str, text: str, line: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for part, library in EXAMPLES_NEED.items():
        if part in (module.removeprefix("tinygrad_lite."), f"{module.removeprefix('tinygrad_lite.')}:{name}"):
            pytest.importorskip(library)
    run(text, dict(vars(importlib.import_module(module))), f"{module}.{name}", line)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page.name in SLOW else [])
        for page in PAGES
        if page.exists()
    ],
)
def test_examples_on_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for library in LIBRARIES.get(page.name, ()):
        pytest.importorskip(library)
    run(page.read_text(encoding="utf-8").replace("\n```", "\n\n```"), {}, page.name, 1)


def test_what_needs_a_library_is_there() -> None:
    known = {part for module, name, _, _ in EXAMPLES for part in (module, f"{module}:{name}")}
    assert [part for part in EXAMPLES_NEED if f"tinygrad_lite.{part}" not in known] == []


def test_every_public_function_has_an_example() -> None:
    import tinygrad_lite

    with_example = {name.split(".")[0] for _, name, _, _ in EXAMPLES}
    public = {name for name in tinygrad_lite.__all__ if callable(getattr(tinygrad_lite, name))}
    exceptions = {name for name in public if name.endswith("Error")}
    assert public - with_example - exceptions == set()


def test_sources_name_no_machine() -> None:
    for path in [*SOURCES.values(), *PAGES]:
        if path.exists():
            text = path.read_text(encoding="utf-8")
            assert os.path.expanduser("~/") not in text
            assert str(ROOT) + os.sep not in text
