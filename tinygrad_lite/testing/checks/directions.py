"""All derivatives of an array together: the slopes of f along a few random directions v, beside what J·v says they are.

With random signs, v = (±1, ±1, ...), an entry of J that is off moves J·v by as much in every direction; errors of
several entries cancel in one direction, but hardly in all. So the number of directions grows with the logarithm of that
of the numbers, and six values of f tell the slopes of all outputs along one. Where these do not agree with J·v, halving
the direction leads to the entry; where they do not tell (a kink, an edge, noise), to the numbers that are looked at
one by one.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Places = NDArray[np.intp]

#: Weights of f(x - 3h) ... f(x + 3h) in h·f'(x), exact to degree 6 and to degree 4.
_CENTRAL_6 = np.array([-1 / 60, 3 / 20, -3 / 4, 0.0, 3 / 4, -3 / 20, 1 / 60])
_CENTRAL_4 = np.array([0.0, 1 / 12, -2 / 3, 0.0, 2 / 3, -1 / 12, 0.0])
#: The steps that are tried, in units of the numbers' size: no powers of 2, as in :mod:`.differences`.
_STEPS = [math.ldexp(23.0 / 16.0, exponent) for exponent in (-8, -14, -3)]
#: From the scatter of high differences to a bound on noise.
_SCATTER = 16.0
#: How well a slope has to be known: to a quarter of a thousandth of what one number contributes.
_SHARP = 2.5e-4
_EPSILON = math.ulp(1.0)
#: Numbers whose contributions are less than this of the largest ones' are looked at by themselves, in up to so many
#: ranks.
_NEXT_RANK = 1e-4
_RANKS = 3


@dataclass(frozen=True)
class Product:
    """A derivative J as its products with directions, and the function that it should be of.

    Attributes:
        point: Where.
        values: f, as an array, of an array.
        along: J·v, and for each output the root of the sum of the squares of its terms.
        slack: By how much rounding in df may move a derivative, relative.
        sizes: How large the derivatives by each number are, if that is known.
        finite: Which numbers have finite derivatives.
        own: Whether each output has one number that it depends on, that in its own place.
        noise: By how much f's values are off, relative.
    """

    point: Array
    values: Callable[[Array], Array]
    along: Callable[[Array], tuple[Array, Array]]
    slack: float
    sizes: Array | None = None
    finite: NDArray[np.bool_] | None = None
    own: bool = False
    noise: float = math.ulp(1.0)


@dataclass(frozen=True)
class Line:
    """The slopes of all outputs along a direction.

    Attributes:
        direction: The direction.
        got: What the derivative says.
        slope: What f's values say.
        error: How far off that may be.
        bound: How far apart the two may be.
        known: Whether ``error`` is small enough.
    """

    direction: Array
    got: Array
    slope: Array
    error: Array
    bound: Array
    known: NDArray[np.bool_]

    @property
    def off(self) -> NDArray[np.bool_]:
        """Where the two are farther apart than they may be."""
        return ~(np.abs(self.slope - self.got) <= self.bound)

    @property
    def tightest(self) -> int:
        """The output that is nearest to being off, of those that are known."""
        with np.errstate(all="ignore"):
            share = np.where(self.known, np.abs(self.slope - self.got) / self.bound, -1.0)
        return int(np.argmax(np.where(np.isnan(share), math.inf, share)))


@dataclass
class Outcome:
    """What was found along directions.

    Attributes:
        lines: Those along which all agreed, as far as it is known.
        wrong: A direction and an output of it that do not agree; of as few numbers as could be.
        open: Numbers, and outputs whose slopes by these are not known, with the direction.
        own: Outputs whose slopes by their own numbers are not known.
    """

    lines: list[Line] = field(default_factory=list)
    wrong: tuple[Line, int] | None = None
    open: list[tuple[Array, Places]] = field(default_factory=list)
    own: Places = field(default_factory=lambda: np.zeros(0, dtype=np.intp))


def count(numbers: int) -> int:
    """How many directions so many numbers ask for.

    >>> [count(n) for n in (1, 10, 1000, 10**6)]
    [4, 8, 14, 24]
    """
    return 4 + math.ceil(math.log2(max(numbers, 1)))


def search(product: Product, rng: random.Random) -> Outcome:
    """Look at a derivative along directions.

    Args:
        product: It.
        rng: Draws the directions.

    Returns:
        What agrees, what does not, and what is left to look at in another way.

    >>> x = np.linspace(-1.0, 1.0, 100)
    >>> cube = Product(x, lambda x: np.array([np.sum(x**3)]), lambda v: (np.array([3 * x**2 @ v]), np.ones(1)), 1e-8)
    >>> search(cube, random.Random(0)).wrong is None
    True
    """
    return _Search(product, rng).run()


def line_along(product: Product, direction: Array) -> Line:
    """Return the slopes of all outputs along one direction.

    Args:
        product: Whose function.
        direction: It.

    >>> cube = Product(np.ones(2), lambda x: x**3, lambda v: (3 * v, np.ones(2)), 1e-8)
    >>> [round(slope, 9) for slope in line_along(cube, np.array([1.0, 2.0])).slope.tolist()]
    [3.0, 6.0]
    """
    return _Search(product, random.Random(0)).line(direction)


class _Search:
    def __init__(self, product: Product, rng: random.Random) -> None:
        self.product = product
        self.rng = rng
        self.value = product.values(product.point)
        size = np.abs(product.point)
        typical = float(np.median(size[size > 0.0])) if size.any() else 1.0
        #: in the order in which they are tried: a step for each number
        self.scales = [np.maximum(size, 1.0), np.where(size > 0.0, size, typical), np.ones_like(size)]
        self.scale = self.scales[0]
        usable = np.ones(len(product.point), dtype=bool) if product.finite is None else product.finite
        self.usable = usable.copy()
        self.total = product.along(np.where(self.usable, self.scale, 0.0))[1]
        self.unsettled = np.ones(len(self.value), dtype=bool)
        self.steps = list(_STEPS)
        self.evaluated = 0
        self.found = Outcome()

    def run(self) -> Outcome:
        for signs in self.directions():
            if not signs[self.usable].any():
                continue
            line = self.scaled(signs)
            if self.contradicted(line):
                break
            rows = self.unknown(line)
            if len(rows):
                if self.product.own:
                    self.found.own = np.concatenate([self.found.own, rows])
                    self.unsettled[rows] = False
                else:
                    self.locate(line.direction, rows)
                    if self.found.wrong:
                        break
                    line = self.scaled(signs)
                    if self.contradicted(line):
                        break
            if line.direction.any():
                self.found.lines.append(line)
        return self.found

    def scaled(self, signs: Array) -> Line:
        """Return the slopes along a direction, with the scale of the numbers that tells most of them."""
        line = self.line(np.where(self.usable, signs * self.scale, 0.0))
        for scale in self.scales:
            if scale is self.scale or not len(self.unknown(line)):
                continue
            other = self.line(np.where(self.usable, signs * scale, 0.0))
            if len(self.unknown(other)) < len(self.unknown(line)):
                self.scale, line = scale, other
        return line

    def directions(self) -> Iterator[Array]:
        """Yield the signs: of few numbers each by itself, else random ones; then of the ranks of lesser numbers."""
        n = len(self.product.point)
        if n <= count(n):
            yield from np.eye(n)
            return
        for _ in range(count(n)):
            yield self.signs()
        for lesser in self.ranks():
            for _ in range(2):
                yield np.where(lesser, self.signs(), 0.0)

    def signs(self) -> Array:
        return np.array([self.rng.choice((-1.0, 1.0)) for _ in self.product.point])

    def ranks(self) -> Iterator[NDArray[np.bool_]]:
        """Numbers whose derivatives are hidden beside those of others, and of these in turn."""
        if self.product.sizes is None or self.product.own:
            return
        sizes = self.product.sizes * self.scale
        for _ in range(_RANKS):
            largest = float(np.max(sizes, initial=0.0, where=self.usable))
            lesser = self.usable & (sizes < _NEXT_RANK * largest)
            if not lesser.any():
                return
            yield lesser
            sizes = np.where(lesser, sizes, 0.0)

    def unknown(self, line: Line) -> Places:
        """Return the outputs whose slopes are not known and not set aside."""
        return np.flatnonzero(~line.known & self.unsettled)

    def contradicted(self, line: Line) -> bool:
        """Whether a slope is another than the derivative says; if so, the search is over."""
        rows = np.flatnonzero(line.known & line.off & self.unsettled)
        if not len(rows):
            return False
        with np.errstate(all="ignore"):
            excess = np.abs(line.slope - line.got)[rows] / line.bound[rows]
        row = int(rows[np.argmax(np.where(np.isnan(excess), math.inf, excess))])
        self.found.wrong = self.narrowed(line, row)
        return True

    def narrowed(self, line: Line, row: int) -> tuple[Line, int]:
        """Return the contradiction in as few numbers as it can be seen in.

        Where neither half shows it, it may be of two kinks that cancel in their sum: then the half that is not known.
        """
        while np.count_nonzero(line.direction) > 1:
            parts = [self.line(half) for half in _halves(line.direction)]
            shown = [part for part in parts if part.known[row] and part.off[row]]
            hidden = [part for part in parts if not part.known[row]]
            if not (shown or hidden):
                break
            line = (shown or hidden)[0]
        return line, row

    def locate(self, direction: Array, rows: Places) -> None:
        """Set the numbers aside by which slopes are not known."""
        most = self.evaluated + 8 + 8 * math.ceil(math.log2(max(2, int(np.count_nonzero(direction)))))
        waiting = [(direction, rows)]
        while waiting:
            whole, rows = waiting.pop(0)
            if self.evaluated >= most:  # too many: they are left together
                whole = sum((rest for rest, _ in waiting), whole)
                waiting = []
            if np.count_nonzero(whole) == 1 or self.evaluated >= most:
                self.found.open.append((whole, rows))
                self.usable[whole != 0.0] = False
                continue
            for half in _halves(whole):
                line = self.line(half)
                if self.contradicted(line):
                    return
                rest = self.unknown(line)
                if len(rest):
                    waiting.append((half, rest))

    def line(self, direction: Array) -> Line:
        """Return the slopes along a direction, by the first step that tells all of them."""
        self.evaluated += 1
        got, spread = self.product.along(direction)
        numbers = max(1, int(np.count_nonzero(direction)))
        slope, error = np.full(len(got), math.nan), np.full(len(got), math.inf)
        rounding = _EPSILON * (16.0 * math.sqrt(numbers) * spread + 16.0 * self.total)
        goal = np.maximum(_SHARP * spread / math.sqrt(numbers), math.sqrt(_EPSILON) * np.abs(self.value))
        goal = np.maximum(goal, 1e-300)
        for step in list(self.steps):
            found, bound, flat = self.slopes(direction, step, spread)
            # Where f is constant and should not be, it may be a stair of what is rounded inside.
            bound = np.where(flat & (np.abs(got) > _SHARP * spread / math.sqrt(numbers)), math.inf, bound)
            better = bound < error
            slope, error = np.where(better, found, slope), np.where(better, bound, error)
            if bool(np.all((error <= goal)[self.unsettled])):
                self.steps.remove(step)
                self.steps.insert(0, step)  # what told here will tell elsewhere
                break
        known = error <= goal
        return Line(direction, got, slope, error, 2.0 * error + self.product.slack * spread + rounding, known)

    def slopes(self, direction: Array, step: float, spread: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
        """By seven values at one step, with a bound on the error, and whether they are all the same."""
        values = np.array(
            [
                self.value if j == 0 else self.product.values(self.product.point + (j * step) * direction)
                for j in range(-3, 4)
            ]
        )
        with np.errstate(all="ignore"):
            slope = _CENTRAL_6 @ values / step
            truncation = np.abs(slope - _CENTRAL_4 @ values / step)
            sixth = np.abs(np.diff(values, n=6, axis=0)[0]) / math.sqrt(924.0)
            fifth = np.abs(np.diff(values, n=5, axis=0)).max(axis=0) / math.sqrt(252.0)
            rounding = 4.0 * self.product.noise * (np.abs(values).max(axis=0) + spread)
            error = truncation + 1.1 * (rounding + _SCATTER * np.maximum(sixth, fifth)) / step
        error = np.where(np.isfinite(slope) & np.isfinite(error), error, math.inf)
        return slope, error, (values == values[0]).all(axis=0)


def _halves(direction: Array) -> Iterator[Array]:
    """Yield the direction in its first numbers alone, and in its last ones."""
    places = np.flatnonzero(direction)
    for part in (places[: len(places) // 2], places[len(places) // 2 :]):
        half = np.zeros_like(direction)
        half[part] = direction[part]
        yield half
