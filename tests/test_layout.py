"""The folders tell the design: imports go one way, no two files import one another, and no folder overflows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: The rooms from the lowest to the highest: what stands in a line imports from lines above it, and from its own room.
#: Rooms of one line do not import from one another.
ORDER = """
engine
files
plotting
lift.ir lift.tracing
lift.canonical lift.source
lift.loops lift.machine_code
lift.grouping lift.engines
lift.steps lift.checkpointing
lift.checking lift.storage
lift.sizes
lift
nn.base
nn.layers nn.losses nn.optim
nn.train
nn.lifted nn.diagnostics
nn
nn.architectures
viz.reading
viz.drawing viz.formulas
viz.explorer viz.derivation
viz.programs viz.playground
viz.output
viz.training
viz.animation
viz.networks
viz
testing.oracles
testing.strategies
testing.checks testing.accuracy
testing
lessons
__init__
command_line
"""
#: What stands in ``tinygrad_lite`` itself and is not the engine's.
ROOMS = {"": "__init__", "__main__": "command_line", "cli": "command_line", "doctor": "command_line"}


def modules() -> dict[str, Path]:
    """All modules, by what follows ``tinygrad_lite.`` in their names."""
    found = {}
    for folder, package in (("tinygrad_lite", ()), ("nn", ("nn",)), ("viz", ("viz",))):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = (*package, *path.relative_to(ROOT / folder).with_suffix("").parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(module: str) -> Iterator[str]:
    """What a module imports: when it is loaded, in functions, for type checkers alone, or by a name in a string."""
    names: list[str] = []
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names += [name if name.removeprefix("tinygrad_lite.") in MODULES else node.module for name in whole]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant) and re.fullmatch(r"tinygrad_lite(\.\w+)+", str(node.value)):
            names.append(node.value)
    known = (name.removeprefix("tinygrad_lite").removeprefix(".") for name in names if name.startswith("tinygrad_lite"))
    return (name for name in known if name in MODULES and name != module)


def room(module: str) -> str:
    """The room of a module: its folder, if that has a line of its own in ``ORDER``."""
    folder = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    return ROOMS.get(module, folder if folder in ORDER.split() else "engine")


def test_imports_go_one_way_between_rooms() -> None:
    level = {name: number for number, line in enumerate(ORDER.split("\n")) for name in line.split()}
    wrong = [
        f"{module} imports {other}"
        for module in MODULES
        for other in imports(module)
        if room(module) != room(other) and level[room(module)] <= level[room(other)]
    ]
    assert not wrong, "\n".join(sorted(wrong))


def test_no_file_imports_what_imports_it() -> None:
    TopologicalSorter({module: set(imports(module)) for module in MODULES}).prepare()  # raises on a circle


def test_no_folder_has_more_files_than_one_looks_through() -> None:
    for folder in sorted(
        {path.parent for top in ("tinygrad_lite", "nn", "viz", "tests") for path in (ROOT / top).rglob("*.py")}
    ):
        assert len(list(folder.glob("*.py"))) <= 22, folder


def test_the_ways_through_the_code_are_short_and_lead_past_what_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Two ways through the code")[2]
    ways = [re.findall(r"^\d+\. `([\w/.]+)`: `([\w.]+)`", way, re.MULTILINE) for way in text.split("\nHow ")[1:]]
    assert len(ways) == 2
    for way in ways:
        assert 5 <= len(way) <= 10
        assert len(set(way)) == len(way)
        for path, name in way:
            body: list[ast.stmt] = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
            for part in name.split("."):
                *_, found = (node for node in body if getattr(node, "name", "") == part)
                body = getattr(found, "body", [])
