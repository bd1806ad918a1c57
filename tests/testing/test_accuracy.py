"""The accuracy of derivatives: what is measured is right, is the same each time, and is shown as it is."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import tinygrad_lite as tg
from tinygrad_lite.operations.operation import Interval
from tinygrad_lite.operations.ops import TABLE
from tinygrad_lite.testing.accuracy.accuracy import accuracy, engine_partial, measure, places, true_partial
from tinygrad_lite.testing.accuracy.profiles import Profile, Sample, intervals
from tinygrad_lite.testing.accuracy.short_numbers import short, size
from tinygrad_lite.testing.strategies import sampling
from tinygrad_lite.testing.strategies.grids import ends_of, spread

#: One of each kind: of one, two, three and any number of operands, with defaults, an index, a kink, jumps.
KINDS = ["log", "tanh", "pow", "elu", "clamp", "where", "floor", "mod", "sum", "dot", "softmax", "lookup"]


def textbook(x: float) -> float:
    return 1.0 - math.tanh(x) ** 2


def moved(x: float, ulps: int) -> float:
    for _ in range(abs(ulps)):
        x = math.nextafter(x, math.copysign(math.inf, ulps))
    return x


# ------------------------------------------------------------------------------------------------ what is measured


@pytest.mark.parametrize("name", KINDS)
def test_an_operation_keeps_its_bound_by_every_operand(name: str) -> None:
    op = TABLE[name]
    for operand in op.operands:
        if operand != "index":
            found = accuracy(op, argnum=operand, points=12)
            assert found.worst.error <= op.bound == found.bound
            assert found.operand == operand


@pytest.mark.parametrize("op", ["tanh", TABLE["tanh"], tg.tanh])
def test_an_operation_has_three_names(op: Any) -> None:
    assert accuracy(op, points=8) == accuracy("tanh", points=8)


def test_the_textbook_derivative_of_tanh_is_found_out_where_tanh_rounds_to_1() -> None:
    found = accuracy("tanh", textbook, points=200, low=-400.0, high=400.0)
    assert found.worst.error > 1e9
    assert all(abs(sample.x) > 2.0 for sample in found.samples if sample.error > 100.0)
    vanished = [sample for sample in found.samples if sample.got == 0.0]
    assert vanished
    assert all(19.0 < abs(sample.x) < 373.0 for sample in vanished)
    assert all(2.0**52 <= sample.error <= 2.0**53 for sample in vanished if sample.expected > sys.float_info.min)
    assert found.bound == math.inf


@given(ulps=st.integers(-40, 40), x=st.floats(0.3, 3.0))
@settings(max_examples=settings().max_examples * 3 // 10)
def test_a_planted_error_is_measured_to_half_an_ulp(ulps: int, x: float) -> None:
    exact = true_partial(TABLE["tanh"])([x], 0)
    (sample,), _ = measure([([x], 0)], lambda xs, k: moved(float(exact), ulps), true_partial(TABLE["tanh"]))
    binade = math.ulp(sample.got) / math.ulp(sample.expected)
    assert abs(sample.error - abs(ulps)) <= 0.5 or binade != 1.0


@pytest.mark.parametrize(
    ("f", "exact", "slope"),
    [
        (lambda x: 3 * x**2 - x, None, lambda x: 6 * x - 1),  # dual numbers go through it
        (mpmath.tanh, None, lambda x: tg.grad(tg.tanh)(x)),  # mpmath's own: so do they through the oracle's
        (lambda x: x * mpmath.tanh(x), None, lambda x: math.tanh(x) + x * tg.grad(tg.tanh)(x)),  # by differences
        (math.tanh, mpmath.tanh, lambda x: tg.grad(tg.tanh)(x)),
        (lambda x: tg.tanh(x), mpmath.tanh, None),  # the engine's gradient
        (lambda x: 2, None, lambda x: 0),
        (abs, None, lambda x: math.copysign(1.0, x)),  # the kink at 0 is left out
        (mpmath.fabs, None, lambda x: math.copysign(1.0, x)),
        (mpmath.log, None, lambda x: np.divide(1.0, x)),  # not real for x < 0
        (lambda x: mpmath.log(x), None, lambda x: np.divide(1.0, x)),
        (lambda x: mpmath.sqrt(x), None, lambda x: 0.5 / math.sqrt(x)),  # its slope at 0 is not real
        (lambda x: mpmath.sqrt(abs(x)), None, lambda x: math.copysign(0.5, x) / math.sqrt(abs(x))),  # a cusp
    ],
)
def test_any_function_can_be_measured(f: Any, exact: Any, slope: Any) -> None:
    found = accuracy(f, slope, exact, points=40, low=-30.0, high=30.0)
    assert found.worst.error < 16.0
    assert found.worst.operands == (found.worst.x,)


@pytest.mark.parametrize(
    ("f", "reason"),
    [(mpmath.fabs, "kink"), (lambda x: mpmath.sqrt(abs(x)), "kink"), (lambda x: mpmath.sqrt(x), "not defined")],
)
def test_what_has_no_derivative_at_0_is_left_out_there(f: Any, reason: str) -> None:
    found = accuracy(f, lambda x: math.nan, points=40, low=-30.0, high=30.0)
    assert 0.0 not in found.x
    assert found.skipped[reason] >= 1
    at_zero = accuracy("abs", lambda x: math.copysign(0.5, x), points=40)
    assert at_zero.skipped == {"kink": 1}


def test_a_function_is_looked_at_within_its_domain() -> None:
    found = accuracy(
        lambda x: mpmath.sqrt(x - 1), lambda x: 0.5 / math.sqrt(x - 1.0), points=20, low=1.0 + 1e-9, high=1.00001
    )
    assert found.worst.error < 4.0


def test_a_truth_of_ones_own_replaces_the_definition() -> None:
    assert accuracy("tanh", exact=lambda x: mpmath.tanh(x) + x, points=40, low=1.0, high=9.0).worst.error > 1e15


def test_an_operation_of_the_users_own_is_measured() -> None:
    cube = tg.ops.DEFINED.get("accuracy_cube") or tg.dispatch.define(
        "accuracy_cube", lambda x: x**3, lambda m, x, z: (x + 1.0) * (x + 1.0) - 2.0 * x - 1.0 + 2.0 * x * x
    )
    found = accuracy(cube, points=60, low=1e-3, high=10.0)
    assert found.function == "accuracy_cube"
    assert found.worst.error > 1e3


def test_a_nan_is_an_error_where_the_exact_derivative_underflows() -> None:
    with np.errstate(all="warn"):
        found = accuracy("sigmoid", lambda x: np.exp(-x) / (1.0 + np.exp(-x)) ** 2, points=100, low=-1e3, high=-720.0)
    assert found.worst.error == math.inf
    assert math.isnan(found.worst.got)


def test_what_is_beyond_floats_is_left_out_if_the_derivative_says_so() -> None:
    assert accuracy("tanh", points=40, low=300.0, high=1e4).skipped["underflow"] > 5
    assert accuracy("mul", points=40, low=1.0, at={"y": 1e300}).skipped["overflow"] > 5
    assert accuracy("exp", points=40, low=700.0, high=1e4).skipped["overflow"] > 5
    assert accuracy(mpmath.exp, math.exp, points=40, low=700.0, high=1e4).skipped["overflow"] > 5
    assert accuracy(mpmath.exp, np.exp, points=40, low=700.0, high=1e4).skipped["overflow"] > 5
    wrong = accuracy(mpmath.exp, lambda x: 1.0, points=40, low=720.0, high=1e4)
    assert not wrong.skipped
    assert wrong.truth == [math.inf] * len(wrong.samples)
    assert wrong.got == [1.0] * len(wrong.samples)


def test_an_exception_is_no_result_and_is_told() -> None:
    found = accuracy("log", lambda x: math.sqrt(1.0 - x) / x, points=40, low=2.0, high=3.0)
    assert found.errors == [math.inf] * 40
    assert "(ValueError: math domain error)" in str(found)


def test_operands_that_stay_have_their_default_or_what_at_says() -> None:
    assert accuracy("elu", points=4).fixed == {"alpha": 1.0}
    assert accuracy("pow", argnum=1, points=10).fixed == {"x": 1.5}
    assert accuracy("clamp", points=10).fixed == {"low": -1.5, "high": 1.5}
    assert accuracy("where", argnum="y", points=10).fixed == {"condition": 1.0, "x": 1.5}
    found = accuracy("pow", points=10, at={"y": 3})
    assert found.fixed == {"y": 3.0}
    assert {sample.operands[1] for sample in found.samples} == {3.0}


def test_the_cases_of_an_operation_of_any_number_of_operands_move_each_of_them() -> None:
    found = accuracy("dot", argnum="xs", points=60)
    for sample in found.samples:
        n = len(sample.operands) // 2
        assert sample.x in sample.operands[n : 2 * n]
    assert list(places(TABLE["dot"], "bias", 7)) == [6]
    assert list(places(TABLE["lookup"], "table", 4)) == [0, 1, 2]
    assert list(places(TABLE["pow"], "y", 2)) == [1]


# --------------------------------------------------------------------------------------------------- the same again


def test_the_seed_decides_the_points() -> None:
    first, again, other = (accuracy("gelu", points=60, seed=seed, low=-9.0, high=9.0) for seed in (1, 1, 2))
    assert first == again
    assert str(first) == str(again)
    assert first.x != other.x


def test_the_worst_point_is_worst_when_it_is_tried_alone() -> None:
    found = accuracy("tanh", textbook, points=50, low=1.0, high=50.0).worst
    (again,), _ = measure([(found.operands, 0)], lambda xs, k: textbook(*xs), true_partial(TABLE["tanh"]))
    assert again == found


@given(low=st.floats(allow_nan=False), high=st.floats(allow_nan=False), count=st.integers(1, 60))
def test_the_points_are_distinct_within_the_interval_and_as_many_as_asked(low: float, high: float, count: int) -> None:
    low, high = sorted((low, high))
    interval = Interval(low, high)
    if not ends_of(interval)[0] < ends_of(interval)[1]:
        return
    xs = spread(interval, count, "0")
    assert len(set(xs)) == len(xs) <= count
    assert all(sampling.contains(interval, x) and math.isfinite(x) for x in xs)
    assert "-0.0" not in map(repr, xs) or low < 0.0


def test_the_points_cover_all_magnitudes_and_the_ends() -> None:
    xs = spread(Interval(0.0, open="low"), 2000, "0")
    assert len(xs) == 2000
    assert {5e-324, math.nextafter(math.inf, 0.0)} <= set(xs)
    for exponent in range(-300, 300, 20):
        assert any(10.0**exponent <= x < 10.0 ** (exponent + 20) for x in xs)
    assert sum(1e-20 < x < 1e20 for x in xs) > 1500


def test_an_interval_of_few_floats_has_few_points() -> None:
    assert sorted(spread(Interval(1.0, moved(1.0, 2)), 50, "0")) == [1.0, moved(1.0, 1), moved(1.0, 2)]


# -------------------------------------------------------------------------------------------------------- the table


def rows(found: Profile) -> list[str]:
    return str(found).split("\n\n")[1].splitlines()


@pytest.mark.parametrize(
    "found",
    [
        accuracy("tanh", textbook, points=60, low=-400.0, high=400.0),
        accuracy("log", points=100),
        accuracy("asin", points=100),
        accuracy("softsign", lambda x: math.nan, points=50),
        accuracy("floor", points=50),
        accuracy("tan", points=50, low=-30.0, high=-1e-5),
    ],
    ids=lambda found: found.function,
)
def test_the_table_is_aligned_and_counts_every_point(found: Profile) -> None:
    lines = rows(found)
    assert len({len(line.rstrip()) for line in lines if not line.endswith(" ")}) == 1
    assert len(lines) <= 20
    assert sum(int(line.split()[2]) for line in lines[1:]) == len(found.samples)
    assert repr(found) == str(found)
    for line in lines[1:]:
        low, high = (float(text.replace("1.8e308", "inf")) for text in line.split()[:2])
        if found.worst.error and not line.endswith(" "):
            assert low <= float(line.split()[-1]) <= high


def test_the_table_says_what_is_worst_and_whether_the_bound_is_kept() -> None:
    found = accuracy("tanh", points=40, low=0.0, high=300.0)
    assert f"at x = {found.worst.x!r}: got {found.worst.got!r}, exact {found.worst.expected!r}" in str(found)
    assert "bound     4, kept" in str(found)
    samples = (Sample(1.0, 5.0, 1.0, 1.0, (1.0,)),)
    assert "bound     4, EXCEEDED" in str(Profile("f", "x", samples, bound=4.0))
    assert "bound" not in str(Profile("f", "x", samples))
    assert "(1.0, 2.0)" in str(Profile("sum", "xs", (Sample(1.0, 5.0, 1.0, 1.0, (1.0, 2.0)),)))
    assert "∂pow/∂x at y = 1.5" in str(accuracy("pow", points=20))


def test_a_bar_grows_with_the_logarithm_of_the_error() -> None:
    samples = tuple(Sample(float(x), 10.0 ** (x - 1), 1.0, 1.0) for x in range(16))
    bars = [line.count("█") for line in rows(Profile("f", "x", samples))[1:]]
    assert bars[0] == 0
    assert bars == sorted(bars)
    assert bars[-1] == 20


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, unique=True))
def test_intervals_hold_every_point_and_are_few(xs: list[float]) -> None:
    edges = intervals(sorted(xs))
    assert edges[0] <= min(xs) <= max(xs) <= edges[-1]
    assert edges == sorted(edges)
    assert len(edges) <= 20


def test_numbers_are_shown_in_few_characters() -> None:
    assert [short(x) for x in (0.0, -1000.0, 1e4, 1e-8, -0.25, math.inf)] == [
        "0",
        "-1000",
        "1e4",
        "1e-8",
        "-0.25",
        "1.8e308",
    ]
    assert [size(x) for x in (0.0, 9999.0, 1.5e5, math.inf)] == ["0.00", "9999.00", "2e5", "inf"]


# --------------------------------------------------------------------------------------------------------- the plot


@pytest.fixture(scope="module")
def profiles() -> tuple[Profile, Profile]:
    arguments: Any = {"points": 150, "low": -400.0, "high": 400.0}
    return accuracy("tanh", **arguments), accuracy("tanh", textbook, **arguments)


def test_the_plot_shows_every_point_over_logarithmic_axes(profiles: tuple[Profile, Profile]) -> None:
    (ax,) = profiles[1].plot().axes
    assert (ax.get_xscale(), ax.get_yscale()) == ("symlog", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "error (ulp)")
    dots, ring = ax.collections
    assert len(dots.get_offsets()) == len(profiles[1].samples)
    assert ring.get_offsets().tolist() == [[profiles[1].worst.x, profiles[1].worst.error]]
    assert any("9e15 ulp at x" in text.get_text() for text in ax.texts)


def test_lines_mark_correct_rounding_and_the_bound_once(profiles: tuple[Profile, Profile]) -> None:
    ours, theirs = profiles
    figure = ours.plot(label="ours")
    theirs.plot(ax=figure.axes[0], label="1 - tanh²")
    ours.plot(ax=figure.axes[0])
    (ax,) = figure.axes
    assert [line.get_ydata()[0] for line in ax.lines] == [0.5, 4.0]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["ours", "1 - tanh²", "∂tanh/∂x"]
    assert len({tuple(dots.get_facecolor()[0]) for dots in ax.collections[::2]}) == 3


def test_a_label_is_shown_as_it_is(profiles: tuple[Profile, Profile], tmp_path: Path) -> None:
    figure = profiles[0].plot(tmp_path / "label.svg", label="_$x_1$ \\frac <b> $")
    (text,) = figure.axes[0].get_legend().get_texts()
    assert (text.get_text(), text.get_parse_math()) == ("_$x_1$ \\frac <b> $", False)


@pytest.mark.parametrize(("suffix", "theme"), [("svg", "light"), ("png", "dark"), ("pdf", "light")])
def test_a_plot_is_written_the_same_each_time(
    profiles: tuple[Profile, Profile], suffix: str, theme: str, tmp_path: Path
) -> None:
    files = [tmp_path / f"{i}.{suffix}" for i in range(2)]
    for file in files:
        profiles[0].plot(file, theme=theme)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes()[:4] in (b"<?xm", b"\x89PNG", b"%PDF")


def test_a_later_profile_has_the_theme_of_the_axes(profiles: tuple[Profile, Profile]) -> None:
    (ax,) = profiles[0].plot(theme="dark").axes
    page = ax.get_facecolor()
    profiles[1].plot(ax=ax)
    assert ax.get_facecolor() == page != (1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("found", "scale"),
    [
        (accuracy("asin", points=40), "linear"),
        (accuracy("log", points=40), "symlog"),
        (accuracy("sin", points=40), "symlog"),
        (accuracy("softsign", lambda x: math.nan, points=40), "symlog"),
        (accuracy("tan", points=40, low=-1e3, high=-1e-3), "symlog"),
        (accuracy("tan", points=1, low=1.0, high=2.0), "linear"),
    ],
    ids=lambda found: getattr(found, "function", found),
)
def test_every_point_and_every_name_is_within_the_picture(found: Profile, scale: str) -> None:
    figure = found.plot()
    (ax,) = figure.axes
    assert ax.get_xscale() == scale
    low, high = ax.get_xlim()
    assert low <= min(found.x) <= max(found.x) <= high
    bottom, top = ax.get_ylim()
    assert all(bottom < y < top for _, y in ax.collections[0].get_offsets())
    assert any(low <= tick <= high for tick in ax.get_xticks())
    figure.draw_without_rendering()
    width, height = figure.canvas.get_width_height()
    for text in [*ax.texts, *ax.get_legend().get_texts()]:
        box = text.get_window_extent()
        assert box.x0 >= -1.0
        assert box.y0 >= -1.0
        assert box.x1 <= width + 1.0
        assert box.y1 <= height + 1.0


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4))
@example([5e-324, 1.7976931348623157e308])
@example([-1.7976931348623157e308, 1.7976931348623157e308])
@example([-1.7976931348623157e308, -5e-324])
@example([0.0, 5e-324])
@example([8.98846567431158e307])
@settings(max_examples=15)
def test_any_points_have_a_plot_that_holds_them(xs: list[float]) -> None:
    (ax,) = Profile("f", "x", tuple(Sample(x, 1.0, 1.0, 1.0, (x,)) for x in sorted(xs))).plot().axes
    low, high = ax.get_xlim()
    assert low <= min(xs) <= max(xs) <= high
    assert any(low <= tick <= high for tick in ax.get_xticks())


# ------------------------------------------------------------------------------------------------------- the errors


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("tahn",), {}, KeyError, "did you mean tan or tanh"),
        ((3,), {}, TypeError, "name of an operation or a function, not int 3"),
        (("tanh",), {"points": 0}, ValueError, "points must be at least 1, not 0"),
        (("tanh",), {"low": 2.0, "high": 1.0}, ValueError, "low must be less than high, not 2 and 1"),
        (("tanh",), {"low": math.nan}, ValueError, "low must be less"),
        (("log",), {"high": -1.0}, ValueError, r"defined for x in \(0, inf\), not from -inf to -1"),
        (("pow",), {"argnum": "z"}, ValueError, "no derivative by 'z': its operands are x, y"),
        (("pow",), {"argnum": 2}, ValueError, "no derivative by 2"),
        (("softmax",), {"argnum": "index"}, ValueError, "no derivative by 'index'"),
        (("pow",), {"at": {"z": 1.0}}, ValueError, "'z' is none of its operands; pow has x, y"),
        (("pow",), {"at": {"x": 1.0}}, ValueError, "'x' is the one that moves"),
        (("sum",), {"low": 1.0}, ValueError, "operands of sum are all drawn"),
        (("sum", math.sin), {}, ValueError, "operands of sum are all drawn"),
        (("pow",), {"argnum": 1, "at": {"x": -1.0}, "low": 0.1, "high": 0.9}, ValueError, "none of 20 points of pow"),
        (("tanh", lambda x: None), {}, TypeError, "gave None at x = .*, which is no number"),
        (("tanh", lambda x: "a"), {}, TypeError, "gave 'a' at x ="),
        (("tanh", lambda x: x.real_part), {}, ValueError, "raised AttributeError at x = .*real_part"),
        (("tanh", lambda: 1.0), {}, ValueError, "raised TypeError at x = "),
        ((math.tanh, math.cos), {}, TypeError, "must compute in mpmath numbers"),
        ((np.tanh, math.cos), {}, TypeError, "must compute in mpmath numbers"),
        ((lambda x: None, math.cos), {}, TypeError, "must compute in mpmath numbers.*gave NoneType None"),
        (
            (lambda x: x * math.tanh(x), math.cos),
            {"low": 0.1, "high": 9.0},
            TypeError,
            "must compute in mpmath numbers",
        ),
    ],
)
def test_errors_say_what_was_wrong(arguments: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        accuracy(*arguments, points=options.pop("points", 20), **options)


def test_an_unknown_theme_or_suffix_is_an_error(profiles: tuple[Profile, Profile], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="light, dark, print, not 'blue'"):
        profiles[0].plot(theme="blue")
    with pytest.raises(ValueError, match="xyz"):
        profiles[0].plot(tmp_path / "plot.xyz")


@pytest.mark.parametrize(("package", "extra"), [("mpmath", "testing"), ("matplotlib.figure", "viz")])
def test_a_missing_package_is_told_with_its_remedy(
    package: str, extra: str, profiles: tuple[Profile, Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"""pip install ['"]tinygrad-lite\[{extra}\]['"]"""):
        accuracy("tanh") if extra == "testing" else profiles[0].plot()


def test_the_engine_is_measured_as_backward_uses_it() -> None:
    x = tg.Value(0.7)
    tg.gelu(x).backward()
    assert engine_partial(TABLE["gelu"])([0.7], 0) == x.grad
