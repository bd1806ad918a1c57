"""A lifted program as a picture: a card for each group of scalars, with the statement that computes it.

The gradient of a function retraces its steps. Where a program has one, the backward groups are laid out the other way,
beside the forward ones that they belong to: the picture is half as long, and reads as textbooks draw it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tinygrad_lite.lift.lifting import Lifted
from tinygrad_lite.lift.program import Program
from tinygrad_lite.plotting.themes import FONT, Theme
from tinygrad_lite.viz.programs.program_cards import card, cells, details, frame_label, port
from tinygrad_lite.viz.programs.program_graph import Box, Frame, Link, ProgramPicture, compose
from tinygrad_lite.viz.reading.labels import in_label, in_tooltip

if TYPE_CHECKING:
    from graphviz import Digraph

#: Where the results lie, and the sides on which lines leave a cell and enter one.
_SIDES: Final = {"LR": ("e", "w"), "RL": ("w", "e"), "TB": ("s", "n"), "BT": ("n", "s")}
#: Above so many cards a picture is drawn from top to bottom, if it is not told otherwise: pages are scrolled that way.
_WIDE: Final = 36


def draw_program(
    program: Program | Lifted,
    *,
    direction: str | None = None,
    expand: Any = (),
    theme: str | Theme | None = None,
    legend: bool = True,
) -> Digraph:
    """Return a program as a picture: what :func:`tinygrad_lite.viz.draw` gives for it.

    Each group of scalars is one card: its name, the shape of its array, the statement that computes it, and how many
    scalars it stands for; ``n`` is the number of samples. Inputs are white, what only the gradient needs is blue, and
    results have a thick border. Constants that are one number stand in the statements.

    Args:
        program: A program; of a lifted function the one that was used last.
        direction: Where the results lie: ``"LR"`` puts them to the right, ``"TB"`` below, ``"RL"``, ``"BT"``. If not
            given, ``"LR"``, and ``"TB"`` for programs of more than 36 groups. Gradients run against it.
        expand: Groups that are shown with their scalars: a name (``"z1"``), several, or a number, for all groups of at
            most so many scalars. At most 64 of a group are drawn.
        theme: ``"light"``, ``"dark"``, or ``"print"``; if not given, light in a file, and in a notebook the
            notebook's own.
        legend: Whether a line below the picture says what its colours mean.

    Raises:
        LiftError: The lifted function was not called yet.
        TypeError, ValueError: An option is out of range, or no group has that name.

    >>> from tinygrad_lite import tanh
    >>> from tinygrad_lite.lift.lifting import lift
    >>> program = lift(lambda x: tanh(x)).program_for(1.0)
    >>> draw_program(program).source.count("->")
    1
    """
    from tinygrad_lite.viz.drawing.digraph import in_themes

    if direction is not None and direction not in _SIDES:
        raise ValueError(f"direction is one of {', '.join(_SIDES)}, not {direction!r}")
    found = program.last if isinstance(program, Lifted) else program
    picture = compose(found.ir, expand)
    lies = direction or ("LR" if len(picture.boxes) <= _WIDE else "TB")
    return in_themes(theme, lambda colours: _figure(picture, colours, lies, legend))


def is_program(root: Any) -> bool:
    """Whether it is a program, or a lifted function.

    Args:
        root: Anything.
    """
    return isinstance(root, (Program, Lifted))


def _figure(picture: ProgramPicture, theme: Theme, direction: str, with_legend: bool) -> Digraph:
    from tinygrad_lite.viz.drawing.digraph import new_figure

    explained = _legend(picture, theme) if with_legend else ""
    # Lines end at the frames of groups that are opened.
    figure = new_figure(theme, direction, explained, ranksep="0.35", compound="true")
    loops = [_make_loop(frame, number, theme) for number, frame in enumerate(picture.frames)]
    where = {number: loop for loop, frame in zip(loops, picture.frames, strict=True) for number in frame.members}
    for box in picture.boxes:
        into = where.get(box.number, figure)
        if box.cells:
            _draw_frame(into, box, theme, direction)
        else:
            into.node(f"n{box.number}", card(box, theme), tooltip=details(box))
    for loop, frame in reversed([*zip(loops, picture.frames, strict=True)]):
        (figure if frame.within is None else loops[frame.within]).subgraph(loop)
    boxes = {box.number: box for box in picture.boxes}
    for link in picture.links:
        _draw_link(figure, link, boxes, theme, direction)
    return figure


def _make_loop(frame: Frame, number: int, theme: Theme) -> Digraph:
    """Make the frame of a loop over steps, which says how many there are and what they hand over."""
    import graphviz

    return graphviz.Digraph(
        f"cluster_loop_{number}",
        graph_attr={
            "label": f"<{in_label(frame.title)}>",
            "labelloc": "t",
            "labeljust": "l",
            "fontname": FONT,
            "fontsize": "11",
            "fontcolor": theme.muted,
            "style": "rounded,dashed",
            "color": theme.muted,
            "margin": "12",
            "tooltip": in_tooltip(f"a loop of {frame.title}"),
        },
    )


def _draw_frame(figure: Digraph, box: Box, theme: Theme, direction: str) -> None:
    """Draw the scalars of a group, in a frame."""
    import graphviz

    across = direction in ("TB", "BT")
    frame = graphviz.Digraph(
        f"cluster_{box.number}",
        graph_attr={
            "label": "" if across else f"<{frame_label(box, theme)}>",
            "labelloc": "t",
            "labeljust": "l",
            "fontname": FONT,
            "fontsize": "12",
            "style": "rounded,filled",
            "color": theme.ink if box.is_result else theme.faint,
            "fillcolor": theme.frame,
            "margin": "8",
            "tooltip": details(box),
        },
    )
    frame.node(f"n{box.number}", cells(box, theme, across), tooltip=details(box))
    figure.subgraph(frame)


def _draw_link(figure: Digraph, link: Link, boxes: dict[int, Box], theme: Theme, direction: str) -> None:
    tail, head = boxes[link.tail], boxes[link.head]
    attributes = {"color": theme.muted, "tooltip": in_tooltip(f"{head.line.name} reads {tail.line.name}")}
    ends = (tail, head)
    lines = link.cells
    if link.is_carried:
        attributes |= {"style": "dashed", "constraint": "false"}
        attributes["tooltip"] = in_tooltip(f"{head.line.name} reads {tail.group.name} of the step before")
    elif tail.is_backward and head.is_backward:
        attributes |= {"color": theme.positive, "dir": "back"}
        ends = (head, tail)
        lines = [(place, read) for read, place in lines]
    elif head.is_backward:
        # What the gradient reads of the forward groups does not move them: the two stand side by side.
        attributes |= {"color": theme.faint, "constraint": "false"}
    if lines:
        leaving, entering = _SIDES[direction]
        for start, end in lines:
            attributes["penwidth"] = "0.6"
            figure.edge(
                f"n{ends[0].number}:{port(start)}:{leaving}", f"n{ends[1].number}:{port(end)}:{entering}", **attributes
            )
        return
    for name, box in zip(("ltail", "lhead"), ends, strict=True):
        if box.cells:
            attributes[name] = f"cluster_{box.number}"
    figure.edge(f"n{ends[0].number}", f"n{ends[1].number}", **attributes)


def _legend(picture: ProgramPicture, theme: Theme) -> str:
    """Return what the colours mean, of those that there are."""
    boxes = picture.boxes
    entries = [
        (theme.leaf, "input", any(not box.is_computed for box in boxes)),
        (
            theme.interior,
            "forward",
            any(box.is_computed and not box.is_backward and not box.is_result for box in boxes),
        ),
        (theme.module, "backward", any(box.is_backward for box in boxes)),
    ]
    swatches = [_swatch(colour, text, theme) for colour, text, is_there in entries if is_there]
    swatches.append(f'<TD><FONT COLOR="{theme.muted}">thick border: result</FONT></TD>')
    if any(box.group.batched for box in boxes):
        swatches.append(f'<TD><FONT COLOR="{theme.muted}">n: samples</FONT></TD>')
    gap = '<TD WIDTH="6"></TD>'
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="3" CELLPADDING="1"><TR>{gap.join(swatches)}</TR></TABLE>>'


def _swatch(colour: str, text: str, theme: Theme) -> str:
    box = f'<TD BORDER="1" COLOR="{theme.muted}" BGCOLOR="{colour}" WIDTH="14" HEIGHT="9" FIXEDSIZE="TRUE"></TD>'
    return f'{box}<TD><FONT COLOR="{theme.muted}">{in_label(text)}</FONT></TD>'
