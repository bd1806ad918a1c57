"""Graph networks on Zachary's karate club: who goes with whom, told from two members only.

For three years Zachary (1977, "An information flow model for conflict and fission in small groups") noted which of the
34 members of a karate club met outside of it. Then the instructor and the president fell out, and the club split into
two. Here the network is told the sides of these two, node 0 and node 33, and the 78 ties; it is to find the sides of
the other 32. That is the experiment of Kipf & Welling (2017, "Semi-supervised classification with graph convolutional
networks", appendix A), and with attention the layer is that of Veličković et al. (2018, "Graph attention networks").
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from tinygrad_lite.functions import leaky_relu, softmax, tanh
from tinygrad_lite.modes import no_grad
from tinygrad_lite.nary import dot
from tinygrad_lite.nn.architectures.example import Example
from tinygrad_lite.nn.base.generators import Generator, as_generator
from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.nn.base.shapes import Nest
from tinygrad_lite.nn.layers.graph_layers import Graph, GraphAttention, GraphConv
from tinygrad_lite.nn.layers.linear import Linear
from tinygrad_lite.nn.losses.class_losses import cross_entropy
from tinygrad_lite.value import Value

#: The nodes whose sides are told: the instructor, and the president.
TOLD: Final = (0, 33)


class Club(NamedTuple):
    """The karate club.

    Attributes:
        graph: Who met whom.
        sides: For each member 0 for the instructor's side, and 1 for the president's.
    """

    graph: Graph
    sides: tuple[int, ...]


def karate_club() -> Club:
    """Zachary's karate club, as networkx has it.

    Raises:
        ImportError: networkx is not installed.

    >>> graph, sides = karate_club()
    >>> graph.nodes, len(graph.edges), sum(sides)
    (34, 78, 17)
    >>> [sides[i] for i in TOLD]
    [0, 1]
    """
    try:
        import networkx
    except ImportError:
        raise ImportError(
            "the karate club comes with networkx, which is not installed: pip install 'tinygrad-lite[nn]'"
        ) from None
    club = networkx.karate_club_graph()
    return Club(Graph(len(club), list(club.edges)), tuple([int(club.nodes[i]["club"] == "Officer") for i in club]))


# ------------------------------------------------------------------------------------------------------- the model


class GraphNetwork(Module):
    """Two layers on a graph, tanh after each, and a linear layer that makes two scores of the two numbers of a node.

    Args:
        graph: The graph, which is the same for all inputs.
        hidden: How many numbers a node has after the first layer.
        attention: Whether nodes choose how much they take from each neighbour (:class:`GraphAttention`), or take a
            fixed share (:class:`GraphConv`).
        heads: How many heads the first layer has, with attention; ``hidden`` is a multiple of it.
        generator: What the weights are drawn from: a ``random.Random``, an int that seeds one, or None.

    Attributes:
        first: The first layer, which reads one number for each node of the graph.
        second: The second, which makes two numbers a node: its place in a plane.
        scores: The :class:`Linear` from these to the scores of the two sides.

    Raises:
        ValueError: ``hidden`` is no multiple of ``heads``.

    >>> net = GraphNetwork(Graph(3, [(0, 1), (1, 2)]), hidden=4, generator=0)
    >>> scores = net(identity(3))
    >>> len(scores), len(scores[0])
    (3, 2)
    """

    def __init__(
        self, graph: Graph, hidden: int = 16, attention: bool = False, heads: int = 4, *, generator: Generator = None
    ) -> None:
        if attention and hidden % heads:
            raise ValueError(f"the heads share the hidden numbers: {hidden} are not {heads} equal parts")
        rng = as_generator(generator)
        self.graph = graph
        self.first: Module
        self.second: Module
        if attention:
            self.first = GraphAttention(graph.nodes, hidden // heads, heads, generator=rng)
            self.second = GraphAttention(hidden, 2, generator=rng)
        else:
            self.first = GraphConv(graph.nodes, hidden, generator=rng)
            self.second = GraphConv(hidden, 2, generator=rng)
        self.scores = Linear(2, 2, generator=rng)

    def forward(self, input: Nest) -> Nest:
        """Compute the scores of both sides for each node.

        Args:
            input: The numbers of each node, of shape (nodes, nodes): a row of :func:`identity` tells who a node is, and
                nothing else.

        Returns:
            Lists of shape (nodes, 2).

        Raises:
            ValueError: The shape is wrong.
            TypeError: Something is no number.
        """
        return self.scores(self.places(input))

    def places(self, input: Nest) -> Nest:
        """Where the second layer puts each node in the plane, of shape (nodes, 2): numbers between −1 and 1."""
        return _tanh(self.second(_tanh(self.first(input, self.graph)), self.graph))

    def attention(self, input: Nest) -> list[dict[tuple[int, int], float]]:
        """How much each node takes from each neighbour in the second layer, where all ties are chosen by attention.

        Args:
            input: As for :meth:`forward`.

        Returns:
            For each head the weight of each pair (i, j), where i takes from j; those of an i add up to 1.

        Raises:
            TypeError: The network has no attention.

        >>> net = GraphNetwork(Graph(3, [(0, 1), (1, 2)]), hidden=4, attention=True, generator=0)
        >>> (weights,) = net.attention(identity(3))
        >>> sorted(weights)
        [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2)]
        """
        if not isinstance(self.second, GraphAttention):
            raise TypeError("this network has no attention: make it with attention=True")
        with no_grad():
            xs = _tanh(self.first(input, self.graph))
            return [_weights_of_head(self.second, h, xs, self.graph) for h in range(self.second.heads)]


def identity(nodes: int) -> list[list[float]]:
    """Return a row for each node with a 1 in its own place and zeros elsewhere: who it is, and nothing else.

    >>> identity(2)
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return [[float(i == j) for j in range(nodes)] for i in range(nodes)]


def _tanh(rows: Nest) -> Nest:
    return [[tanh(x) for x in row] for row in rows]


def _weights_of_head(layer: GraphAttention, h: int, xs: Nest, graph: Graph) -> dict[tuple[int, int], float]:
    """softmax_j leaky_relu(a_dst·W x_i + a_src·W x_j): equations 1 to 3 of Veličković et al."""
    rows = layer.weight[h * layer.out_features : (h + 1) * layer.out_features]
    messages = [[dot(w, x) for w in rows] for x in xs]
    found = {}
    for i, sources in enumerate(graph.neighbourhoods):
        own = dot(layer.att_dst[h], messages[i])
        scores = [leaky_relu(own + dot(layer.att_src[h], messages[j]), layer.negative_slope) for j in sources]
        for j, weight in zip(sources, softmax(scores), strict=True):
            found[i, j] = weight.data
    return found


# ------------------------------------------------------------------------------------------------------- the task


def loss_of_told(outputs: Any, targets: Any) -> Value:
    """Cross entropy at the two nodes whose sides are told; all others have no part in it.

    Args:
        outputs: For each sample the scores of all nodes.
        targets: For each sample the sides of the nodes of :data:`TOLD`.
    """
    scores = [nodes[i] for nodes in outputs for i in TOLD]
    loss: Value = cross_entropy(scores, [side for sides in targets for side in sides])
    return loss


def accuracy_of_others(scores: Sequence[Sequence[float]], sides: Sequence[int]) -> float:
    """Return the share of the 32 members whose sides are not told that are found.

    Args:
        scores: Two numbers for each member, the greater one at its side; equal ones count half.
        sides: The true ones.

    >>> _, sides = karate_club()
    >>> accuracy_of_others([[0.0, 0.0]] * 34, sides)
    0.5
    """
    others = [i for i in range(len(sides)) if i not in TOLD]
    margins = [scores[i][sides[i]] - scores[i][1 - sides[i]] for i in others]
    return sum(1.0 if margin > 0 else 0.5 if margin == 0 else 0.0 for margin in margins) / len(others)


def nearest_told(graph: Graph) -> list[tuple[float, float]]:
    """Guess by a baseline: which of the two who are told is fewer steps away. Scores are the negative numbers of steps.

    >>> graph, sides = karate_club()
    >>> round(accuracy_of_others(nearest_told(graph), sides), 3)
    0.906
    """
    distances = [_steps_from(start, graph) for start in TOLD]
    return [(-float(a), -float(b)) for a, b in zip(*distances, strict=True)]


def _steps_from(start: int, graph: Graph) -> list[int]:
    """Return how many steps each node is away, by breadth-first search."""
    steps = {start: 0}
    queue = [start]
    for i in queue:
        for j in graph.neighbourhoods[i]:
            if j not in steps:
                steps[j] = steps[i] + 1
                queue.append(j)
    return [steps.get(i, graph.nodes) for i in range(graph.nodes)]


def propagated(graph: Graph, rounds: int = 1000) -> list[tuple[float, float]]:
    """Guess by a baseline: label propagation (Zhu, Ghahramani & Lafferty 2003). Nothing is learnt.

    Each node takes again and again the mean of its neighbours, while the two who are told stay what they are. In the
    end a node has the probability that a random walk from it meets the one before the other.

    Args:
        graph: The graph.
        rounds: How often.

    Returns:
        For each node the probabilities of the instructor's side, and of the president's.

    >>> graph, sides = karate_club()
    >>> round(accuracy_of_others(propagated(graph), sides), 3)
    0.969
    """
    instructor, president = TOLD
    president_side = [0.5] * graph.nodes
    president_side[instructor], president_side[president] = 0.0, 1.0
    for _ in range(rounds):
        for i, sources in enumerate(graph.neighbourhoods):
            if i not in TOLD:
                neighbours = [president_side[j] for j in sources if j != i]
                president_side[i] = sum(neighbours) / len(neighbours)
    return [(1.0 - p, p) for p in president_side]


def example(attention: bool = False, hidden: int = 16, *, seed: int = 0) -> Example:
    """Return a network for the karate club; the one sample is the whole club.

    Args:
        attention: As for :class:`GraphNetwork`.
        hidden: The same.
        seed: What the weights are drawn from.

    >>> made = example()
    >>> inputs, targets = made.data
    >>> len(inputs), targets
    (1, [[0, 1]])
    """
    graph, sides = karate_club()
    model = GraphNetwork(graph, hidden, attention, generator=random.Random(seed))
    return Example(model, loss_of_told, ([identity(graph.nodes)], [[sides[i] for i in TOLD]]))
