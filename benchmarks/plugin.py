"""What the pytest and hypothesis plugin costs those who have it installed: ``python benchmarks/plugin.py``.

Each line is the best of several fresh interpreters, in milliseconds, which have imported pytest before: importing the
plugin, an empty module, hypothesis's own pytest plugin, and, for scale, hypothesis and this package themselves.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

#: pytest is loaded before the clock starts, as it is before it comes to its plugins.
CODE = """
import sys, time
sys.path.insert(0, {folder!r})
import pytest
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""


def milliseconds(module: str, folder: str, repeats: int) -> float:
    """Return the shortest import of a module in that many interpreters."""
    command = [sys.executable, "-c", CODE.format(folder=folder, module=module)]
    runs = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(repeats))
    return 1e3 * min(map(float, runs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15, help="interpreters for each line (15)")
    repeats = parser.parse_args().repeats
    modules = {
        "_tinygrad_lite_plugin": "this plugin",
        "empty_plugin": "an empty module",
        "_hypothesis_pytestplugin": "hypothesis's pytest plugin",
        "hypothesis": "hypothesis, with its plugins",
        "tinygrad_lite": "tinygrad_lite itself",
    }
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "empty_plugin.py").write_text("")
        for module, what in modules.items():
            milliseconds(module, folder, 1)  # compiles it
            print(f"{milliseconds(module, folder, repeats):8.2f} ms  {what}")


if __name__ == "__main__":
    main()
