"""A program that is saved is the same one when it is loaded; a file is a program, or it is refused."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import drawn_programs
import interpreter
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinygrad_lite import Value, define, dot, exp, log, nn, ops, sum, tanh, value_and_grad
from tinygrad_lite.errors import LiftError
from tinygrad_lite.files import safetensors
from tinygrad_lite.lift.ir.groups import Groups
from tinygrad_lite.lift.ir.report import Report
from tinygrad_lite.lift.lifting import lift
from tinygrad_lite.lift.loading import load
from tinygrad_lite.lift.program import Program
from tinygrad_lite.lift.tracing.arguments import take_apart
from tinygrad_lite.lift.tracing.inputs import Inputs

Pair = namedtuple("Pair", "first second")
RNG = np.random.default_rng(0)


def attention(x: Any, w: Any) -> Any:
    """Causal: sums of growing length, so that there are masks, folds, and a constant table besides."""
    outputs = []
    for t in range(len(x)):
        scores = [dot(tuple(x[t]), tuple(x[s])) * 0.5 for s in range(t + 1)]
        powers = [exp(s) for s in scores]
        total = sum(powers)
        outputs += [sum(p * x[s][k] for s, p in enumerate(powers)) / total * w[[2, 0, 1][k]] for k in range(3)]
    return sum(log(1.0 + o * o) for o in outputs)


ATTENTION = lift(value_and_grad(attention)).program_for(RNG.normal(size=(4, 3)), RNG.normal(size=3))


def mlp_program() -> tuple[Program, nn.Module]:
    model = nn.MLP(2, [3, 1], generator=0)
    step = lift(value_and_grad(lambda model, x, y: (model(x) - y) ** 2), batch=(None, 0, 0))
    return step.program_for(model, np.ones((5, 2)), np.ones(5)), model


def reloaded(program: Program) -> Program:
    return Program.from_bytes(program.to_bytes())


def by_hand(groups: Groups) -> Program:
    """A program of groups that no function was traced for."""
    shapes = [(*groups.groups[i].shape, *((2,) if groups.groups[i].batched else ())) for i in groups.inputs]
    batch = tuple(-1 if groups.groups[i].batched else None for i in groups.inputs)
    arguments = take_apart((), [np.zeros(shape) for shape in shapes], {}, batch, ())
    inputs = Inputs(
        (), batch, (), arguments.signature, [[i] for i in range(len(shapes))], [unit.shape for unit in arguments.units]
    )
    return Program("by hand", groups, inputs, {"tuple": ["array"] * len(groups.outputs)}, Report("f", 0, 0, 0, 0, 0))


def test_a_loaded_program_has_the_same_source_and_the_same_results(tmp_path: Path) -> None:
    x, w = RNG.normal(size=(4, 3)), RNG.normal(size=3)
    ATTENTION.save(tmp_path / "attention.lift")
    found = load(tmp_path / "attention.lift")
    assert found.source == ATTENTION.source
    assert "where(" in found.source
    for ours, theirs in zip(found(x, w)[1], ATTENTION(x, w)[1], strict=True):
        assert np.array_equal(ours, theirs)
    assert str(found.report()) == str(ATTENTION.report())
    assert [path.name for path in tmp_path.iterdir()] == ["attention.lift"]


@given(groups=drawn_programs.programs(), seed=st.integers(0, 99))
def test_every_drawn_program_comes_back_as_it_was(groups: Groups, seed: int) -> None:
    program = by_hand(groups)
    found = reloaded(program)
    rng = np.random.default_rng(seed)
    arrays = [
        rng.integers(-3, 4, size=(*groups.groups[i].shape, *((3,) if groups.groups[i].batched else ()))).astype(float)
        for i in groups.inputs
    ]
    for ours, theirs in zip(interpreter.run(found.ir, arrays), interpreter.run(groups, arrays), strict=True):
        assert np.array_equal(ours, theirs, equal_nan=True)
    assert found.to_bytes() == reloaded(found).to_bytes()


def test_a_module_is_known_by_the_names_and_shapes_of_its_parameters() -> None:
    program, model = mlp_program()
    x, y = RNG.normal(size=(7, 2)), RNG.normal(size=7)
    other = nn.MLP(2, [3, 1], generator=1)
    with pytest.raises(LiftError, match="another structure"):
        program(other, x, y)
    found = reloaded(program)
    for module in (model, other):
        expected = value_and_grad(lambda m: sum((m(row) - t) ** 2 for row, t in zip(x, y, strict=True)) / 7.0)(module)
        value, gradients = found(module, x, y)
        assert value == pytest.approx(expected[0], rel=1e-12)
        assert gradients.keys() == expected[1].keys()
    with pytest.raises(LiftError, match="another structure"):
        found(nn.MLP(2, [4, 1], seed=0), x, y)
    with pytest.raises(LiftError, match="another structure"):
        found(model, x, y[:, None])


def test_another_process_loads_a_file_and_a_pickle(tmp_path: Path) -> None:
    program, model = mlp_program()
    program.save(tmp_path / "p.lift")
    (tmp_path / "p.pickle").write_bytes(pickle.dumps(program))
    script = (
        "import pickle, sys; import numpy as np; from tinygrad_lite import nn\n"
        "from tinygrad_lite.lift import load\n"
        "model = nn.MLP(2, [3, 1], generator=0)\n"
        "for program in (load(sys.argv[1] + '/p.lift'), pickle.load(open(sys.argv[1] + '/p.pickle', 'rb'))):\n"
        "    print(repr(program(model, np.ones((4, 2)), np.zeros(4))[0]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [repr(program(model, np.ones((4, 2)), np.zeros(4))[0])] * 2


def test_a_pickle_holds_the_program_and_not_its_compiled_form() -> None:
    x, w = RNG.normal(size=(4, 3)), RNG.normal(size=3)
    before = ATTENTION(x, w)
    for found in (pickle.loads(pickle.dumps(ATTENTION)), copy.deepcopy(ATTENTION)):
        assert found._run is None
        assert found(x, w)[0] == before[0]
    assert ATTENTION._run is not None


def test_values_that_the_function_closed_over_become_constants_when_it_is_saved() -> None:
    scale = Value(2.0)
    program = lift(lambda x: x * scale).program_for(1.0)
    scale.data = 3.0
    found = reloaded(program)
    scale.data = 100.0
    assert (program(5.0), found(5.0)) == (500.0, 15.0)


def test_static_arguments_of_plain_data_are_kept() -> None:
    def f(x: Any, kind: str, sizes: Any, options: Any = None) -> Any:
        return tanh(x) * sizes[0] if kind == "tanh" else x

    program = lift(f, static="sizes").program_for(1.0, "tanh", (2, float("inf"), None), options=True)
    found = reloaded(program)
    assert found(1.0, "tanh", (2, float("inf"), None), options=True) == np.tanh(1.0) * 2
    for wrong in (("sinh", (2, float("inf"), None)), ("tanh", (3, float("inf"), None)), ("tanh", (2, 1.0, None))):
        with pytest.raises(LiftError, match="another structure"):
            found(1.0, *wrong, options=True)


def test_a_static_argument_that_is_an_object_cannot_be_saved(tmp_path: Path) -> None:
    program = lift(lambda x, f: f(x)).program_for(1.0, exp)
    with pytest.raises(LiftError, match=r"static argument .* functools.partial"):
        program.save(tmp_path / "f.lift")
    assert not list(tmp_path.iterdir())


def test_results_keep_their_nesting_and_their_keys() -> None:
    program = lift(lambda x: {"a": (x[1], x[0] * x[1]), 7: np.array([x[0], x[1]])}).program_for(np.ones(2))
    found = reloaded(program)(np.array([2.0, 3.0]))
    assert list(found) == ["a", 7]
    assert found["a"] == (3.0, 6.0)
    assert np.array_equal(found[7], [2.0, 3.0])


@pytest.mark.filterwarnings("ignore")
def test_a_named_tuple_of_results_is_a_tuple_when_it_comes_from_a_file() -> None:
    program = lift(lambda x: Pair(x * 2.0, OrderedDict(a=x))).program_for(3.0)
    found = program(3.0)
    assert (found, type(found), type(found.second)) == ((6.0, {"a": 3.0}), Pair, OrderedDict)
    again = reloaded(program)(3.0)
    assert (again, type(again), type(again[1])) == ((6.0, {"a": 3.0}), tuple, dict)


def test_an_operation_of_the_users_own_is_looked_up_when_the_program_is_loaded(tmp_path: Path) -> None:
    name = "storage_test_cube"
    cube = define(name, lambda x: x * x * x, [lambda m, x, z: 3.0 * x * x])
    program = lift(lambda x: cube(x) + 1.0).program_for(1.0)
    program.save(tmp_path / "p.lift")
    assert load(tmp_path / "p.lift")(2.0) == 9.0
    known = ops.DEFINED.pop(name)
    try:
        with pytest.raises(LiftError, match=r"storage_test_cube.* to be defined"):
            load(tmp_path / "p.lift")
    finally:
        ops.DEFINED[name] = known


# --------------------------------------------------------------------------------------------- what is refused


def changed(program: Program, change: Any, metadata: dict[str, str] | None = None) -> bytes:
    """The file with another structure, and the right checksum."""
    arrays, text, _ = safetensors.from_bytes(program.to_bytes())
    structure = json.loads(text["program"])
    change(structure, arrays)
    return safetensors.to_bytes(arrays, {**text, "program": json.dumps(structure), **(metadata or {})})


def first(structure: Any, kind: str) -> Any:
    return next(group for group in structure["groups"] if group["kind"] == kind)


def number_of(structure: Any, kind: str) -> int:
    return structure["groups"].index(first(structure, kind))


HOSTILE = {
    "not before it": lambda s, a: first(s, "map")["operands"][0].update(group=number_of(s, "map")),
    "unlike what it reads": lambda s, a: first(s, "map").update(batched=True),
    "adds up samples": lambda s, a: first(s, "sum").update(over="mean"),
    "reads places": lambda s, a: s["outputs"][1]["ref"]["index"][0].update(offset=10),
    "no operation is named": lambda s, a: first(s, "map").update(op="__import__('os').system('x')"),
    "element by element": lambda s, a: first(s, "map").update(op="softmax"),
    "is of kind": lambda s, a: s["groups"][0].update(kind="__init__"),
    "impossible shape": lambda s, a: s["groups"][0].update(shape=[-1]),
    "more than the": lambda s, a: s["outputs"][0].update(shape=[2**20, 2**20]),
    "not the shape of its group": lambda s, a: first(s, "map").update(shape=[2**40]),
    "an entry for each": lambda s, a: s["groups"][-1].update(shape=[2**40]),
    "is damaged: the array": lambda s, a: a.pop(f"{number_of(s, 'map')}.nodes"),
    "belong nowhere": lambda s, a: a.update(more=np.zeros(2)),
    "a table of shape": lambda s, a: [a.update({k: x[:-1]}) for k, x in a.items() if ".table." in k],
    "numbers other than": lambda s, a: [x.fill(7) for k, x in a.items() if ".mask." in k],
    "its inputs": lambda s, a: s["inputs"].pop(),
    "describes results": lambda s, a: s.update(results={"eval": ["array"]}),
    "another number": lambda s, a: s.update(results="array"),
    "describes an argument": lambda s, a: s["arguments"].update(signature=[["array", "x", 0]]),
    "which are not there": lambda s, a: s["arguments"]["sources"][0].__setitem__(0, 5),
    "another shape than": lambda s, a: s["arguments"]["signature"].__setitem__(0, "number"),
}


@pytest.mark.parametrize("message", HOSTILE)
def test_a_hostile_file_is_refused_with_what_is_wrong(message: str, tmp_path: Path) -> None:
    (tmp_path / "hostile.lift").write_bytes(changed(ATTENTION, HOSTILE[message]))
    with pytest.raises(LiftError, match=f"hostile.lift cannot be loaded: .*{message}"):
        load(tmp_path / "hostile.lift")


def test_names_in_a_file_are_not_trusted() -> None:
    def change(structure: Any, _: Any) -> None:
        structure["name"] = "\x1b[2J"
        for group in structure["groups"]:
            group["path"] = group["name"] = "x = __import__('os')\n"

    found = Program.from_bytes(changed(ATTENTION, change))
    assert "import" not in "".join(group.name for group in found.groups if group.kind != "input")
    assert "\x1b" not in repr(found) + str(found.report())
    compile(found.source, "source", "exec")
    assert "__" not in found.source


@pytest.mark.parametrize("change", [{"version": "1"}, {"format": "pickle"}])
def test_another_version_or_format_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(LiftError, match=r"version '1'|no program that was saved"):
        Program.from_bytes(changed(ATTENTION, lambda s, a: None, change))


@pytest.mark.parametrize("content", [b"", b"hello, world", pickle.dumps({"a": 1}), b"\xff" * 4096])
def test_what_is_no_program_is_refused(content: bytes) -> None:
    with pytest.raises(LiftError):
        Program.from_bytes(content)


def test_an_unknown_engine_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(LiftError, match="no engine 'fortran'"):
        load(tmp_path / "none.lift", engine="fortran")
    with pytest.raises(FileNotFoundError, match=r"none\.lift"):
        load(tmp_path / "none.lift")


SCALARS = st.one_of(
    st.integers(-3, 9),
    st.sampled_from(
        [2**31, 2**63, 10**30, 1.5, float("nan"), None, True, "", "sum", "map", "x" * 99, [], {}, [0], [[0, 1]]]
    ),
    st.sampled_from(sorted(ops.TABLE)),
)
PROGRAMS = [ATTENTION, mlp_program()[0]]


def places(tree: Any) -> list[tuple[Any, Any]]:
    """All members of all lists and dicts of a structure."""
    items = list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree)) if isinstance(tree, list) else []
    return [(tree, key) for key, _ in items] + [place for _, item in items for place in places(item)]


def runs_or_is_refused(content: bytes) -> None:
    """Loads a file, and runs what is loaded, if it asks for no more than a test can give."""
    try:
        program = Program.from_bytes(content, check=False)
    except LiftError:
        return
    shapes = [(*program.groups[i].shape, *((2,) if program.groups[i].batched else ())) for i in program.ir.inputs]
    if np.sum([np.prod(shape, dtype=float) for shape in shapes]) < 1e6:
        program.run_arrays([np.ones(shape) for shape in shapes])


@settings(max_examples=4 * settings().max_examples, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_file_that_was_changed_anywhere_loads_to_a_program_that_runs_or_is_refused(data: st.DataObject) -> None:
    def change(structure: Any, arrays: dict[str, Any]) -> None:
        for _ in range(data.draw(st.integers(1, 2))):
            found = places(structure)
            tree, key = found[data.draw(st.integers(0, len(found) - 1))]
            action = data.draw(st.sampled_from(["set", "set", "delete", "copy", "array"]))
            if action == "set":
                tree[key] = data.draw(SCALARS)
            elif action == "delete":
                del tree[key]
            elif action == "copy":
                other, place = found[data.draw(st.integers(0, len(found) - 1))]
                tree[key] = copy.deepcopy(other[place])
            elif arrays:
                name = data.draw(st.sampled_from(sorted(arrays)))
                array = arrays[name] = arrays[name].copy()
                kind = data.draw(st.sampled_from(["item", "shape", "dtype"]))
                if kind == "item" and array.size:
                    array.flat[data.draw(st.integers(0, array.size - 1))] = data.draw(st.integers(0, 5))
                elif kind == "shape":
                    arrays[name] = array.ravel()[: data.draw(st.integers(0, array.size))]
                else:
                    arrays[name] = array.astype(data.draw(st.sampled_from(["f8", "i8", "u1", "i1"])))

    runs_or_is_refused(changed(data.draw(st.sampled_from(PROGRAMS)), change))


@given(data=st.data())
def test_a_file_with_other_bytes_loads_to_a_program_that_runs_or_is_refused(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(PROGRAMS)).to_bytes())
    start = content.index(b'"sha256"')
    content[start : start + 8] = b'"sha255"'  # without a checksum, so that the change is not seen there
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    runs_or_is_refused(bytes(content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))]))
