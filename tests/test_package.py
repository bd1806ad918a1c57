"""The package's own names: submodules come when they are first used."""

from __future__ import annotations

import sys

import pytest

import tinygrad_lite


@pytest.mark.parametrize("name", ["nn", "testing", "viz"])
def test_a_submodule_is_imported_when_it_is_asked_for(name: str) -> None:
    assert tinygrad_lite.__getattr__(name) is sys.modules[f"tinygrad_lite.{name}"]
    assert name in dir(tinygrad_lite)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tinygrad_lite.nothing  # noqa: B018 (the access is the test)
