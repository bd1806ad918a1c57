"""Settings of all tests: property tests draw the same cases in every run, so that CI is reproducible.

``HYPOTHESIS_PROFILE=explore`` draws new cases, ten times as many, and other weights for models that have no seed;
``quick``, the profile of ``make test``, draws the first sixth of the cases.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import random
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("quick", settings.get_profile("ci"), max_examples=16)
settings.register_profile("explore", settings.get_profile("ci"), derandomize=False, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# A shell ignores Ctrl-C for what it starts in the background, and so would the commands that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests leave no machine code behind, and take none that was left: those of the code on disk choose a folder.
os.environ["TINYGRAD_LITE_CODE_CACHE"] = "off"


def pytest_collection_finish() -> None:
    """Imports the whole package in each process of a parallel run.

    Hypothesis also draws the constants of what is imported by then: that must not depend on the tests that a process
    had before, for these differ from run to run.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        parts = ("lessons", "lift", "nn", "testing", "viz")
        for name in ("tinygrad_lite", *(f"tinygrad_lite.{part}" for part in parts)):
            for module in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
                with contextlib.suppress(ImportError):  # an extra is not installed
                    importlib.import_module(module.name)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Models without a seed have the same weights in every run of a test, whichever tests ran before it."""
    if os.environ.get("HYPOTHESIS_PROFILE") != "explore":
        random.seed(0)


@pytest.fixture(scope="session", autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests run outside the source folder: there, Python would import the package from it, not the installed one."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    yield
    os.chdir(before)
