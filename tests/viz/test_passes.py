"""What the page of passes is told: what is drawn of each stage, whose scalars are whose, and nothing that is markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_lite import Value, tanh, value_and_grad, viz
from tinygrad_lite.lift import Passes, lift
from tinygrad_lite.viz.programs import passes_data as data_module
from tinygrad_lite.viz.programs.passes_data import passes_data
from tinygrad_lite.viz.programs.passes_page import passes_page


def loss(w: Any, x: Any) -> Any:
    return tanh(sum(a * b for a, b in zip(w, x, strict=True))) ** 2


def network() -> Passes:
    return lift(value_and_grad(loss), batch=(None, 0)).passes_for(np.arange(3.0), np.ones((5, 3)))


def state(matrix: Any, xs: Any) -> Any:
    h = [0.0] * len(matrix)
    for x in xs:
        h = [tanh(sum(m * hk for m, hk in zip(row, h, strict=True)) + x) for row in matrix]
    return sum(h)


def recurrent(steps: int = 30) -> Passes:
    rng = np.random.default_rng(3)
    return lift(value_and_grad(state)).passes_for(rng.normal(size=(3, 3)), rng.normal(size=steps))


def by_key(stage: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {box["key"]: box for box in stage["boxes"]}
    assert len(found) == len(stage["boxes"])
    return found


@pytest.mark.parametrize("make", [network, recurrent])
def test_boxes_name_boxes_that_are_there(make: Any) -> None:
    stages = passes_data(make())["stages"]
    before: dict[str, Any] = {}
    for stage in stages:
        boxes = by_key(stage)
        for box in boxes.values():
            assert all(0 <= place < len(stage["boxes"]) for place in box["reads"])
            assert set(box["from"]) <= set(before)
        assert {key for loop in stage["loops"] for key in loop["keys"]} <= set(boxes)
        assert {key for _, _, key in stage["lines"] if key} <= set(boxes)
        before = boxes


def test_every_scalar_of_the_canonical_form_goes_into_a_group() -> None:
    _, canonical, groups, *_ = passes_data(network())["stages"]
    taken = {key for box in groups["boxes"] for key in box["from"]}
    assert taken == set(by_key(canonical))
    assert all(box["colour"] >= 0 for box in canonical["boxes"])  # and in a statement of the program


def test_what_vanishes_in_the_canonical_form_is_inside_what_read_it() -> None:
    def total(xs: Any) -> Any:
        return 0.0 + xs[0] + xs[1] + xs[2]

    trace, canonical, *_ = passes_data(lift(total).passes_for(np.ones(3)))["stages"]
    (made,) = [box for box in canonical["boxes"] if box["kind"] == "scalar"]
    assert made["mark"] == "merged"
    assert set(made["from"]) == {box["key"] for box in trace["boxes"] if box["kind"] == "scalar"}
    assert len(made["from"]) > 1
    assert not canonical["gone"]


def test_what_reads_what_is_what_the_graph_says() -> None:
    passes = lift(lambda x, y: x * y + x).passes_for(2.0, 3.0)
    trace = passes_data(passes)["stages"][0]
    names = [box["name"] for box in trace["boxes"]]
    reads = {box["statement"][0]: sorted(names[k] for k in box["reads"]) for box in trace["boxes"] if box["statement"]}
    assert reads["x * y"] == ["x", "y"]
    assert reads["v2 + x"] == ["v2", "x"]


def test_marks_say_what_a_pass_did() -> None:
    stages = {stage["title"]: stage for stage in passes_data(recurrent())["stages"]}
    merged = [box for box in stages["Steps"]["boxes"] if box.get("mark") == "merged"]
    assert {box["name"] for box in merged} >= {"h1[t + 1]", "dh1[t + 1]"}
    assert not any(box.get("mark") for box in stages["Groups"]["boxes"])
    assert any(mark == "gone" and "lines more" in text for text, mark, _ in stages["Steps"]["lines"])
    unread = {stage["title"]: stage for stage in passes_data(network())["stages"]}["Unread groups"]
    assert unread["gone"]


def test_more_than_can_be_drawn_are_piles_of_what_ends_in_one_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = recurrent()
    stages = passes_data(passes)["stages"]
    trace = stages[0]
    assert trace["piled"] > data_module.MOST_SCALARS
    counts = [int(re.sub(r"\D", "", box["caption"])) for box in trace["boxes"] if box.get("pile")]
    singles = sum(not box.get("pile") for box in trace["boxes"])
    assert sum(counts) + singles == trace["piled"]
    assert len(trace["boxes"]) <= len(stages[-1]["boxes"]) + 2
    monkeypatch.setattr(data_module, "MOST_SCALARS", 10_000)
    assert passes_data(passes)["stages"][0]["piled"] == 0


def test_the_source_is_the_programs() -> None:
    passes = network()
    last = passes_data(passes)["stages"][-1]
    assert "".join(f"{text}\n" for text, _, _ in last["lines"]) == passes.program.source
    assert last["proof"] == passes.program.report().difference
    inlined = {box["name"] for box in last["boxes"] if box.get("inlined")}
    assert all(f"    {name} = " not in passes.program.source for name in inlined)
    assert inlined


def test_programs_of_too_many_statements_are_refused() -> None:
    with pytest.raises(ValueError, match=r"max_groups=3.*fewer steps"):
        viz.explore(recurrent(), max_groups=3)


def test_programs_do_not_keep_their_passes() -> None:
    lifted = lift(loss)
    program = lifted.program_for([1.0], [2.0])
    for wrong in (program, lifted):
        with pytest.raises(TypeError, match=r"passes_for.*viz\.draw"):
            viz.explore(wrong)
    with pytest.raises(TypeError, match="live"):
        viz.explore(network(), live=True)


def test_it_is_saved_and_shown_as_the_explorer_is(tmp_path: Path) -> None:
    passes = network()
    page = passes_page(passes, title="a <b>")
    assert viz.save(passes, tmp_path / "p.html", title="a <b>").read_text(encoding="utf-8") == page
    assert viz.explore(passes, title="a <b>").html == page
    assert "<title>a &lt;b&gt;</title>" in page
    assert "<iframe" in viz.explore(passes)._repr_html_()
    assert len(page) < 400_000
    assert viz.save(Value(2.0), tmp_path / "v.html").exists()


class Names(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        assert not any(name in ("src", "href") and "data:" not in value for name, value in attrs)


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>{{script}}"


def test_names_of_strangers_stay_text() -> None:
    def f(weights: Any) -> Any:
        return sum(value * value for value in weights.values())

    plain, hostile = ({name: np.ones(2), "b": np.ones(2)} for name in ("a", HOSTILE))

    def total(found: Any) -> Any:
        return f({key: sum(array) for key, array in found.items()})

    pages = [passes_page(lift(total).passes_for(each), title=text) for each, text in ((plain, "a"), (hostile, HOSTILE))]
    assert Names(pages[0]).tags == Names(pages[1]).tags
    (text,) = re.findall(r'<script type="application/json" id="graph">(.*?)</script>', pages[1], re.DOTALL)
    names = {box["name"] for stage in json.loads(text)["stages"] for box in stage["boxes"]}
    assert any("<script>" in name for name in names)
