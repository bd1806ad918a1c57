"""Pictures of graphs and of the gradients that flow through them.

>>> from tinygrad_lite import Value, viz
>>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
>>> loss = (a * b).tanh()
>>> loss.backward()
>>> figure = viz.draw(loss)  # a graphviz.Digraph; viz.save(loss, "loss.svg") writes a file
>>> figure.source.splitlines()[0]
'digraph {'

Graphviz itself is loaded when a picture is first made. A `Value` shows itself in notebooks through :func:`mimebundle`.
"""

from tinygrad_lite.viz.animation import Animation, animate_training
from tinygrad_lite.viz.boundary import plot_decision_boundary
from tinygrad_lite.viz.derivation import Derivation, derive
from tinygrad_lite.viz.explorer import Explorer, explore
from tinygrad_lite.viz.failures import draw_error
from tinygrad_lite.viz.files import save
from tinygrad_lite.viz.graph import draw
from tinygrad_lite.viz.notebook import mimebundle
from tinygrad_lite.viz.plots import plot_gradients, plot_history
from tinygrad_lite.viz.recorders import GradientRecorder, WeightRecorder
from tinygrad_lite.viz.rendering import RenderError, render
from tinygrad_lite.viz.structure import structure
from tinygrad_lite.viz.sweep_animation import SweepAnimation, animate_backward
from tinygrad_lite.viz.tree import Tree, tree

__all__ = [
    "Animation",
    "Derivation",
    "GradientRecorder",
    "Explorer",
    "RenderError",
    "SweepAnimation",
    "Tree",
    "WeightRecorder",
    "animate_backward",
    "animate_training",
    "derive",
    "draw",
    "draw_error",
    "explore",
    "mimebundle",
    "plot_decision_boundary",
    "plot_gradients",
    "plot_history",
    "render",
    "save",
    "structure",
    "tree",
]
