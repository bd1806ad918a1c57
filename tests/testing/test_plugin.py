"""The plugin: what it costs those who do not use it (nothing), and what it gives to those who do."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

import _tinygrad_lite_plugin as plugin
from tinygrad_lite import Value, testing
from tinygrad_lite.testing import pytest_plugin

HEAVY = ["tinygrad_lite", "numpy", "hypothesis", "mpmath", "pytest", "typing", "zlib"]


def python(*arguments: str, cwd: Path | None = None) -> str:
    """What a fresh interpreter prints."""
    environment = {name: x for name, x in os.environ.items() if not name.startswith(("PYTEST", "COV", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout + done.stderr


# -------------------------------------------------------------------------------------------------- at import


def test_loading_the_plugin_loads_nothing_else() -> None:
    code = f"""
import sys
before = set(sys.modules)
import _tinygrad_lite_plugin
_tinygrad_lite_plugin.register_strategies()
print(*set(sys.modules) - before - {{"__future__"}}, [name for name in {HEAVY} if name in sys.modules])
"""
    folder = str(Path(plugin.__file__).parent)
    assert python("-S", "-c", f"import sys; sys.path.insert(0, {folder!r})\n{code}").split() == [
        "_tinygrad_lite_plugin",
        "[]",
    ]


def test_module_level_lines_count_as_covered(tmp_path: Path) -> None:
    pytest.importorskip("coverage")
    (tmp_path / "test_tiny.py").write_text(
        "from hypothesis import given\n"
        "from tinygrad_lite.testing.strategies.strategies import values\n"
        "@given(values())\n"
        "def test_tiny(v):\n"
        "    assert v.is_leaf\n"
    )
    run = ["run", "--branch", "--include=*/tinygrad_lite/errors.py", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    assert "1 passed" in python("-m", "coverage", *run, cwd=tmp_path)
    python("-m", "coverage", "json", cwd=tmp_path)
    (measured,) = json.loads((tmp_path / "coverage.json").read_text())["files"].values()
    assert measured["missing_lines"] == []
    assert measured["executed_lines"]


# ------------------------------------------------------------------------------------------------- hypothesis

BOTH_ORDERS = """
import sys
{imports}
from hypothesis import given, settings, strategies as st, find
from tinygrad_lite import Value
assert "tinygrad_lite.testing.strategies.strategies" not in sys.modules, "too early"
print(find(st.from_type(Value), lambda v: v.data > 0.1))
"""


@pytest.mark.parametrize(
    "imports", ["import tinygrad_lite, hypothesis", "import hypothesis, tinygrad_lite"], ids=lambda text: text
)
def test_the_type_value_is_known_whichever_is_imported_first(imports: str) -> None:
    assert python("-c", BOTH_ORDERS.format(imports=imports)) == "Value(data=1.0, grad=0.0)\n"


@pytest.mark.parametrize("missing", ["tinygrad_lite.value", "hypothesis.strategies"])
@pytest.mark.parametrize("partly", [False, True])
def test_nothing_is_registered_while_one_of_the_two_is_not_ready(
    missing: str, partly: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered: list[Any] = []
    strategies = types.SimpleNamespace(register_type_strategy=lambda *arguments: registered.append(arguments))
    with monkeypatch.context() as ready:
        ready.setitem(sys.modules, "hypothesis.strategies", strategies)  # type: ignore[arg-type]  # enough of it
        with monkeypatch.context() as patch:
            if partly:
                patch.setitem(sys.modules, missing, types.ModuleType(missing))
            else:
                patch.delitem(sys.modules, missing)
            plugin.register_strategies()
            assert registered == []
        plugin.register_strategies()
    ((kind, strategy),) = registered
    assert kind is Value
    assert isinstance(strategy(Value), st.SearchStrategy)


# ---------------------------------------------------------------------------------------------------- pytest

PROJECT = """
import pytest
from tinygrad_lite import Value, testing

CALLS = []

@pytest.fixture(autouse=True)
def recorder(monkeypatch):
    def check(f, *args, **options):
        print("called", args, sorted(options.items()))

    monkeypatch.setattr(testing, "check_gradients", check)

def test_fixture(check_gradients):
    check_gradients(abs, 1.0)

def test_own_options(check_gradients):
    check_gradients(abs, 1.0, examples=3, seed=4, order=1)

def test_values():
    assert Value(0.1 + 0.2, label="a") == Value(0.3)

def test_others():
    assert [1, 2] == [1, 3]
"""


def test_in_a_project(tmp_path: Path) -> None:
    (tmp_path / "test_project.py").write_text(PROJECT)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    run = ["-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--derivative-examples=7"]
    shown = python(*run, cwd=tmp_path)
    assert "2 failed, 2 passed" in shown
    seed = pytest_plugin.zlib.crc32(b"test_project.py::test_fixture")
    assert f"called (1.0,) [('examples', 7), ('seed', {seed})]" in shown
    assert "called (1.0,) [('examples', 3), ('order', 1), ('seed', 4)]" in shown
    assert "AssertionError: assert Value(data=0.30000000000000004, grad=0.0, label='a') == " in shown
    assert "data   0.30000000000000004 | 0.3 (they differ by 5.6e-17, 1 ulp)" in shown
    assert "At index 1 diff: 2 != 3" in shown


def test_the_option_is_explained_and_refuses_what_is_no_count() -> None:
    shown = python("-m", "pytest", "--help")
    assert "\ntinygrad_lite:\n  --derivative-examples=N" in shown
    assert [plugin._count("1"), plugin._count("20")] == [1, 20]
    for text in ("0", "-3", "many"):
        with pytest.raises(ValueError, match=text):
            plugin._count(text)


def test_the_fixture_checks_this_very_test(check_gradients: Any, request: pytest.FixtureRequest) -> None:
    expected = pytest_plugin.zlib.crc32(request.node.nodeid.encode())
    assert check_gradients(lambda x: x * x, 3.0, examples=2).seed == expected
    with pytest.raises(testing.DerivativeError, match=r"seed +" + str(expected)):
        check_gradients(lambda x: Value(x.data) * x, 3.0)


def test_seeds_differ_between_tests_and_examples_default_to_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(testing, "check_gradients", lambda f, *args, **options: calls.append(options))
    for name, examples in (("a", None), ("a", None), ("b", 5)):
        pytest_plugin.seeded_check(name, examples)(abs, 1.0)
    pytest_plugin.seeded_check("c", 5)(abs, 1.0, examples=2, seed=1, order=3)
    assert calls.pop() == {"examples": 2, "seed": 1, "order": 3}, "what the test says goes first"
    assert calls[0] == calls[1]
    assert calls[0]["seed"] != calls[2]["seed"]
    assert [call["examples"] for call in calls] == [20, 20, 5]


# ----------------------------------------------------------------------------------------------- explanations


def test_two_values_are_explained_attribute_by_attribute() -> None:
    x = Value(2.0)
    product = x * Value(3.0, label="w")
    product.backward()
    assert plugin.pytest_assertrepr_compare("==", product, Value(7.0, label="y")) == [
        "Value(data=6.0, grad=1.0) == Value(data=7.0, grad=0.0, label='y')",
        "",
        "== asks whether two Values are one node, and not about their numbers: write a.data == b.data",
        "  data   6.0 | 7.0 (they differ by 1, 1.1e+15 ulp)",
        "  grad   1.0 | 0.0",
        "  op     'mul' | leaf",
        "  label  none | 'y'",
    ]


@pytest.mark.parametrize(
    ("left", "right", "line"),
    [
        (Value(0.5), 0.5, "  data   0.5 | 0.5 (the same)"),
        (2, Value(3.0), "  data   2 | 3.0 (they differ by 1, 2.3e+15 ulp)"),
        (Value(math.nan), Value(math.nan), "  data   nan | nan (the same)"),
        (Value(math.inf), Value(1.0), "  data   inf | 1.0 (not both finite)"),
        (Value(1e308), Value(-1e308), "  data   1e+308 | -1e+308 (too far apart)"),
        (Value(1.0), "one", "  data   1.0 | 'one' (Value and str)"),
        (Value(1.0), None, "  data   1.0 | None (Value and NoneType)"),
        ([Value(1.0), Value(2.0)], [Value(1.0), Value(2.5)], "  [1]  2.0 | 2.5 (they differ by 0.5, 1.1e+15 ulp)"),
        ([Value(1.0)], [Value(1.0)], "  the data are the same everywhere"),
        ((Value(1.0),), (1.0, 2.0), "  len(both)  1 | 2 (they differ by 1)"),
        ({"w": [Value(1.0)]}, {"w": [Value(2.0)]}, "  ['w'][0]  1.0 | 2.0 (they differ by 1, 2.3e+15 ulp)"),
        ({"w": Value(1.0), "b": 0}, {"w": 1.0}, "  keys(both)  ['w', 'b'] | ['w'] (list and list)"),
        ([Value(0.0)] * 9, [1.0] * 9, "  ... 5 more"),
    ],
)
def test_what_differs_is_said(left: object, right: object, line: str) -> None:
    lines = pytest_plugin.compared("==", left, right)
    assert lines is not None
    assert lines[-1] == line
    assert len(lines) <= 8, "pytest would cut it off"


def test_a_node_that_should_not_be_itself_is_explained() -> None:
    v = Value(1.0)
    assert pytest_plugin.compared("!=", v, v) == [
        "Value(data=1.0, grad=0.0) != Value(data=1.0, grad=0.0)",
        "",
        "!= asks whether two Values are two nodes, and these are one: write a.data != b.data",
    ]


def test_long_operands_are_cut() -> None:
    lines = pytest_plugin.compared("==", [Value(0.125)] * 50, [])
    assert lines is not None
    assert len(lines[0]) < 200


@pytest.mark.parametrize(
    ("op", "left", "right"),
    [("==", 1.0, 2.0), ("<", Value(2.0), Value(1.0)), ("==", [1.0], {"a": 1}), ("in", 1, [Value(2.0)])],
)
def test_other_assertions_are_left_to_pytest(op: str, left: object, right: object) -> None:
    assert plugin.pytest_assertrepr_compare(op, left, right) is None


def test_without_the_package_nothing_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tinygrad_lite.value")
    assert plugin.pytest_assertrepr_compare("==", Value(1.0), Value(1.0)) is None


def test_without_what_testing_needs_assertions_fail_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tinygrad_lite.testing.pytest_plugin", None)  # type: ignore[arg-type]  # absent
    assert plugin.pytest_assertrepr_compare("==", Value(1.0), Value(1.0)) is None
