"""Data sets are what they say, and scikit-learn agrees."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite.nn.train import data

PLANAR = {"moons": data.moons, "circles": data.circles, "spirals": data.spirals, "blobs": data.blobs}
BUNDLED = {
    "digits": (data.digits, (1797, 64), 10),
    "iris": (data.iris, (150, 4), 3),
    "breast_cancer": (data.breast_cancer, (569, 30), 2),
    "diabetes": (data.diabetes, (442, 10), None),
}


@pytest.mark.parametrize("make", PLANAR.values(), ids=PLANAR)
def test_equal_seeds_give_equal_points_and_others_do_not(make: Callable[..., Any]) -> None:
    assert make(20, generator=3) == make(20, generator=random.Random(3)) != make(20, generator=4)


@pytest.mark.parametrize("make", PLANAR.values(), ids=PLANAR)
def test_with_a_generator_global_randomness_is_neither_used_nor_changed(make: Callable[..., Any]) -> None:
    state = random.getstate()
    make(5, generator=0)
    assert random.getstate() == state


@pytest.mark.parametrize("make", PLANAR.values(), ids=PLANAR)
@given(n=st.integers(1, 50))
def test_there_are_n_points_of_plain_numbers_with_balanced_classes(make: Callable[..., Any], n: int) -> None:
    inputs, targets = make(n, generator=n)
    assert len(inputs) == len(targets) == n
    assert {type(number) for x in inputs for number in x} == {float}
    assert {len(x) for x in inputs} == {2}
    counts = [targets.count(k) for k in set(targets)]
    assert max(counts) - min(counts) <= 1


def test_moons_without_noise_lie_on_their_half_circles() -> None:
    for (x, y), k in zip(*data.moons(100, noise=0.0, generator=0), strict=True):
        centre, sign = ((0.0, 0.0), 1.0) if k == 0 else ((1.0, 0.5), -1.0)
        assert math.hypot(x - centre[0], y - centre[1]) == pytest.approx(1.0)
        assert sign * (y - centre[1]) >= -1e-12


def test_moons_cover_what_those_of_scikit_learn_cover() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    ours, targets = data.moons(4000, noise=0.1, generator=0)
    theirs, classes = datasets.make_moons(4000, noise=0.1, random_state=0)
    for k in (0, 1):
        for axis in (0, 1):
            mine = sorted(x[axis] for x, target in zip(ours, targets, strict=True) if target == k)
            sk = sorted(theirs[classes == k, axis])
            for share in (0.1, 0.5, 0.9):
                # 2,000 points: quantiles agree to a few hundredths
                assert mine[int(share * len(mine))] == pytest.approx(sk[int(share * len(sk))], abs=0.12)


def test_circles_without_noise_have_their_radii() -> None:
    for x, k in zip(*data.circles(100, noise=0.0, factor=0.25, generator=0), strict=True):
        assert math.hypot(*x) == pytest.approx(0.25 if k else 1.0)


def test_spirals_without_noise_wind_with_their_radius() -> None:
    for (x, y), k in zip(*data.spirals(99, noise=0.0, classes=3, turns=1.5, generator=0), strict=True):
        radius = math.hypot(x, y)
        angle = math.tau * (1.5 * radius + k / 3)
        assert radius <= 1.0
        assert (x, y) == pytest.approx((radius * math.cos(angle), radius * math.sin(angle)), abs=1e-12)


def test_blobs_scatter_around_their_centres_by_the_noise() -> None:
    centers = [[0.0, 5.0], [3.0, -1.0]]
    inputs, targets = data.blobs(4000, noise=0.5, centers=centers, generator=0)
    for k, center in enumerate(centers):
        for axis in (0, 1):
            column = [x[axis] - center[axis] for x, target in zip(inputs, targets, strict=True) if target == k]
            assert abs(sum(column)) / len(column) < 0.06  # 5 standard errors
            assert math.sqrt(sum(d * d for d in column) / len(column)) == pytest.approx(0.5, rel=0.08)


def test_blobs_count_their_centres_on_a_circle() -> None:
    inputs, targets = data.blobs(5, noise=0.0, centers=5)
    assert targets == [0, 1, 2, 3, 4]
    assert all(math.hypot(*x) == pytest.approx(2.0) for x in inputs)
    assert inputs[0] == pytest.approx([2.0, 0.0])


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_sets_have_the_shapes_that_they_say(name: str) -> None:
    np = pytest.importorskip("numpy")
    pytest.importorskip("sklearn")
    load, shape, classes = BUNDLED[name]
    inputs, targets = load()
    assert inputs.shape == shape
    assert targets.shape == shape[:1]
    assert np.isfinite(inputs).all()
    if classes is not None:
        assert sorted(set(targets.tolist())) == list(range(classes))
    if name == "digits":
        assert inputs.min() == 0 and inputs.max() == 16  # noqa: PT018 (one statement: the range)
    if name == "diabetes":
        assert (targets.min(), targets.max()) == (25, 346)
        np.testing.assert_allclose((inputs**2).sum(0), 1.0, rtol=1e-9)


def test_splitting_and_scaling_are_those_of_scikit_learn() -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    inputs, _, targets, _ = selection.train_test_split(*data.moons(100, generator=0), random_state=0)
    assert len(inputs) == len(targets) == 75
    scaled = preprocessing.StandardScaler().fit_transform(inputs)
    assert abs(scaled.mean()) < 1e-12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: data.moons(0), "n is at least 1 point, not 0"),
        (lambda: data.moons(noise=-1.0), "noise is a standard deviation, at least 0, not -1.0"),
        (lambda: data.moons(noise=math.nan), "noise is a standard deviation"),
        (lambda: data.circles(factor=1.0), "factor is between 0 and 1, not 1.0"),
        (lambda: data.spirals(classes=0), "classes is at least 1, not 0"),
        (lambda: data.blobs(centers=[]), "blobs needs at least one centre"),
        (lambda: data.blobs(centers=0), "blobs needs at least one centre"),
    ],
)
def test_what_cannot_be_made_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_without_scikit_learn_the_message_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from tinygrad_lite.nn.train.data import iris\n"
        "try: iris()\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "the data set iris comes with scikit-learn" in done.stdout
    assert "pip install 'tinygrad-lite[nn]'" in done.stdout
