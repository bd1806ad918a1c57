"""A lifted function that gives a sparse Jacobian computes its entries, and puts them in their places."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import tinygrad_lite as tg
from tinygrad_lite import jacobian
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import lift, load
from tinygrad_lite.lift.storage import program_file

X = np.linspace(0.3, 1.7, 12)


def chain(x: Any) -> Any:
    return [tg.sin(x[i]) * x[i + 1] ** 2 - tg.greater(x[0], 1.0) for i in range(len(x) - 1)]


@pytest.mark.parametrize("engine", ["numpy", "numba", "jax"])
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_the_program_gives_what_the_function_does(engine: str, mode: str) -> None:
    if engine != "numpy":
        pytest.importorskip(engine)
    f = jacobian(chain, mode=mode, sparse=True)
    program = lift(f, engine=engine)
    for x in (X, X[::-1] * 0.7):
        found, expected = program(x), f(x)
        assert isinstance(found, scipy.sparse.csr_array)
        np.testing.assert_array_equal(found.indices, expected.indices)
        np.testing.assert_array_equal(found.indptr, expected.indptr)
        np.testing.assert_allclose(found.data, expected.data, rtol=1e-12, atol=1e-14)
    program(X).data[:] = 0.0
    program(X).indices[:] = 0
    linear = lift(jacobian(lambda x: [2.0 * x[0], 3.0 * x[1]], sparse=True), engine=engine)
    linear(X[:2]).data[:] = 0.0
    assert linear(X[:2]).toarray().tolist() == [[2.0, 0.0], [0.0, 3.0]]
    np.testing.assert_allclose(program(X).toarray(), f(X).toarray(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_entries_have_a_format_that_scipy_has_too(dtype: str) -> None:
    pytest.importorskip("jax")
    found = lift(jacobian(chain, sparse=True), engine="jax", dtype=dtype)(X)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found.toarray(), jacobian(chain, sparse=True)(X).toarray(), rtol=0.05, atol=0.05)


def test_it_may_stand_in_any_structure() -> None:
    def f(x: Any, y: Any) -> Any:
        by_x, by_y = jacobian(lambda x, y: [x[0] * y, x[1] + y], (0, 1), sparse=True)(x, y)
        return {"derivatives": (by_x, by_y), "sum": x[0] + y, "empty": jacobian(lambda x: [1.0], sparse=True)(x)}

    found = lift(f)([2.0, 3.0], 5.0)
    assert found["sum"] == 7.0
    assert found["derivatives"][0].toarray().tolist() == [[5.0, 0.0], [0.0, 1.0]]
    assert found["derivatives"][1].toarray().tolist() == [[2.0], [1.0]]
    assert found["empty"].shape == (1, 2)
    assert found["empty"].nnz == 0


def test_a_function_may_go_on_with_the_entries() -> None:
    f = lift(lambda x: tg.sum(jacobian(chain, sparse=True)(x).data))
    assert f(X) == pytest.approx(jacobian(chain, sparse=True)(X).data.sum())


def test_a_file_has_the_pattern(tmp_path: Path) -> None:
    program = lift(jacobian(chain, sparse=True)).program_for(X)
    program.save(tmp_path / "chain.lift")
    expected = jacobian(chain, sparse=True)(X).toarray()
    for again in (load(tmp_path / "chain.lift"), pickle.loads(pickle.dumps(program))):
        np.testing.assert_allclose(again(X).toarray(), expected, rtol=1e-12, atol=1e-14)


def test_a_damaged_pattern_is_refused() -> None:
    program = lift(jacobian(chain, sparse=True)).program_for(X)
    (sound,) = [program._results["sparse"]]
    assert program_file.check_results({"sparse": sound}, [(22,)]) is None
    wrong = copy.deepcopy(sound)
    wrong[1][0] = 99
    for structure in ({"sparse": wrong}, {"sparse": sound[:3]}, {"sparse": [*sound[:3], "list"]}):
        with pytest.raises(LiftError, match="it describes results by"):
            program_file.check_results(structure, [(22,)])
    with pytest.raises(LiftError, match=r"a sparse result of 22 entries has an array of \(21,\)"):
        program_file.check_results({"sparse": sound}, [(21,)])


def test_samples_are_added_up_and_else_refused() -> None:
    f = jacobian(lambda w, x: [w[0] * x, w[1] * w[1] * x], sparse=True)
    samples = np.array([1.0, 2.0, 6.0])
    mean = lift(f, batch=(None, 0))([2.0, 3.0], samples)
    assert mean.toarray().tolist() == [[3.0, 0.0], [0.0, 18.0]]
    with pytest.raises(LiftError, match=r"a sparse Jacobian for each sample.*\.data"):
        lift(f, batch=(None, 0), reduce=None)([2.0, 3.0], samples)
    entries = lift(lambda w, x: f(w, x).data, batch=(None, 0), reduce=None)([2.0, 3.0], samples)
    np.testing.assert_allclose(entries, [[1.0, 6.0], [2.0, 12.0], [6.0, 36.0]])


def test_while_jax_traces_there_is_no_scipy_array() -> None:
    jax = pytest.importorskip("jax")
    program = lift(jacobian(chain, sparse=True), engine="jax")
    program(X)
    with pytest.raises(LiftError, match="while JAX traces"):
        jax.jit(lambda x: program(x).data)(X)
