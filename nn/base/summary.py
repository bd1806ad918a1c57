"""The table of a model's modules."""

from __future__ import annotations

from typing import Any

from tinygrad_lite.modes import no_grad
from tinygrad_lite.nn.base.module import Module, observing
from tinygrad_lite.nn.base.shapes import shape_of
from tinygrad_lite.nn.layers.layers import Neuron


def summary(model: Module, inputs: tuple[Any, ...]) -> str:
    """What :meth:`Module.summary` gives. Neurons have no row: they are many and alike.

    >>> from tinygrad_lite.nn import Layer
    >>> print(summary(Layer(2, 1), ()))
    module  type   parameters  trained
            Layer           3        3
    """
    shapes = _output_shapes(model, inputs) if inputs else {}
    parts = [(name, module) for name, module in model.named_modules() if not (name and isinstance(module, Neuron))]
    rows = [["module", "type", *(["output"] if inputs else []), "parameters", "trained"]]
    for name, module in parts:
        parameters = module.parameters()
        rows.append(
            [
                name,
                type(module).__name__,
                *([shapes.get(id(module), "")] if inputs else []),
                f"{len(parameters):,}",
                f"{sum(p.requires_grad for p in parameters):,}",
            ]
        )
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    texts = len(widths) - 2
    return "\n".join(
        "  ".join(cell.ljust(widths[k]) if k < texts else cell.rjust(widths[k]) for k, cell in enumerate(row))
        for row in rows
    )


def _output_shapes(model: Module, inputs: tuple[Any, ...]) -> dict[int, str]:
    shapes: dict[int, str] = {}

    def remember(module: Module, output: Any) -> None:
        try:
            shapes[id(module)] = str(shape_of(output))
        except (TypeError, ValueError):
            shapes[id(module)] = "(" + ", ".join(str(_shape(part)) for part in output) + ")"

    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad(), observing(remember):
            model(*inputs)
    finally:
        for module, mode in modes:
            module.training = mode
    return shapes


def _shape(part: Any) -> Any:
    try:
        return shape_of(part)
    except (TypeError, ValueError):
        return "..."
