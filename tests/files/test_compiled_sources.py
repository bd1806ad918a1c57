"""Tracebacks show the lines of compiled modules, which name their files by where they were compiled."""

from __future__ import annotations

import linecache
import subprocess
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tinygrad_lite.value
from tinygrad_lite import Value, log
from tinygrad_lite.files.compiled_sources import show_in_tracebacks

compiled = pytest.mark.skipif(
    str(tinygrad_lite.value.__file__).endswith(".py"), reason="the engine is interpreted: Python finds its lines"
)


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(linecache, "cache", {})
    (tmp_path / "some.py").write_text("first\nsecond ä\n", encoding="utf-8")
    library = SimpleNamespace(__file__="/elsewhere/some.cpython-311-x86_64-linux-gnu.so")
    return {"a": SimpleNamespace(__file__="__init__.py", __path__=[str(tmp_path)]), "a.some": library}


def test_lines_are_found_by_the_name_that_a_compiled_module_gives(modules: dict[str, Any]) -> None:
    show_in_tracebacks(modules, "a")
    linecache.checkcache()
    assert linecache.getline("a/some.py", 2) == "second ä\n"
    linecache.checkcache()
    assert linecache.getline("a/some.py", 1) == "first\n"


def test_where_there_is_no_source_there_are_no_lines(modules: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "some.py").unlink()
    show_in_tracebacks(modules, "a")
    assert linecache.getline("a/some.py", 1) == ""


def test_what_is_not_compiled_or_of_another_package_is_left_alone(modules: dict[str, Any]) -> None:
    show_in_tracebacks(modules, "b")
    modules["a.some"].__file__ = "some.py"
    modules |= {"a.none": SimpleNamespace(__file__=None), "a.nothing": sys}
    show_in_tracebacks(modules, "a")
    assert linecache.cache == {}


@compiled
def test_a_traceback_of_the_engine_shows_its_lines() -> None:
    with pytest.raises(ValueError, match="log") as error:
        log(Value(-1.0))
    shown = [frame.line for frame in traceback.extract_tb(error.tb) if frame.filename.startswith("tinygrad_lite")]
    assert shown
    assert all(shown)


@compiled
def test_ipython_finds_the_engines_sources(tmp_path: Path) -> None:
    pytest.importorskip("IPython")
    code = "from tinygrad_lite import Value, log\nlog(Value(-1.0))"
    done = subprocess.run([sys.executable, "-m", "IPython", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert "ValueError" in done.stdout + done.stderr
    assert "Could not get source" not in done.stdout + done.stderr
