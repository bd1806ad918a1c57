"""What an installation holds: its version, and libraries that are loaded when they are first used."""

from __future__ import annotations

import configparser
import importlib
import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

import tinygrad_lite

ROOT = Path(__file__).resolve().parent.parent


def test_the_version_is_written_once() -> None:
    assert importlib.metadata.version("tinygrad-lite") == tinygrad_lite.__version__
    assert tinygrad_lite.__version__ not in (ROOT / "setup.cfg").read_text(encoding="utf-8")


def test_what_developers_need_is_no_extra() -> None:
    extras = importlib.metadata.metadata("tinygrad-lite").get_all("Provides-Extra")
    assert sorted(extras or ()) == ["all", "fast", "jax", "nn", "notebook", "sparse", "testing", "viz"]


def test_every_room_is_installed() -> None:
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = settings["options"]["packages"].split()
    found = []
    for folder, package in (("tinygrad_lite", ""), ("nn", "nn."), ("viz", "viz.")):
        for path in (ROOT / folder).rglob("__init__.py"):
            inner = ".".join(path.parent.relative_to(ROOT / folder).parts)
            found.append(f"tinygrad_lite.{package}{inner}".rstrip("."))
    assert sorted(listed) == sorted(found)


BUILDING = ROOT / "tools" / "building"


@pytest.mark.skipif(not BUILDING.exists(), reason="the tests are not in the repository")
@pytest.mark.parametrize("hook", ["get_requires_for_build_wheel", "get_requires_for_build_editable"])
@pytest.mark.parametrize(
    ("pure", "python", "needed"), [("1", "cpython", False), ("", "cpython", True), ("", "pypy", False)]
)
def test_what_is_not_compiled_is_built_without_mypy(
    hook: str, pure: str, python: str, needed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(ROOT / "pyproject.toml", "rb") as file:
        system = tomllib.load(file)["build-system"]
    assert not any("mypy" in requirement for requirement in system["requires"])
    setuptools = pytest.importorskip("setuptools")
    assert setuptools
    monkeypatch.setattr(sys, "path", [*(str(ROOT / path) for path in system["backend-path"]), *sys.path])
    backend = importlib.import_module(system["build-backend"])
    monkeypatch.setattr(backend.build_meta, hook, lambda settings: ["of setuptools"])  # which would run setup.py
    monkeypatch.setattr(sys, "implementation", SimpleNamespace(name=python))
    monkeypatch.setenv("TINYGRAD_LITE_PURE", pure)
    assert getattr(backend, hook)() == ["of setuptools", *([backend.MYPYC] if needed else [])]
    assert callable(backend.build_sdist)


@pytest.mark.parametrize(
    ("library", "use", "advice"),
    [
        ("graphviz", "from tinygrad_lite import Value, viz; viz.draw(Value(1.0))", "pip install graphviz"),
        ("graphviz", "from tinygrad_lite import Value, viz; viz.save(Value(1.0), 'x.dot')", "pip install graphviz"),
        ("tqdm", "from tinygrad_lite import nn; nn.train_xor(epochs=1)", "pip install tqdm"),
        ("tqdm", "from tinygrad_lite.nn.train.progress import Bar; Bar(1, 1, 0, show=True)", "pip install tqdm"),
    ],
)
def test_without_a_library_its_first_use_says_what_to_install(library: str, use: str, advice: str) -> None:
    code = f"""
import sys
sys.modules[{library!r}] = None
import tinygrad_lite, tinygrad_lite.lift, tinygrad_lite.nn, tinygrad_lite.viz
try:
    exec({use!r})
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert advice in done.stdout


def test_without_tqdm_a_run_that_nobody_watches_has_no_bar() -> None:
    code = """
import sys
sys.modules["tqdm"] = None
from tinygrad_lite.nn.train.progress import Bar
Bar(1, 1, 0, show=None)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
