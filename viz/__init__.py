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

from tinygrad_lite.viz.files import save
from tinygrad_lite.viz.graph import draw
from tinygrad_lite.viz.notebook import mimebundle
from tinygrad_lite.viz.rendering import RenderError, render

__all__ = ["RenderError", "draw", "mimebundle", "render", "save"]
