"""Jacobians of many outputs: dense, sparse, lifted, and by hand on JAX. ``python benchmarks/jacobian.py``.

Each problem is written as scalar loops. By hand on JAX stands what an expert writes, who knows the structure: a block
for each observation, columns put together, forward mode where the Jacobian is tall. All contenders' Jacobians are
compared before anything is timed. Times are the processor's, of one thread, in rounds in turns.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from lift import TOLERANCE, Step, contenders, failures, interleaved, report, stay_on_one_core

import tinygrad_lite
from tinygrad_lite import jacobian
from tinygrad_lite.lift import lift


class Problem(NamedTuple):
    """A function of one argument whose Jacobian is asked for.

    Attributes:
        f: The function, on scalars.
        x: Its argument.
        by_hand: Gives a step on JAX, and what makes the whole Jacobian of what the step gives.
        engines: Those that the sparse Jacobian is lifted for.
        dense: Whether dense Jacobians take part.
    """

    f: Callable[[Any], Any]
    x: Any
    by_hand: Callable[[], tuple[Step, Callable[[Any], Any]]]
    engines: tuple[str, ...] = ("numpy", "numba")
    dense: bool = True


# ------------------------------------------------------------------------------------------------- bundle adjustment


def project(camera: Any, point: Any, m: Any) -> list[Any]:
    """Project a point into a camera with radial distortion, as ADBench's bundle adjustment does.

    Args:
        camera: Rotation (3), position (3), focal length, principal point (2), distortion (2).
        point: Of three coordinates.
        m: Whose functions to use: this project's, or JAX's.
    """
    x = [point[i] - camera[3 + i] for i in range(3)]
    angle = m.sqrt(camera[0] * camera[0] + camera[1] * camera[1] + camera[2] * camera[2])
    w = [camera[i] / angle for i in range(3)]
    cross = [w[1] * x[2] - w[2] * x[1], w[2] * x[0] - w[0] * x[2], w[0] * x[1] - w[1] * x[0]]
    along = (w[0] * x[0] + w[1] * x[1] + w[2] * x[2]) * (1.0 - m.cos(angle))
    x = [x[i] * m.cos(angle) + cross[i] * m.sin(angle) + w[i] * along for i in range(3)]
    u, v = x[0] / x[2], x[1] / x[2]
    square = u * u + v * v
    distortion = camera[6] * (1.0 + camera[9] * square + camera[10] * square * square)
    return [u * distortion + camera[7], v * distortion + camera[8]]


def bundle_adjustment(observations: int) -> Problem:
    """Weighted differences of projections from what was seen, and a residual for each weight."""
    random = np.random.default_rng(0)
    views, points = max(2, observations // 40), max(3, observations // 4)
    spread = np.array([0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.0, 0.1, 0.1, 0.01, 0.01])
    cameras = random.normal(size=(views, 11)) * spread + np.array([0.1] * 3 + [0.0] * 3 + [1.0] + [0.0] * 4)
    world = random.normal(size=(points, 3)) * 0.3 + np.array([0.0, 0.0, 4.0])
    weights = random.normal(size=observations) * 0.1 + 1.0
    by_view, by_point = random.integers(views, size=observations), random.integers(points, size=observations)
    features = random.normal(size=(observations, 2))
    seen = list(zip(by_view.tolist(), by_point.tolist(), features.tolist()))

    def residuals(x: Any) -> Any:
        cameras, world, weights = x
        found = []
        for (view, point, (u, v)), weight in zip(seen, weights):
            p = project(cameras[view], world[point], tinygrad_lite)
            found += [weight * (p[0] - u), weight * (p[1] - v)]
        return found + [1.0 - weight * weight for weight in weights]

    def by_hand() -> tuple[Step, Callable[[Any], Any]]:
        import jax

        def residual(camera: Any, point: Any, weight: Any, feature: Any) -> Any:
            return weight * (jax.numpy.stack(project(camera, point, jax.numpy)) - feature)

        blocks_of = jax.vmap(jax.jacrev(residual, (0, 1, 2)))

        @jax.jit
        def jacobian_by_hand(cameras: Any, world: Any, weights: Any, features: Any) -> Any:
            by = blocks_of(cameras[by_view], world[by_point], weights, features)
            return jax.numpy.concatenate([*by[:2], by[2][..., None]], axis=2), -2.0 * weights

        def whole(found: Any) -> Any:
            blocks, of_weights = map(np.asarray, found)
            first_point, first_weight = cameras.size, cameras.size + world.size
            dense = np.zeros((3 * observations, first_weight + observations))
            for i, block in enumerate(blocks):
                view, point = by_view[i] * 11, first_point + by_point[i] * 3
                dense[2 * i : 2 * i + 2, view : view + 11] += block[:, :11]
                dense[2 * i : 2 * i + 2, point : point + 3] += block[:, 11:14]
                dense[2 * i : 2 * i + 2, first_weight + i] += block[:, 14]
                dense[2 * observations + i, first_weight + i] = of_weights[i]
            return dense

        given = [jax.numpy.asarray(a) for a in (cameras, world, weights, features)]
        return lambda: jax.block_until_ready(jacobian_by_hand(*given)), whole

    return Problem(residuals, (cameras, world, weights), by_hand)


# ---------------------------------------------------------------------------------------------------- hand tracking


def hand_tracking(points: int, joints: int = 8) -> Problem:
    """Points that follow a chain of joints, each weighted by all of them: a tall Jacobian, three angles a joint."""
    random = np.random.default_rng(0)
    bones = random.normal(size=(joints, 3))
    rest, weights = random.normal(size=(points, 3)), random.dirichlet(np.ones(joints), size=points)
    angles = random.normal(size=3 * joints) * 0.3

    def rotation(a: Any, b: Any, c: Any, m: Any) -> Any:
        sx, cx, sy, cy, sz, cz = m.sin(a), m.cos(a), m.sin(b), m.cos(b), m.sin(c), m.cos(c)
        return [
            [cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz],
            [cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz],
            [-sy, sx * cy, cx * cy],
        ]

    def positions(angles: Any) -> Any:
        turn, origin = np.eye(3).tolist(), [0.0, 0.0, 0.0]
        placed = []
        for j in range(joints):
            own = rotation(*angles[3 * j : 3 * j + 3], tinygrad_lite)
            origin = [sum(turn[i][k] * bones[j][k] for k in range(3)) + origin[i] for i in range(3)]
            turn = [[sum(turn[i][k] * own[k][n] for k in range(3)) for n in range(3)] for i in range(3)]
            placed.append((turn, origin))
        return [
            sum(w * (sum(turn[i][k] * p[k] for k in range(3)) + origin[i]) for w, (turn, origin) in zip(ws, placed))
            for p, ws in zip(rest.tolist(), weights.tolist())
            for i in range(3)
        ]

    def by_hand() -> tuple[Step, Callable[[Any], Any]]:
        import jax

        def positions_of_all(angles: Any) -> Any:
            turn, origin = jax.numpy.eye(3), jax.numpy.zeros(3)
            turns, origins = [], []
            for j in range(joints):
                own = jax.numpy.array(rotation(*angles[3 * j : 3 * j + 3], jax.numpy))
                origin = turn @ bones[j] + origin
                turn = turn @ own
                turns.append(turn)
                origins.append(origin)
            moved = jax.numpy.einsum("jik,pk->pji", jax.numpy.stack(turns), rest) + jax.numpy.stack(origins)
            return jax.numpy.einsum("pj,pji->pi", weights, moved).ravel()

        forward = jax.jit(jax.jacfwd(positions_of_all))
        given = jax.numpy.asarray(angles)
        return lambda: jax.block_until_ready(forward(given)), np.asarray

    return Problem(positions, angles, by_hand)


# ------------------------------------------------------------------------------------------------- banded residuals


def diffusion(cells: int) -> Problem:
    """Find a stationary temperature in a rod that conducts the better the warmer it is: a banded Jacobian."""
    width = 1.0 / (cells + 1)

    def flow(u: Any, v: Any) -> Any:
        return (1.0 + 0.5 * (u + v) * (u + v)) * (v - u)

    def residuals(u: Any) -> Any:
        t = [0.0, *u, 0.0]
        return [
            (flow(t[i], t[i + 1]) - flow(t[i - 1], t[i])) / width**2 + tinygrad_lite.sin(t[i])
            for i in range(1, cells + 1)
        ]

    def by_hand() -> tuple[Step, Callable[[Any], Any]]:
        import jax

        seeds = np.array([[float(i % 3 == colour) for i in range(cells)] for colour in range(3)])

        def residuals_of_all(u: Any) -> Any:
            t = jax.numpy.pad(u, 1)
            flows = flow(t[:-1], t[1:])
            return (flows[1:] - flows[:-1]) / width**2 + jax.numpy.sin(u)

        @jax.jit
        def compressed(u: Any) -> Any:
            return jax.vmap(lambda seed: jax.jvp(residuals_of_all, (u,), (seed,))[1])(seeds)

        def whole(found: Any) -> Any:
            colours = np.asarray(found)
            dense = np.zeros((cells, cells))
            for i in range(cells):
                for j in range(max(0, i - 1), min(cells, i + 2)):
                    dense[i, j] = colours[j % 3, i]
            return dense

        given = jax.numpy.asarray(u0)
        return lambda: jax.block_until_ready(compressed(given)), whole

    u0 = np.linspace(0.1, 1.0, cells)
    return Problem(residuals, u0, by_hand)


# ------------------------------------------------------------------------------------------------------ trajectories


def pendulum(steps: int) -> Problem:
    """All points of a trajectory by its start and its length: each needs all steps before it."""

    def step(angle: Any, speed: Any, length: Any, m: Any) -> Any:
        speed = speed - 0.05 * m.sin(angle) / length
        return angle + 0.05 * speed, speed

    def points(start: Any) -> Any:
        angle, speed, length = start
        found = []
        for _ in range(steps):
            angle, speed = step(angle, speed, length, tinygrad_lite)
            found.append(angle)
        return found

    def by_hand() -> tuple[Step, Callable[[Any], Any]]:
        import jax

        def all_points(start: Any) -> Any:
            def advance(state: Any, _: Any) -> Any:
                state = step(*state, start[2], jax.numpy)
                return state, state[0]

            return jax.lax.scan(advance, (start[0], start[1]), None, length=steps)[1]

        forward = jax.jit(jax.jacfwd(all_points))
        given = jax.numpy.array(start)
        return lambda: jax.block_until_ready(forward(given)), np.asarray

    start = np.array([0.5, 0.2, 1.3])
    return Problem(points, start, by_hand, engines=())


# --------------------------------------------------------------------------------------------------------- measuring


def measure(title: str, problem: Problem, rounds: int) -> None:
    print(f"\n{title}")
    wholes: dict[str, Callable[[Any], Any]] = {}
    builders: dict[str, Callable[[], Step]] = {}

    def add(name: str, f: Callable[..., Any], whole: Callable[[Any], Any]) -> None:
        builders[name] = lambda: lambda: f(problem.x)
        wholes[name] = whole

    for mode in ("reverse", "forward", "auto"):
        if problem.dense:
            add(f"dense, {mode}", jacobian(problem.f, mode=mode), flat)
    add("sparse", jacobian(problem.f, sparse=True), lambda found: found.toarray())
    for engine in problem.engines:
        lifted = lift(jacobian(problem.f, sparse=True), engine=engine)
        add(f"sparse, lifted, {engine}", lifted, lambda found: found.toarray())

    def by_hand() -> Step:
        import jax

        jax.config.update("jax_enable_x64", True)
        step, wholes["JAX by hand"] = problem.by_hand()
        return step

    builders["JAX by hand"] = by_hand
    steps = contenders(builders)
    check_equal({name: wholes[name](step()) for name, step in steps.items()})
    ratios = [(name, "dense, reverse", None) for name in ("dense, forward", "sparse")]
    ratios += [(name, "JAX by hand", None) for name in steps if "lifted" in name]
    report(interleaved(steps, rounds), ratios)


def flat(found: Any) -> Any:
    """Return the whole Jacobian of a dense result: rows of numbers, arrays or tuples of them."""
    return np.array([np.concatenate([np.ravel(part) for part in row]) for row in map(parts, found)])


def parts(row: Any) -> Any:
    return row if isinstance(row, tuple) else (row,)


def check_equal(found: dict[str, Any]) -> None:
    first, *others = found
    scale = np.abs(found[first]).max()
    for name in others:
        error = np.abs(found[name] - found[first]).max() / scale
        if not error <= TOLERANCE:
            raise AssertionError(f"{name}: {error:.1e} from {first}, more than {TOLERANCE:.0e}")
    print(f"  {len(found)} Jacobians of {found[first].shape}, {np.count_nonzero(found[first]):,} entries, are equal")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default="", help="a word of the title")
    options = parser.parse_args()
    stay_on_one_core()
    problems = {
        "bundle adjustment, 400 observations": lambda: bundle_adjustment(400),
        "hand tracking, 200 points, 24 angles": lambda: hand_tracking(200),
        "diffusion, 1000 cells": lambda: diffusion(1000),
        "pendulum, 500 steps, 3 parameters": lambda: pendulum(500),
    }
    for title, make in problems.items():
        if options.only in title:
            measure(title, make(), options.rounds)
    if failures:
        raise SystemExit(f"failed: {', '.join(failures)}")


if __name__ == "__main__":
    main()
