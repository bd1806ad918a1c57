"""A picture as a graph of Graphviz: a card for each box, an edge for each link."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from tinygrad_lite.plotting.themes import FONT, all_faded
from tinygrad_lite.viz.drawing import palette
from tinygrad_lite.viz.drawing.arrangement import is_crowded, rows
from tinygrad_lite.viz.drawing.cards import Mark, Style, called, card, cell, details, edge_label, font, table
from tinygrad_lite.viz.drawing.group_cards import group_card, group_details, module_card, module_details
from tinygrad_lite.viz.drawing.legend import legend
from tinygrad_lite.viz.drawing.long_edges import far_links
from tinygrad_lite.viz.drawing.picture import Link, Picture
from tinygrad_lite.viz.reading.collapse import Box
from tinygrad_lite.viz.reading.labels import in_label, in_tooltip, shortened

if TYPE_CHECKING:
    from graphviz import Digraph


#: Between ranks: many edges are told apart where they have some way to go.
_ROOM: Final = "1.3"
_LESS_ROOM: Final = "0.6"
#: Above this many boxes dot takes long for smooth lines and for few crossings.
_MANY: Final = 200
_HASTE: Final = {"splines": "line", "nslimit": "1", "nslimit1": "1", "mclimit": "0.1"}


class Drawing(NamedTuple):
    """A picture, and how it is to look."""

    picture: Picture
    style: Style
    #: ids of the highlighted nodes; where there are some, the rest fades
    highlighted: frozenset[int] = frozenset()

    def figure(self, direction: str, with_legend: bool) -> Digraph:
        """Return the graph for Graphviz.

        Args:
            direction: Where the output lies.
            with_legend: Whether a line below says what the colours mean.
        """
        from tinygrad_lite.viz.drawing.digraph import new_figure

        theme = self.style.theme
        explained = legend(self.picture.links, theme) if with_legend else ""
        haste = _HASTE if len(self.picture.boxes) > _MANY else {}
        figure = new_figure(
            theme, direction, explained, ranksep=_ROOM if is_crowded(self.picture.links) else _LESS_ROOM, **haste
        )
        # Operands first: what is declared first, dot lays out further up.
        for i in reversed(range(len(self.picture.boxes))):
            self._draw_box(figure, i)
        self._draw_frames(figure)
        self._draw_rows(figure)
        strongest = self.picture.strongest
        links = self.picture.links
        far = far_links(len(self.picture.boxes), links) if len(self.picture.boxes) > _MANY else ()
        for k, link in enumerate(links):
            tail = f"n{link.tail}"
            if k in far:
                tail = f"r{k}"
                self._draw_reference(figure, tail, link)
            self._draw_link(figure, tail, link, strongest)
        return figure

    def _draw_box(self, figure: Digraph, i: int) -> None:
        box = self.picture.boxes[i]
        style, mark = self._style(self._stands_out(box)), self._mark(box)
        first = box.nodes[0]
        ordering = None
        if box.module:
            module = self.picture.names.modules[box.module]
            path = box.module.removeprefix(box.frame).removeprefix(".") if box.frame else box.module
            label = module_card(path, module, box.nodes, self.picture.outputs[i], style, mark)
            tooltip = module_details(box.module, module, box.nodes)
        elif len(box.nodes) > 1:
            label, tooltip = group_card(box.nodes, style, mark), group_details(box.nodes, style)
        else:
            label, tooltip = card(first, style, mark), details(first, style, mark)
            # Operands of - / ** read from the top; those of a sum or a dot may lie as they cross least.
            ordering = "in" if 1 < len(first.parents) <= 3 and not mark.is_cut else None
        figure.node(f"n{i}", label, tooltip=tooltip, ordering=ordering)

    def _draw_frames(self, figure: Digraph) -> None:
        """Draw a frame around what is in a module that was opened, inside of that of the module around it."""
        import graphviz

        theme = self.style.theme
        frames = {}
        for k, path in enumerate(self.picture.frames):
            inner = path.removeprefix(self.picture.frames[path]).removeprefix(".")
            name = f'<<FONT COLOR="{theme.muted}">{in_label(shortened(inner))}</FONT>>'
            frames[path] = graphviz.Digraph(
                f"cluster_{k}",
                graph_attr={
                    "label": name,
                    "labelloc": "t",
                    "labeljust": "l",
                    "fontname": FONT,
                    "fontsize": "11",
                    "style": "rounded,filled",
                    "color": theme.faint,
                    "fillcolor": theme.frame,
                    "margin": "12",
                    "tooltip": in_tooltip(path),
                },
            )
        for i, box in enumerate(self.picture.boxes):
            if box.frame:
                frames[box.frame].node(f"n{i}")
        for path in reversed(frames):
            frames.get(self.picture.frames[path], figure).subgraph(frames[path])

    def _draw_rows(self, figure: Digraph) -> None:
        """Keep the parts of a module in the order of their numbers."""
        for row in rows(self.picture):
            with figure.subgraph(graph_attr={"rank": "same"}) as level:
                for i, after in pairwise(row):
                    level.edge(f"n{i}", f"n{after}", style="invis")

    def _draw_reference(self, figure: Digraph, name: str, link: Link) -> None:
        operand = self.picture.boxes[link.tail].nodes[0]
        style = self._style(self._stands_out(self.picture.boxes[link.tail]))
        text = font(style.theme.muted, f"↑ {called(operand, style)}")
        tooltip = in_tooltip(f"{called(operand, style)}, whose card is elsewhere")
        figure.node(name, f"<{table(style.theme, '', rows=[cell(text)], border=0)}>", tooltip=tooltip)

    def _draw_link(self, figure: Digraph, tail: str, link: Link, strongest: float) -> None:
        boxes = self.picture.boxes
        style = self._style(self._stands_out(boxes[link.tail]) and self._stands_out(boxes[link.head]))
        has_label = "local" in style.show and link.share is not None and link.known
        tooltip = self._tooltip(link)
        figure.edge(
            tail,
            f"n{link.head}",
            label=edge_label(link.low, link.high, style) if has_label else None,
            tooltip=tooltip,
            labeltooltip=tooltip,
            fontcolor=None if style is self.style else style.theme.muted,
            **palette.pen(link.share, strongest, style.theme, mixed=link.mixed),
        )

    def _tooltip(self, link: Link) -> str:
        if link.share is None:
            return in_tooltip("a constant: no gradient flows to it" if link.uses == 1 else "constants: no gradient")
        if not link.known:
            return in_tooltip("not evaluated")
        if link.uses > 1:
            return in_tooltip(
                f"{link.uses:,} edges",
                f"local derivatives from {link.low!r} to {link.high!r}",
                f"sizes of what flows along them add up to {abs(link.share)!r}",
            )
        operand, node = called(link.operand, self.style), called(link.node, self.style)
        return in_tooltip(
            f"∂({node})/∂({operand}) = {link.low!r}",
            f"times the grad {link.node.grad!r} of {node}",
            f"gives {link.share!r} to the grad of {operand}",
        )

    def _stands_out(self, box: Box) -> bool:
        return not self.highlighted or any(id(node) in self.highlighted for node in box.nodes)

    def _style(self, stands_out: bool) -> Style:
        return self.style if stands_out else self.style._replace(theme=all_faded(self.style.theme))

    def _mark(self, box: Box) -> Mark:
        failures, stale = self.picture.staleness
        return Mark(
            is_output=any(id(node) in self.picture.roots for node in box.nodes),
            is_highlighted=bool(self.highlighted) and self._stands_out(box),
            is_cut=any(id(node) in self.picture.cut for node in box.nodes),
            is_stale=bool(stale) and all(id(node) in stale for node in box.nodes),
            failure=next((failures[id(node)] for node in box.nodes if id(node) in failures), ""),
        )
