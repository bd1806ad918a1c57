"""The soak, for a moment: it runs, and it sees what is wrong. ``make soak`` runs it for an hour."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).resolve().parents[1] / "tools" / "soak"
#: What is wrong: every node but the first of an order has another number by the time that it is looked at.
PLANTED = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
import world
right = world.find
class Wrong:
    def __init__(self, op): self.op = op
    def value(self, numbers): return self.op.value(numbers) + 1e-9
world.find = lambda name: Wrong(right(name))
sys.argv[1:] = ["--episodes", "1", "--steps", "6", "--seed", "3"]
runpy.run_path(sys.path[0], run_name="__main__")
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory and open files are read from /proc"),
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TINYGRAD_LITE_CODE_CACHE": "off"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=300, env=environment
    )


def test_an_episode_finds_nothing() -> None:
    pytest.importorskip("mpmath")
    done = run(str(SOAK), "--episodes", "2", "--steps", "12")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 episodes, 24 steps" in done.stdout
    assert "0 faults" in done.stdout


def test_a_number_that_is_off_by_1e_9_is_found_and_its_episode_is_named() -> None:
    done = run("-c", PLANTED, str(SOAK))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "again: python tools/soak --seed 3 --first 0" in done.stdout
    assert "1 faults" in done.stdout
