"""Sparse matrices: SciPy's where SciPy is, of Values their own, and what a pattern is."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite import SparseValues, Value, jacobian
from tinygrad_lite.jacobians.sparse_values import Pattern, parts_of_sparse, sparse_matrix

ROWS = st.lists(st.dictionaries(st.integers(0, 6), st.floats(-9.0, 9.0)), max_size=5)


@given(ROWS, st.lists(st.integers(-1, 7), max_size=8, unique=True))
def test_a_matrix_has_the_entries_of_its_columns(rows: list[dict[int, float]], columns: list[int]) -> None:
    expected = np.array([[row.get(j, 0.0) for j in columns] for row in rows]).reshape(len(rows), len(columns))
    found = sparse_matrix(rows, columns, False)
    assert isinstance(found, scipy.sparse.csr_array)
    assert found.has_canonical_format
    np.testing.assert_array_equal(found.toarray(), expected)
    values = sparse_matrix([{j: Value(x) for j, x in row.items()} for row in rows], columns, True)
    assert isinstance(values, SparseValues)
    assert values.shape == expected.shape
    assert [[number(x) for x in row] for row in values.toarray()] == expected.tolist()
    for matrix in (found, values):
        taken = parts_of_sparse(matrix)
        assert taken is not None
        data, pattern = taken
        assert pattern.is_sound()
        assert pattern == Pattern(list(found.shape), found.indices.tolist(), found.indptr.tolist())
        again = pattern.filler()([number(x) for x in data])
        np.testing.assert_array_equal(again.toarray(), expected)


def number(x: Any) -> float:
    return float(x.data if isinstance(x, Value) else x)


def test_all_else_is_no_sparse_matrix() -> None:
    for other in (1.0, [1.0], np.eye(2), Value(1.0), scipy.sparse.coo_array(np.eye(2)), scipy.sparse.csr_array):
        assert parts_of_sparse(other) is None


@pytest.mark.parametrize(
    "pattern",
    [
        ([1, 2], [0], [0]),
        ([1, 2], [2], [0, 1]),
        ([1, 2], [-1], [0, 1]),
        ([2, 2], [0], [0, 1, 0]),
        ([2, 2], [0, 1], [0, 3, 2]),
        ([1, 2], [0], [1, 1]),
        ([1, 2], [0.0], [0, 1]),
        ([1, 2], [True], [0, 1]),
        ([1, 2, 1], [0], [0, 1]),
        ([1, 2**40], [0], [0, 1]),
        ("ab", [0], [0, 1]),
        ([1, 2], None, [0, 1]),
    ],
)
def test_a_pattern_from_elsewhere_is_looked_at(pattern: Any) -> None:
    assert not Pattern(*pattern).is_sound()


def test_matrices_of_one_pattern_do_not_share_it() -> None:
    fill = Pattern([1, 2], [0, 1], [0, 2]).filler()
    first = fill(np.array([0.0, 3.0]))
    first.eliminate_zeros()
    np.testing.assert_array_equal(fill(np.array([5.0, 6.0])).toarray(), [[5.0, 6.0]])


def test_without_scipy_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    assert jacobian(lambda x: [x[0] * x[0]])([3.0]) == [[6.0]]
    with pytest.raises(ImportError, match=r"pip install 'tinygrad-lite\[sparse\]'"):
        jacobian(lambda x: [x[0] * x[0]], sparse=True)([3.0])


def test_scipy_minimises_with_it() -> None:
    def rosenbrock(x: Any) -> Any:
        return [*[10.0 * (x[i + 1] - x[i] ** 2) for i in range(len(x) - 1)], *[1.0 - xi for xi in x]]

    found = scipy.optimize.least_squares(rosenbrock, np.full(12, 0.5), jac=jacobian(rosenbrock, sparse=True))
    np.testing.assert_allclose(found.x, np.ones(12), atol=1e-8)
