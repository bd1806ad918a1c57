"""The package's own names: submodules come when they are first used."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

import tinygrad_lite
from tinygrad_lite import Value, nn
from tinygrad_lite.operation import Op
from tinygrad_lite.ops import TABLE
from tinygrad_lite.testing import sampling


@pytest.mark.parametrize("name", ["lift", "nn", "testing", "viz"])
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
