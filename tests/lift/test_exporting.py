"""Programs as modules that stand alone: run where this library is not, they give the same numbers, to the bit."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value, jacobian, lift, lookup, nn, value_and_grad
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import exporting
from tinygrad_lite.lift.engines import op_lowerings
from tinygrad_lite.operations.operation import NARY
from tinygrad_lite.operations.ops import TABLE

RNG = np.random.default_rng(3)

#: Runs a module in a process to which this library is not known; arguments and results are pickles of the test's own.
ALONE = """
import pickle, sys
sys.modules["tinygrad_lite"] = None
import runpy
folder = sys.argv[1]
module = runpy.run_path(folder + "/step.py")
found = []
for arguments in pickle.load(open(folder + "/given", "rb")):
    found.append(module["run"](*arguments))
def plain(x):
    if isinstance(x, dict):
        return {key: plain(item) for key, item in x.items()}
    if isinstance(x, (tuple, list)):
        return type(x)(map(plain, x))
    return x if isinstance(x, float) else __import__("numpy").asarray(x)
pickle.dump(plain(found), open(folder + "/found", "wb"))
"""


def run_alone(folder: Path, *calls: tuple[Any, ...]) -> list[Any]:
    (folder / "given").write_bytes(pickle.dumps(list(calls)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, str(folder)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = pickle.loads((folder / "found").read_bytes())
    return found


def assert_same(found: Any, expected: Any) -> None:
    """The same structure, and the same bits."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, item in expected.items():
            assert_same(found[key], item)
    elif isinstance(expected, (tuple, list)):
        assert type(found) is type(expected)
        for a, b in zip(found, expected, strict=True):
            assert_same(a, b)
    else:
        assert isinstance(found, float) == isinstance(expected, float)
        assert np.asarray(found).dtype == np.asarray(expected).dtype
        assert np.asarray(found).shape == np.asarray(expected).shape
        assert np.asarray(found).tobytes() == np.asarray(expected).tobytes()


def mlp_loss(w1, b1, w2, b2, x, y):
    hidden = [tg.tanh(sum(w * xk for w, xk in zip(row, x, strict=True)) + b) for row, b in zip(w1, b1, strict=True)]
    z = sum(w * h for w, h in zip(w2, hidden, strict=True)) + b2
    return tg.softplus(z) - y * z


def recurrent(u, w, xs):
    h = [0.1, -0.2, 0.3]
    for x in xs:
        h = [tg.tanh(sum(a * k for a, k in zip(row, h, strict=True)) + wi * x) for row, wi in zip(u, w, strict=True)]
    return sum(h)


def attention(weights, x):
    """Causal, with shared weights: contractions of stacks, softmax over what came before."""
    total = 0.0
    for t in range(len(x)):
        scores = [sum(a * b for a, b in zip(x[t], x[s], strict=True)) for s in range(t + 1)]
        for p, s in zip(tg.softmax(scores), range(t + 1), strict=True):
            total = total + p * sum(tg.gelu(w * v) for row in weights for w, v in zip(row, x[s], strict=True))
    return {"total": total, "squares": [total * total, tg.erf(total)]}


class Keeps(nn.Module):
    """Whose arguments at a call of ``run`` are the arrays of its ``state_dict``."""

    def __init__(self) -> None:
        self.layer = nn.Linear(3, 2, generator=0)

    def forward(self, x: Any) -> Any:
        return [tg.relu(z) for z in self.layer(x)]


SCALE = Value(1.25)
TABLE_OF_NUMBERS = RNG.normal(size=(40, 50))


def stacked(weights, x):
    """Layers that are columns of one array, one of which nothing passes."""
    for k in (0, 2):
        x = [tg.tanh(sum(weights[i][k][j] * x[j] for j in range(3))) for i in range(3)]
    return sum(x)


def scaled(x):
    return sum(SCALE * TABLE_OF_NUMBERS[i, j] * v for i in range(40) for j, v in enumerate(x))


MOONS = (RNG.normal(size=(6, 2)), RNG.normal(size=6), RNG.normal(size=6), 0.3, RNG.normal(size=(9, 2)), np.ones(9))
CASES = {
    "moons": (value_and_grad(mlp_loss, (0, 1, 2, 3)), {"batch": (None, None, None, None, 0, 0)}, MOONS),
    "samples": (mlp_loss, {"batch": (None, None, None, None, 0, 0), "reduce": None}, MOONS),
    "loops": (
        value_and_grad(recurrent, (0, 1)),
        {"sizes": True},
        (0.4 * RNG.normal(size=(3, 3)), RNG.normal(size=3), RNG.normal(size=60)),
    ),
    "attention": (attention, {}, (RNG.normal(size=(2, 3)), RNG.normal(size=(5, 3)))),
    "attention's gradient": (
        value_and_grad(lambda w, x: attention(w, x)["total"], (0, 1)),
        {},
        (RNG.normal(size=(2, 3)), RNG.normal(size=(5, 3))),
    ),
    "stacked": (value_and_grad(stacked), {"batch": (None, 0)}, (RNG.normal(size=(3, 3, 3)), RNG.normal(size=(5, 3)))),
    "many constants": (scaled, {}, (RNG.normal(size=50),)),
    "a demand": (lambda table, i: lookup(table, i) * 2.0, {}, (np.array([0.5, 1.5, 2.5]), 2.0)),
    "other axes": (lambda w, x: sum(w * x), {"batch": (None, -1)}, (np.arange(3.0), RNG.normal(size=(3, 7)))),
}


@pytest.mark.parametrize("engine", ["numpy", "jax"])
@pytest.mark.parametrize("name", CASES)
def test_an_exported_module_gives_the_same_bits_where_this_library_is_not(name, engine, tmp_path):
    pytest.importorskip(engine)
    f, options, arguments = CASES[name]
    lifted = lift(f, engine=engine, **options)
    expected = lifted(*arguments)
    lifted.last.export(tmp_path / "step.py")
    assert (tmp_path / "step.npz").exists() == (name == "many constants")
    (found,) = run_alone(tmp_path, arguments)
    assert_same(found, expected)


def test_other_numbers_of_samples_and_parameters_of_modules_are_taken(tmp_path):
    model, xs = Keeps(), RNG.normal(size=(5, 3))
    lifted = lift(lambda model, x: model(x), batch=(None, 0), reduce=None)
    expected = lifted(model, xs), lifted(model, xs[:2])
    lifted.last.export(tmp_path / "step.py")
    weights = [model.state_dict()[name] for name in ("layer.weight", "layer.bias")]
    assert_same(run_alone(tmp_path, (*weights, xs), (*weights, xs[:2])), list(expected))
    text = (tmp_path / "step.py").read_text()
    assert "model.layer.weight, of shape (2, 3)" in text
    assert "of shape (n, 3), a sample along axis 0" in text


def execute(text: str) -> Any:
    names: dict[str, Any] = {}
    exec(text, names)
    return names["run"]


def test_the_text_of_a_module_is_run_by_copy_and_paste():
    program = lift(scaled).program_for(np.ones(50))
    assert execute(program.write_module())(np.arange(50.0)) == program(np.arange(50.0))
    SCALE.data = 2.0
    assert execute(program.write_module("numpy"))(np.ones(50)) == program(np.ones(50))
    SCALE.data = 1.25


def test_a_module_refuses_what_the_program_refuses():
    run = execute(lift(CASES["a demand"][0]).program_for([1.0, 2.0, 3.0], 1).write_module())
    assert run([1.0, 2.0, 3.0], -1) == 6.0
    for wrong in (3.0, 0.5, np.nan):
        with pytest.raises(IndexError, match="index"):
            run([1.0, 2.0, 3.0], wrong)
    computed = execute(lift(lambda t, i: lookup(t, 2 * i)).program_for([1.0, 2.0, 3.0], 1).write_module())
    assert computed([1.0, 2.0, 3.0], 1) == 3.0
    with pytest.raises(IndexError, match="index"):
        computed([1.0, 2.0, 3.0], 2)
    batched = execute(lift(mlp_loss, batch=(None, None, None, None, 0, 0)).program_for(*MOONS).write_module())
    with pytest.raises(ValueError, match=r"w1 is of shape \(6, 2\), and not \(2, 6\)"):
        batched(MOONS[0].T, *MOONS[1:])
    with pytest.raises(ValueError, match="numbers of samples"):
        batched(*MOONS[:5], np.ones(1))
    with pytest.raises(FloatingPointError, match="not finite"):
        execute(lift(lambda x: tg.exp(x) * tg.exp(x)).program_for(1.0).write_module())(700.0)


def test_names_of_strangers_stay_text(tmp_path):
    def f(x):
        return {'"""\n__import__("os").abort()\\': x * 2.0, "'": x}

    f.__name__ = '"""\nraise SystemExit\n"""\\'
    program = lift(f).program_for(1.0)
    program.export(tmp_path / "step.py")
    assert run_alone(tmp_path, (3.0,)) == [{'"""\n__import__("os").abort()\\': 6.0, "'": 3.0}]


def test_what_is_no_regular_file_is_left_alone(tmp_path):
    program = lift(scaled).program_for(np.ones(50))
    for name in ("folder.py", "folder.npz"):
        (tmp_path / name).mkdir()
        with pytest.raises(LiftError, match="no regular file"):
            program.export(tmp_path / "folder.py")
        (tmp_path / name).rmdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.py")
        with pytest.raises(LiftError, match="no regular file"):
            program.export(tmp_path / "pipe.py")
    with pytest.raises(LiftError, match=r"does not end in \.py"):
        program.export(tmp_path / "step")
    program.export(tmp_path / "step.py")
    program.export(tmp_path / "step.py")


def test_what_cannot_be_exported_is_refused():
    own = tg.define("exporting_test_cube", lambda x: x**3, lambda m, x, z: 3.0 * x**2)
    with pytest.raises(LiftError, match="exporting_test_cube is an operation of your own"):
        lift(lambda x: own(x)).program_for(2.0).write_module()
    sparse = lift(jacobian(lambda v: [v[0] * v[1], v[1]], sparse=True)).program_for([1.0, 2.0])
    with pytest.raises(LiftError, match="sparse"):
        sparse.write_module()
    program = lift(lambda x: x + 1.0).program_for(2.0)
    with pytest.raises(LiftError, match="not 'numba'"):
        program.write_module("numba")
    pytest.importorskip("jax")
    narrow = lift(lambda x: x + 1.0, engine="jax", dtype="bfloat16").program_for(2.0)
    with pytest.raises(LiftError, match="bfloat16"):
        narrow.write_module()
    assert 'astype("float32")' in lift(lambda x: x + 1.0, engine="jax", dtype="float32").program_for(
        2.0
    ).write_module().replace("'", '"')


@pytest.mark.parametrize("name", [name for name, op in TABLE.items() if op.arity != NARY])
def test_each_operation_is_written_as_the_engine_computes_it(name):
    op = TABLE[name]
    functions = exporting._Functions("numpy")
    function = functions.refer(op)
    names: dict[str, Any] = {"np": np, "inf": np.inf, "nan": np.nan}
    exec("\n\n".join(functions.blocks), names)
    operands = [RNG.normal(size=200) * 3.0 for _ in range(op.arity)]
    with np.errstate(all="ignore"):
        found = np.asarray(eval(function, names)(*operands))
        expected = np.asarray(op_lowerings.load_numpy_functions()[name](*operands))
    np.testing.assert_array_equal(found, expected)
