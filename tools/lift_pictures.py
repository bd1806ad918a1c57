"""Makes the pictures of ``docs/lift.md`` and ``docs/lift_passes.md``, and the loops and the page that the latter shows.

``make lift-pictures`` runs it.

Everything is taken from the passes themselves, at work on the network that the page follows: which scalar is in which
group, where each reads, what a mask leaves out, how far a probe differs. Nothing is drawn by hand.
"""

# ruff: noqa: N803, N806 (matrices have capital letters, as on paper)

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from tinygrad_lite import Value, dot, exp, relu, softplus, tanh, value_and_grad, viz
from tinygrad_lite.lift import Group, Groups, Program, lift
from tinygrad_lite.lift.canonical.canonicalize import Canonical, canonicalize
from tinygrad_lite.lift.checking.probes import make_probes
from tinygrad_lite.lift.checking.tolerance import TOLERANCE, find_largest_difference
from tinygrad_lite.lift.engines import numba_engine
from tinygrad_lite.lift.grouping.input_groups import InputGroups, find_inputs
from tinygrad_lite.lift.ir.groups import Ref, Term
from tinygrad_lite.lift.loops import buffer_allocation, loop_fusion
from tinygrad_lite.lift.source.listing import list_statements
from tinygrad_lite.lift.source.naming import find_forward_groups
from tinygrad_lite.lift.tracing.arguments import take_apart
from tinygrad_lite.lift.tracing.trace import Graph, make_graph, trace_function
from tinygrad_lite.operations.ops import BY_CODE, CONSTANT_CODE, LEAF_CODE, TABLE
from tinygrad_lite.plotting.plot_style import Style, axes_of, label_axes, new_figure, style_of
from tinygrad_lite.plotting.themes import Theme, find_theme
from tinygrad_lite.viz.drawing.digraph import Figure

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "lift"
PAGE = ROOT / "docs" / "lift_passes.md"
THEMES = ("light", "dark")
#: The colours of groups, in the order in which they are computed: readable on both pages, and always beside a name.
COLOURS = (
    *("#2F86C8", "#4FB3E8", "#8E7CC3", "#0E9E78", "#5CC3A3", "#9DB83A", "#D9A514"),
    *("#E0662F", "#B98358", "#E58A4E", "#9A7D6A", "#C85A86", "#D98CB3", "#A667A8", "#7F8C9A", "#6B9AA8"),
)
#: What the axes of the inputs are called: hidden unit i, input k, output o, sample b.
LETTERS = {"W1": "ik", "b1": "i", "W2": "oi", "b2": "o", "X": "bk", "Y": "bo"}
_FONT = "Helvetica,Arial,sans-serif"


# ------------------------------------------------------------------------------- the network that the page follows


def layer(W: Any, b: Any, x: Any) -> list[Any]:
    return [sum(w * xk for w, xk in zip(row, x, strict=True)) + bi for row, bi in zip(W, b, strict=True)]


def sample_loss(W1: Any, b1: Any, W2: Any, b2: Any, x: Any, y: Any) -> Any:
    a1 = [relu(z) for z in layer(W1, b1, x)]
    return sum(softplus(z) - yi * z for z, yi in zip(layer(W2, b2, a1), y, strict=True))


def loss(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, Y: Any) -> Any:
    return sum(sample_loss(W1, b1, W2, b2, x, y) for x, y in zip(X, Y, strict=True))


def attention_weights(q: Any, k: Any) -> list[list[Any]]:
    """Causal: position t looks at itself and at those before it."""
    weights = []
    for t in range(len(q)):
        e = [exp(sum(a * b for a, b in zip(q[t], k[s], strict=True))) for s in range(t + 1)]
        total = sum(e)
        weights.append([term / total for term in e])
    return weights


def last_state(U: Any, W: Any, xs: Any) -> Any:
    """Add up the last state of a recurrent network."""
    h = [0.0] * len(U)
    for x in xs:
        h = [
            tanh(sum(u * hk for u, hk in zip(us, h, strict=True)) + sum(w * xk for w, xk in zip(ws, x, strict=True)))
            for us, ws in zip(U, W, strict=True)
        ]
    return sum(h)


def numbers(samples: int = 4, inputs: int = 2, hidden: int = 3, outputs: int = 2) -> list[Any]:
    rng = np.random.default_rng(159)  # each unit is on for some samples and off for others, none by a hair
    shapes = [(hidden, inputs), (hidden,), (outputs, hidden), (outputs,), (samples, inputs)]
    return [*[rng.normal(size=shape).round(1) for shape in shapes], rng.integers(0, 2, (samples, outputs)) * 1.0]


@dataclass
class Passes:
    """What each pass made of a function."""

    graph: Graph
    canonical: Canonical
    inputs: InputGroups
    program: Program


def run_passes(f: Any, *arguments: Any, **options: Any) -> Passes:
    """Return the passes, one by one, as ``tinygrad_lite.lift.passes`` calls them."""
    taken = take_apart((), arguments, {}, options.get("batch", ()), ())
    trace = trace_function(f, "f", taken)
    graph = make_graph(trace.results.release())
    inputs = find_inputs(taken, trace, graph)
    return Passes(graph, canonicalize(graph), inputs, lift(f, **options).program_for(*arguments))


def computed(program: Program) -> list[tuple[int, Group]]:
    return [(n, group) for n, group in enumerate(program.groups) if group.kind in ("map", "sum", "fold")]


_COLOUR_OF: dict[str, str] = {}


def colours_of(program: Program) -> dict[int, str]:
    """Return a colour for each group; groups of one name have the same in all pictures."""
    return {
        n: _COLOUR_OF.setdefault(group.name, COLOURS[len(_COLOUR_OF) % len(COLOURS)]) for n, group in computed(program)
    }


# ------------------------------------------------------------------------------------------------ scalar graphs


def draw_sample(theme: str) -> Figure:
    """One sample's graph with numbers and gradients, as the first pass finds it."""
    W1, b1, W2, b2, X, Y = numbers()
    named = [
        [[Value(w, f"W1[{i},{k}]") for k, w in enumerate(row)] for i, row in enumerate(W1)],
        [Value(b, f"b1[{i}]") for i, b in enumerate(b1)],
        [[Value(w, f"W2[{o},{i}]") for i, w in enumerate(row)] for o, row in enumerate(W2)],
        [Value(b, f"b2[{o}]") for o, b in enumerate(b2)],
        [Value(x, f"x[{k}]") for k, x in enumerate(X[0])],
        [Value(y, f"y[{o}]") for o, y in enumerate(Y[0])],
    ]
    out = sample_loss(*named)
    out.label = "loss"
    out.backward()
    return viz.draw(out, theme=theme, max_nodes=200, show=("data",), direction="TB")


def draw_recorded(found: Passes, theme: str) -> Figure:
    """All nodes of the trace, each in the colour of the group that it ends in."""
    colours, page = find_theme(theme), colours_of(found.program)
    members = [(n, group.nodes) for n, group in computed(found.program) if group.nodes is not None]
    group_of = {int(node): n for n, nodes in members for node in nodes if node >= 0}
    graph = found.graph
    inside: dict[int, int] = {}
    for node in reversed(range(len(graph))):  # what is inside a sum has its colour, and is smaller
        group = group_of.get(node, inside.get(node))
        for operand in graph.operands[graph.starts[node] : graph.starts[node + 1]].tolist():
            if group is not None:
                inside.setdefault(operand, group)
    figure = Figure(
        graph_attr={"charset": "utf-8", "rankdir": "LR", "bgcolor": colours.page, "pad": "0.15", "nodesep": "0.06",
                    "ranksep": "0.42", "splines": "line"},
        node_attr={"label": "", "shape": "circle", "fixedsize": "true", "style": "filled", "penwidth": "0.8"},
        edge_attr={"arrowhead": "none", "penwidth": "0.6", "color": colours.faint},
    )  # fmt: skip
    for node in range(len(graph)):
        if graph.codes[node] == CONSTANT_CODE:
            continue
        if graph.codes[node] == LEAF_CODE:
            look = {"shape": "square", "width": "0.11", "fillcolor": colours.leaf, "color": colours.muted}
        elif node in group_of:
            look = {"width": "0.19", "fillcolor": page[group_of[node]], "color": page[group_of[node]]}
        else:
            copied = BY_CODE[int(graph.codes[node])] is TABLE["pos"]  # the transforms differentiate by copies
            fill = colours.faint if copied or node not in inside else page[inside[node]]
            look = {"width": "0.09", "fillcolor": fill, "color": fill}
        figure.node(f"n{node}", **look)
    for node in range(len(graph)):
        for operand in graph.operands[graph.starts[node] : graph.starts[node + 1]].tolist():
            if graph.codes[operand] != CONSTANT_CODE:
                figure.edge(f"n{operand}", f"n{node}")
    return figure


def draw_canonical(theme: str) -> Figure:
    """Two ways to write a residual, and the one form that both take."""
    colours = find_theme(theme)
    w, x = [Value(0.5, "w1"), Value(-1.0, "w2")], [Value(2.0, "x1"), Value(3.0, "x2")]
    b, y = Value(0.1, "b"), Value(1.0, "y")
    written = {
        "y - (sum(w·x) + b)": y - (sum(wi * xi for wi, xi in zip(w, x, strict=True)) + b),
        "y - dot(w, x, b)": y - dot(w, x, b),
    }
    figure = Figure(
        graph_attr={"charset": "utf-8", "rankdir": "LR", "bgcolor": colours.page, "pad": "0.2", "nodesep": "0.14",
                    "ranksep": "0.42", "compound": "true", "fontname": _FONT, "fontsize": "13",
                    "fontcolor": colours.ink},
        node_attr={"fontname": _FONT, "fontsize": "13", "fontcolor": colours.ink, "color": colours.muted,
                   "style": "filled,rounded", "shape": "box", "height": "0.3", "width": "0.36", "margin": "0.08,0.03"},
        edge_attr={"arrowsize": "0.55", "color": colours.muted, "fontname": _FONT, "fontsize": "13"},
    )  # fmt: skip
    forms, roots = [], []
    for number, (text, root) in enumerate(written.items()):
        graph = make_graph([root])
        form = canonicalize(graph)
        labels = [leaf.label or f"{leaf.data:g}" for leaf in graph.leaves]
        forms.append(sorted(_signed(form, labels)))
        roots.append(int(graph.roots[0]))
        _cluster(figure, f"recorded: {text}", f"r{number}", graph, labels, colours)
    if forms[0] != forms[1]:
        raise SystemExit("the two ways to write the residual have different canonical forms")
    _cluster(figure, "canonical form, of both", "c", form, labels, colours)
    for number, (root, leaf) in enumerate(zip(roots, ("w2", "x1"), strict=True)):
        figure.edge(f"r{number}{root}", f"c{labels.index(leaf)}", ltail=f"cluster_r{number}", lhead="cluster_c",
                    penwidth="2", arrowsize="0.9", color=colours.ink, minlen="2")  # fmt: skip
    return figure


def _signed(form: Canonical, labels: Sequence[str]) -> list[str]:
    """Return the terms of the root, which is a sum, as text."""
    root, found = int(form.roots[0]), []
    for edge in range(form.starts[root], form.starts[root + 1]):
        term = int(form.operands[edge])
        inner = form.operands[form.starts[term] : form.starts[term + 1]].tolist()
        found.append(f"{int(form.signs[edge]):+d} " + " ".join(sorted(labels[i] for i in (inner or [term]))))
    return found


def _cluster(figure: Figure, title: str, name: str, graph: Any, labels: Sequence[str], colours: Theme) -> None:
    import graphviz

    frame = graphviz.Digraph(
        f"cluster_{name}",
        graph_attr={"label": f" {title} ", "labeljust": "l", "style": "rounded,filled", "color": colours.faint,
                    "fillcolor": colours.frame, "margin": "10"},
    )  # fmt: skip
    signs = getattr(graph, "signs", np.ones(len(graph.operands)))
    stack, seen = [int(root) for root in graph.roots], set[int]()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        code = int(graph.codes[node])
        edges = range(int(graph.starts[node]), int(graph.starts[node + 1]))
        op = BY_CODE[code] if code >= 0 else None
        leaf = not len(edges)
        text = labels[node] if leaf else "Σ" if op is TABLE["sum"] else op.symbol if op else "fold"
        fill = colours.leaf if leaf else colours.output if node in graph.roots else colours.interior
        frame.node(f"{name}{node}", text.replace("*", "×"), fillcolor=fill)
        for edge in edges:
            operand = int(graph.operands[edge])
            sign = {} if not hasattr(graph, "signs") or op is not TABLE["sum"] else {
                "label": " + " if signs[edge] > 0 else " − ",
                "fontcolor": colours.positive_text if signs[edge] > 0 else colours.negative_text,
                "color": colours.positive if signs[edge] > 0 else colours.negative,
            }  # fmt: skip
            frame.edge(f"{name}{operand}", f"{name}{node}", **sign)
            stack.append(operand)
    figure.subgraph(frame)


# ------------------------------------------------------------------------------------------------------- groups


def reads(program: Groups, group: Group, place: tuple[int, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the groups and places that one scalar reads."""
    pairs: list[tuple[Ref, Term | None]] = [(ref, None) for ref in group.operands]
    pairs += [(ref, term) for term in group.terms for ref in term.factors]
    for ref, term in pairs:
        for inner in np.ndindex(*(term.reduced if term else ())):
            grid = [np.asarray(k) for k in (*place, *inner)]
            if term and term.mask is not None and not term.mask[tuple([grid[axis] for axis in term.axes])]:
                continue
            at = [int(index.at(grid)) for index in ref.index]
            shape = program.groups[ref.group].shape
            yield ref.group, tuple(int(k) for k in np.unravel_index(at[0], shape)) if ref.flat else tuple(at)


def draw_groups(found: Passes, style: Style) -> Any:
    """Return the same scalars, each in its group's grid, and what each reads."""
    program, theme = found.program.ir, style.theme
    colours = colours_of(found.program)
    drawn = [n for n, group in enumerate(program.groups) if group.kind != "constant"]
    level: dict[int, int] = {}
    for n in drawn:
        level[n] = 1 + max((level[ref.group] for ref in program.groups[n].refs() if ref.group in level), default=-1)
    for n in program.inputs:  # an input stands before the first that reads it
        level[n] = min(level[m] for m in drawn if any(ref.group == n for ref in program.groups[m].refs())) - 1
    forward = find_forward_groups(program)
    bands: list[dict[int, list[int]]] = [{}, {}, {}]
    for n in drawn:
        band = 0 if n in program.inputs else 1 if n in forward else 2
        bands[band].setdefault(level[n], []).append(n)
    grids = {n: _as_rows(program.groups[n].shape) for n in drawn}
    gap, cell, y, where = 1.9, 1.0, 0.0, dict[int, tuple[float, float]]()
    wide = 4.6
    for band in bands:
        heights = {k: sum(grids[n][0] * cell + gap for n in members) for k, members in band.items()}
        most = max(heights.values())
        for k, members in band.items():
            top = y - (most - heights[k] if band is bands[0] else 0.0)  # inputs stand close to what reads them
            for n in members:
                rows, columns = grids[n]
                where[n] = (k * wide - columns * cell / 2, top)
                top -= rows * cell + gap
        y -= most + 0.7
    figure = new_figure(9.6, 9.6 * (-y + 1) / (wide * (max(level.values()) + 1) + 0.6), style, fixed=True)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_xlim(-wide / 2 - 0.3, wide * max(level.values()) + wide / 2 + 0.3)
    ax.set_ylim(y + 1.4, 1.5)
    ax.set_aspect("equal")
    ax.axis("off")

    def centre(n: int, place: tuple[int, ...]) -> tuple[float, float]:
        row, column = _row_column(place)
        return where[n][0] + (column + 0.5) * cell, where[n][1] - (row + 0.5) * cell

    for n in drawn:
        group = program.groups[n]
        lines = {
            (centre(m, read), centre(n, place))
            for place in np.ndindex(*group.shape)
            for m, read in reads(program, group, place)
            if m in where
        }
        colour = colours.get(n, theme.muted)
        near = [line for line in sorted(lines) if line[1][0] - line[0][0] <= 1.6 * wide]
        far = [line for line in sorted(lines) if line[1][0] - line[0][0] > 1.6 * wide]
        for some, alpha in ((near, 0.6), (far, 0.3)):
            ax.add_collection(LineCollection(some, colors=colour, linewidths=0.8, alpha=alpha, zorder=1))
        for place in np.ndindex(*group.shape):
            x0, y0 = centre(n, place)
            box = Rectangle((x0 - 0.36, y0 - 0.36), 0.72, 0.72, facecolor=colours.get(n, theme.leaf),
                            edgecolor=colour, linewidth=0.9, zorder=3)  # fmt: skip
            ax.add_patch(box)
        x0, y0 = where[n]
        count = group.size
        name = ax.text(x0 + grids[n][1] * cell / 2, y0 + 0.22, group.name, color=theme.ink, fontsize=10,
                       fontweight="bold", ha="center", va="bottom", zorder=4, parse_math=False)  # fmt: skip
        under = ax.text(x0 + grids[n][1] * cell / 2, y0 - grids[n][0] * cell - 0.08, f"{count}", color=theme.muted,
                        fontsize=8.5, ha="center", va="top", zorder=4)  # fmt: skip
        for text in (name, under):
            text.set_bbox({"facecolor": theme.page, "edgecolor": "none", "pad": 0.6, "alpha": 0.75})
    return figure


def _as_rows(shape: tuple[int, ...]) -> tuple[int, int]:
    return (1, 1) if not shape else (shape[0], 1) if len(shape) == 1 else (shape[0], shape[1])


def _row_column(place: tuple[int, ...]) -> tuple[int, int]:
    return (0, 0) if not place else (place[0], 0) if len(place) == 1 else (place[0], place[1])


# --------------------------------------------------------------------------------------------------- index maps


def columns_of(found: Passes, name: str) -> tuple[list[str], np.ndarray, list[int]]:
    """Where the products of a group's scalars read: names of the columns, one row for each, entries per scalar."""
    form = found.canonical
    group = next(g for g in found.program.groups if g.name == name)
    assert group.nodes is not None
    by_origin = {int(origin): n for n, origin in enumerate(form.origins)}
    entries: list[dict[str, int]] = []
    counts = []
    for node in sorted(int(n) for n in group.nodes):
        at = by_origin[node]
        products = [
            int(t) for t in form.operands[form.starts[at] : form.starts[at + 1]] if form.codes[t] == TABLE["mul"].code
        ]
        counts.append(len(products))
        for product in products:
            entry = {}
            for leaf in form.operands[form.starts[product] : form.starts[product + 1]].tolist():
                source = found.program.groups[int(found.inputs.group_of[leaf])]
                for axis, k in enumerate(np.unravel_index(int(found.inputs.place_of[leaf]), source.shape)):
                    entry[f"{source.name}, axis {axis}"] = int(k)
            entries.append(entry)
    names = sorted(entries[0], key=lambda text: ("WX".find(text[0]), text))
    return names, np.array([[entry[text] for entry in entries] for text in names]), counts


def letters_of(program: Program, inputs: dict[str, str]) -> dict[int, str]:
    """For each group a letter for each axis, from those of the inputs: what reads along an axis has its letter."""
    found = {n: inputs[group.name] for n, group in enumerate(program.groups) if group.name in inputs}
    for n, group in computed(program):
        own = ["?"] * len(group.shape)
        for ref in group.refs():
            for letter, index in zip(found.get(ref.group, ""), ref.index, strict=False):
                for axis, _ in index.steps:
                    if axis < len(own) and letter != "?":
                        own[axis] = letter
        found[n] = "".join(own)
    return found


def reduced_letter(term: Term, letters: dict[int, str], axes: int) -> str:
    """Return the letter of the axis that a product is summed over."""
    return next(
        letter
        for ref in term.factors
        for letter, index in zip(letters[ref.group], ref.index, strict=True)
        if any(axis >= axes for axis, _ in index.steps) and letter != "?"
    )


def product_term(group: Group) -> Term:
    return next(term for term in group.terms if len(term.factors) == 2)


def draw_columns(found: Passes, style: Style) -> Any:
    """Return the columns of z1's products, and the coordinate that each turns out to be."""
    theme = style.theme
    names, table, counts = columns_of(found, "z1")
    program = found.program
    group = next(g for g in program.groups if g.name == "z1")
    letters = letters_of(program, LETTERS)
    shades = {"i": COLOURS[0], "b": COLOURS[3], "k": COLOURS[7]}
    figure = new_figure(9.6, 2.75, style, fixed=True)
    ax = figure.add_axes((0, 0, 1, 1))
    entries = table.shape[1]
    ax.set_xlim(-3.9, entries + 7.5)
    ax.set_ylim(len(names) + 0.9, -1.75)
    ax.axis("off")
    number = {g.name: n for n, g in enumerate(program.groups)}
    for row, text in enumerate(names):
        source, axis = text.split(", axis ")
        letter = letters[number[source]][int(axis)]
        most = table[row].max()
        ax.text(-0.35, row + 0.5, text, ha="right", va="center", fontsize=10, color=theme.ink, parse_math=False)
        for entry in range(entries):
            k = table[row, entry]
            strength = 0.16 + 0.62 * k / max(most, 1)
            ax.add_patch(Rectangle((entry + 0.06, row + 0.08), 0.88, 0.84, color=shades[letter], alpha=strength, lw=0))
            ax.text(entry + 0.5, row + 0.5, str(k), ha="center", va="center", fontsize=9.5, color=theme.ink)
        meaning = "the same within a scalar" if letter in "ib" else "runs: is summed over"
        ax.text(entries + 0.4, row + 0.5, f"→ {letter}", va="center", fontsize=12, color=theme.ink, fontweight="bold")
        ax.text(entries + 1.95, row + 0.5, meaning, va="center", fontsize=8.5, color=theme.muted)
    assert group.nodes is not None
    order = np.argsort(group.nodes)
    start = 0
    for scalar, count in enumerate(counts):
        ax.plot([start + 0.1, start + count - 0.1], [-0.18, -0.18], color=theme.muted, lw=1)
        i, b = np.unravel_index(int(order[scalar]), group.shape)
        ax.text(start + count / 2, -0.32, f"z1[{i},{b}]", ha="center", va="bottom", fontsize=8, color=theme.muted)
        start += count
    ax.text(0, -1.2, "the products that each scalar of z1 adds up, in the order in which they were recorded",
            fontsize=9.5, color=theme.ink, va="center")  # fmt: skip
    sizes = f"{len(counts)} scalars = a box of i < {group.shape[0]}, b < {group.shape[1]}"
    ax.text(0, len(names) + 0.5, f"{sizes};   {entries} products = that box and k < {product_term(group).reduced[0]}",
            fontsize=9.5, color=theme.ink, va="center")  # fmt: skip
    return figure


# ------------------------------------------------------------------------------------------------- contractions


def draw_contractions(found: Passes, style: Style) -> Any:
    """Every sum of products of the program, laid out as a matrix product: left factor, above it the right one."""
    theme, colours = style.theme, colours_of(found.program)
    groups = found.program.groups
    products = [
        (n, g) for n, g in computed(found.program) if len(g.shape) == 2 and any(len(t.factors) == 2 for t in g.terms)
    ]
    letters = letters_of(found.program, LETTERS)
    widths = [product_term(g).reduced[0] + g.shape[1] + 2.6 for _, g in products]
    deepest = max(product_term(g).reduced[0] for _, g in products)
    height = deepest + max(g.shape[0] for _, g in products) + 4.0
    figure = new_figure(9.6, 9.6 * height / (sum(widths) - 0.4), style, fixed=True)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_xlim(-0.2, sum(widths) - 0.6)
    ax.set_ylim(height - 1.2, -1.2)
    ax.set_aspect("equal")
    ax.axis("off")
    x = 0.0
    for (n, group), width in zip(products, widths, strict=True):
        term = product_term(group)
        left, right = sorted(term.factors, key=lambda ref: not any(_moves(index, 0) for index in ref.index))
        inner = term.reduced[0]
        rows, cols = group.shape
        y = float(deepest) + 0.7
        chosen = (min(1, rows - 1), cols - 1)
        fills = [colours.get(ref.group, theme.leaf) for ref in (left, right)]
        row, column = [(chosen[0], k) for k in range(inner)], [(k, chosen[1]) for k in range(inner)]
        _matrix(ax, x, y, rows, inner, fills[0], theme, row)
        _matrix(ax, x + inner + 0.5, y - 0.5 - inner, inner, cols, fills[1], theme, column)
        _matrix(ax, x + inner + 0.5, y, rows, cols, colours[n], theme, [chosen])
        for text, x0, y0, va in (
            (_factor_name(groups, left, 0), x + inner / 2, y + rows + 0.2, "top"),
            (_factor_name(groups, right, 1), x + inner + 0.5 + cols / 2, y - 0.72 - inner, "bottom"),
        ):
            ax.text(x0, y0, text, ha="center", va=va, fontsize=9.5, color=theme.ink, parse_math=False)
        ax.text(x + inner + 0.5 + cols / 2, y + rows + 0.2, group.name, ha="center", va="top", fontsize=10,
                fontweight="bold", color=theme.ink, parse_math=False)  # fmt: skip
        words = f"sum over {reduced_letter(term, letters, 2)}"
        ax.text(x + (inner + 0.5 + cols) / 2, y + rows + 1.25, words, ha="center", va="top", fontsize=9,
                color=theme.muted)  # fmt: skip
        x += width
    return figure


def _moves(index: Any, axis: int) -> bool:
    return axis in index.depends_on()


def _factor_name(groups: Sequence[Group], ref: Ref, kept: int) -> str:
    """Return the factor's name, transposed where its kept axis is not where a matrix product wants it."""
    place = next(axis for axis, index in enumerate(ref.index) if _moves(index, kept))
    return groups[ref.group].name + ("" if place == kept else ".T")


def _matrix(
    ax: Axes, x: float, y: float, rows: int, columns: int, fill: str, theme: Theme, strong: list[tuple[int, int]]
) -> None:
    for row in range(rows):
        for column in range(columns):
            here = (row, column) in strong
            ax.add_patch(
                Rectangle((x + column + 0.07, y + row + 0.07), 0.86, 0.86, facecolor=fill, alpha=1.0 if here else 0.45,
                          edgecolor=theme.ink if here else theme.muted, linewidth=1.8 if here else 0.6)
            )  # fmt: skip


# -------------------------------------------------------------------------------------------------- ragged sums


def draw_ragged(style: Style) -> Any:
    """Which scalars causal attention has, and which its sums take, as the passes found it."""
    theme = style.theme
    rng = np.random.default_rng(1)
    q, k = rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    program = lift(attention_weights).program_for(q, k)
    square = [(n, g) for n, g in computed(program) if g.present is not None and len(g.shape) == 2]
    total = next((n, g) for n, g in computed(program) if len(g.shape) == 1 and any(t.mask is not None for t in g.terms))
    lines = list_statements(program.ir)
    panels: list[tuple[int, str, Any]] = []
    for n, group in square:
        count = int(np.count_nonzero(group.present))
        panels.append((n, f"{count} scalars, {group.size - count} computed along", group.present))
    mask = total[1].terms[0].mask
    panels.insert(2, (total[0], "the mask: what each row adds up", mask))
    figure = new_figure(9.6, 2.9, style, fixed=True)
    ax = figure.add_axes((0, 0, 1, 1))
    step = 8.0
    ax.set_xlim(-1.6, step * len(panels) - 0.4)
    ax.set_ylim(7.4, -1.8)
    ax.set_aspect("equal")
    ax.axis("off")
    for number, (n, words, present) in enumerate(panels):
        x, colour = number * step, colours_of(program)[n]
        for row, column in np.ndindex(present.shape):
            there = bool(present[row, column])
            ax.add_patch(
                Rectangle((x + column + 0.08, row + 0.08), 0.84, 0.84, facecolor=colour if there else "none",
                          edgecolor=colour if there else theme.faint, linewidth=0.9)
            )  # fmt: skip
        ax.text(x, -1.0, lines[n].text, fontsize=8.5, color=theme.ink, va="center", parse_math=False)
        ax.text(x, 6.6, words, fontsize=8.5, color=theme.muted, va="center")
        if number == 0:
            ax.text(-0.35, 0.5, "t = 0", ha="right", va="center", fontsize=8.5, color=theme.muted)
            ax.text(-0.35, 5.5, "5", ha="right", va="center", fontsize=8.5, color=theme.muted)
            ax.text(5.5, -0.3, "s = 5", ha="center", va="center", fontsize=8.5, color=theme.muted)
    return figure


# -------------------------------------------------------------------------------------------- proof and growth


def draw_proof(style: Style) -> Any:
    """Return the differences of the right program, and of programs with one small mistake, on twenty probes."""
    theme = style.theme
    arguments = numbers()
    gradient = value_and_grad(loss, argnums=(0, 1, 2, 3))
    right = lift(gradient).program_for(*arguments)
    flat = [np.asarray(a, dtype=float) for a in arguments]

    def eagerly(arrays: Sequence[Any]) -> list[Any]:
        value, gradients = gradient(*arrays)
        return [np.float64(getattr(value, "data", value)), *[np.asarray(g, dtype=float) for g in gradients]]

    def differences(program: Program) -> list[float]:
        found = []
        for seed in range(20):
            arrays = next(make_probes(flat, [False] * len(flat), seed))
            found.append(find_largest_difference(program.run(arrays), eagerly(arrays)).relative)
        return found

    rows = [("as lifted", differences(right), COLOURS[3])]
    for words, wrong in mistakes(right):
        rows.append((words, differences(wrong), COLOURS[7]))
    ax = axes_of(None, 9.6, 3.0, style)
    for row, (_, values, colour) in enumerate(rows):
        spread = row + 0.22 * np.sin(np.arange(len(values)) * 2.4)
        ax.scatter(np.maximum(values, 1e-17), spread, s=22, color=colour, alpha=0.75, linewidths=0, zorder=3)
    ax.axvline(TOLERANCE, color=theme.ink, linewidth=1.2, linestyle=(0, (4, 3)))
    ax.annotate(f"tolerance {TOLERANCE:.0e}", (TOLERANCE, -0.5), xytext=(5, 0),
    textcoords="offset points",
                fontsize=9, color=theme.ink, va="center")  # fmt: skip
    ax.set_xscale("log")
    ax.set_xlim(3e-18, 30)
    ax.set_ylim(len(rows) - 0.4, -0.8)
    ax.set_yticks(range(len(rows)), [words for words, _, _ in rows])
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color=theme.muted, alpha=0.18, linewidth=0.8)
    label_axes(ax, "largest difference on a probe, relative to the largest number of its array", "", style)
    return ax.figure


def mistakes(right: Program) -> Iterator[tuple[str, Program]]:
    """Yield the same program with one thing changed."""
    number = {g.name: n for n, g in enumerate(right.groups)}

    def changed(name: str, **what: Any) -> Program:
        groups = list(right.groups)
        groups[number[name]] = replace(groups[number[name]], **what)
        whole = Groups(groups, right.ir.inputs, right.ir.outputs)
        return Program(right.name, whole, right.inputs, right._results, right.report())

    delta = right.groups[number["d2"]]
    flipped = tuple(replace(term, sign=-term.sign) if k == 0 else term for k, term in enumerate(delta.terms))
    yield "one sign of d2 flipped", changed("d2", terms=flipped)
    constant = next(g for g in right.groups if g.kind == "constant" and g.data is not None)
    for kink in (0.3, 0.03):
        yield f"relu's kink moved to {kink}", changed(constant.name, data=np.full_like(constant.data, kink))
    z1 = right.groups[number["z1"]]
    yield "the bias of z1 left out", changed("z1", terms=tuple(t for t in z1.terms if len(t.factors) == 2))


def draw_growth(style: Style) -> Any:
    """How the graph grows with the samples, and the program does not."""
    samples = [1, 2, 4, 8, 16, 32, 64, 128]
    reports = []
    for count in samples:
        arguments = numbers(count, 2, 16, 2)
        reports.append(lift(value_and_grad(loss, argnums=(0, 1, 2, 3))).program_for(*arguments).report())
    ax = axes_of(None, 7.6, 3.2, style)
    for values, colour, text in (
        ([r.nodes for r in reports], style.colour(0), "scalar nodes"),
        ([r.groups for r in reports], style.colour(1), "groups"),
    ):
        ax.plot(samples, values, color=colour, marker="o", markersize=5, linewidth=1.8)
        ax.annotate(f"{values[-1]:,} {text}", (samples[-1], values[-1]), xytext=(0, 9), textcoords="offset points",
                    ha="right", fontsize=10, color=style.theme.ink)  # fmt: skip
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(samples, [str(s) for s in samples])
    ax.minorticks_off()
    ax.set_ylim(5, 5e5)
    label_axes(ax, "samples in the loop", "", style)
    return ax.figure


# ------------------------------------------------------------------------------------------------------- loops


def train(w: Any, xs: Any, ys: Any) -> Any:
    """One weight, by one sample after the other, with a momentum that begins anew in each epoch."""
    for inputs, targets in zip(xs, ys, strict=True):
        momentum = 0.0 * w
        for x, target in zip(inputs, targets, strict=True):
            momentum = 0.9 * momentum + (w * x - target) * x
            w = w - 0.1 * momentum
        w = 0.99 * w
    return w * w


def loops_of(program: Program) -> str:
    """Of the text that numba compiles the loops that compute the first layer."""
    found = loop_fusion.fuse_loops(program.ir)
    writer = numba_engine._Writer(program.ir, buffer_allocation.allocate(program.ir, found, numba_engine._is_call))
    writer.write(found)
    whole = "\n".join(text for text, _ in writer.parts)
    nest = next(part for part in re.split(r"\n(?= \S)", whole) if "p0 * p1" in part)
    return re.sub(r"^ ", "", nest, flags=re.MULTILINE)


def main() -> None:
    matplotlib.rcParams.update({"svg.hashsalt": "lift", "font.family": "sans-serif"})
    FOLDER.mkdir(exist_ok=True)
    gradient = value_and_grad(sample_loss, argnums=(0, 1, 2, 3))
    batch = (None, None, None, None, 0, 0)
    one = run_passes(gradient, *numbers(), batch=batch)
    whole = run_passes(value_and_grad(loss, argnums=(0, 1, 2, 3)), *numbers())
    recurrent = lift(value_and_grad(last_state, argnums=(0, 1)), batch=(None, None, 0))
    recurrent(*[np.linspace(-1, 1, math.prod(shape)).reshape(shape) for shape in ((3, 3), (3, 2), (5, 20, 2))])
    epochs = lift(train).program_for(0.5, np.ones((12, 13)), np.zeros((12, 13)))
    for theme in THEMES:
        graphs = {
            "sample": draw_sample(theme),
            "recorded": draw_recorded(one, theme),
            "canonical": draw_canonical(theme),
            "program": viz.draw(one.program, theme=theme),
            "steps": viz.draw(recurrent, theme=theme),
            "nested": viz.draw(epochs, theme=theme),
        }
        for name, graph in graphs.items():
            viz.save(graph, FOLDER / f"{name}-{theme}.svg")
        style = style_of(theme)
        plots = {
            "groups": draw_groups(one, style),
            "columns": draw_columns(whole, style),
            "contractions": draw_contractions(whole, style),
            "ragged": draw_ragged(style),
            "proof": draw_proof(style),
            "growth": draw_growth(style),
        }
        for name, plot in plots.items():
            plot.savefig(FOLDER / f"{name}-{theme}.svg", metadata={"Date": None}, facecolor=plot.get_facecolor())
    insert_loops(loops_of(one.program))
    followed = lift(gradient, batch=batch).passes_for(*numbers())
    viz.save(followed, FOLDER / "passes.html", title="One network through every pass")
    sizes = [file.stat().st_size for file in FOLDER.iterdir()]
    print(f"wrote {len(sizes)} pictures, {sum(sizes) / 1e6:.2f} MB")


def insert_loops(text: str) -> None:
    """Put the loops into the page, between the marks."""
    if PAGE.exists():
        pattern = r"(<!-- loops, by tools/lift_pictures.py -->\n).*?(<!-- end of loops -->)"
        block = f"```text\n{text}\n```\n"
        page = re.sub(pattern, lambda m: m[1] + block + m[2], PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
