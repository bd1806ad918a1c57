"""Small data sets, without downloads: points in the plane from formulas, and the real ones that come with scikit-learn.

Each gives inputs and targets, as ``fit`` takes them. To split and to scale them, scikit-learn has what it takes:
``sklearn.model_selection.train_test_split`` and ``sklearn.preprocessing.StandardScaler``.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_lite.nn.base.generators import Generator, as_generator

#: Points, as lists of numbers, and their classes.
Points = tuple[list[list[float]], list[int]]


def xor() -> tuple[list[list[int]], list[int]]:
    """Exclusive or: four points that no straight line divides (Minsky & Papert 1969).

    Returns:
        Inputs, four lists of two numbers, and targets, four numbers; all are 0 or 1.

    >>> inputs, targets = xor()
    >>> list(zip(inputs, targets))
    [([0, 0], 0), ([0, 1], 1), ([1, 0], 1), ([1, 1], 0)]
    """
    return [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]


def moons(n: int = 100, noise: float = 0.1, generator: Generator = None) -> Points:
    """Return two half circles that reach into each other: (cos t, sin t) and (1 − cos t, ½ − sin t), 0 ≤ t ≤ π.

    Args:
        n: The number of points; half of each class, in turns.
        noise: The standard deviation of the normal noise on both coordinates.
        generator: What t and the noise are drawn from: a ``random.Random``, an int that seeds one, or None.

    Returns:
        Inputs, n lists of two numbers, and targets, 0 or 1.

    Raises:
        ValueError: ``n`` is not positive, or ``noise`` is negative.

    >>> inputs, targets = moons(4, noise=0.0, generator=0)
    >>> targets
    [0, 1, 0, 1]
    >>> round(math.hypot(*inputs[0]), 12)
    1.0
    """

    def point(k: int, rng: random.Random) -> tuple[float, float]:
        t = math.pi * rng.random()
        return (math.cos(t), math.sin(t)) if k == 0 else (1.0 - math.cos(t), 0.5 - math.sin(t))

    return _points(point, 2, n, noise, generator)


def circles(n: int = 100, noise: float = 0.05, factor: float = 0.5, generator: Generator = None) -> Points:
    """Return a circle of radius 1 around a smaller one.

    Args:
        n: The number of points; half of each class, in turns.
        noise: The standard deviation of the normal noise on both coordinates.
        factor: The radius of the smaller one, class 1, in (0, 1).
        generator: What the points are drawn from: a ``random.Random``, an int that seeds one, or None.

    Returns:
        Inputs, n lists of two numbers, and targets, 0 or 1.

    Raises:
        ValueError: ``n`` is not positive, ``noise`` is negative, or ``factor`` is not in (0, 1).

    >>> inputs, targets = circles(4, noise=0.0, generator=0)
    >>> [round(math.hypot(*x), 12) for x in inputs]
    [1.0, 0.5, 1.0, 0.5]
    """
    if not 0.0 < factor < 1.0:
        raise ValueError(f"factor is between 0 and 1, not {factor!r}")

    def point(k: int, rng: random.Random) -> tuple[float, float]:
        angle, radius = math.tau * rng.random(), factor if k else 1.0
        return radius * math.cos(angle), radius * math.sin(angle)

    return _points(point, 2, n, noise, generator)


def spirals(
    n: int = 100, noise: float = 0.02, classes: int = 2, turns: float = 1.0, generator: Generator = None
) -> Points:
    """Return spirals that wind around each other, from the origin to radius 1 (after Lang & Witbrock 1988).

    Args:
        n: The number of points, of each class in turns.
        noise: The standard deviation of the normal noise on both coordinates.
        classes: The number of spirals, at least 1.
        turns: How often each goes around.
        generator: What the points are drawn from: a ``random.Random``, an int that seeds one, or None.

    Returns:
        Inputs, n lists of two numbers, and targets, 0 to ``classes`` − 1.

    Raises:
        ValueError: ``n`` or ``classes`` is not positive, or ``noise`` is negative.

    >>> inputs, targets = spirals(6, classes=3, generator=0)
    >>> targets
    [0, 1, 2, 0, 1, 2]
    """
    if classes < 1:
        raise ValueError(f"classes is at least 1, not {classes!r}")

    def point(k: int, rng: random.Random) -> tuple[float, float]:
        radius = math.sqrt(rng.random())  # about as many points on each piece of the way
        angle = math.tau * (turns * radius + k / classes)
        return radius * math.cos(angle), radius * math.sin(angle)

    return _points(point, classes, n, noise, generator)


def blobs(
    n: int = 100,
    noise: float = 0.5,
    centers: int | Sequence[Sequence[float]] = 3,
    generator: Generator = None,
) -> Points:
    """Return normal clouds around centres.

    Args:
        n: The number of points, of each class in turns.
        noise: The standard deviation of each coordinate in a cloud.
        centers: The centres, points with any number of coordinates; or how many, evenly on a circle of radius 2.
        generator: What the points are drawn from: a ``random.Random``, an int that seeds one, or None.

    Returns:
        Inputs, n lists of as many numbers as a centre has, and targets, the number of the centre.

    Raises:
        ValueError: ``n`` is not positive, ``noise`` is negative, or there are no centres.

    >>> blobs(2, noise=0.0, centers=[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    ([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [0, 1])
    """
    if isinstance(centers, int):
        angles = [math.tau * k / centers for k in range(centers)]
        centers = [(2.0 * math.cos(angle), 2.0 * math.sin(angle)) for angle in angles]
    if not centers:
        raise ValueError("blobs needs at least one centre")
    found = [tuple(map(float, center)) for center in centers]
    return _points(lambda k, rng: found[k], len(found), n, noise, generator)


def digits() -> tuple[Any, Any]:
    """Return images of handwritten digits, 8 × 8 pixels (Alpaydin & Kaynak 1998; from scikit-learn).

    Returns:
        Inputs, an array of shape (1797, 64) of numbers from 0 to 16, rows of the images one after the other, and
        targets, an array of 1,797 ints from 0 to 9.

    Raises:
        ImportError: scikit-learn is not installed.
    """
    return _bundled("digits")


def iris() -> tuple[Any, Any]:
    """Length and width of sepals and petals of three species of iris (Fisher 1936; from scikit-learn).

    Returns:
        Inputs, an array of shape (150, 4), in centimetres, and targets, an array of 150 ints from 0 to 2.

    Raises:
        ImportError: scikit-learn is not installed.
    """
    return _bundled("iris")


def breast_cancer() -> tuple[Any, Any]:
    """Measures of cell nuclei in breast tumours (Street, Wolberg & Mangasarian 1993; from scikit-learn).

    Returns:
        Inputs, an array of shape (569, 30), on very different scales, and targets, an array of 569 ints: 0 for
        malignant, 1 for benign.

    Raises:
        ImportError: scikit-learn is not installed.
    """
    return _bundled("breast_cancer")


def diabetes() -> tuple[Any, Any]:
    """Ten measures of diabetes patients, and how the disease went on (Efron et al. 2004; from scikit-learn).

    Returns:
        Inputs, an array of shape (442, 10), each column of mean 0 and sum of squares 1, and targets, an array of 442
        numbers from 25 to 346.

    Raises:
        ImportError: scikit-learn is not installed.
    """
    return _bundled("diabetes")


def _points(
    point: Callable[[int, random.Random], Sequence[float]], classes: int, n: int, noise: float, generator: Generator
) -> Points:
    """n points, of the classes in turns: ``point(class, rng)``, and normal noise on each coordinate."""
    if n < 1:
        raise ValueError(f"n is at least 1 point, not {n!r}")
    if not noise >= 0.0:
        raise ValueError(f"noise is a standard deviation, at least 0, not {noise!r}")
    rng = as_generator(generator)
    targets = [i % classes for i in range(n)]
    return [[x + rng.gauss(0.0, noise) for x in point(k, rng)] for k in targets], targets


def _bundled(name: str) -> tuple[Any, Any]:
    try:
        from sklearn import datasets
    except ImportError:
        raise ImportError(
            f"the data set {name} comes with scikit-learn, which is not installed: pip install 'tinygrad-lite[nn]'"
        ) from None
    inputs, targets = getattr(datasets, f"load_{name}")(return_X_y=True)
    return inputs, targets
