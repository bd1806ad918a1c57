"""Makes ``docs/gallery.md`` and its pictures: ``make gallery``.

What stands in the page's examples is what is run here, so a picture is what its example draws. The explorer is
photographed in Chromium, driven by Playwright; where either is missing, its last picture stays.
"""

from __future__ import annotations

import doctest
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "gallery"
PAGE = ROOT / "docs" / "gallery.md"

INTRODUCTION = """\
# Gallery

All that `tinygrad_lite.viz` draws, each picture below the code that draws it. `make gallery` makes this page; the tests
run its examples. Pictures have a light and a dark theme, and one for print; their colours are told apart by everyone
(Okabe & Ito 2008).
"""


class Part(NamedTuple):
    """A part of the page."""

    title: str
    words: str
    code: str
    #: files without their suffix and theme, with what they show
    pictures: tuple[tuple[str, str], ...] = ()
    suffix: str = "png"
    themes: tuple[str, ...] = ("light", "dark")
    #: what is put below, from the names that the code has made
    insert: str = ""


PARTS = [
    Part(
        "The gradient graph of a network",
        "A network that learns exclusive or, and its loss on one of the four points: data and gradient of every node, "
        "the local derivative on every edge, blue where a positive gradient flows, orange where a negative one does.",
        """\
>>> from tinygrad_lite import Value, dot, log, nn, relu, sigmoid, viz
>>> model = nn.MLP(2, [2, 1], activation="tanh", seed=3)
>>> names = ["w11", "w12", "b1", "w21", "w22", "b2", "v1", "v2", "c"]
>>> for parameter, name in zip(model.parameters(), names):
...     parameter.label = name
>>> logit = model([1, 0])
>>> logit.label = "logit"
>>> loss = nn.binary_cross_entropy_with_logits(logit, 1)
>>> loss.label = "loss"
>>> loss.backward()
>>> for theme in ("light", "dark"):
...     _ = viz.save(loss, f"xor-{theme}.svg", theme=theme)""",
        (("xor", "The graph of the loss of a small network, with data and gradients"),),
        "svg",
    ),
    Part(
        "A network, as on the blackboard",
        "A line for each weight, as wide as it is large, blue where it is positive; rings are biases. The circles are "
        "filled by what each neuron gives for one sample.",
        """\
>>> inputs, targets = nn.moons(150, noise=0.18, generator=0)
>>> moons = nn.MLP(2, [8, 8, 1], activation="tanh", seed=1)
>>> weights = viz.WeightRecorder(moons)
>>> _ = nn.fit(
...     moons,
...     nn.binary_cross_entropy_with_logits,
...     (inputs, targets),
...     nn.Adam(moons.parameters(), lr=0.02),
...     epochs=40,
...     batch_size=16,
...     generator=0,
...     callbacks=[weights],
...     progress=False,
... )
>>> for theme in ("light", "dark"):
...     _ = viz.network(moons, inputs[0], theme=theme).save(f"network-{theme}.svg")""",
        (("network", "A network of two inputs, two layers of eight neurons and an output"),),
        "svg",
    ),
    Part(
        "A network in training",
        "The weights of the same network, from the first epoch to the last.",
        """\
>>> for theme in ("light", "dark"):
...     _ = viz.animate_network(weights, frames=20, theme=theme).save(f"network-training-{theme}.svg")""",
        (("network-training", "The weights of a network grow while it is trained"),),
        "svg",
    ),
    Part(
        "A large network, and its gradients",
        'Of a layer of more than 16 neurons the first and the last are drawn. With `edges="gradient"` the lines are '
        "what `backward()` left.",
        """\
>>> classifier = nn.Sequential(nn.Linear(784, 128, generator=0), nn.ReLU(), nn.Linear(128, 10, generator=1))
>>> image = [(k % 28) / 28 for k in range(784)]
>>> nn.cross_entropy(classifier(image), 3).backward()
>>> for theme in ("light", "dark"):
...     picture = viz.network(classifier, image, edges="gradient", output_names="0123456789", theme=theme)
...     _ = picture.save(f"digits-{theme}.svg")""",
        (("digits", "A network of 784, 128 and 10 neurons, of which 16, 16 and 10 are drawn"),),
        "svg",
    ),
    Part(
        "A larger graph, collapsed",
        "A larger one, trained, over all four points: modules are drawn as one box each, repeated shapes once.",
        """\
>>> run = nn.train_xor(progress=False)
>>> for theme in ("light", "dark"):
...     _ = viz.save(run.loss, f"collapsed-{theme}.svg", theme=theme, names={"model": run.model})""",
        (("collapsed", "The graph of a batch, with a box for each neuron"),),
        "svg",
    ),
    Part(
        "The explorer",
        "One file that works offline: forwards and backwards step by step, and the chain rule of each node in numbers.",
        """\
>>> _ = viz.save(loss, "xor.html")""",
        (("explorer", "The explorer in a browser"),),
    ),
    Part(
        "The passes of lift",
        "The same controls on what `lift` does: from the scalars that were recorded to the source of a program on "
        "arrays, with what each pass changed.",
        """\
>>> from tinygrad_lite import softplus, value_and_grad
>>> from tinygrad_lite.lift import lift
>>> def loss_of_sample(W, b, v, x, y):
...     hidden = [relu(sum(w * xk for w, xk in zip(row, x)) + bi) for row, bi in zip(W, b)]
...     z = sum(vi * hi for vi, hi in zip(v, hidden))
...     return softplus(z) - y * z
>>> lifted = lift(value_and_grad(loss_of_sample, argnums=(0, 1, 2)), batch=(None, None, None, 0, 0))
>>> weights = [[0.5, -1.0], [1.0, 0.3], [-0.2, 0.8]], [0.1, 0.0, -0.1], [1.0, -0.5, 0.7]
>>> passes = lifted.passes_for(*weights, [[1.0, 2.0], [0.5, -1.0]], [1.0, 0.0])
>>> _ = viz.save(passes, "passes.html")""",
        (("passes", "The program after the pass that takes the mean over samples, with its statements"),),
    ),
    Part(
        "A derivation",
        "The chain rule for one derivative, written out as on paper. `print(derivation)` shows it as text, a notebook "
        "typesets it. The textbook's network, ReLU, ReLU, sigmoid and cross entropy, comes to ŷ − y:",
        """\
>>> x, y = Value(1.5, "x"), Value(1.0, "y")
>>> w1, b1, w2, b2 = Value(0.5, "w1"), Value(0.1, "b1"), Value(0.8, "w2"), Value(-0.2, "b2")
>>> w3, b3 = Value(1.2, "w3"), Value(0.3, "b3")
>>> a1 = relu(dot([w1], [x], b1))
>>> a2 = relu(dot([w2], [a1], b2))
>>> prediction = sigmoid(dot([w3], [a2], b3))
>>> prediction.label = "ŷ"
>>> cross_entropy = -(y * log(prediction) + (1 - y) * log(1 - prediction))
>>> derivation = viz.derive(cross_entropy, w1)""",
        insert="derivation",
    ),
    Part(
        "The backward sweep",
        "Node after node passes its gradient on; what is used twice receives two shares.",
        """\
>>> a, b, c = Value(2.0, "a"), Value(-3.0, "b"), Value(6.5, "c")
>>> out = (a * b + c).tanh() * a
>>> out.label = "out"
>>> for theme in ("light", "dark"):
...     _ = viz.animate_backward(out, theme=theme).save(f"sweep-{theme}.svg")""",
        (("sweep", "An animation of the backward sweep over a small graph"),),
        "svg",
    ),
    Part(
        "Where a model draws the line",
        "The colour is the class, its depth how sure the model is; rings mark samples that it takes for another one.",
        """\
>>> inputs, targets = nn.moons(150, noise=0.18, generator=0)
>>> model = nn.MLP(2, [16, 16, 1], activation="tanh", seed=1)
>>> weights, gradients = viz.WeightRecorder(model), viz.GradientRecorder(model)
>>> history = nn.fit(
...     model,
...     nn.binary_cross_entropy_with_logits,
...     (inputs, targets),
...     nn.Adam(model.parameters(), lr=0.02),
...     epochs=40,
...     batch_size=16,
...     generator=0,
...     validation_data=nn.moons(60, noise=0.18, generator=1),
...     metrics=[nn.accuracy],
...     callbacks=[weights, gradients],
...     progress=False,
... )
>>> for theme in ("light", "dark"):
...     figure = viz.plot_decision_boundary(model, inputs, targets, theme=theme)
...     figure.savefig(f"boundary-{theme}.png")""",
        (("boundary", "Two half moons of points, and the boundary that a network draws between them"),),
    ),
    Part(
        "A training in motion",
        "The same training: the boundary and the loss over the epochs, as a GIF or as a page with a player.",
        """\
>>> animation = viz.animate_training(weights, inputs, targets, frames=16, fps=5)
>>> _ = animation.save("training.gif")""",
        (("training", "The boundary between two half moons and the loss, over 40 epochs"),),
        "gif",
        ("",),
    ),
    Part(
        "Its history",
        "",
        """\
>>> for theme in ("light", "dark"):
...     viz.plot_history(history, theme=theme).savefig(f"history-{theme}.png")""",
        (("history", "Loss and accuracy over the epochs, of training and of validation"),),
    ),
    Part(
        "Gradients that vanish",
        "Twelve layers of sigmoids: the gradient of the first is a millionth of the last one's.",
        """\
>>> deep = nn.MLP(2, [8] * 12 + [1], activation="sigmoid", seed=0)
>>> gradients = viz.GradientRecorder(deep)
>>> _ = nn.fit(
...     deep,
...     nn.binary_cross_entropy_with_logits,
...     (inputs, targets),
...     nn.SGD(deep.parameters(), lr=0.1),
...     epochs=3,
...     batch_size=16,
...     generator=0,
...     callbacks=[gradients],
...     progress=False,
... )
>>> for theme in ("light", "dark"):
...     viz.plot_gradients(gradients, theme=theme).savefig(f"gradients-{theme}.png")""",
        (("gradients", "The norm of each layer's gradient over the steps, on a logarithmic axis"),),
    ),
]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    blocks = [INTRODUCTION]
    names: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for part in PARTS:
            for example in doctest.DocTestParser().get_examples(part.code):
                exec(example.source, names)
            blocks.append(_written(part, names))
        _photograph(
            {"explorer": (Path("xor.html"), ["ArrowLeft"] * 14), "passes": (Path("passes.html"), ["ArrowRight"] * 3)}
        )
        for picture in sorted(Path(folder).iterdir()):
            if picture.suffix in (".png", ".svg", ".gif"):
                shutil.copy(picture, FOLDER / picture.name)
        os.chdir(ROOT)
    PAGE.write_text("\n".join(blocks), encoding="utf-8")
    size = sum(file.stat().st_size for file in FOLDER.iterdir())
    print(f"wrote {PAGE.relative_to(ROOT)} and {len(list(FOLDER.iterdir()))} pictures, {size / 1e6:.2f} MB")


def _written(part: Part, names: dict[str, Any]) -> str:
    """Return a part as Markdown."""
    lines = [f"## {part.title}", "", *([part.words, ""] if part.words else []), "```python", part.code, "```", ""]
    for name, words in part.pictures:
        files = [f"gallery/{name}{'-' if theme else ''}{theme}.{part.suffix}" for theme in part.themes]
        image = f'<img alt="{words}" src="{files[0]}">'
        if len(files) > 1:
            dark = f'<source media="(prefers-color-scheme: dark)" srcset="{files[1]}">'
            image = f"<picture>\n  {dark}\n  {image}\n</picture>"
        lines += [image, ""]
    if part.insert:
        lines += [names[part.insert].markdown(), ""]
    return "\n".join(lines)


def _photograph(pages: dict[str, tuple[Path, list[str]]]) -> None:
    """Photograph pages in a browser, light and dark, after some keys: by the name of the picture."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        browser = None
    if browser is None:
        print("no browser (Chromium and Playwright): the pictures of the explorer stay as they were")
        return
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for name, (page, keys) in pages.items():
            for theme in ("light", "dark"):
                tab = chromium.new_page(
                    viewport={"width": 1280, "height": 760}, color_scheme=theme, reduced_motion="reduce"
                )
                tab.goto(page.absolute().as_uri())
                for key in keys:
                    tab.keyboard.press(key)
                tab.wait_for_timeout(500)
                tab.screenshot(path=f"{name}-{theme}.png")
        chromium.close()


if __name__ == "__main__":
    main()
