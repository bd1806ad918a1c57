"""Laws that are drawn are found again, from what they say at a few sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite.lift.sizes.array_laws import fit_data, fit_mask, fit_table
from tinygrad_lite.lift.sizes.laws import Fitter, NoLawError

POINTS = [(5, 7), (6, 8), (9, 10), (7, 11), (8, 13), (6, 9), (11, 12)]
TARGET = (50, 70)


@given(st.integers(-3, 3), st.integers(-3, 3), st.integers(-2, 2), st.integers(-9, 9))
def test_polynomials_of_two_sizes_are_found(a: int, b: int, ab: int, c: int) -> None:
    terms = [a, b, ab, c]
    if sum(x != 0 for x in terms) > 3:
        terms[3] = 0

    def law(n: int, m: int) -> int:
        return terms[0] * n + terms[1] * m + terms[2] * n * m + terms[3]

    found = Fitter(POINTS).fit_integer([law(*point) for point in POINTS])
    assert found.at(TARGET) == law(*TARGET) or sum(x != 0 for x in terms) > 3


@pytest.mark.parametrize("text", ["n // 2", "(n - 3) // 2 + 1", "(m + 1) // 3", "n * n", "n * (m - 1)", "2 * m - 1"])
def test_lengths_after_strides_are_found(text: str) -> None:
    law = Fitter(POINTS).fit_integer([eval(text, {"n": n, "m": m}) for n, m in POINTS])
    assert law.at(TARGET) == eval(text, dict(zip("nm", TARGET, strict=True)))


@pytest.mark.parametrize(
    "text",
    ["1 / n", "0.3 / (n - 1)", "(n - 1) / n", "m ** -0.5", "2 / (n * m)", "3.7", "1 - 2 / m", "1 / (n * (n - 1))"],
)
def test_numbers_are_found(text: str) -> None:
    law = Fitter(POINTS).fit_number([eval(text, {"n": n, "m": m}) for n, m in POINTS])
    assert law.at(TARGET) == pytest.approx(eval(text, dict(zip("nm", TARGET, strict=True))), rel=1e-13)


@pytest.mark.parametrize(
    "text",
    [
        "i >= j",
        "i != j",
        "i + j < m",
        "(0 <= i - j) & (i - j < 3)",
        "i % 2 == 0",
        "(i > 0) & (j < m - 1)",
        "(i - j) % 3 == 1",
        "(i == 0) | (i == n - 1) | (i % 2 == 1)",
        "np.where((i == 0) | (i == n - 1), j % 2 == 0, j > i)",
        "(i == 0) | (j == m - 1)",
    ],
)
def test_masks_are_found(text: str) -> None:
    def mask(point: tuple[int, int]) -> np.ndarray:
        i, j = np.indices(point)
        names = {"np": np}
        return np.broadcast_to(np.asarray(eval(text, names | {"i": i, "j": j, "n": point[0], "m": point[1]})), point)

    law = fit_mask([mask(point) for point in POINTS], Fitter(POINTS))
    assert np.array_equal(law.at(TARGET, TARGET), mask(TARGET))


@pytest.mark.parametrize(
    "text",
    [
        "(i + 1) % n",
        "i - 1 + 2 * n",
        "np.clip(i - 1, 0, n - 1)",
        "np.clip(i + j - 1, 0, n - 1)",
        "(i - 2 * j) % n",
        "np.where(i == 0, j, i + n)",
    ],
)
def test_tables_are_found(text: str) -> None:
    def table(point: tuple[int, int]) -> np.ndarray:
        i, j = np.indices((point[0], 3))
        return np.asarray(eval(text, {"i": i, "j": j, "n": point[0], "np": np}))

    tables = [table(point) for point in POINTS]
    cares = [np.ones(each.shape, dtype=bool) for each in tables]
    law = fit_table(tables, cares, [point[0] for point in POINTS], Fitter(POINTS))
    assert np.array_equal(law.at((TARGET[0], 3), TARGET), table(TARGET))


def test_a_numbered_grid_is_split() -> None:
    tables = [np.repeat(np.arange(n), m) for n, m in POINTS]
    law = fit_table(tables, [np.ones(len(t), dtype=bool) for t in tables], [n for n, _ in POINTS], Fitter(POINTS))
    assert np.array_equal(law.at((3500,), TARGET), np.repeat(np.arange(50), 70))


def test_affine_numbers_and_pairs_of_numbers_are_found() -> None:
    fitter = Fitter(POINTS)
    law = fit_data([(np.arange(n) + 0.5) / n for n, _ in POINTS], fitter)
    np.testing.assert_allclose(law.at((50,), TARGET), (np.arange(50) + 0.5) / 50, rtol=1e-13)
    law = fit_data([np.where(np.arange(n) % (n - 1) == 0, 0.5, 1.0) for n, _ in POINTS], fitter)
    assert law.at((50,), TARGET).sum() == 49.0


def test_weights_of_rules_are_found() -> None:
    def simpson(n: int) -> np.ndarray:
        weights = np.where(np.arange(n) % 2, 4.0, 2.0)
        weights[[0, -1]] = 1.0
        return weights / 3.0 / (n - 1)

    fitter = Fitter([(n,) for n in (9, 13, 11, 15, 19)])
    law = fit_data([simpson(n) for (n,) in fitter.points], fitter)
    np.testing.assert_allclose(law.at((51,), (51,)), simpson(51), rtol=1e-13)


def test_a_literal_rim_that_grows_with_the_size_has_no_law() -> None:
    fitter = Fitter(POINTS)
    with pytest.raises(NoLawError):
        fit_mask([np.isin(np.arange(3 * n), [2, 3, 5, 7, 11, 13, 17, 19]) for n, _ in POINTS], fitter)


def test_what_has_no_law_has_none() -> None:
    fitter = Fitter(POINTS)
    rng = np.random.default_rng(0)
    with pytest.raises(NoLawError):
        fitter.fit_integer([1, 7, 2, 90, 4, 3, 17])
    with pytest.raises(NoLawError):
        fitter.fit_number(rng.normal(size=len(POINTS)).tolist())
    with pytest.raises(NoLawError):
        fit_mask([rng.random(point) < 0.5 for point in POINTS], fitter)
    with pytest.raises(NoLawError):
        fit_data([rng.normal(size=point) for point in POINTS], fitter)
