"""Programs on a tape give what the function gives, to the bit; what they cannot do is refused."""

from __future__ import annotations

import json
import math
import pickle
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tg
from tinygrad_lite import Value, nn
from tinygrad_lite.errors import LiftError
from tinygrad_lite.files import safetensors
from tinygrad_lite.lift import lift, load
from tinygrad_lite.lift.canonical import softmaxes
from tinygrad_lite.lift.engines import registry, tape_engine
from tinygrad_lite.lift.tape_program import TapeProgram
from tinygrad_lite.operations.ops import TABLE

OPERATIONS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + b,
    lambda a, b: 0.5 * a * b,
    lambda a, b: a - b,
    lambda a, b: a / (2.0 + b * b),
    lambda a, b: tg.tanh(a),
    lambda a, b: tg.sin(a * b),
    lambda a, b: tg.maximum(a, b),
    lambda a, b: tg.hypot(a, b),
    lambda a, b: tg.logsumexp([a, b, 0.5]),
    lambda a, b: tg.where(tg.greater(a, b), a * a, tg.exp(-b * b)),
    lambda a, b: (1.5 + tg.tanh(a)) ** b,
]


def irregular(seed: int, count: int = 200) -> Callable[[Any], Any]:
    """A function whose graph has no two parts alike."""
    rng = random.Random(seed)
    plan = [(rng.choice(OPERATIONS), rng.randrange(4 + i), rng.randrange(4 + i)) for i in range(count)]

    def f(xs: Any) -> Any:
        values = list(xs)
        for op, a, b in plan:
            values.append(op(tg.tanh(values[a]), values[b]))
        return tg.sum([tg.tanh(x) for x in values[-20:]])

    return f


@pytest.mark.parametrize("seed", range(5))
def test_numbers_and_gradients_are_those_of_the_function_to_the_bit(seed: int) -> None:
    f = irregular(seed)
    both = tg.value_and_grad(f)
    lifted = lift(both, engine="tape")
    for xs in ([0.3, -1.0, 0.7, 2.0], [-0.5, 0.25, 1.5, -0.125], [3.0, 0.0, -2.0, 1.0]):
        value, slope = lifted(xs)
        truth, slopes = both(xs)
        assert value == truth
        np.testing.assert_allclose(slope, slopes, rtol=1e-13, atol=1e-15)
        assert lift(f, engine="tape")(xs) == f(xs)
    assert lifted.report().groups == 0
    assert "scalar nodes on a tape of" in str(lifted.report())
    assert "on a tape" in repr(lifted.last)


def test_it_takes_a_hessian_as_any_other_function() -> None:
    def f(xs: Any) -> Any:
        return tg.sin(xs[0] * xs[1]) + xs[1] ** 3

    x, y = 0.5, -1.25
    truth = [
        [-y * y * math.sin(x * y), math.cos(x * y) - x * y * math.sin(x * y)],
        [math.cos(x * y) - x * y * math.sin(x * y), -x * x * math.sin(x * y) + 6.0 * y],
    ]
    np.testing.assert_allclose(lift(tg.hessian(f), engine="tape")([x, y]), truth, rtol=1e-14)


@pytest.mark.parametrize("samples", [1, 3, 64, 65, 200])
def test_samples_are_those_of_the_function_one_by_one(samples: int) -> None:
    rng = np.random.default_rng(samples)
    w, xs, y = rng.normal(size=4), rng.normal(size=(samples, 4)), rng.normal(size=samples)

    def loss(w: Any, x: Any, y: Any) -> Any:
        return (irregular(1, 30)([a * b for a, b in zip(w, x, strict=True)]) - y) ** 2

    both = tg.value_and_grad(loss)
    each = [both(w.tolist(), x, t) for x, t in zip(xs.tolist(), y.tolist(), strict=True)]
    values, slopes = np.array([v for v, _ in each]), np.array([s for _, s in each])
    axes = (None, 0, 0)
    found, slope = lift(both, batch=axes, reduce=None, engine="tape")(w, xs, y)
    assert found.tolist() == values.tolist()
    np.testing.assert_allclose(slope, slopes, rtol=1e-13, atol=1e-15)
    for reduce, truth in (("mean", np.mean), ("sum", np.sum)):
        total, gradient = lift(both, batch=axes, reduce=reduce, engine="tape")(w, xs, y)
        assert total == pytest.approx(truth(values), rel=1e-14)
        np.testing.assert_allclose(gradient, truth(slopes, axis=0), rtol=1e-12, atol=1e-14)
    turned = lift(both, batch=(None, 1, 0), reduce=None, engine="tape")(w, xs.T, y)
    assert turned[0].tolist() == values.tolist()


def test_what_all_samples_share_is_its_own_mean_to_the_bit() -> None:
    def f(w: Any, x: Any) -> tuple[Any, Any, float]:
        return w * 1.0, w * x, 0.1

    xs = [1.0, 2.0, 4.0]
    mean = lift(f, batch=(None, 0), engine="tape")
    assert (0.1 + 0.1 + 0.1) / 3 != 0.1
    assert mean(0.1, xs) == (0.1, pytest.approx(0.7 / 3), 0.1)
    total = lift(f, batch=(None, 0), reduce="sum", engine="tape")(0.1, xs)
    assert total == pytest.approx((0.3, 0.7, 0.3))
    every = lift(f, batch=(None, 0), reduce=None, engine="tape")(0.1, xs)
    assert [part.tolist() for part in every] == [[0.1] * 3, [0.1, 0.2, 0.4], [0.1] * 3]


def test_results_have_their_structure_and_are_nobody_elses_arrays() -> None:
    def f(m: Any) -> Any:
        return {"turned": [[m[1][0], m[0][0]]], "pair": (m[0], m[0][1] * 2.0)}

    lifted = lift(f, engine="tape")
    given = np.array([[1.0, 2.0], [3.0, 4.0]])
    found = lifted(given)
    assert (found["turned"].tolist(), found["pair"][0].tolist(), found["pair"][1]) == ([[3.0, 1.0]], [1.0, 2.0], 4.0)
    found["pair"][0][:] = 9.0
    assert given.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert lifted(given)["turned"].tolist() == [[3.0, 1.0]]
    assert lift(lambda xs: [x * 1.0 for x in xs[:0]] or np.zeros(0), engine="tape")([1.0]).shape == (0,)


def test_models_and_values_around_the_function_are_read_at_each_call() -> None:
    model = nn.MLP(2, [3, 1], activation="tanh", seed=0)
    shift = Value(0.5)
    lifted = lift(lambda model, x: model(x) + shift, engine="tape")
    for _ in range(2):
        assert lifted(model, [0.1, -0.3]) == (model([0.1, -0.3]) + shift).data
        shift.data = 2.0
        model.layers[0].neurons[1].w[0].data = 1.25
    assert len(lifted.programs) == 1


def test_operations_of_the_users_own_run_and_raise_as_they_do() -> None:
    class OwnError(Exception):
        pass

    def forward(x: float) -> float:
        if x > 50.0:
            raise OwnError(x)
        return math.log(x) if x > 0.0 else math.sqrt(x)

    own = tg.define("own_of_tapes", forward, lambda m, x, z: 1.0 / x)
    lifted = lift(tg.value_and_grad(lambda x: own(x) * 2.0), engine="tape")
    assert lifted(3.0) == (math.log(3.0) * 2.0, 2.0 / 3.0)
    with pytest.raises(OwnError):
        lifted(60.0)
    with pytest.raises(FloatingPointError, match=r"own_of_tapes\(-1.0\) is nan"):
        lifted(-1.0)
    assert lifted(3.0) == (math.log(3.0) * 2.0, 2.0 / 3.0)
    rows = lift(lambda x: own(x), batch=0, reduce=None, engine="tape")
    assert rows([1.0, 2.0, 3.0]).tolist() == [math.log(x) for x in (1.0, 2.0, 3.0)]


@pytest.mark.parametrize("kind", [TypeError, IndexError])
def test_a_mistake_in_an_operation_of_the_users_own_is_raised(kind: type[Exception]) -> None:
    def forward(x: float) -> float:
        if x > 50.0:
            raise kind("mine")
        return 2.0 * x

    own = tg.define("mistaken_of_tapes", forward, lambda m, x, z: 2.0)
    lifted = lift(lambda x: own(x), engine="tape")
    assert lifted(3.0) == 6.0
    with pytest.raises(kind, match="mine"):
        lifted(60.0)


def test_where_floats_raise_there_is_the_limit_that_numpy_gives() -> None:
    numbers = [0.0, -1.0, 2.0, 1e300, -1e300, math.inf, -math.inf, math.nan]
    for op in TABLE.values():
        if op.arity == 1:
            on_numpy, on_tape = (
                lift(lambda x, op=op: tg.dispatch.record_operation(op, [x]), 0, None, engine, check=False)
                for engine in ("numpy", "tape")
            )
            inside = [1.5 if op.domain[0].low >= 1.0 else 0.5]
            on_numpy(inside), on_tape(inside)
            ours, theirs = on_tape(numbers), on_numpy(numbers)
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-300, err_msg=op.name)
    powers = lift(lambda x, y: x**y, (0, 0), None, "tape", check=False)
    powers([1.0], [1.0])
    assert powers([0.0, 1e200, 2.0, -8.0], [-1.0, 2.0, 0.5, 0.5])[:3].tolist() == [math.inf, math.inf, math.sqrt(2.0)]
    assert math.isnan(powers([-8.0], [0.5])[0])
    quotient = lift(lambda x, y: x / y, (0, 0), None, "tape", check=False)
    quotient([1.0], [1.0])
    assert quotient([1.0, -1.0], [0.0, 0.0]).tolist() == [math.inf, -math.inf]


@pytest.mark.parametrize(
    ("f", "good", "bad", "said"),
    [
        (lambda xs: 2.0 * tg.log(xs[0] * xs[1]), [1.0, 2.0], [1.0, 0.0], r"node \d of the trace: log\(0.0\) is -inf"),
        (lambda xs: tg.log(xs[1]), [1.0, 2.0], [1.0, -3.0], r"log\(-3.0\) is nan, with x\[1\] = -3.0"),
        (lambda xs: xs[0] / xs[1], [1.0, 2.0], [1.0, 0.0], r"1.0 / 0.0 is inf, with x\[0\] = 1.0, x\[1\] = 0.0"),
        (lambda xs: tg.sum([*xs, 1.0]), [1.0, 2.0], [1.5e308, 1.7e308], "sum of 3 numbers, the largest of which are"),
        (lambda xs: tg.sum([xs[0], tg.exp(xs[1])]), [1.0, 2.0], [1.0, 800.0], r"exp\(800.0\) is inf"),
        (lambda xs: tg.lookup([xs[0], tg.exp(xs[1])], 1 + 0 * xs[0]), [1.0, 2.0], [1.0, 800.0], r"exp\(800.0\) is inf"),
        (lambda xs: tg.where(xs[0], tg.exp(xs[1]), 1.0), [1.0, 2.0], [1.0, 800.0], r"exp\(800.0\) is inf"),
        (lambda xs: xs[0] + 0.0 * tg.exp(xs[1]), [1.0, 2.0], [1.0, 800.0], r"exp\(800.0\) is inf"),
        (lambda xs: xs[0] * math.inf, [1.0, 2.0], None, r"number of the function itself: inf"),
    ],
)
def test_a_result_that_is_not_finite_is_an_error_that_says_where_it_began(
    f: Callable[[Any], Any], good: list[float], bad: list[float] | None, said: str
) -> None:
    def of_x(x: Any) -> Any:
        return f(x)

    lifted = lift(of_x, engine="tape")
    if bad is not None:
        lifted(good)
    with pytest.raises(
        FloatingPointError, match=rf"of_x: result 0 is not finite, although all inputs are.*\n?.*{said}"
    ):
        lifted(bad or good)
    for reduce in (None, "mean"):
        batched = lift(of_x, 0, reduce, "tape")
        if bad is not None:
            batched([good])
        with pytest.raises(FloatingPointError, match=rf"for sample {'1' if bad else '0'}.*{said}"):
            batched([good, bad or good])


def test_a_sum_over_samples_that_overflows_is_said_to_be_that() -> None:
    lifted = lift(lambda x: x * 1.0, 0, "sum", "tape")
    assert lifted([1.0, 2.0]) == 3.0
    with pytest.raises(FloatingPointError, match="as their sum over the samples is beyond the largest float"):
        lifted([1.7e308, 1.7e308])
    assert math.isnan(lifted([math.nan, 1.0]))  # an input is not finite
    unchecked = lift(lambda x: x * 1.0, 0, "sum", "tape", check=False)
    assert unchecked([1.0, 2.0]) == 3.0
    assert unchecked([1.7e308, 1.7e308]) == math.inf


def test_threads_share_a_program() -> None:
    own = tg.define("slow_of_tapes", lambda x: float(sum([x] * 50)), lambda m, x, z: 50.0)
    lifted = lift(lambda x, y: own(x) + y, engine="tape")
    lifted(1.0, 1.0)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: lifted(float(k), 0.5), range(400)))
    assert found == [50.0 * k + 0.5 for k in range(400)]


def test_groups_and_source_are_those_of_the_other_engines() -> None:
    def f(w: Any, x: Any) -> Any:
        return tg.tanh(sum(a * b for a, b in zip(w, x, strict=True)))

    w, x = [1.0, 2.0], [0.5, -1.0]
    ours, theirs = (lift(f, (None, 0), "mean", engine) for engine in ("tape", "numpy"))
    assert ours(w, [x]) == math.tanh(-1.5)
    theirs(w, [x])
    assert ours.source == theirs.source
    assert [group.kind for group in ours.groups] == [group.kind for group in theirs.groups]
    assert ours(w, [x]) == math.tanh(-1.5)  # and it still runs


def saved(f: Callable[..., Any], *arguments: Any) -> bytes:
    return lift(f, engine="tape").program_for(*arguments).to_bytes()


def test_programs_are_saved_and_loaded(tmp_path: Path) -> None:
    shift = Value(0.25)

    def f(w: Any, x: Any, i: Any, *, name: str = "a") -> Any:
        return {"value": tg.value_and_grad(lambda w: irregular(3, 40)(w) * x + shift)(w), "item": tg.lookup(w, 2 * i)}

    w = [0.1, -0.4, 1.0, 2.0]
    for options in ({}, {"batch": (None, 0, None)}, {"batch": (None, 0, None), "reduce": None}):
        x = [3.0, 4.0] if options else 3.0
        program = lift(f, engine="tape", **options).program_for(w, x, 1)
        path = tmp_path / "f.tape"
        program.save(path)
        again = load(path, engine="tape")
        assert repr(again(w, x, 1)) == repr(program(w, x, 1))
        assert str(again.report()) == str(program.report())
        with pytest.raises(IndexError, match=r"index 6 is out of range for 4 items \(computed by f"):
            again(w, x, 3)
        assert "def program(w, x, i):" in again.source
        assert repr(pickle.loads(pickle.dumps(again))(w, x, 1)) == repr(program(w, x, 1))
    shift.data = 9.0
    assert repr(again(w, x, 1)) != repr(program(w, x, 1))  # a constant of the file, a Value of the function


def test_files_of_groups_and_of_tapes_are_told_apart(tmp_path: Path) -> None:
    on_tape, on_numpy = tmp_path / "a", tmp_path / "b"
    lift(lambda x: x * 2.0, engine="tape").program_for(1.0).save(on_tape)
    lift(lambda x: x * 2.0).program_for(1.0).save(on_numpy)
    with pytest.raises(LiftError, match="it has a tape, which runs on no other engine"):
        load(on_tape)
    with pytest.raises(LiftError, match="it is no tape: only a program that was lifted with"):
        load(on_numpy, engine="tape")
    with pytest.raises(LiftError, match="checkpoint is about loops over steps"):
        load(on_tape, engine="tape", checkpoint=True)
    groups = lift(lambda x: x * 2.0).program_for(1.0).ir
    with pytest.raises(LiftError, match="the tape engine runs the scalars that were traced"):
        registry.build("tape", groups, {})


def changed(content: bytes, change: Callable[[dict[str, Any], dict[str, Any]], None], **texts: str) -> bytes:
    arrays, metadata, _ = safetensors.from_bytes(content)
    structure = json.loads(metadata["program"])
    arrays = {name: array.copy() for name, array in arrays.items()}
    change(structure, arrays)
    return safetensors.to_bytes(arrays, {**metadata, "program": json.dumps(structure), **texts})


def put(name: str, place: int, number: float) -> Callable[[Any, Any], None]:
    def change(structure: Any, arrays: Any) -> None:
        arrays[name][place] = number

    return change


def set_item(*keys: Any, to: Any) -> Callable[[Any, Any], None]:
    def change(structure: Any, arrays: Any) -> None:
        for key in keys[:-1]:
            structure = structure[key]
        structure[keys[-1]] = to

    return change


def shorten(name: str) -> Callable[[Any, Any], None]:
    def change(structure: Any, arrays: Any) -> None:
        arrays[name] = arrays[name][:-1]

    return change


DAMAGES = {
    "an operand behind its node": put("operands", 0, 10**6),
    "an operand before all": put("operands", 0, -1),
    "a result that is not there": put("roots", 0, 10**6),
    "an operation that is not there": put("codes", 0, 77),
    "a leaf of no input": put("owners", -1, 9),
    "a place that is not there": put("places", -1, 4),
    "one operand for two": put("counts", 0, 1),
    "fewer codes": shorten("codes"),
    "fewer operands": shorten("operands"),
    "fewer results": shorten("roots"),
    "fewer numbers": shorten("numbers"),
    "fewer places": shorten("places"),
    "another kind of array": lambda s, a: a.update(codes=a["codes"].astype(np.float64)),
    "no array": lambda s, a: a.pop("codes"),
    "an unknown operation": set_item("operations", 0, to="no such"),
    "an operation of other operands": set_item("operations", 0, to="where"),
    "a dot of an even number": set_item("operations", 0, to="dot"),
    "a negative size": set_item("inputs", 0, "shape", to=[-2]),
    "another size": set_item("inputs", 0, "shape", to=[1]),
    "samples from nowhere": set_item("inputs", 0, "batched", to=True),
    "a reduction of nothing": set_item("reduce", to="mean"),
    "an unknown reduction": set_item("reduce", to="median"),
    "another result": set_item("shapes", to=[[3]]),
    "a demand on a grid": set_item("demands", 0, "shape", to=[1, 1]),
    "no arguments": set_item("arguments", to=None),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused(damage: str) -> None:
    content = saved(lambda xs, i: tg.lookup(xs, i + i) * xs[0], [1.0, 2.0, 3.0], 1)
    assert TapeProgram.from_bytes(changed(content, lambda s, a: None))([1.0, 2.0, 4.0], 1) == 4.0
    with pytest.raises(LiftError, match=r"."):
        TapeProgram.from_bytes(changed(content, DAMAGES[damage]))
    with pytest.raises(LiftError, match="version '9'"):
        TapeProgram.from_bytes(changed(content, lambda s, a: None, version="9"))
    with pytest.raises(LiftError):
        TapeProgram.from_bytes(b"nothing")


def test_what_a_tape_cannot_do_is_refused() -> None:
    with pytest.raises(LiftError, match="sizes=True makes the program of <lambda> from smaller traces"):
        lift(lambda x: x, engine="tape", sizes=True)(1.0)
    with pytest.raises(LiftError, match="checkpoint is about loops over steps"):
        lift(lambda x: x, engine="tape", checkpoint=True)(1.0)
    with pytest.raises(LiftError, match=r"engine 'tape' has no option 'dtype': there are none"):
        lift(lambda x: x, engine="tape", dtype="float32")
    with pytest.raises(LiftError, match="gives other results when it is called again"):
        lift(lambda x: x * random.random(), engine="tape")(1.0)
    calls = []

    def other_for_numbers(x: Any) -> Any:
        calls.append(x)
        return x * (2.0 if isinstance(x, Value) else 3.0)

    with pytest.raises(LiftError, match="other numbers for Values than for plain numbers"):
        lift(other_for_numbers, engine="tape")(1.5)
    with pytest.raises(tg.TraceError):
        lift(lambda x: x if x > 0.0 else -x, engine="tape")(1.0)


def test_derivatives_of_logsumexp_are_softmaxes_to_the_bit() -> None:
    """A trace has them as exp(x - logsumexp(xs)), which rounds otherwise, and is nan where x is infinite."""
    both = lift(tg.value_and_grad(lambda xs: tg.logsumexp(xs) * 3.0), engine="tape", check=False)
    for xs in ([1000.1, 1000.7, 999.3], [0.3, -0.7, 0.1], [math.inf, 1.0, 2.0], [-math.inf] * 3):
        value, slopes = both(xs)
        assert value == 3.0 * tg.logsumexp(xs)
        assert slopes.tolist() == [3.0 * s for s in tg.softmax(xs)]
    rows = lift(tg.grad(lambda xs, ys: tg.logsumexp(xs) - tg.logsumexp([*ys, xs[1]])), engine="tape")
    first, second = [0.3, 0.9], [1.0, -1.0, 2.0]
    truth = np.array(tg.softmax(first)) - [0.0, tg.softmax([*second, first[1]])[3]]
    assert rows(first, second).tolist() == truth.tolist()
    own = lift(
        lambda xs, y: [tg.exp(xs[0] - tg.logsumexp(xs)), tg.exp(y - tg.logsumexp(xs)), tg.exp(y - xs[0])], engine="tape"
    )
    assert own(first, 0.5).tolist() == [tg.softmax(first)[0], math.exp(0.5 - tg.logsumexp(first)), math.exp(0.5 - 0.3)]


def test_softmaxes_of_too_many_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softmaxes, "_MOST_OPERANDS", 10)
    with pytest.raises(LiftError, match="differentiates logsumexp, or cross_entropy, over many numbers"):
        lift(tg.grad(lambda xs: tg.logsumexp(xs)), engine="tape")([1.0, 2.0, 3.0])


def test_large_arguments_are_traced_whole() -> None:
    xs = np.linspace(0.0, 1.0, 21_000)
    lifted = lift(lambda xs: tg.sum([a * a for a in xs]), engine="tape")
    assert lifted(xs) == sum([a * a for a in xs.tolist()])
    assert lifted.report().nodes == 42_001


def test_training_that_drives_numbers_apart_gives_the_memory_back() -> None:
    """A call that raises in the loop takes its memory along; those after it have their own."""
    program = lift(lambda x: tg.lookup([x, 2.0], tg.floor(x)), engine="tape")
    assert program(1.0) == 2.0
    tape = program.last._run.tape
    for _ in range(3):
        program(0.5)
    assert len(tape._free) == 1
    assert isinstance(tape, tape_engine.Tape)
