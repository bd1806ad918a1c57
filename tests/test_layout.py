"""CONTRIBUTING.md tells which file has which idea: of every file of ``lift``, ``nn`` and ``viz``, and of no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def told(package: str) -> list[str]:
    """The files in the first column of the table of a package."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition(f"## How `{package}` is laid out")[2].partition("\n## ")[0]
    rows = re.findall(r"^\|(.*?)\|", section, re.MULTILINE)
    return [name for row in rows[2:] for name in re.findall(r"`([\w/]+(?:\.py)?)`", row)]


@pytest.mark.parametrize(
    ("package", "folder"), [("lift", "tinygrad_lite/lift"), ("nn", "nn"), ("viz", "viz")], ids=["lift", "nn", "viz"]
)
def test_every_file_has_its_place_once(package: str, folder: str) -> None:
    files = {path.name for path in (ROOT / folder).glob("*.py")} - {"__init__.py"}
    named = [name for name in told(package) if name.endswith(".py")]
    assert sorted(named) == sorted(files)
