"""Executes notebooks and keeps their outputs, without what changes from run to run: ``make notebooks``."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

#: Seconds that a cell may take.
LIMIT = 60
METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def execute(path: Path) -> list[float]:
    """Run a notebook in an empty folder, writes it back with its outputs, and gives the seconds of each code cell."""
    notebook: Any = nbformat.read(path, as_version=4)
    seconds: list[float] = []
    begun = [0.0]
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=LIMIT,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
            on_cell_execute=lambda **_: begun.append(time.perf_counter()),
            on_cell_executed=lambda **_: seconds.append(time.perf_counter() - begun[-1]),
        )
        client.execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        cell.metadata = nbformat.from_dict({key: cell.metadata[key] for key in ("tags",) if key in cell.metadata})
        cell.id = f"cell-{number}"
    nbformat.write(notebook, path)
    return seconds


def main() -> None:
    """Execute the notebooks that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", type=Path, nargs="+")
    for path in parser.parse_args().notebooks:
        seconds = execute(path)
        size = path.stat().st_size / 1e3
        print(f"{path.name}: {sum(seconds):.1f} s, slowest cell {max(seconds):.1f} s, {size:.0f} kB")


if __name__ == "__main__":
    main()
