"""Layers on graphs: each node takes from its neighbours, of which it may have any number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tinygrad_lite.functions import dot, leaky_relu, mean, softmax
from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.init import xavier_uniform_, zeros_
from tinygrad_lite.nn.base.module import Module, head
from tinygrad_lite.nn.base.shapes import Nest, check_shape, check_size, like, parameters_of_shape, shape_of, values
from tinygrad_lite.nn.layers.dropout import Dropout
from tinygrad_lite.node.fields import is_numpy_scalar
from tinygrad_lite.pytree import is_array
from tinygrad_lite.value import Value, operand

Vector = tuple[Value, ...]


@dataclass(frozen=True)
class Graph:
    """Nodes 0 to ``nodes`` − 1 and the edges between them, with the neighbourhood of each, found once.

    Args:
        nodes: How many nodes there are.
        edges: Pairs (i, j), in a list or anything else that gives them one by one, or an array of shape (E, 2). An edge
            that is given twice counts once.
        directed: Whether an edge (i, j) lets j take from i only; if not, also i from j.

    Attributes:
        neighbourhoods: For each node those that it takes from, in ascending order, itself among them.

    Raises:
        ValueError: An edge is no pair, or leads to a node that there is not.
        TypeError: An end of an edge is no int.

    >>> Graph(3, [(0, 1), (1, 2)]).neighbourhoods
    ((0, 1), (0, 1, 2), (1, 2))
    >>> Graph(3, [(0, 1), (1, 2)], directed=True).neighbourhoods
    ((0,), (0, 1), (1, 2))
    """

    nodes: int
    edges: Any = field(repr=False)
    directed: bool = False
    neighbourhoods: tuple[tuple[int, ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_size("nodes", self.nodes)
        edges = tuple(_pairs(self.edges, self.nodes))
        sources = [{i} for i in range(self.nodes)]
        for i, j in edges:
            sources[j].add(i)
            if not self.directed:
                sources[i].add(j)
        object.__setattr__(self, "edges", edges)  # the dataclass is frozen
        object.__setattr__(self, "neighbourhoods", tuple([tuple(sorted(found)) for found in sources]))


class GraphConv(Module):
    """Each node takes an average of its neighbourhood, itself included, through one matrix (Kipf & Welling 2017).

    y_i = b + Σ_j W x_j/√(d_i d_j) over the nodes j that i takes from, itself among them, where d is how many those are:
    D^(−1/2) (A + I) D^(−1/2) X Wᵀ + b (their equation 2). No activation. It begins as theirs: W uniform as in Glorot &
    Bengio (2010), and b zero.

    Args:
        in_features: How many numbers each node has.
        out_features: How many it gets.
        bias: Whether there is a b.
        generator: What the weights are drawn from: a ``random.Random``, an int that seeds one, or None.

    Attributes:
        weight: W, ``out_features`` tuples of ``in_features`` Values.
        bias: b, a tuple of ``out_features`` Values, or None.

    Raises:
        ValueError: A size is not positive.

    >>> layer = GraphConv(2, 3, generator=0)
    >>> layer
    GraphConv(2, 3): 9 parameters
    >>> x = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]
    >>> y = layer(x, [(0, 1), (0, 2)])
    >>> len(y), [yi.data for yi in y[3]]  # node 3 has no neighbour but itself
    (4, [0.0, 0.0, 0.0])
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, generator: Generator = None) -> None:
        check_size("in_features", in_features)
        check_size("out_features", out_features)
        self.in_features = in_features
        self.out_features = out_features
        self.weight: Nest = xavier_uniform_(parameters_of_shape((out_features, in_features)), generator=generator)
        self.bias: Nest = parameters_of_shape((out_features,)) if bias else None

    def forward(self, input: Nest, edges: Graph | Iterable[Any]) -> Nest:
        """Compute what each node takes.

        Args:
            input: x, of shape (nodes, in_features).
            edges: Pairs (i, j) of nodes that take from each other; or a :class:`Graph`, which may be directed, and
                finds the neighbourhoods once for all layers and calls.

        Returns:
            Lists (an object array for an array) of shape (nodes, out_features).

        Raises:
            ValueError: A shape is wrong, or an edge leads to a node that there is not.
            TypeError: Something is no number, or an end of an edge no int.
        """
        graph = _graph(self, input, edges)
        roots = [math.sqrt(len(sources)) for sources in graph.neighbourhoods]
        zero = operand(0.0)
        biases = (zero,) * self.out_features if self.bias is None else self.bias
        messages = [[dot(w, x, zero) for w in self.weight] for x in values(input)]
        outputs = []
        for i, sources in enumerate(graph.neighbourhoods):
            shares = values([1.0 / (roots[i] * roots[j]) for j in sources])
            columns = zip(*[messages[j] for j in sources], strict=True)
            outputs.append([dot(shares, column, b) for column, b in zip(columns, biases, strict=True)])
        return like(input, outputs)

    def extra_repr(self) -> str:
        """Show its sizes."""
        return f"{self.in_features}, {self.out_features}{'' if self.bias is not None else ', bias=False'}"


class GraphAttention(Module):
    """Each node takes a mean of its neighbourhood whose weights it chooses by looking (Veličković et al. 2018).

    With the message W x_j of each node, node i scores those that it takes from, itself among them, by
    e_ij = leaky_relu(a_dst·W x_i + a_src·W x_j), and y_i = Σ_j softmax_j(e_ij) W x_j + b (their equations 1 to 4,
    without activation), in each head. Weights begin uniform as in Glorot & Bengio (2010), and b zero.

    Args:
        in_features: How many numbers each node has.
        out_features: How many it gets in each head.
        heads: How many heads there are.
        concat: Whether the heads' outputs stand one after the other (equation 5), or their mean is taken (equation 6).
        negative_slope: Of the leaky rectifier.
        dropout: The probability with which a weight of the mean is dropped, in training.
        bias: Whether there is a b.
        generator: What the weights, and what is dropped, are drawn from: a ``random.Random``, an int that seeds one,
            or None.

    Attributes:
        weight: W, heads·``out_features`` tuples of ``in_features`` Values: head by head.
        att_src: a_src, ``heads`` tuples of ``out_features`` Values.
        att_dst: a_dst, the same.
        bias: b, a tuple of as many Values as there are outputs, or None.

    Raises:
        ValueError: A size is not positive, or ``dropout`` is not in [0, 1].

    >>> layer = GraphAttention(2, 3, heads=2, generator=0)
    >>> layer
    GraphAttention(2, 3, heads=2): 30 parameters
    >>> y = layer([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [(0, 1), (0, 2)])
    >>> len(y), len(y[0])
    (3, 6)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        heads: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        generator: Generator = None,
    ) -> None:
        for name, size in (("in_features", in_features), ("out_features", out_features), ("heads", heads)):
            check_size(name, size)
        rng = as_generator(generator)
        self.in_features = in_features
        self.out_features = out_features
        self.heads = heads
        self.concat = concat
        self.negative_slope = negative_slope
        self.weight: Nest = xavier_uniform_(parameters_of_shape((heads * out_features, in_features)), generator=rng)
        self.att_src: Nest = xavier_uniform_(parameters_of_shape((heads, out_features)), generator=rng)
        self.att_dst: Nest = xavier_uniform_(parameters_of_shape((heads, out_features)), generator=rng)
        self.bias: Nest = zeros_(parameters_of_shape((self._outputs,))) if bias else None
        self.dropout = Dropout(dropout, generator=rng)

    def forward(self, input: Nest, edges: Graph | Iterable[Any]) -> Nest:
        """Compute what each node takes.

        Args:
            input: x, of shape (nodes, in_features).
            edges: Pairs (i, j) of nodes that take from each other; or a :class:`Graph`, which may be directed, and
                finds the neighbourhoods once for all layers and calls.

        Returns:
            Lists (an object array for an array) of shape (nodes, heads·out_features), or (nodes, out_features) where
            the mean is taken.

        Raises:
            ValueError: A shape is wrong, or an edge leads to a node that there is not.
            TypeError: Something is no number, or an end of an edge no int.
        """
        graph = _graph(self, input, edges)
        xs = values(input)
        found = [self._of_head(h, xs, graph) for h in range(self.heads)]
        return like(input, [self._joined(parts) for parts in zip(*found, strict=True)])

    def _of_head(self, h: int, xs: Sequence[Vector], graph: Graph) -> list[list[Value]]:
        """Return what each node takes in one head, before the bias."""
        zero = operand(0.0)
        rows = self.weight[h * self.out_features : (h + 1) * self.out_features]
        messages = [tuple([dot(w, x, zero) for w in rows]) for x in xs]
        from_source = [dot(self.att_src[h], message, zero) for message in messages]
        from_target = [dot(self.att_dst[h], message, zero) for message in messages]
        outputs = []
        for i, sources in enumerate(graph.neighbourhoods):
            scores = [leaky_relu(from_target[i] + from_source[j], self.negative_slope) for j in sources]
            weights = tuple(self.dropout(softmax(scores)))
            columns = zip(*[messages[j] for j in sources], strict=True)
            outputs.append([dot(weights, column, zero) for column in columns])
        return outputs

    def _joined(self, heads: Sequence[list[Value]]) -> list[Value]:
        """Return one node's outputs of all heads, with the bias."""
        if self.concat:
            outputs = [y for head_outputs in heads for y in head_outputs]
        else:
            outputs = [mean(ys) for ys in zip(*heads, strict=True)] if len(heads) > 1 else heads[0]
        return outputs if self.bias is None else [y + b for y, b in zip(outputs, self.bias, strict=True)]

    @property
    def _outputs(self) -> int:
        return self.heads * self.out_features if self.concat else self.out_features

    def extra_repr(self) -> str:
        """Show its sizes, and what differs from the default."""
        options = {
            "heads": (self.heads, 1),
            "concat": (self.concat, True),
            "negative_slope": (self.negative_slope, 0.2),
            "dropout": (self.dropout.p, 0.0),
            "bias": (self.bias is not None, True),
        }
        changed = [f"{name}={value!r}" for name, (value, default) in options.items() if value != default]
        return ", ".join([str(self.in_features), str(self.out_features), *changed])


def _graph(layer: Any, input: Nest, edges: Graph | Iterable[Any]) -> Graph:
    """Return the graph of a layer's input."""
    name = head(layer)
    nodes, _ = check_shape(name, input, ("nodes", layer.in_features))
    if not isinstance(edges, Graph):
        try:
            return Graph(nodes, edges)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from None
    if edges.nodes != nodes:
        raise ValueError(f"{name} takes as many nodes as the graph has, {edges.nodes}, and was given {nodes}")
    return edges


def _pairs(edges: Any, nodes: int) -> Iterator[tuple[int, int]]:
    """Check the edges, and return them as pairs of ints."""
    if not isinstance(edges, Iterable):
        raise TypeError(f"edges are pairs (i, j) in a list, or an array of shape (E, 2), not {type(edges).__name__}")
    shape: tuple[int, ...] = shape_of(edges) if is_array(edges) else ()
    if 0 not in shape and shape and (len(shape) != 2 or shape[1] != 2):
        transposed = ": transpose it" if len(shape) == 2 and shape[0] == 2 else ""
        raise ValueError(f"edges are pairs (i, j): an array of shape (E, 2), not {shape}{transposed}")
    for edge in edges:
        if not isinstance(edge, (list, tuple)) and not is_array(edge):
            raise TypeError(f"edges are pairs (i, j), not {edge!r}")
        if len(edge) != 2:
            raise ValueError(f"edges are pairs (i, j), and one has {len(edge)} items: {edge!r}")
        i, j = (_node(end, edge, nodes) for end in edge)
        yield i, j


def _node(end: Any, edge: Any, nodes: int) -> int:
    """Check one end of an edge."""
    number = end.item() if is_numpy_scalar(end) else end
    shown = tuple(edge.tolist() if is_array(edge) else edge)
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"edges are pairs of ints, the numbers of nodes, not {shown!r}")
    if not 0 <= number < nodes:
        raise ValueError(f"edge {shown!r} leads to node {number}, and there are {nodes}, from 0 to {nodes - 1}")
    return number
