"""The package's own names: submodules come when they are first used."""

from __future__ import annotations

import builtins
import inspect
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lite
from tinygrad_lite import Value, nn
from tinygrad_lite.operations.operation import Op
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.testing.strategies import sampling


@pytest.mark.parametrize("name", ["lessons", "lift", "nn", "testing", "viz"])
def test_a_submodule_is_imported_when_it_is_asked_for(name: str) -> None:
    assert tinygrad_lite.__getattr__(name) is sys.modules[f"tinygrad_lite.{name}"]
    assert name in dir(tinygrad_lite)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tinygrad_lite.nothing  # noqa: B018 (the access is the test)


@pytest.mark.parametrize("name", nn._ELSEWHERE)
def test_a_name_of_torch_nn_is_answered_with_what_to_write(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"'tinygrad_lite.nn' has no attribute '{name}': \w+"):
        getattr(nn, name)


def test_optim_of_torch_is_a_room_that_says_where_optimisers_are() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'SGD': optimisers are in nn, as nn\.SGD"):
        nn.optim.SGD  # noqa: B018 (the access is the test)


@pytest.mark.parametrize("name", tinygrad_lite._ELSEWHERE)
def test_a_name_of_another_library_leads_to_what_is_here(name: str) -> None:
    assert not hasattr(tinygrad_lite, name)
    with pytest.raises(AttributeError, match=rf"has no attribute '{name}': look at (\w+)") as caught:
        getattr(tinygrad_lite, name)
    found = re.search(r"look at (\w+)", str(caught.value))
    assert found is not None
    assert hasattr(tinygrad_lite, found[1])


def test_importing_the_package_imports_no_numpy() -> None:
    code = "import sys, tinygrad_lite; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("op", [pytest.param(op, id=op.name) for op in TABLE.values() if op.public and op.arity == 1])
def test_a_function_of_a_number_is_that_of_a_value(op: Op) -> None:
    function = getattr(tinygrad_lite, op.name)
    for point in sampling.points(op, 2, seed=1):
        result = function(*point)
        assert type(result) is float
        assert result == function(Value(*point)).data


@pytest.mark.parametrize("name", [name for name in tinygrad_lite.__all__ if callable(getattr(tinygrad_lite, name))])
def test_help_has_the_documentation_in_either_build(name: str) -> None:
    public = getattr(tinygrad_lite, name)
    assert "." in (public.__doc__ or "")
    if not name.endswith("Error"):  # a subclass of a built-in exception has no signature
        inspect.signature(public)


@pytest.mark.parametrize("name", ["backward", "forward", "tanh", "maximum"])
def test_so_have_the_methods_of_a_value(name: str) -> None:
    assert getattr(Value, name).__doc__


# ----------------------------------------------------------------------------------------- from tinygrad_lite import *


def starred() -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec("from tinygrad_lite import *", namespace)
    return namespace


def test_a_star_import_has_every_public_name_that_is_not_pythons() -> None:
    namespace = starred()
    assert {name for name in dir(builtins) if not name.startswith("_")} & namespace.keys() == set()
    kept = {"abs", "pow", "sum"}
    assert set(tinygrad_lite.functions.__all__) - namespace.keys() == kept
    for name in kept:  # they are there under their full names
        assert getattr(tinygrad_lite, name) is getattr(tinygrad_lite.functions, name)


_plain = st.one_of(
    st.integers(-(2**80), 2**80),
    st.floats(),
    st.fractions(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.complex_numbers(),
    st.booleans(),
    st.text(max_size=2),
    st.none(),
)


def outcome(expression: str, namespace: dict[str, Any], **given: Any) -> str:
    """What an expression gives, or how it fails, to the bit."""
    try:
        return repr(eval(expression, namespace, given))
    except Exception as error:
        return repr(error)


@given(st.lists(_plain, max_size=4), _plain, st.integers(-9, 9), st.integers(-9, 9))
def test_after_a_star_import_pythons_functions_do_what_they_did(xs: list[Any], x: Any, n: int, m: int) -> None:
    for expression in (
        "sum(xs)", "sum(xs, x)", "sum(xs, start=x)", "sum(y for y in xs)", "sum([2**60, 1])", "sum([[1], [2]], [])",
        "abs(x)", "pow(x, n)", "pow(n, m, 7)", "pow(base=n, exp=2)", "round(x)", "round(x, 1)", "divmod(x, 3)",
        "max(xs)", "min(xs, default=x)", "sorted(xs)", "any(xs)", "all(xs)", "int(x)", "float(x)", "complex(x)",
    ):  # fmt: skip
        assert outcome(expression, starred(), xs=xs, x=x, n=n, m=m) == outcome(expression, {}, xs=xs, x=x, n=n, m=m)


def test_after_a_star_import_pythons_functions_work_on_values() -> None:
    namespace = starred()
    a, b = Value(-3.0), Value(2.0)
    y = eval("sum([a, b, 4], 1.0) + abs(a) * pow(b, 3)", namespace, {"a": a, "b": b})
    y.backward()
    assert (y.data, a.grad, b.grad) == (4.0 + 24.0, 1.0 - 8.0, 1.0 + 3.0 * 12.0)


# ----------------------------------------------------------------------------------------------------- lift


def product(x: Value, y: Value) -> Value:
    """A docstring of its own."""
    return x * y


def test_the_package_lift_is_the_function_lift() -> None:
    by_package, by_function = tinygrad_lite.lift(product), tinygrad_lite.lift.lift(product)
    assert by_package(3.0, 4.0) == by_function(3.0, 4.0) == 12.0
    assert by_package.source == by_function.source
    assert type(by_package) is type(by_function) is tinygrad_lite.lift.Lifted
    assert by_package.__doc__ == product.__doc__


def test_the_package_lift_decorates_with_options_as_the_function_does() -> None:
    by_package = tinygrad_lite.lift(batch=0, reduce="sum")(product)
    by_function = tinygrad_lite.lift.lift(batch=0, reduce="sum")(product)
    assert by_package([1.0, 2.0], [3.0, 4.0]) == by_function([1.0, 2.0], [3.0, 4.0]) == 11.0


@pytest.mark.parametrize("name", tinygrad_lite.lift.__all__)
def test_every_public_name_of_lift_is_exported_and_documented(name: str) -> None:
    public = getattr(tinygrad_lite.lift, name)
    assert public.__name__ == name
    assert public.__module__.startswith("tinygrad_lite.")
    assert public.__doc__
    assert not public.__doc__.startswith(f"{name}("), "this is what a dataclass writes for itself"


def test_lift_exports_no_other_public_class_or_function() -> None:
    own = {
        name
        for name, thing in vars(tinygrad_lite.lift).items()
        if getattr(thing, "__module__", "").startswith("tinygrad_lite.") and not name.startswith("_")
    }
    assert own == set(tinygrad_lite.lift.__all__)
