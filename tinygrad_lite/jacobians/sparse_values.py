"""Sparse matrices: of floats SciPy's, and of Values, which SciPy's cannot hold, one that becomes SciPy's."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class SparseValues:
    """A sparse matrix of Values, by compressed rows, with the attributes of a ``scipy.sparse.csr_array``.

    :func:`~tinygrad_lite.jacobian` gives it with ``sparse=True`` where derivatives are Values.

    Attributes:
        data: The entries, row by row, in an array of Values.
        indices: The column of each.
        indptr: Where each row begins in these two; one more at the end.
        shape: Of the whole.

    >>> from tinygrad_lite import Value, jacobian
    >>> x = Value(3.0)
    >>> found = jacobian(lambda v: [v[0] * v[0], v[1]], sparse=True)([x, 2.0])
    >>> found
    <SparseValues of shape (2, 2), with 2 entries>
    >>> found.data[0].backward()
    >>> x.grad
    2.0
    """

    def __init__(self, data: Any, indices: Any, indptr: Any, shape: tuple[int, int]) -> None:
        self.data = data
        self.indices = indices
        self.indptr = indptr
        self.shape = shape

    @property
    def nnz(self) -> int:
        """How many entries there are."""
        return len(self.indices)

    def toarray(self) -> Any:
        """Return all of it: an array of Values, and of 0.0 where there is no entry."""
        import numpy

        whole = numpy.full(self.shape, 0.0, dtype=object)
        whole[numpy.repeat(numpy.arange(self.shape[0]), numpy.diff(self.indptr)), self.indices] = self.data
        return whole

    def __repr__(self) -> str:
        return f"<SparseValues of shape {self.shape}, with {self.nnz} entries>"


class Pattern(NamedTuple):
    """Where a sparse matrix has entries, in compressed rows; as data, which can be written to a file.

    >>> pattern = Pattern([2, 3], [0, 2], [0, 1, 2])
    >>> pattern.filler()([5.0, 6.0]).toarray()
    array([[5., 0., 0.],
           [0., 0., 6.]])
    """

    shape: list[int]
    indices: list[int]
    indptr: list[int]

    def is_sound(self) -> bool:
        """Whether it is a pattern, wherever it comes from: whole numbers in their range.

        >>> Pattern([1, 2], [0, 1], [0, 2]).is_sound(), Pattern([1, 2], [0, 2], [0, 2]).is_sound()
        (True, False)
        """
        if not all(isinstance(part, list) and all(type(x) is int and 0 <= x < 2**31 for x in part) for part in self):
            return False
        if len(self.shape) != 2 or len(self.indptr) != self.shape[0] + 1:
            return False
        return (
            self.indptr[0] == 0
            and self.indptr[-1] == len(self.indices)
            and self.indptr == sorted(self.indptr)
            and all(j < self.shape[1] for j in self.indices)
        )

    def filler(self) -> Callable[[Any], Any]:
        """Return what makes a ``scipy.sparse.csr_array`` of the numbers of the entries."""
        import numpy
        from scipy.sparse import csr_array

        indices, indptr = [numpy.array(places, dtype=numpy.int32) for places in (self.indices, self.indptr)]
        shape = tuple(self.shape)

        def fill(data: Any) -> Any:
            # Copies: who changes one result's pattern (eliminate_zeros does) must not change the next one's.
            return csr_array((data, indices.copy(), indptr.copy()), shape=shape)

        return fill


def sparse_matrix(rows: Sequence[dict[int, Any]], columns: Sequence[int], of_values: bool) -> Any:
    """Make a matrix: a ``SparseValues``, or of floats a ``scipy.sparse.csr_array``.

    Args:
        rows: The entries of each, by their keys.
        columns: The key of each column; -1 for one without entries. Entries with other keys are left out.
        of_values: Whether the entries are Values.

    >>> sparse_matrix([{0: 5.0, 1: 6.0}, {2: 7.0}], [2, -1, 1], False).toarray()
    array([[0., 0., 6.],
           [7., 0., 0.]])
    """
    import numpy

    indices: list[int] = []
    entries: list[Any] = []
    indptr = [0]
    column_of = {key: column for column, key in enumerate(columns) if key >= 0}
    for row in rows:
        places = sorted((column_of[key], key) for key in row if key in column_of)
        indices += [column for column, _ in places]
        entries += [row[key] for _, key in places]
        indptr.append(len(entries))
    shape = (len(rows), len(columns))
    if not of_values:
        return Pattern(list(shape), indices, indptr).filler()(numpy.array(entries, dtype=float))
    data = numpy.empty(len(entries), dtype=object)
    data[:] = entries
    return SparseValues(data, numpy.array(indices, dtype=int), numpy.array(indptr, dtype=int), shape)


def parts_of_sparse(tree: Any) -> tuple[Any, Pattern] | None:
    """Take apart what :func:`sparse_matrix` makes; None for anything else."""
    kind = type(tree)
    if kind is not SparseValues and not (kind.__name__ == "csr_array" and kind.__module__.startswith("scipy.sparse")):
        return None
    return tree.data, Pattern(list(map(int, tree.shape)), tree.indices.tolist(), tree.indptr.tolist())


def check_scipy() -> None:
    """Raise if SciPy is not installed, before any work is done for it."""
    if importlib.util.find_spec("scipy") is None:
        raise ImportError(
            "jacobian(f, sparse=True) gives arrays of scipy.sparse, and SciPy is not installed: pip install "
            "'tinygrad-lite[sparse]'. jacobian(f) gives all entries, and needs nothing."
        )
