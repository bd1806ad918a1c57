"""Pictures of graphs and of the gradients that flow through them.

>>> from tinygrad_lite import Value, viz
>>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
>>> loss = (a * b).tanh()
>>> loss.backward()
>>> figure = viz.draw(loss)  # a graphviz.Digraph; viz.save(loss, "loss.svg") writes a file
>>> figure.source.splitlines()[0]
'digraph {'

Each name is loaded when it is first used, and Graphviz when a picture is first made: a page that shows one graph does
not wait for what plots a training. A `Value` shows itself in notebooks through :func:`mimebundle`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinygrad_lite.viz.animation.sweep_animation import SweepAnimation, animate_backward
    from tinygrad_lite.viz.derivation.derivation import Derivation, derive
    from tinygrad_lite.viz.drawing.renderers import RenderError
    from tinygrad_lite.viz.explorer.graph_page import Explorer
    from tinygrad_lite.viz.networks.network import NetworkPicture, network
    from tinygrad_lite.viz.networks.network_animation import NetworkAnimation, animate_network
    from tinygrad_lite.viz.output.draw import draw
    from tinygrad_lite.viz.output.explore import explore
    from tinygrad_lite.viz.output.failures import draw_error
    from tinygrad_lite.viz.output.notebook import mimebundle
    from tinygrad_lite.viz.output.rendering import render
    from tinygrad_lite.viz.output.saving import save
    from tinygrad_lite.viz.output.structure import structure
    from tinygrad_lite.viz.output.tree import Tree, tree
    from tinygrad_lite.viz.training.animation import Animation, animate_training
    from tinygrad_lite.viz.training.boundary import plot_decision_boundary
    from tinygrad_lite.viz.training.plots import plot_gradients, plot_history
    from tinygrad_lite.viz.training.recorders import GradientRecorder, WeightRecorder

__all__ = [
    "Animation",
    "Derivation",
    "GradientRecorder",
    "Explorer",
    "NetworkAnimation",
    "NetworkPicture",
    "RenderError",
    "SweepAnimation",
    "Tree",
    "WeightRecorder",
    "animate_backward",
    "animate_network",
    "animate_training",
    "derive",
    "draw",
    "draw_error",
    "explore",
    "mimebundle",
    "network",
    "plot_decision_boundary",
    "plot_gradients",
    "plot_history",
    "render",
    "save",
    "structure",
    "tree",
]

#: Where each name is defined.
_LAZY = {
    "Animation": "training.animation",
    "Derivation": "derivation.derivation",
    "Explorer": "explorer.graph_page",
    "GradientRecorder": "training.recorders",
    "NetworkAnimation": "networks.network_animation",
    "NetworkPicture": "networks.network",
    "RenderError": "drawing.renderers",
    "SweepAnimation": "animation.sweep_animation",
    "Tree": "output.tree",
    "WeightRecorder": "training.recorders",
    "animate_backward": "animation.sweep_animation",
    "animate_network": "networks.network_animation",
    "animate_training": "training.animation",
    "derive": "derivation.derivation",
    "draw": "output.draw",
    "draw_error": "output.failures",
    "explore": "output.explore",
    "mimebundle": "output.notebook",
    "network": "networks.network",
    "plot_decision_boundary": "training.boundary",
    "plot_gradients": "training.plots",
    "plot_history": "training.plots",
    "render": "output.rendering",
    "save": "output.saving",
    "structure": "output.structure",
    "tree": "output.tree",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'tinygrad_lite.viz' has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"tinygrad_lite.viz.{_LAZY[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
