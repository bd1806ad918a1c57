"""Breaks the engine in many small ways and counts how often the tests notice: ``python tools/mutate.py``.

Run it from a checkout in an environment that has the tests' packages and cosmic-ray (``pip install --group test "."
cosmic-ray``). Compiled or not does not matter: it imports and breaks the interpreted files of the checkout, and changes
nothing on disk. Not a part of CI: a mutant that is killed takes half a second, but a survivor half a minute.

    python tools/mutate.py --sample 300 --seed 1        # about ten minutes
    python tools/mutate.py --modules transforms         # every mutant of one module
    python tools/mutate.py --retest                     # the survivors again, after new tests

Results are kept in build/mutants.json, so a run that was broken off goes on where it was; a module's results are
dropped when its source changes. Survivors that no test can kill are listed in tools/equivalent_mutants.txt, with the
reason. The exit status is 1 if fewer than 95 % of the others are killed, or if that list names one that is killed.

How it works. The mutants are cosmic-ray's, by every operator of it that needs no arguments. A server process imports
pytest, hypothesis, mpmath, NumPy and SciPy once; for each mutant it forks, a finder in the child serves the mutated
source in the place of its module, and pytest runs the module's test files, the most telling first, until one fails. A
mutant is killed by a failing test, by an error on import, or by running three times as long as the unbroken module.

What is left out, since breaking it breaks nothing that runs or nothing that a test could see:

- annotations, and the module-level aliases that only they use (``TYPE_ALIASES``): they are never evaluated for a value;
- ``@overload`` stubs, the decorators ``@overload``, ``@final`` and ``@mypyc_attr``: for type checker and compiler;
- in the table, ``bound``, which is the tolerance of the tests themselves;
- what does not compile, and what compiles to the same code as the unbroken source (added parentheses, say).

Strings are not broken at all (cosmic-ray has no operator for them): no text of a message, a label or a formula counts.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import hashlib
import importlib
import json
import os
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "build" / "mutants.json"
EQUIVALENT: Final = ROOT / "tools" / "equivalent_mutants.txt"
GOAL: Final = 0.95

#: The test files of each module, the most telling first. ``{record}`` is the record of ops.py that the mutant is in.
TESTS: Final[dict[str, list[list[str]]]] = {
    "value": [
        ["test_transforms.py", "test_modes.py"],
        ["test_value.py"],
        ["test_state_machine.py", "test_gradients.py", "test_numpy.py", "test_sequences.py", "test_serialization.py"],
        ["test_ops.py", "-k", "sweep or dots or kinks or values"],
        ["test_dropin.py", "test_docstrings.py", "test_expressions.py", "nn/test_layers.py", "-k", "not testing"],
    ],
    "ops": [
        ["test_ops.py", "-k", "{record}"],
        ["test_ops.py", "-k", "whole or kinks or state or sweep or dots or oracle or find or limits or rare or index"],
        ["test_gradients.py", "test_transforms.py", "test_sequences.py", "test_state_machine.py"],
        ["test_value.py", "test_numpy.py", "test_dropin.py", "test_expressions.py"],
        ["test_docstrings.py", "-k", "not testing"],
        ["test_ops.py"],
    ],
    "functions": [
        ["test_docstrings.py", "-k", "functions"],
        ["test_value.py", "test_numpy.py", "test_sequences.py", "test_ops.py", "-k", "not partials"],
        ["test_transforms.py", "test_expressions.py", "nn/test_layers.py"],
    ],
    "transforms": [
        ["test_transforms.py"],
        ["test_docstrings.py", "-k", "transforms"],
        ["test_modes.py", "test_trees.py", "test_gradients.py", "test_numpy.py", "test_dropin.py", "test_ops.py"],
    ],
}
#: Tests of time, memory and depth, and those that start another process, which would import the unbroken package.
LEFT_OUT: Final = (
    "test_value.py::test_a_chain_of_a_million_nodes_is_built_differentiated_evaluated_and_freed",
    "test_value.py::test_a_deep_nary_chain_is_differentiated_and_freed",
    "test_value.py::test_ten_thousand_training_steps_leave_memory_flat",
    "test_value.py::test_a_graph_is_freed_without_the_cyclic_collector",
    "test_value.py::test_gradients_have_the_same_bits_in_every_process",
    "test_serialization.py::test_a_chain_of_a_hundred_thousand_nodes_is_copied",
    "test_ops.py::test_the_accuracy_benchmark_runs",
    "test_ops.py::test_the_generated_files_are_what_the_table_says",
    "test_dropin.py::test_a_scalar_gpt_learns",
)
TYPE_ALIASES: Final = ("Result", "Argnums", "Number", "Rule")
DECORATORS: Final = ("overload", "final", "mypyc_attr")
KEYWORDS: Final = ("bound",)


@dataclass
class Mutant:
    """One way to break a module."""

    module: str
    operator: str
    occurrence: int
    line: int
    scope: str
    before: str
    after: str
    text: str

    @property
    def key(self) -> str:
        """What names it in the results, as long as the source stays as it is."""
        return f"{self.module}:{self.operator}:{self.occurrence}"

    @property
    def signature(self) -> tuple[str, str, str, str]:
        """What names it in the list of equivalents: stays the same when lines move."""
        return (self.module, self.scope, self.before, self.after)


# ------------------------------------------------------------------------------------------- making mutants


def path_of(module: str) -> Path:
    return ROOT / "tinygrad_lite" / f"{module}.py"


def left_out(tree: ast.Module) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The ranges of the source, from (line, column) to (line, column), in which nothing is broken."""
    nodes: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            for decorator in node.decorator_list:
                if name_of(decorator) in DECORATORS:
                    nodes.append(decorator)
                    nodes[-1].col_offset -= 1  # type: ignore[attr-defined]  # the @, which is not a part of the node
                    if name_of(decorator) == "overload":
                        nodes.append(node)
        if isinstance(node, ast.FunctionDef) and node.returns is not None:
            nodes.append(node.returns)
        elif (isinstance(node, ast.arg) and node.annotation is not None) or isinstance(node, ast.AnnAssign):
            nodes.append(node.annotation)
        elif (isinstance(node, ast.Assign) and name_of(node.targets[0]) in TYPE_ALIASES) or (
            isinstance(node, ast.keyword) and node.arg in KEYWORDS
        ):
            nodes.append(node)
    found = []
    for node in nodes:
        position: Any = node
        found.append(((position.lineno, position.col_offset), (position.end_lineno, position.end_col_offset)))
    return found


def name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Call):
        return name_of(node.func)
    return node.id if isinstance(node, ast.Name) else ""


def scopes(tree: ast.Module) -> dict[int, str]:
    """For each line the function or class that it is in, or the record of the operation table."""
    found: dict[int, str] = {}

    def enter(node: ast.AST, name: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = name
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                inner = f"{name}.{child.name}" if name else child.name
            elif isinstance(child, ast.Call) and name_of(child) == "Op" and isinstance(child.args[0], ast.Constant):
                inner = str(child.args[0].value)
            if inner != name and isinstance(child, (ast.stmt, ast.expr)):
                first = min([child.lineno, *(d.lineno for d in getattr(child, "decorator_list", []))])
                found.update(dict.fromkeys(range(first, (child.end_lineno or first) + 1), inner))
            enter(child, inner)

    enter(tree, "")
    return found


def mutants_of(module: str) -> Iterator[tuple[str, int, tuple[int, int]]]:
    """Operator, occurrence and position of each mutant of a module that is not left out."""
    from cosmic_ray import plugins
    from cosmic_ray.ast import ast_nodes, get_ast

    source = path_of(module).read_text(encoding="utf-8")
    ranges = left_out(ast.parse(source))
    nodes = list(ast_nodes(get_ast(source)))
    for name in sorted(plugins.operator_names()):
        operator_class = plugins.get_operator(name)
        if operator_class.arguments() or name == "core/NoOp":
            continue
        operator = operator_class()
        occurrence = -1
        for node in nodes:
            for start, _ in operator.mutation_positions(node):
                occurrence += 1
                if not any(low <= tuple(start) < high for low, high in ranges):
                    yield name, occurrence, tuple(start)


def made(module: str, operator: str, occurrence: int) -> Mutant | None:
    """The mutant; None if it does not compile, or compiles to the code of the unbroken source."""
    from cosmic_ray import plugins
    from cosmic_ray.mutating import mutate_code

    source = path_of(module).read_text(encoding="utf-8")
    text = mutate_code(source, plugins.get_operator(operator)(), occurrence)
    if text is None:
        return None
    try:
        if compiled(text, module) == compiled(source, module):
            return None
    except (SyntaxError, ValueError):
        return None
    changes = list(difflib.unified_diff(source.splitlines(), text.splitlines(), lineterm="", n=0))[2:]
    before = " / ".join(x[1:].strip() for x in changes if x.startswith("-"))
    after = " / ".join(x[1:].strip() for x in changes if x.startswith("+"))
    line = int(changes[0].split()[1].lstrip("-").split(",")[0])
    scope = scopes(ast.parse(source)).get(line, "")
    return Mutant(module, operator, occurrence, line, scope, before, after, text)


def compiled(text: str, module: str) -> CodeType:
    with warnings.catch_warnings():  # `x is 0`
        warnings.simplefilter("ignore")
        return compile(text, str(path_of(module)), "exec", dont_inherit=True)


# ------------------------------------------------------------------------------------------- running the tests


class Mutated(SourceFileLoader):
    """Loads a module from a text instead of its file."""

    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self.code = code

    def get_code(self, fullname: str) -> CodeType:
        """Instead of reading and compiling the file."""
        return self.code


class Checkout(MetaPathFinder):
    """Finds the package in the checkout, interpreted even where a compiled file lies beside, one module broken."""

    def __init__(self, module: str, code: CodeType | None) -> None:
        self.module = module
        self.code = code

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """What Python asks for each import."""
        package, *rest = name.split(".")
        if package != "tinygrad_lite":
            return None
        folder = ROOT if rest[:1] in (["nn"], ["viz"]) else ROOT / "tinygrad_lite"
        file = folder.joinpath(*rest, "__init__.py")
        if not file.exists():
            file = folder.joinpath(*rest).with_suffix(".py")
        if not file.exists():
            return None
        broken = self.code is not None and name == f"tinygrad_lite.{self.module}"
        loader = Mutated(name, str(file), self.code) if broken and self.code else SourceFileLoader(name, str(file))
        within = [str(file.parent)] if file.name == "__init__.py" else None
        return spec_from_file_location(name, file, loader=loader, submodule_search_locations=within)


class FirstFailure:
    """A pytest plugin: keeps the name of the first test that failed."""

    def __init__(self) -> None:
        self.name = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Called by pytest after each test."""
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        """Called by pytest after each file was imported."""
        if report.failed and not self.name:
            self.name = f"import of {report.nodeid}"


def serve() -> None:
    """Imports once what every child needs, and nothing of tinygrad_lite."""
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    for name in ("pytest", "hypothesis", "hypothesis.strategies", "hypothesis.stateful", "mpmath", "numpy"):
        importlib.import_module(name)
    for name in ("scipy.optimize", "micrograd.engine", "micrograd.nn", "graphviz"):
        with contextlib.suppress(ImportError):  # the tests do without
            importlib.import_module(name)
    from hypothesis import HealthCheck, Phase, settings

    # As the suite's own profile, but a failure is not made smaller: it only counts.
    settings.register_profile(
        "mutants", derandomize=True, deadline=None, max_examples=100, database=None,
        suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate),
    )  # fmt: skip
    assert not any(name.split(".")[0] == "tinygrad_lite" for name in sys.modules)


def run_tests(module: str, scope: str) -> tuple[int, str]:
    """pytest's exit status and the first test that failed; 0 if none did."""
    import pytest

    for arguments in TESTS[module]:
        given = [x.format(record=scope or "whole") for x in arguments]
        files = [str(ROOT / "tests" / x) if x.endswith(".py") else x for x in given]
        files = [x for x in files if not x.endswith(".py") or os.path.exists(x)]
        skipped = [f"--deselect=tests/{name}" for name in LEFT_OUT]
        failure = FirstFailure()
        options = [
            "-x",
            "-p",
            "no:cacheprovider",
            "--assert=plain",
            "--tb=no",
            "--no-header",
            f"--rootdir={ROOT}",
            "-c",
            str(ROOT / "setup.cfg"),
        ]
        status = int(pytest.main([*files, *options, *skipped], plugins=[failure]))
        if status not in (0, 5):  # 5: the -k chose no test
            return status, failure.name or "import"
    return 0, ""


def child(module: str, scope: str, code: CodeType | None, pipe: int) -> None:
    """Runs in the forked process, and never returns."""
    status, name = 70, "import"
    try:
        os.setpgid(0, 0)
        quiet = os.open(os.devnull, os.O_RDWR)
        if not os.environ.get("MUTATE_SHOW"):
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
        sys.meta_path.insert(0, Checkout(module, code))
        os.chdir(ROOT)
        status, name = run_tests(module, scope)
    except BaseException:
        traceback.print_exc()
    finally:
        os.write(pipe, f"{status} {name}".encode()[:4000])
        os._exit(0)


@dataclass
class Running:
    """A child at work."""

    pid: int
    pipe: int
    mutant: Mutant | None
    started: float


def start(module: str, mutant: Mutant | None) -> Running:
    read, write = os.pipe()
    code = None if mutant is None else compiled(mutant.text, module)
    pid = os.fork()
    if pid == 0:
        os.close(read)
        child(module, "" if mutant is None else mutant.scope, code, write)
    os.close(write)
    return Running(pid, read, mutant, time.monotonic())


def wait(running: list[Running], limit: dict[str, float]) -> tuple[Running, str, str]:
    """The first that ends: with what became of it, and the test that killed it."""
    while True:
        for task in running:
            pid, _ = os.waitpid(task.pid, os.WNOHANG)
            late = task.mutant is not None and time.monotonic() - task.started > limit[task.mutant.module]
            if pid == 0 and not late:
                continue
            if pid == 0:
                os.killpg(task.pid, signal.SIGKILL)
                os.waitpid(task.pid, 0)
            said = os.read(task.pipe, 4096).decode(errors="replace")
            os.close(task.pipe)
            running.remove(task)
            if late and not said:
                return task, "killed", "time"
            status, _, name = (said or "70 crash").partition(" ")
            return task, "survived" if status == "0" else "killed", name
        time.sleep(0.01)


# -------------------------------------------------------------------------------------------------- the report


def read_equivalent() -> dict[tuple[str, str, str, str], str]:
    """The list of equivalents: blocks of a place, a line before, a line after, and the reason."""
    found = {}
    if EQUIVALENT.exists():
        blocks = EQUIVALENT.read_text(encoding="utf-8").split("\n\n")
        for block in blocks:
            lines = [line for line in block.splitlines() if line and not line.startswith("#")]
            if lines:
                place, before, after, *reason = lines
                module, _, scope = place.strip().partition(" ")
                found[(module, scope, before.removeprefix("- "), after.removeprefix("+ "))] = " ".join(reason)
    return found


def chosen_mutants(modules: Sequence[str], sample: int | None, seed: int) -> list[tuple[str, str, int]]:
    """All mutants of the modules in an order that the seed decides, or the first of them; no line has to be known."""
    found = [(module, name, k) for module in modules for name, k, _ in mutants_of(module)]
    random.Random(seed).shuffle(found)
    return found if sample is None else found[:sample]


def main() -> int:
    """Runs the mutants that have no result yet, and reports on all that were asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--modules", nargs="+", default=list(TESTS), choices=list(TESTS))
    parser.add_argument("--sample", type=int, help="how many mutants, drawn over the modules (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="of the draw")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--retest", action="store_true", help="run those again that survived before")
    parser.add_argument("--count", action="store_true", help="only say how many mutants there are")
    arguments = parser.parse_args()

    if arguments.count:
        for module in arguments.modules:
            print(f"{module:12} {sum(1 for _ in mutants_of(module)):6} mutants before compiling")
        return 0
    drawn = chosen_mutants(arguments.modules, arguments.sample, arguments.seed)
    serve()
    kept: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    limit = {}
    results: dict[str, dict[str, str]] = {}
    for module in arguments.modules:
        digest = hashlib.sha256(path_of(module).read_bytes()).hexdigest()
        old = kept.get(module, {})
        results[module] = dict(old["results"]) if old.get("digest") == digest else {}
        kept[module] = {"digest": digest, "results": results[module]}
        task = start(module, None)
        _, state, name = wait([task], {})
        if state != "survived":
            print(f"the tests of {module} fail on the unbroken source: {name}")
            return 1
        seconds = time.monotonic() - task.started
        limit[module] = 3.0 * seconds + 5.0
        print(f"{module}: the tests pass on the unbroken source in {seconds:.1f} s", flush=True)

    began, ran = time.monotonic(), 0
    mutants: list[Mutant] = []
    running: list[Running] = []
    RESULTS.parent.mkdir(exist_ok=True)

    def finish() -> None:
        nonlocal ran
        task, state, name = wait(running, limit)
        assert task.mutant is not None
        ran += 1
        seconds = time.monotonic() - task.started
        results[task.mutant.module][task.mutant.key] = f"{state} {name}".strip()
        RESULTS.write_text(json.dumps(kept, indent=0))
        shown = f"by {name}" if name else f"{task.mutant.scope}: {task.mutant.after}"
        print(f"{ran:5} {seconds:5.1f} s  {task.mutant.key} {state} {shown}", flush=True)

    for module, operator, occurrence in drawn:
        mutant = made(module, operator, occurrence)
        if mutant is None:
            continue
        mutants.append(mutant)
        before = results[module].get(mutant.key, "")
        if before.startswith("killed") or (before and not arguments.retest):
            continue
        running.append(start(module, mutant))
        if len(running) >= arguments.jobs:
            finish()
    while running:
        finish()
    if ran:
        print(f"{ran} mutants in {time.monotonic() - began:.0f} s, {(time.monotonic() - began) / ran:.2f} s each")
    return report(mutants, results)


def report(mutants: Sequence[Mutant], results: dict[str, dict[str, str]]) -> int:
    """Prints totals and survivors, and gives the exit status."""
    equivalent = read_equivalent()
    outcome = {m.key: results[m.module][m.key].split(" ")[0] for m in mutants}
    survivors = [m for m in mutants if outcome[m.key] == "survived"]
    known = {m.key for m in survivors if m.signature in equivalent}
    for m in survivors:
        if m.key not in known:
            print(f"\nsurvived: {m.module} {m.scope}  (line {m.line}, {m.operator} {m.occurrence})")
            print(f"- {m.before}\n+ {m.after}")
    print(f"\n{'module':12} {'mutants':>8} {'killed':>8} {'equivalent':>11} {'survived':>9} {'killed of all':>14}")
    for module in [*results, "all"]:
        group = [m for m in mutants if module in (m.module, "all")]
        killed = sum(outcome[m.key] == "killed" for m in group)
        same = sum(m.key in known for m in group)
        share = killed / len(group) if group else 1.0
        print(f"{module:12} {len(group):8} {killed:8} {same:11} {len(group) - killed - same:9} {share:14.1%}")
    stale = [m for m in mutants if outcome[m.key] == "killed" and m.signature in equivalent]
    for m in stale:
        print(f"listed as equivalent, and killed: {m.module} {m.scope}\n- {m.before}\n+ {m.after}")
    rest = len(mutants) - len(known)
    killed = len(mutants) - len(survivors)
    print(f"killed {killed} of {rest} that are not equivalent: {killed / max(rest, 1):.1%}; the goal is {GOAL:.0%}")
    return int(bool(stale) or killed < GOAL * rest)


if __name__ == "__main__":
    sys.exit(main())
