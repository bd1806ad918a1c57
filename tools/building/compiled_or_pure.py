"""How the package is built: by setuptools, with mypyc only where it compiles.

mypy has compiled parts itself, and no wheel for every Python: one that will run the engine as it is written must not
have to install it. What is needed only sometimes cannot be written in pyproject.toml, and is asked here instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403 (a build backend is a module with all of its functions)

MYPYC = "mypy[mypyc]>=1.18"


def compilers() -> list[str]:
    """Return what compiles the engine, unless setup.py will not compile it."""
    pure = os.environ.get("TINYGRAD_LITE_PURE") == "1" or sys.implementation.name != "cpython"
    return [] if pure else [MYPYC]


def get_requires_for_build_wheel(config_settings: Mapping[str, Any] | None = None) -> list[str]:
    """Return what an installer provides before it builds a wheel."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *compilers()]


def get_requires_for_build_editable(config_settings: Mapping[str, Any] | None = None) -> list[str]:
    """Return what an installer provides before it installs the repository where it lies."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *compilers()]
