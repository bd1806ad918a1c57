"""A program takes the numbers that its function takes, and refuses all others as the function does, on every engine."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value, nn
from tinygrad_lite.dispatch import record_operation
from tinygrad_lite.errors import LiftError
from tinygrad_lite.files import safetensors
from tinygrad_lite.lift.checking.runtime_checks import UnforeseenError
from tinygrad_lite.lift.engines import registry
from tinygrad_lite.lift.lifting import lift
from tinygrad_lite.lift.loading import load
from tinygrad_lite.lift.program import Program
from tinygrad_lite.operations.ops import TABLE

COMPILERS = ["numba", "jax"]
ENGINES = ["numpy", "tape", *(pytest.param(engine, marks=pytest.mark.slow) for engine in COMPILERS)]
WRONG = [-1.0, -4.0, -100.0, 1.5, 3.0, math.nan, math.inf, -math.inf]
ROW = [0.5, -1.0, 2.0]
WORDS = nn.Embedding(3, 2, generator=0)


def scores() -> list[Value]:
    return [Value(z) for z in ROW]


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "lookup": lambda i: tg.lookup(scores(), i),
    "a lookup by what is computed": lambda i: tg.lookup(scores(), 2.0 * i - 2.0),
    "a lookup of what is rounded down": lambda i: tg.lookup(scores(), tg.floor(i + 0.25)),
    "a lookup that does not count": lambda i: i + 0.0 * tg.lookup(scores(), i),
    "one of a softmax": lambda i: record_operation(TABLE["softmax"], [*scores(), i]),
    "the derivative of a lookup": lambda i: tg.grad(lambda z: tg.lookup([z, 1.0, 2.0], i) * z)(2.0),
    "cross_entropy": lambda i: nn.cross_entropy(scores(), i),
    "smooth labels": lambda i: nn.cross_entropy(scores(), i, label_smoothing=0.1),
    "class weights": lambda i: nn.cross_entropy(scores(), i, weight=[1.0, 2.0, 3.0], reduction="sum"),
    "nll_loss": lambda i: nn.nll_loss(scores(), i, ignore_index=-4),
    "multi_margin_loss": lambda i: nn.multi_margin_loss(scores(), i),
    "probabilities": lambda p: nn.cross_entropy(scores(), [p, 1.0 - p, 0.0]),
    "binary_cross_entropy of a target": lambda y: nn.binary_cross_entropy_with_logits(Value(0.3), y),
    "binary_cross_entropy of a prediction": lambda p: nn.binary_cross_entropy(p * 1.0, 1.0),
    "hinge_loss": lambda y: nn.hinge_loss(Value(0.3), y),
    "kl_div": lambda p: nn.kl_div([Value(0.3)], [p]),
    "Embedding": lambda i: WORDS(i)[1],
}


#: Those that have an ``ignore_index``: a saved program has no function to trace again, and says so.
IGNORING = ["cross_entropy", "smooth labels", "class weights", "nll_loss"]


def outcome(f: Callable[[], Any]) -> Any:
    """The number that it gives, or the kind of error that it raises."""
    try:
        found = f()
    except Exception as error:
        return LiftError if isinstance(error, LiftError) else type(error)
    return float(found.data if isinstance(found, Value) else found)


#: What is checked does not depend on what runs the program: these few are compiled.
COMPILED = ["a lookup by what is computed", "a lookup that does not count", "cross_entropy", "Embedding"]


def same(found: Any, expected: Any) -> bool:
    return bool(found is expected or (isinstance(expected, float) and found == pytest.approx(expected, rel=1e-12)))


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        *[(name, "numpy") for name in FUNCTIONS],
        *[pytest.param(name, engine, marks=pytest.mark.slow) for name in COMPILED[1:] for engine in COMPILERS],
        *[(COMPILED[0], engine) for engine in COMPILERS],
    ],
)
def test_what_the_function_refuses_its_program_refuses(name: str, engine: str, tmp_path: Path) -> None:
    pytest.importorskip(registry.ENGINES[engine].library)
    f = FUNCTIONS[name]
    lifted = lift(f, engine=engine)
    assert outcome(lambda: lifted(1.0)) == pytest.approx(outcome(lambda: f(Value(1.0))))
    lifted.last.save(tmp_path / "program")
    stored = load(tmp_path / "program", engine=engine)
    for x in [0.0, 1.0, 2.0, *WRONG]:
        expected = outcome(lambda x=x: f(Value(x)))
        if expected is ZeroDivisionError:  # kl_div of 0 divides in its derivative only
            continue
        assert same(outcome(lambda x=x: lifted(x)), expected), x
        assert same(outcome(lambda x=x: lifted(int(x) if x == 1.0 else x)), expected), x
        unknown = x == (-4.0 if name == "nll_loss" else -100.0) and name in IGNORING
        assert same(outcome(lambda x=x: stored(x)), LiftError if unknown else expected), x


@pytest.mark.parametrize("engine", ENGINES)
def test_the_error_names_the_number_and_its_place(engine: str) -> None:
    pytest.importorskip(registry.ENGINES[engine].library)
    table = np.array([1.0, 2.0, 3.0])
    lifted = lift(lambda t, i: tg.lookup(list(t), i[1]) + tg.lookup(list(t), i[2]), batch=(None, 0), engine=engine)
    places = np.array([[9.0, 1.0, 2.0], [9.0, 0.0, 2.0]])  # nothing is demanded of the first
    np.testing.assert_array_equal(lifted(table, places), 4.5)
    places[1, 2] = 7.0
    with pytest.raises(IndexError, match=r"index 7 is out of range for 3 items \(i\[2\] of sample 1\)"):
        lifted(table, places)
    computed = lift(lambda t, i: tg.lookup(list(t), i[0] + i[1]), batch=(None, 0), engine=engine)
    computed(table, np.zeros((2, 2)))
    with pytest.raises(IndexError, match=r"index 3 is out of range for 3 items \(computed by <lambda> for sample 1\)"):
        computed(table, np.array([[1.0, 1.0], [1.0, 2.0]]))
    square = lift(lambda z, y: nn.cross_entropy(z, y, reduction="sum"), engine=engine)
    square(np.zeros((2, 3)), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"target is 3, and a class index is a whole number from 0 to 2 \(y\[1\]\)"):
        square(np.zeros((2, 3)), np.array([1.0, 3.0]))


def test_a_demand_is_kept_once_and_the_strictest_one_is() -> None:
    """cross_entropy asks for more than the lookup that it is made of; both read all targets."""
    program = lift(nn.cross_entropy).program_for(np.zeros((4, 3)), [0.0, 1.0, 2.0, 1.0])
    assert len(program.ir.demands) == 2
    assert len(program.demands.given) == 1
    assert not program.demands.outputs
    assert not lift(lambda x: x * x).program_for(2.0).demands


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "options",
    [{}, {"weight": [1.0, 2.0, 3.0]}, {"reduction": "sum"}, {"label_smoothing": 0.1}, {"ignore_index": 1}],
    ids=str,
)
def test_samples_of_the_ignore_index_do_not_count(options: dict[str, Any], engine: str) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip(registry.ENGINES[engine].library)
    ignored = options.get("ignore_index", -100)
    z = np.random.default_rng(0).normal(size=(5, 3))
    lifted = lift(tg.value_and_grad(lambda z, y: nn.cross_entropy(z, y, **options)), engine=engine)
    for y in ([0, 2, 2, 0, 2], [0, ignored, 2, ignored, 0], [ignored, 2, 0, 0, 2], [0, 2, 0, 2, 2]):
        given = torch.tensor(z, requires_grad=True)
        kept = {k: torch.tensor(v, dtype=torch.float64) if k == "weight" else v for k, v in options.items()}
        truth = torch.nn.functional.cross_entropy(given, torch.tensor(y), **kept)
        truth.backward()
        loss, slope = lifted(z, y)
        assert float(loss) == pytest.approx(truth.item(), rel=1e-12)
        np.testing.assert_allclose(slope, given.grad.numpy(), rtol=1e-12, atol=1e-16)
    if options.get("reduction") != "sum":
        with pytest.raises(ValueError, match="every target is the ignore_index"):
            lifted(z, [ignored] * 5)


def test_a_saved_program_says_that_it_does_not_know_the_ignore_index() -> None:
    program = lift(nn.cross_entropy).program_for(np.zeros((2, 3)), [0.0, 1.0])
    again = Program.from_bytes(program.to_bytes())
    for refusing in (program, again):
        with pytest.raises(UnforeseenError, match=r"target is -100 \(target\[1\]\).* another program"):
            refusing(np.zeros((2, 3)), [0.0, -100.0])


def test_inside_of_a_function_that_jax_traces_wrong_numbers_make_all_results_nan() -> None:
    jax = pytest.importorskip("jax")
    lifted = lift(lambda t, i: [tg.lookup(list(t), i[0] + i[1]), t[0]], batch=(None, 0), engine="jax", dtype="float32")
    table = jax.numpy.array([1.0, 2.0, 3.0])
    lifted(table, jax.numpy.array([[0, 1], [1, 1]]))
    traced = jax.jit(lambda t, i: lifted(t, i))
    np.testing.assert_array_equal(traced(table, jax.numpy.array([[0, 1], [1, 1]])), [2.5, 1.0])
    assert np.isnan(np.asarray(traced(table, jax.numpy.array([[0, 1], [1, 2]])))).all()


def test_what_was_closed_over_is_looked_at_when_it_is_part_of_a_saved_program() -> None:
    place = Value(1.0)
    lifted = lift(lambda table: tg.lookup(list(table), place))
    assert lifted([1.0, 2.0]) == 2.0
    assert Program.from_bytes(lifted.last.to_bytes())([1.0, 2.0]) == 2.0
    place.data = 5.0
    with pytest.raises(IndexError, match="index 5 is out of range for 2 items"):
        lifted([1.0, 2.0])
    with pytest.raises(IndexError, match="index 5 is out of range for 2 items"):
        Program.from_bytes(lifted.last.to_bytes())([1.0, 2.0])


@pytest.mark.parametrize(
    "change",
    [{"low": 5.0}, {"low": math.nan}, {"error": "SystemExit"}, {"step": -1.0}, {"what": 3}, {"shape": [10**9]}],
    ids=str,
)
def test_a_damaged_demand_is_refused(change: dict[str, Any]) -> None:
    program = lift(nn.cross_entropy).program_for([0.0, 0.0, 0.0], 1.0)
    arrays, metadata, _ = safetensors.from_bytes(program.to_bytes())
    structure = json.loads(metadata["program"])
    structure["demands"][0].update(change)
    content = safetensors.to_bytes(arrays, {**metadata, "program": json.dumps(structure)})
    with pytest.raises(LiftError):
        Program.from_bytes(content)


@pytest.mark.parametrize("engine", ENGINES)
def test_training_that_drives_an_index_out_of_its_table_ends_as_the_eager_run_does(engine: str) -> None:
    pytest.importorskip(registry.ENGINES[engine].library)

    class Stairs(nn.Module):
        def __init__(self) -> None:
            self.steps = [Value(0.1 * k) for k in range(3)]
            self.w = Value(1.2)

        def forward(self, x: Any) -> Any:
            return tg.lookup(self.steps, tg.floor(self.w)) - self.w * x[0]

    def trained(engine: str) -> tuple[float, str]:
        model = Stairs()
        with pytest.raises(IndexError) as caught:
            nn.fit(
                model,
                lambda outputs, targets: tg.mean(outputs),
                ([[1.0]] * 4, [0.0] * 4),
                nn.SGD(model.parameters(), lr=0.25),
                epochs=9,
                batch_size=2,
                engine=engine,
                progress=False,
            )
        return model.w.data, str(caught.value)

    assert trained(engine) == trained("eager")
