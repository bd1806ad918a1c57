"""How the gradient fares on its way through a model: where it vanishes, where it explodes, which units are dead.

Going back through a layer, the gradient is multiplied by the layer's Jacobian, the matrix ∂output/∂input. Through L
layers that is a product of L matrices. Singular values well below 1 in each of them make it shrink exponentially with
L, values well above 1 make it grow: Hochreiter (1991, "Untersuchungen zu dynamischen neuronalen Netzen") and Bengio et
al. (1994, "Learning long-term dependencies with gradient descent is difficult") for recurrent networks, Glorot & Bengio
(2010, "Understanding the difficulty of training deep feedforward neural networks") for deep ones. Remedies are in the
first weights (Glorot & Bengio; He et al. 2015, "Delving deep into rectifiers"), in normalisation and residual
connections, and, against explosion, in clipping (Pascanu et al. 2013, "On the difficulty of training recurrent neural
networks").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from tinygrad_lite.nn.base.batches import as_list, compute_outputs, needs_batches
from tinygrad_lite.nn.base.containers import Sequential
from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.summary import align
from tinygrad_lite.nn.diagnostics.layer_jacobians import (
    ROUNDING,
    LayerReport,
    differentiate_layers,
    find_dead_shares,
    find_most_sensitive,
    record_passes,
)
from tinygrad_lite.nn.layers.layers import MLP, Layer
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.transforms import gradient
from tinygrad_lite.value import Value, topological_order

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

#: The largest singular value of the whole model's Jacobian below which, or above the inverse of which, the report says
#: that gradients vanish, or explode.
VANISHING: Final = 1e-3


class GradientReport:
    """What :func:`gradient_report` gives: a table as its ``repr``, the numbers in ``layers``, a picture by ``plot()``.

    Args:
        layers: In the order in which they are called.
        samples: How many samples the dead units were looked for in.
        sample: At which of them the Jacobians were taken.

    >>> report = GradientReport([LayerReport("0", "Linear(2, 1)", 0.5, None, None, None, None)], 0, 0)
    >>> report.layers[0].gradient_norm
    0.5
    """

    def __init__(self, layers: Sequence[LayerReport], samples: int, sample: int) -> None:
        self.layers = list(layers)
        self.samples = samples
        self.sample = sample

    @property
    def singular_values(self) -> Any:
        """Those of the whole model's Jacobian, ∂output/∂input, the largest first; None without samples."""
        return next((layer.to_output for layer in self.layers if layer.to_output is not None), None)

    @property
    def verdict(self) -> str:
        """``"vanishing"``, ``"exploding"`` or ``"passing"``, by the largest singular value; ``""`` without samples."""
        if self.singular_values is None:
            return ""
        largest = float(self.singular_values[0])
        return "vanishing" if largest < VANISHING else "passing" if largest <= 1.0 / VANISHING else "exploding"

    def plot(self, path: str | Path | None = None, *, theme: str = "light") -> Figure:
        """Draw the report as a picture: gradient norms above, singular values below, layer by layer.

        Args:
            path: Where to save it, if anywhere; the suffix says the format.
            theme: ``"light"``, ``"dark"`` or ``"print"``.

        Returns:
            The figure, which pyplot does not keep.

        Raises:
            ImportError: matplotlib is not installed.
            ValueError: There is no such theme.
        """
        from tinygrad_lite.nn.diagnostics.report_plot import draw

        return draw(self.layers, path, theme)

    def __repr__(self) -> str:
        rows = [("layer", "module", "gradient norm", "dead ReLUs", "singular values", "to the output")]
        rows += [
            (
                layer.name,
                layer.module if len(layer.module) <= 44 else layer.module[:43] + "…",
                "" if layer.gradient_norm is None else f"{layer.gradient_norm:.3g}",
                "" if layer.dead is None else f"{layer.dead:.0%}",
                _range(layer.singular_values),
                _range(layer.to_output),
            )
            for layer in self.layers
        ]
        return f"{align(rows, 2)}\n{self._reading()}"

    def _reading(self) -> str:
        if self.singular_values is None:
            return "Singular values and dead ReLUs need samples: gradient_report(model, loss, inputs)."
        said = {
            "vanishing": "gradients vanish on the way to the input",
            "passing": "gradients pass",
            "exploding": "gradients explode on the way to the input",
        }[self.verdict]
        number = f"{float(self.singular_values[0]):.3g}"
        return (
            f"The largest singular value of the whole, at sample {self.sample} of {self.samples}, is {number}: {said}."
        )


def gradient_report(
    model: Module,
    loss: Value | Callable[[Any, Any], Value] | None = None,
    inputs: Any = None,
    targets: Any = None,
    *,
    sample: int | None = None,
) -> GradientReport:
    """How long the gradient of each layer is, which ReLUs are dead, and by what each layer's Jacobian multiplies.

    Neither the parameters nor their ``grad`` are changed. The layers are the modules that the model is made of: those
    of an MLP or a Sequential, and the attributes of a model of your own. Jacobians and dead units are taken as after
    ``eval()``, in which dropout keeps all.

    Args:
        model: The model.
        loss: The loss that was recorded with it. Or a function, such as ``nn.MSELoss()``, that is called with the list
            of the model's outputs and the targets. Or nothing, for the gradients that ``parameter.grad`` holds, after
            clipping, say.
        inputs: The samples. Where the model is an MLP, or a Sequential that begins with a Linear, they can be left out
            with a recorded loss: its graph has them.
        targets: For a loss that is a function.
        sample: At which of the samples to take the Jacobians; if left out, at the one for which the whole model's
            Jacobian has the largest singular value, so that gradients that vanish there vanish for all.

    Returns:
        The report. It prints itself, and has a ``plot()``.

    Raises:
        TypeError: The loss is neither a Value nor a function.
        ValueError: A function is given without inputs.
        IndexError: There is no such sample.

    >>> from tinygrad_lite.nn.losses.losses import mse_loss
    >>> model = MLP(2, [4, 4, 1], seed=0)
    >>> loss = mse_loss([model(x) for x in ([1.0, 2.0], [-1.0, 0.5])], [1.0, 0.0])
    >>> report = gradient_report(model, loss)
    >>> [layer.name for layer in report.layers], report.samples
    (['layers.0', 'layers.1', 'layers.2'], 2)
    >>> report.layers[1].jacobian.shape, report.verdict
    ((4, 4), 'passing')
    """
    samples = None if inputs is None else as_list(inputs, "the inputs")
    recorded = _recorded(model, loss, samples, targets)
    gradients = _gradients(model, recorded)
    if samples is None:
        samples = [] if recorded is None else _samples_below(recorded, model)
    if sample is not None and not -len(samples) <= sample < len(samples):
        raise IndexError(f"there are {len(samples)} samples, counted from 0, and no sample {sample}")
    layers = dict(model.named_children()) or {"": model}
    passes = list(record_passes(model, layers, samples))
    place = 0
    found: list[LayerReport] = []
    if passes:
        place = find_most_sensitive(passes) if sample is None else sample % len(passes)
        found = differentiate_layers(passes[place], find_dead_shares(passes))
    called = {report.name for report in found}
    found += [LayerReport(name) for name in layers if name not in called]
    reports = [
        report._replace(module=head(layers[report.name]), gradient_norm=_norm(layers[report.name], gradients))
        if report.name in layers
        else report
        for report in found
    ]
    return GradientReport(reports, len(samples), place)


# ---------------------------------------------------------------------------------------------- the gradient


def _recorded(model: Module, loss: Any, samples: list[Any] | None, targets: Any) -> Value | None:
    if loss is None or isinstance(loss, Value):
        return loss
    if not callable(loss):
        raise TypeError(
            f"loss is a recorded Value, or a function of outputs and targets, not {type(loss).__name__} {loss!r}"
        )
    if samples is None:
        raise ValueError("a loss that is a function needs inputs and targets: gradient_report(model, loss, X, y)")
    recorded = loss(compute_outputs(model, samples, needs_batches(list(model.modules()))), targets)
    if not isinstance(recorded, Value):
        raise TypeError(f"the loss gave {type(recorded).__name__} {recorded!r}, and its gradient is that of one Value")
    return recorded


def _gradients(model: Module, recorded: Value | None) -> dict[int, float]:
    """Return the derivative by each parameter that is not frozen, by the parameter's id."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    found = [p.grad for p in parameters] if recorded is None else gradient(recorded, parameters)
    return {id(parameter): number for parameter, number in zip(parameters, found, strict=True)}


def _norm(module: Module, gradients: dict[int, float]) -> float | None:
    found = [gradients[id(parameter)] for parameter in module.parameters() if id(parameter) in gradients]
    return math.hypot(*found) if found else None


def _samples_below(recorded: Value, model: Module) -> list[Any]:
    """Return the samples in the graph of a loss: what the first neuron was given, if the model begins with it."""
    first: Any = model
    while isinstance(first, (MLP, Sequential)):
        first = next(iter(first.layers if isinstance(first, MLP) else first), None)
    if not isinstance(first, (Layer, Linear)):
        return []
    weights = first.neurons[0].w if isinstance(first, Layer) else first.weight[0]
    ids, n = list(map(id, weights)), len(weights)
    samples = []
    for node in topological_order(recorded):
        if node.op == "dot":
            operands = node.parents
            if list(map(id, operands[:n])) == ids:
                samples.append([x.data for x in operands[n : 2 * n]])
    return samples[::-1]


def _range(singular_values: Any) -> str:
    """Format the largest and the least; one that is nothing but rounding errors of the largest is 0."""
    if singular_values is None or not len(singular_values):
        return ""
    largest, least = float(singular_values[0]), float(singular_values[-1])
    if len(singular_values) == 1:
        return f"{largest:.2g}"
    return f"{largest:.2g} … {0.0 if least <= ROUNDING * largest else least:.2g}"
