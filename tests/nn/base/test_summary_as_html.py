"""What a notebook shows of a model is a table of its modules, in which no text of a stranger is markup."""

from __future__ import annotations

import re
from html import unescape

from tinygrad_lite.nn.base.containers import Sequential
from tinygrad_lite.nn.base.module import Module
from tinygrad_lite.nn.layers.activations import ReLU
from tinygrad_lite.nn.layers.layers import MLP
from tinygrad_lite.nn.layers.linear import Linear


def cells(model: Module) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", model._repr_html_())
    return [[unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]


def test_it_has_the_rows_of_the_summary() -> None:
    model = Sequential(Linear(2, 3), ReLU(), MLP(3, [4, 1]))
    model[0].requires_grad_(False)
    assert [[cell for cell in row if cell] for row in cells(model)] == [
        line.split() for line in model.summary().splitlines()
    ]
    assert "37 parameters" not in model._repr_html_()
    assert "30 parameters, 9 frozen" in model._repr_html_()


def test_names_are_text() -> None:
    model = Sequential({"<script>": Linear(1, 1)})
    assert "<script>" not in model._repr_html_()
    assert cells(model)[2][0] == "<script>"


def test_of_very_many_modules_the_first_are_shown() -> None:
    table = cells(Sequential(*[Linear(1, 1) for _ in range(100)]))
    assert len(table) == 62
    assert table[-1][0] == "… and 41 more"
