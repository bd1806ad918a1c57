"""Labels are drawn as the text that they are, whatever they say, and are never read as markup."""

from __future__ import annotations

import re
import unicodedata
import xml.etree.ElementTree as ET
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinygrad_lite import Value, mean
from tinygrad_lite.nn import Module
from tinygrad_lite.viz import draw, render
from tinygrad_lite.viz.drawing import renderers
from tinygrad_lite.viz.drawing.digraph import Figure
from tinygrad_lite.viz.output.tree import tree
from tinygrad_lite.viz.reading.labels import WIDTH, in_label, shortened, visible

SVG = "{http://www.w3.org/2000/svg}"
TITLE = "{http://www.w3.org/1999/xlink}title"

HOSTILE = [
    'say "hi"',
    "<b>bold</b>",
    "</TD></TR></TABLE>>",
    "<script>alert(1)</script>",
    "<![CDATA[x]]>",
    "&lt;b&gt; &amp;amp; &#65;",
    r"\N \G \E \T \H \L \l \r \n \\ " + "\\",
    "\\" * 7 + '"',
    "{a|<port> b}",
    '"]; n0 -> n0 [label="',
    "a\nb\tc\r\x00\x1b[31m",
    "\ud800 half a pair \uffff",
    "\u2028\x85",
    "😀 👩\u200d👩\u200d👧 e\u0301",
    "\u202eשלום עולם",
    "x" * 10_000,
    " ",
    "  two  spaces  ",
    "-->",
    "%s %n {0}",
    "digraph",
    "charset=",
]

texts = st.text(st.characters(), min_size=1, max_size=60) | st.text('<>&"\\{}|;lNGELr#n 1', min_size=1, max_size=60)

needs_renderer = pytest.mark.skipif(not renderers.installed(), reason="neither dot nor pygraphviz is installed")


def drawn(label: str, renderer: str) -> ET.Element:
    a = Value(2.0, label)
    y = a * a
    y.label = label
    y.backward()
    return ET.fromstring(renderers._RENDERERS[renderer](draw(y).source, "svg"))


def plain(text: str) -> str:
    """Graphviz writes every second space in a row as one that does not break."""
    return text.replace("\xa0", " ")


@needs_renderer
@pytest.mark.parametrize("renderer", renderers.installed())
@given(label=texts)
def test_any_text_is_drawn_as_it_stands(renderer: str, label: str) -> None:
    check(label, renderer)


@needs_renderer
@pytest.mark.parametrize("renderer", renderers.installed())
@pytest.mark.parametrize("label", HOSTILE, ids=ascii)
def test_hostile_text_is_drawn_as_it_stands(renderer: str, label: str) -> None:
    check(label, renderer)


def check(label: str, renderer: str) -> None:
    root, reference = drawn(label, renderer), drawn("REFERENCE", renderer)
    assert Counter(element.tag for element in root.iter()) == Counter(element.tag for element in reference.iter())
    found, expected = ([plain(text.text or "") for text in tree.iter(f"{SVG}text")] for tree in (root, reference))
    assert found == [plain(visible(shortened(label))) if text == "REFERENCE" else text for text in expected]
    titles = [link.get(TITLE, "") for link in root.iter(f"{SVG}a")]
    whole = [title for title in titles if plain(title).startswith(plain(visible(label)) + "\n")]
    assert len(whole) == 2, titles


@given(label=texts)
@example("charset=")
@example("]]>")
def test_labels_add_no_statement_to_the_dot_source(label: str) -> None:
    y = Value(1.0, label) * Value(2.0, label)
    source = draw(y).source
    assert source.count("\n") == draw(Value(1.0, "a") * Value(2.0, "b")).source.count("\n")
    assert "charset=" in source.splitlines()[1]  # before any label: pygraphviz believes the first it meets


@given(label=texts)
def test_text_in_a_label_is_well_formed_xml_with_no_escape_in_it(label: str) -> None:
    inside = in_label(label)
    assert ET.fromstring(f"<td>{inside}</td>").text == visible(label).replace("\\", "\\\\")
    assert re.fullmatch(r"(?:[^\\]|\\\\)*", inside)


@given(label=texts)
@example("\x80")
def test_visible_keeps_every_character_that_can_be_drawn(label: str) -> None:
    shown = visible(label)
    assert len(shown) == len(label)
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert all(new == old or ord(new) >= 0x2400 for new, old in zip(shown, label, strict=True))
    ET.fromstring(f"<t>{shown.replace('&', '').replace('<', '')}</t>".encode())


def test_long_text_is_shortened_with_an_ellipsis() -> None:
    assert shortened("x" * WIDTH) == "x" * WIDTH
    assert shortened("x" * (WIDTH + 1)) == "x" * (WIDTH - 1) + "…"


# ------------------------------------------------------------------------------ text in all other places


class Part(Module):
    """A module that says what it is told to say."""

    def __init__(self, words: str) -> None:
        self.words = words
        self.w = Value(2.0)

    def forward(self, x: Value) -> Value:
        return self.w * x

    def extra_repr(self) -> str:
        return self.words


def everywhere(text: str) -> Figure:
    """A picture with the text in the name of a variable, of a module, of a frame, in a repr and in a group's label."""
    part = Part(text)
    xs = [Value(float(i), text) for i in range(3)]
    key = {text: part, "other": {text: Part(text)}}
    inner = key["other"][text]
    assert isinstance(inner, Part)
    root = mean([part(x) + inner(x) for x in xs])
    return draw(root, names={"d": key, "e": {text: root}}, collapse=True, expand=f"d[{text!r}]")


def texts_of(svg: bytes) -> list[str]:
    return [plain(text.text or "") for text in ET.fromstring(svg).iter(f"{SVG}text")]


@needs_renderer
@given(text=texts)
@example('"]; n0 -> n0 [label="')
@example("</TD></TR></TABLE>>")
@example("\\N\\")
def test_text_from_names_modules_and_frames_is_drawn_as_it_stands(text: str) -> None:
    found = texts_of(render(everywhere(text), "svg"))
    for drawn_text in (text, f"e[{text!r}]", f"d[{text!r}]", f"d['other'][{text!r}]", f"Part({text})"):
        assert plain(visible(shortened(drawn_text))) in found, drawn_text


@given(text=texts)
@example("charset=")
def test_text_from_names_modules_and_frames_adds_no_statement_to_the_dot_source(text: str) -> None:
    source = everywhere(text).source
    assert source.count("\n") == everywhere("plain").source.count("\n")
    assert "charset=" in source.splitlines()[1]


@given(label=texts)
@example("\\")
def test_dot_files_are_read_back_as_they_were_meant(label: str) -> None:
    pygraphviz = pytest.importorskip("pygraphviz")
    y = Value(1.0, label) * Value(2.0, label)
    graph = pygraphviz.AGraph(string=render(y, "dot").decode())
    assert sorted(graph.nodes()) == ["n0", "n1", "n2"]
    for name in ("n1", "n2"):
        card = ET.fromstring(graph.get_node(name).attr["label"])  # without the angle brackets of DOT
        title = next(element for element in card.iter() if element.tag == "B")
        assert title.text == visible(shortened(label)).replace("\\", "\\\\")


@needs_renderer
@pytest.mark.parametrize(("file_format", "begins"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_hostile_text_does_not_stop_png_and_pdf(file_format: str, begins: bytes) -> None:
    root = mean([Value(1.0, label) for label in HOSTILE])
    assert render(root, file_format, collapse=False).startswith(begins)


@given(label=texts)
def test_trees_have_one_line_a_node_whatever_the_labels_say(label: str) -> None:
    lines = str(tree(Value(1.0, label) * Value(2.0, label))).split("\n")
    assert len(lines) == 4
    assert len("\n".join(lines).splitlines()) == 4
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for line in lines for c in line)


def test_a_name_cannot_reorder_the_line_that_it_stands_in() -> None:
    """Each line of a picture's tooltips with such a name has nothing else in it, or has the name isolated."""
    a, b = Value(2.0, label="\u2069\u202eevil"), Value(3.0, label="b")
    product = a * b
    product.label = "\u202eproduct"
    root = product + a
    root.backward()
    tooltips = re.findall(r'tooltip="?([^">]*)', draw(root).source)
    lines = [line for tooltip in tooltips for line in tooltip.split("&#10;") if "\u202e" in line]
    assert len(lines) > 4
    for line in lines:
        alone = line in (a.label, product.label)
        assert alone or re.fullmatch(
            "[^\u2066-\u2069\u202e]*(\u2068[^\u2066-\u2069]*\u2069[^\u2066-\u2069\u202e]*)+", line
        )
