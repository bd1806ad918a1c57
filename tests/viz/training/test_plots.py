"""Plots show what they are given: lines, labels and scales, not pixels, are what is compared."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lite import Value
from tinygrad_lite.nn.base.containers import Residual, Sequential
from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.nn.layers.layers import MLP, Neuron
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.nn.losses.losses import binary_cross_entropy_with_logits
from tinygrad_lite.nn.optim.optimizers import SGD
from tinygrad_lite.nn.train.data import blobs, moons, xor
from tinygrad_lite.nn.train.metrics import accuracy
from tinygrad_lite.nn.training import fit
from tinygrad_lite.plotting.themes import THEMES
from tinygrad_lite.viz.training.boundary import plot_decision_boundary
from tinygrad_lite.viz.training.decision_grid import points_of, probabilities_of
from tinygrad_lite.viz.training.plots import plot_gradients, plot_history
from tinygrad_lite.viz.training.recorders import GradientRecorder, WeightRecorder

pytest.importorskip("matplotlib")

HISTORY = {
    "loss": [0.9, 0.5, 0.4, 0.3],
    "accuracy": [0.5, 0.6, 0.8, 0.9],
    "lr": [0.1, 0.1, 0.1, 0.1],
    "val_loss": [1.0, 0.7, 0.6, 0.65],
    "val_accuracy": [0.5, 0.5, 0.7, 0.8],
}

NAMES = ["$\\frac{$", "_hidden", "a\nb", "<b>", "\\", "{}", "😀", "$x$ and $y$", "x" * 300]


def png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=40)
    return file.getvalue()


def ydata(line: Any) -> list[float]:
    return [float(y) for y in line.get_ydata()]


def texts(legend: Any) -> list[str]:
    return [text.get_text() for text in legend.get_texts()]


# ---------------------------------------------------------------------------------------------------- the history


def test_a_panel_for_each_metric_with_training_solid_and_validation_dashed() -> None:
    figure = plot_history(HISTORY)
    assert [ax.get_ylabel() for ax in figure.axes] == ["loss", "accuracy"]
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "epoch"]
    for ax, name in zip(figure.axes, ["loss", "accuracy"], strict=True):
        solid, dashed = ax.lines
        assert (ydata(solid), solid.get_linestyle()) == (HISTORY[name], "-")
        assert (ydata(dashed), dashed.get_linestyle()) == (HISTORY[f"val_{name}"], "--")
        assert list(solid.get_xdata()) == [1, 2, 3, 4]
        assert texts(ax.get_legend()) == ["training", "validation"]


def test_what_fit_gives_is_drawn() -> None:
    model = MLP(2, [2, 1], "tanh", seed=0)
    optimizer = SGD(model.parameters(), 0.1)
    history = fit(
        model, binary_cross_entropy_with_logits, xor(), optimizer, epochs=3, validation_data=xor(), metrics=[accuracy],
        progress=False, generator=0,
    )  # fmt: skip
    figure = plot_history(history)
    assert [ydata(line) for line in figure.axes[0].lines] == [history["loss"], history["val_loss"]]
    assert [ax.get_ylabel() for ax in figure.axes] == ["loss", "accuracy"]


def test_a_list_of_losses_of_numbers_or_values_is_drawn() -> None:
    (ax,) = plot_history([0.5, 0.25]).axes
    assert (ydata(ax.lines[0]), ax.get_ylabel(), ax.get_legend()) == ([0.5, 0.25], "loss", None)
    (ax,) = plot_history([Value(0.5), Value(0.25)]).axes
    assert ydata(ax.lines[0]) == [0.5, 0.25]


def test_the_least_validation_loss_is_ringed_and_named() -> None:
    figure = plot_history(HISTORY)
    (ring,) = figure.axes[0].collections
    assert [tuple(map(float, at)) for at in ring.get_offsets()] == [(3.0, 0.6)]
    assert figure.axes[0].get_title(loc="right") == "least validation loss, at epoch 3: 0.6"
    assert plot_history([3.0, 1.0, 2.0]).axes[0].get_title(loc="right") == "least loss, at epoch 2: 1"


def test_a_learning_rate_that_changes_has_a_panel() -> None:
    figure = plot_history({**HISTORY, "lr": [0.1, 0.05, 0.01, 0.001]})
    assert [ax.get_ylabel() for ax in figure.axes] == ["loss", "accuracy", "learning rate"]
    assert figure.axes[2].get_yscale() == "log"


@pytest.mark.parametrize(
    ("losses", "log", "scale"),
    [
        ([10.0, 0.1], None, "log"),
        ([10.0, 1.0], None, "linear"),
        ([10.0, 0.0], None, "linear"),
        ([10.0, -0.001], None, "linear"),
        ([10.0, 1.0], True, "log"),
        ([10.0, 0.001], False, "linear"),
    ],
)
def test_the_loss_has_a_logarithmic_axis_where_that_helps(losses: list[float], log: bool | None, scale: str) -> None:
    assert plot_history(losses, log=log).axes[0].get_yscale() == scale


def test_gaps_and_infinities_are_left_out() -> None:
    figure = plot_history({"loss": [1.0, math.nan, 0.5, math.inf], "val_loss": [math.nan] * 4})
    drawn = ydata(figure.axes[0].lines[0])
    assert drawn[0] == 1.0
    assert math.isnan(drawn[1])
    assert math.isnan(drawn[3])
    assert figure.axes[0].lines[0].get_markevery() == [0, 2]  # they have no neighbours to draw a line to
    png(figure)


def test_metrics_are_chosen_by_name() -> None:
    assert [ax.get_ylabel() for ax in plot_history(HISTORY, names=["accuracy"]).axes] == ["accuracy"]
    with pytest.raises(ValueError, match="has loss, accuracy, lr, not speed"):
        plot_history(HISTORY, names=["speed"])


@pytest.mark.parametrize(
    ("history", "error", "message"),
    [
        ({}, ValueError, "nothing to plot yet"),
        ([], ValueError, "nothing to plot yet"),
        ({"loss": []}, ValueError, "nothing to plot yet"),
        ({"loss": [1.0], "accuracy": [1.0, 2.0]}, ValueError, "one length"),
        (3.0, TypeError, "not float 3.0"),
        ("loss", TypeError, "not str"),
    ],
)
def test_what_is_no_history_is_refused(history: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plot_history(history)


# --------------------------------------------------------------------------------------------------- gradients


def test_a_line_for_each_layer_from_dark_to_bright() -> None:
    norms = {"a": [1e-3, 1e-4], "b": [1e-1, 1e-2], "c": [1.0, 2.0]}
    (ax,) = plot_gradients(norms).axes
    assert [ydata(line) for line in ax.lines] == list(norms.values())
    assert texts(ax.get_legend()) == ["c", "b", "a"]
    assert (ax.get_xlabel(), ax.get_yscale()) == ("step", "log")
    luminance = [sum(line.get_color()[:3]) for line in ax.lines]
    assert luminance == sorted(luminance)


def test_many_steps_are_drawn_with_their_geometric_mean() -> None:
    norms = [10.0 ** ((-1) ** k) for k in range(120)]
    (ax,) = plot_gradients({"a": norms}).axes
    faint, mean = ax.lines
    assert ydata(faint) == pytest.approx(norms)
    assert ydata(mean)[10:20] == pytest.approx([1.0] * 10)  # between 10 and 0.1
    assert faint.get_linewidth() < mean.get_linewidth()
    assert len(plot_gradients({"a": norms}, smooth=1).axes[0].lines) == 1


def test_gradients_of_0_and_infinite_ones_are_marked_at_the_edge() -> None:
    (ax,) = plot_gradients({"a": [1.0, 0.0, math.inf, math.nan, 0.1]}).axes
    assert [math.isnan(y) for y in ydata(ax.lines[0])] == [False, True, True, True, False]
    below, above = ax.collections
    low, high = ax.get_ylim()
    assert [tuple(map(float, at)) for at in below.get_offsets()] == [(2.0, low)]
    assert [tuple(map(float, at)) for at in above.get_offsets()] == [(3.0, high), (4.0, high)]


def test_gradients_that_are_all_0_are_drawn() -> None:
    png(plot_gradients({"a": [0.0, 0.0]}))


def test_the_recorder_takes_down_the_norms_of_layers() -> None:
    model = MLP(2, [3, 1], "tanh", seed=0)
    recorder = GradientRecorder(model, every=2)
    for _ in range(3):
        model.zero_grad()
        model([1.0, 2.0]).backward()
        recorder.record()
    first = [p.grad for p in model.layers[0].parameters()]
    assert recorder.steps == [1, 3]
    assert recorder.norms["layers.0"] == [pytest.approx(math.sqrt(sum(g * g for g in first)))] * 2
    assert list(plot_gradients(recorder).axes[0].lines[0].get_xdata()) == [1, 3]


def test_layers_are_the_modules_that_hold_parameters() -> None:
    block = Residual(Sequential(Linear(2, 2), Linear(2, 2)))
    model = Sequential(MLP(2, [3, 2], seed=0), block)
    expected = [name for name, part in model.named_modules() if isinstance(part, Linear) or "layers." in name]
    found = list(GradientRecorder(model).norms)
    assert found == [name for name in expected if "neurons" not in name]
    assert list(GradientRecorder(Neuron(2)).norms) == ["Neuron"]


def test_the_recorders_are_callbacks_of_fit() -> None:
    model = MLP(2, [2, 1], "tanh", seed=0)
    gradients, weights = GradientRecorder(model), WeightRecorder(model)
    first = model.layers[0].neurons[0].w[0].data
    history = fit(
        model, binary_cross_entropy_with_logits, xor(), SGD(model.parameters(), 0.1), epochs=3, batch_size=2,
        callbacks=[gradients, weights], progress=False, generator=0,
    )  # fmt: skip
    assert gradients.steps == [1, 2, 3, 4, 5, 6]
    assert weights.epochs == [0, 1, 2, 3]
    assert weights.losses[1:] == history["loss"]
    assert weights.states[0]["layers.0.neurons.w"][0, 0] == first
    assert weights.states[3]["layers.0.neurons.w"][0, 0] == model.layers[0].neurons[0].w[0].data != first


def test_recorders_remember_through_a_checkpoint() -> None:
    model = MLP(1, [1], seed=0)
    gradients, weights = GradientRecorder(model), WeightRecorder(model)
    gradients.record()
    weights.record(0.5)
    others = GradientRecorder(model), WeightRecorder(model)
    for one, other in zip((gradients, weights), others, strict=True):
        other.load_state_dict(one.state_dict())
        assert repr(other) == repr(one)
        assert str(other.state_dict()) == str(one.state_dict())


@pytest.mark.parametrize("recorder", [GradientRecorder, WeightRecorder])
def test_recorders_refuse_what_has_no_parameters(recorder: Any) -> None:
    with pytest.raises(TypeError, match="takes a Module, not list"):
        recorder([])
    with pytest.raises(ValueError, match="no parameters"):
        recorder(Module())
    with pytest.raises(ValueError, match="every is a positive int"):
        recorder(MLP(1, [1], seed=0), every=0)


def test_what_is_no_record_of_gradients_is_refused() -> None:
    with pytest.raises(TypeError, match=r"GradientRecorder.*not list"):
        plot_gradients([1.0])  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(ValueError, match="nothing to plot yet"):
        plot_gradients(GradientRecorder(MLP(1, [1], seed=0)))
    with pytest.raises(ValueError, match="smooth"):
        plot_gradients({"a": [1.0]}, smooth=0)


# ------------------------------------------------------------------------------------------ the decision boundary


def test_the_boundary_lies_where_the_probability_is_one_half() -> None:
    figure = plot_decision_boundary(lambda x: 8.0 * (x[0] - 0.25), [[-1.0, 0.0], [1.0, 1.0]], [0, 1], resolution=81)
    ax = figure.axes[0]
    lines = [c for c in ax.collections if type(c).__name__ == "QuadContourSet"]
    line = next(c for c in lines if list(c.levels) == [0.5])
    xs = [float(x) for path in line.get_paths() for x, _ in path.vertices]
    assert xs
    assert all(abs(x - 0.25) < 1e-2 for x in xs)
    assert sorted(level for c in lines for level in c.levels) == [0.1, 0.25, 0.5, 0.75, 0.9]
    assert figure.axes[1].get_ylabel() == "probability of class 1"


def test_samples_have_the_colour_and_shape_of_their_class_and_mistakes_a_ring() -> None:
    samples, classes = [[-1.0, 0.0], [1.0, 0.0], [2.0, 1.0]], [0, 1, 0]
    ax = plot_decision_boundary(lambda x: 0.3 * x[0], samples, classes, resolution=20).axes[0]
    scatters = [c for c in ax.collections if type(c).__name__ == "PathCollection"]
    groups = [sorted(tuple(map(float, at)) for at in c.get_offsets()) for c in scatters]
    assert sorted(groups) == sorted([[(-1.0, 0.0), (2.0, 1.0)], [(1.0, 0.0)], [(2.0, 1.0)]])
    first, second = scatters[:2]
    assert first.get_paths()[0].vertices.tolist() != second.get_paths()[0].vertices.tolist()
    assert first.get_facecolor().tolist() != second.get_facecolor().tolist()
    assert ax.get_title(loc="right") == "67% of 3 right"
    assert texts(ax.get_legend()) == ["0", "1"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x₁", "x₂")


def test_shades_are_deeper_where_the_model_is_sure() -> None:
    ax = plot_decision_boundary(lambda x: x[0], [[-6.0, 0.0], [6.0, 1.0]], [0, 1], resolution=41).axes[0]
    shades = ax.images[0].get_array()[20]
    page = 3.0
    depth = [page - float(sum(pixel)) for pixel in shades]
    assert depth[20] == pytest.approx(0.0, abs=0.05)
    assert depth[0] > depth[10] > depth[15] > depth[20] < depth[25] < depth[30] < depth[40]


def test_the_scale_can_be_left_out() -> None:
    samples = [[-6.0, 0.0], [6.0, 1.0]]
    assert len(plot_decision_boundary(lambda x: x[0], samples, [0, 1], resolution=5).axes) == 2
    assert len(plot_decision_boundary(lambda x: x[0], samples, [0, 1], resolution=5, scale=False).axes) == 1


def test_shades_lie_where_the_model_was_asked() -> None:
    ax = plot_decision_boundary(lambda x: 9.0 * (x[1] - x[0]), [[0.0, 0.0], [1.0, 2.0]], [0, 1], resolution=21).axes[0]
    image = ax.images[0]
    left, right, bottom, top = image.get_extent()
    shades = image.get_array()
    red, _, blue = shades[20, 0]  # left and above: class 1, which is orange
    assert image.origin == "lower"
    assert red > blue
    red, _, blue = shades[0, 20]
    assert blue > red
    assert (left, right, bottom, top) == pytest.approx((-0.151, 1.151, -0.302, 2.302), abs=1e-3)


def test_a_model_of_several_classes() -> None:
    model = MLP(2, [4, 3], "tanh", seed=0)
    figure = plot_decision_boundary(model, *blobs(30, generator=0), resolution=20)
    assert len(figure.axes) == 1  # no scale: the depth is the probability of the class that is seen
    assert texts(figure.axes[0].get_legend()) == ["0", "1", "2"]


def test_probabilities_are_taken_as_they_are_if_said_so() -> None:
    given = [[0.2, 0.5, 0.3]]
    assert probabilities_of(lambda x: given[0], [[0.0, 0.0]], "probabilities") == given
    assert probabilities_of(lambda x: [0.0, math.log(3.0)], [[0.0, 0.0]], "logits") == [pytest.approx([0.25, 0.75])]
    assert probabilities_of(lambda x: [Value(0.0)], [[0.0, 0.0]], "logits") == [[0.5]]
    with pytest.raises(ValueError, match="no probabilities: say outputs='logits'"):
        probabilities_of(lambda x: 1.5, [[0.0, 0.0]], "probabilities")


def test_labels_of_minus_1_and_1_and_in_lists_are_classes() -> None:
    assert points_of([[0, 0], [1, 1]], [[1], [-1]]).classes == [1, 0]
    assert points_of([[0, 0]], [1]).names == ["0", "1"]
    assert points_of([[0, 0], [1, 1]], [2, 0]).names == ["0", "1", "2"]
    assert points_of([[0, 0]], None).names == []


def test_a_module_is_asked_in_evaluation_mode_and_left_as_it_is() -> None:
    modes = []

    class Asked(MLP):
        def forward(self, x: Any) -> Any:
            modes.append(self.training)
            return super().forward(x)

    model = Asked(2, [1])
    out = model([1.0, 1.0])
    modes.clear()
    plot_decision_boundary(model, *xor(), resolution=3)
    assert set(modes) == {False}
    assert model.training
    out.backward()  # its graph is not stale


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0, 2.0, 3.0]], [0]), r"every sample is two numbers, and X\[0\] is \[1.0, 2.0, 3.0\]"),
        (([], []), "no samples"),
        (([[math.nan, 0.0]], [0]), "not finite"),
        (([[0.0, 0.0]], [0, 1]), "1 samples and y has 2 classes"),
        (([[0.0, 0.0]], [0.5]), "a class is a whole number"),
        (([[0.0, 0.0]], ["cat"]), "a class is a whole number"),
        (([[0.0, 0.0], [1.0, 1.0]], [-1, 2]), "classes are 0, 1, 2"),
        (([[0.0, 0.0], [1.0, 1.0]], [0, 2]), "tells 2 classes apart, and y has classes up to 2"),
    ],
)
def test_samples_that_do_not_fit_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plot_decision_boundary(lambda x: x[0], *arguments, resolution=5)


def test_models_that_give_no_number_and_options_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="there is no class there"):
        plot_decision_boundary(lambda x: math.nan, *xor(), resolution=5)
    with pytest.raises(ValueError, match="resolution"):
        plot_decision_boundary(lambda x: x[0], *xor(), resolution=1)
    with pytest.raises(ValueError, match="outputs"):
        plot_decision_boundary(lambda x: x[0], *xor(), outputs="scores")


def test_a_model_that_is_the_same_everywhere_is_drawn() -> None:
    png(plot_decision_boundary(lambda x: 0.0, [[0.0, 0.0]], [1], resolution=3))
    png(plot_decision_boundary(lambda x: [0.0, 0.0, 0.0], [[0.0, 0.0]], resolution=3))


# ------------------------------------------------------------------------------------------------------ all of them


def drawn(theme: str, ax: Any = None) -> list[Any]:
    model = MLP(2, [3, 1], "tanh", seed=0)
    return [
        plot_history(HISTORY, theme=theme, ax=ax),
        plot_gradients({"a": [1.0, 0.5]}, theme=theme, ax=ax),
        plot_decision_boundary(model, *moons(20, generator=0), theme=theme, ax=ax, resolution=10),
    ]


@pytest.mark.parametrize("theme", THEMES)
def test_themes_colour_page_and_text(theme: str) -> None:
    from matplotlib.colors import to_hex, to_rgba

    found = THEMES[theme]
    page = (0.0,) if found.page == "transparent" else to_rgba(found.page)
    for figure in drawn(theme):
        assert figure.get_facecolor()[-len(page) :] == page
        for ax in figure.axes:
            assert to_hex(ax.yaxis.label.get_color()) == found.ink.lower()


def test_the_same_bytes_each_time() -> None:
    assert list(map(png, drawn("light"))) == list(map(png, drawn("light")))


def test_axes_that_are_given_are_drawn_into() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots(1, 3)
    assert plot_history(HISTORY, ax=axes[0]) is figure
    assert plot_gradients({"a": [1.0]}, ax=axes[1]) is figure
    assert plot_decision_boundary(lambda x: x[0], *xor(), ax=axes[2], resolution=5) is figure
    assert len(figure.axes[0].lines) == 2
    with pytest.raises(TypeError, match="ax are the axes"):
        plot_history(HISTORY, ax=figure)  # type: ignore[arg-type]  # the point of the test


def test_pyplot_keeps_nothing() -> None:
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    drawn("light")
    assert pyplot.get_fignums() == before


def test_an_unknown_theme_is_refused() -> None:
    with pytest.raises(ValueError, match="theme is one of light, dark, print, not 'blue'"):
        plot_history(HISTORY, theme="blue")


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:10]))
@pytest.mark.filterwarnings("ignore:Glyph .* missing")
def test_names_are_written_as_they_are(name: str) -> None:
    line = " ".join(name.split())
    (ax,) = plot_gradients({name: [1.0, 2.0], "other": [1.0, 2.0]}).axes
    assert texts(ax.get_legend()) == ["other", line]
    assert not any(text.get_parse_math() for text in ax.get_legend().get_texts())
    figure = plot_history({name: [1.0, 2.0]})
    assert figure.axes[0].get_ylabel() == name
    assert not figure.axes[0].yaxis.label.get_parse_math()
    assert not plot_history([1.0], x_label=name).axes[0].xaxis.label.get_parse_math()
    png(figure)


@settings(max_examples=settings().max_examples // 5)
@given(name=st.text("$\\{}_^ab\n", min_size=1, max_size=12))
def test_no_name_is_read_as_mathematics(name: str) -> None:
    png(plot_history({name: [1.0, 2.0]}, x_label=name))


def test_without_matplotlib_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'tinygrad-lite\[viz\]'"):
        plot_history(HISTORY)
