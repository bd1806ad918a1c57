"""The picture of a lifted program has its groups, its statements and its references, whatever their names."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_lite import dot, exp, nn, relu, sin, sum, value_and_grad
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.ir.groups import Group, Groups, Index, Output, Ref, Term
from tinygrad_lite.lift.lifting import Lifted, lift
from tinygrad_lite.lift.program import Program
from tinygrad_lite.plotting.themes import THEMES
from tinygrad_lite.viz import draw, mimebundle, render, save
from tinygrad_lite.viz.drawing import renderers
from tinygrad_lite.viz.programs.program_graph import compose

EDGE = re.compile(r"^\t(n\d+)(?::\S+)? -> (n\d+)(?::\S+)? \[(.*)\]$", re.MULTILINE)
NODE = re.compile(r"^\t+(n\d+) \[(.*)\]$", re.MULTILINE)
needs_renderer = pytest.mark.skipif(not renderers.installed(), reason="neither dot nor pygraphviz is installed")


def lifted() -> Lifted:
    model = nn.MLP(2, [3, 1], generator=0)
    step: Lifted = lift(value_and_grad(lambda model, x, y: relu(1.0 - y * model(x))), batch=(None, 0, 0))
    step(model, np.ones((5, 2)), np.ones(5))
    return step


MLP = lifted()


def number_of(program: Program, name: str) -> int:
    return [group.name for group in program.groups].index(name)


def causal() -> Program:
    """Sums of growing length: a mask, and elements that the graph does not have."""

    def f(x: Any) -> Any:
        rows = [[exp(x[t] * x[s]) for s in range(t + 1)] for t in range(len(x))]
        return sum(e / sum(row) * e for row in rows for e in row)

    found: Program = lift(f).program_for(np.arange(4.0))
    return found


def test_there_is_a_card_for_each_group_with_its_name_shape_and_statement() -> None:
    cards = dict(NODE.findall(draw(MLP.last).source))
    for number, group in enumerate(MLP.last.groups):
        if group.kind == "constant":
            assert f"n{number}" not in cards
        else:
            assert f'<B><FONT COLOR="#1F2933">{group.name}</FONT></B>' in cards[f"n{number}"]
    z1 = cards[f"n{number_of(MLP.last, 'z1')}"]
    for text in ("(3, n)", "W1 @ x + b1[:, None]", "3 scalars a sample"):
        assert text in z1
    assert ">6 scalars<" in cards[f"n{number_of(MLP.last, 'W1')}"]
    assert "model.layers.0" in cards[f"n{number_of(MLP.last, 'W1')}"]


def test_a_constant_that_is_one_number_stands_in_the_statement_and_another_is_a_card() -> None:
    along = Index(0, ((0, 1),))
    groups = [
        Group("input", (2,), path="x"),
        Group("constant", (2,), data=np.array([3.0, 4.0])),
        Group("constant", (), data=np.array(7.0)),
        Group("map", (2,), "mul", (Ref(0, (along,)), Ref(1, (along,)))),
        Group("map", (2,), "mul", (Ref(3, (along,)), Ref(2, ()))),
    ]
    picture = compose(Groups(groups, [0], [Output((2,), Ref(4, (along,)))]))
    assert [box.number for box in picture.boxes] == [0, 1, 3, 4]
    assert [box.line.text for box in picture.boxes][2:] == ["t1 = x * c1", "t2 = t1 * 7"]


def test_there_is_a_line_from_each_operand_and_gradients_run_against_the_rest() -> None:
    program = MLP.last
    found = []
    for tail, head, attributes in EDGE.findall(draw(program).source):
        back = "dir=back" in attributes
        found.append((int((head if back else tail)[1:]), int((tail if back else head)[1:]), back))
    expected = {
        (ref.group, number)
        for number, group in enumerate(program.groups)
        for ref in group.refs()
        if program.groups[ref.group].kind != "constant"
    }
    assert sorted(pair[:2] for pair in found) == sorted(expected)
    d1, forward = number_of(program, "d1"), number_of(program, "z1")
    assert all(back for tail, _, back in found if tail == d1)
    assert not any(back for tail, _, back in found if tail == forward)


@pytest.mark.parametrize("theme", list(THEMES))
def test_the_colours_are_those_of_the_theme(theme: str) -> None:
    colours = THEMES[theme]
    cards = dict(NODE.findall(draw(MLP, theme=theme).source))
    for name, colour in (
        ("x", colours.leaf),
        ("z1", colours.interior),
        ("d1", colours.module),
        ("loss", colours.output),
    ):
        assert f'BGCOLOR="{colour}"' in cards[f"n{number_of(MLP.last, name)}"], name
    assert f'bgcolor="{colours.page}"' in draw(MLP, theme=theme).source or colours.page == "transparent"


def test_results_have_a_thick_border() -> None:
    cards = dict(NODE.findall(draw(MLP).source))
    results = {f"n{output.ref.group}" for output in MLP.last.ir.outputs}
    assert {name for name, card in cards.items() if 'BORDER="2"' in card} == results


def test_a_group_that_is_opened_shows_its_scalars_and_who_reads_whom() -> None:
    source = draw(MLP, expand=["z1", "a1"]).source
    z1, a1 = number_of(MLP.last, "z1"), number_of(MLP.last, "a1")
    assert f"subgraph cluster_{z1}" in source
    cards = dict(NODE.findall(source))
    assert re.findall(r'PORT="(\w+)"', cards[f"n{z1}"]) == ["p0", "p1", "p2"]
    for scalar in range(3):
        assert f"n{z1}:p{scalar}:e -> n{a1}:p{scalar}:w" in source
    assert "PORT" not in cards[f"n{number_of(MLP.last, 'W1')}"]


def test_a_number_opens_all_groups_of_at_most_so_many_scalars() -> None:
    opened = [box for box in compose(MLP.last.ir, 3).boxes if box.cells]
    assert {box.number for box in opened} == {
        n for n, group in enumerate(MLP.last.groups) if group.size <= 3 and group.kind != "constant"
    }


def test_of_many_scalars_some_are_shown_and_the_rest_counted() -> None:
    found = lift(lambda x: np.array([[2.0 * t for t in row] for row in x], dtype=object)).program_for(np.ones((20, 30)))
    name = found.groups[found.ir.outputs[0].ref.group].name
    source = draw(found, expand=name).source
    assert source.count("PORT=") == 64
    assert "… 536 more" in source


def test_elements_that_the_graph_does_not_have_are_faint_and_not_counted() -> None:
    program = causal()
    group = next(group for group in program.groups if group.present is not None and not group.present.all())
    (box,) = [box for box in compose(program.ir, group.name).boxes if box.cells]
    assert box.scalars == int(group.present.sum()) < group.size
    card = dict(NODE.findall(draw(program, expand=group.name).source))[f"n{box.number}"]
    assert card.count(THEMES["light"].faint) == group.size - box.scalars


def test_a_masked_scalar_is_not_read() -> None:
    mask = np.array([[True, False], [True, True]])
    term = Term((Ref(0, (Index(0, ((1, 1),)),)),), (2,), 1.0, mask, (0, 1))
    groups = [Group("input", (2,), path="x"), Group("sum", (2,), terms=(term,))]
    program = Groups(groups, [0], [Output((2,), Ref(1, (Index(0, ((0, 1),)),)))])
    (link,) = compose(program, 9).links
    assert link.cells == [((0,), (0,)), ((0,), (1,)), ((1,), (1,))]


@needs_renderer
@given(path=st.text(st.characters(), max_size=40), op=st.sampled_from(["exp", "neg"]))
@settings(max_examples=settings().max_examples // 5)
def test_hostile_paths_are_drawn_as_they_are_and_nothing_else(path: str, op: str) -> None:
    along = (Index(0, ((0, 1),)),)
    groups = Groups([Group("input", (2,), path=path), Group("map", (2,), op, (Ref(0, along),))], [0])
    groups.outputs.append(Output((2,), Ref(1, along)))
    program = Program.__new__(Program)
    program.outline = groups
    root = ET.fromstring(render(draw(program, expand=1), "svg"))
    kinds = [element.get("class") for element in root.iter("{http://www.w3.org/2000/svg}g") if element.get("class")]
    assert sorted(kinds) == ["edge", "graph", "node", "node"]
    assert not [element for element in root.iter() if element.tag.endswith(("script", "image"))]


@needs_renderer
@pytest.mark.parametrize(("name", "begins"), [("a.svg", b"<?xml"), ("a.png", b"\x89PNG"), ("a.pdf", b"%PDF")])
def test_pictures_of_programs_are_written_in_every_format(tmp_path: Path, name: str, begins: bytes) -> None:
    for picture in (MLP, MLP.last, draw(MLP)):
        assert save(picture, tmp_path / name).read_bytes().startswith(begins)


@needs_renderer
@pytest.mark.parametrize("direction", ["LR", "RL", "TB", "BT"])
def test_every_direction_can_be_drawn_with_scalars(direction: str) -> None:
    source = draw(MLP, direction=direction, expand=9).source
    assert f"rankdir={direction}" in source
    assert b"</svg>" in render(draw(MLP, direction=direction, expand=9), "svg")


def test_a_long_program_runs_down_the_page() -> None:
    def f(x: Any) -> Any:
        for k in range(40):
            x = sin(x) if k.bit_count() % 2 else relu(x)  # nothing repeats often enough for a loop
        return x

    assert "rankdir=TB" in draw(lift(f).program_for(-1.0)).source
    assert "rankdir=LR" in draw(MLP).source


@needs_renderer
def test_notebooks_show_programs_as_pictures_and_as_text() -> None:
    for program in (MLP, MLP.last):
        bundle = program._repr_mimebundle_()
        assert bundle.keys() == {"text/html", "text/plain"}
        assert bundle["text/plain"] == repr(program)
        assert program._repr_mimebundle_(exclude={"text/html"}).keys() == {"text/plain"}


def test_a_function_that_was_not_called_yet_is_text_in_a_notebook_and_an_error_elsewhere() -> None:
    unused = lift(lambda x: dot((x,), (x,)))
    assert mimebundle(unused).keys() == {"text/plain"}
    with pytest.raises(LiftError, match="not called yet"):
        draw(unused)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"precision": 3}, TypeError, "precision: for the graph below a Value"),
        ({"collapse": True, "depth": 2}, TypeError, "depth, collapse: for"),
        ({"expand": "z9"}, ValueError, "no group 'z9'; there are .*z1"),
        ({"expand": [1.5]}, TypeError, "expand takes names"),
        ({"expand": None}, TypeError, "expand takes names"),
        ({"direction": "left"}, ValueError, "direction is one of"),
        ({"theme": "pink"}, ValueError, "theme is one of"),
    ],
)
def test_options_are_checked(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        draw(MLP, **options)


def test_the_same_program_gives_the_same_source() -> None:
    assert draw(lifted()).source == draw(MLP).source


def test_a_loop_over_steps_is_a_frame_that_says_what_each_hands_over():
    def walk(p, xs):
        h = p[0]
        for x in xs:
            h = sin(p[1] * h + x)
        return h

    program = lift(value_and_grad(walk)).program_for([0.5, 0.9], np.arange(9.0))
    picture = compose(program.ir)
    forward, backward = picture.frames
    assert (forward.steps, len(forward.carried)) == (8, 1)
    assert len(backward.carried) == 1
    carried = [link for link in picture.links if link.is_carried]
    names = {group.name for number, group in enumerate(program.groups) if number in program.ir.find_loops()}
    assert {program.groups[link.tail].name for link in carried} == {*forward.carried, *backward.carried} <= names
    source = draw(program).source
    assert f"8 steps, each hands over {forward.carried[0]}" in source
    assert source.count("style=dashed") == len(carried)
    assert "[t + 1]" in source


def test_a_group_with_initial_rows_is_opened_scalar_by_scalar():
    program = lift(lambda p, xs: _walk(p, xs)).program_for([0.5, 0.9], np.arange(9.0))
    state = next(group for group in program.groups if group.initial)
    picture = compose(program.ir, state.name)
    (box,) = [box for box in picture.boxes if box.group is state]
    assert sum(len(row) for row in box.cells) == 9


def _walk(p, xs):
    h = p[0]
    for x in xs:
        h = sin(p[1] * h + x)
    return h
