"""Exercises of the notebooks: right answers are called right, wrong ones are not, and each is asked in a notebook."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tinygrad_lite.lessons import check
from tinygrad_lite.lessons.answers import EXERCISES

NOTEBOOKS = Path(__file__).resolve().parent.parent.parent / "notebooks"


def right_sweep(order: Any, root: Any) -> None:
    for node in order:
        if not node.is_leaf:
            node.grad = 0.0
    root.grad = 1.0
    for node in order:
        for parent, partial in zip(node.parents, node.partials, strict=True):
            parent.grad += node.grad * partial


def careless_sweep(order: Any, root: Any) -> None:
    root.grad = 1.0
    for node in order:
        for parent, partial in zip(node.parents, node.partials, strict=True):
            parent.grad += node.grad * partial


def clearing_sweep(order: Any, root: Any) -> None:
    for node in order:
        node.grad = 0.0
    careless_sweep(order, root)


RIGHT: dict[str, list[tuple[Any, ...]]] = {
    "1.1": [(2.0, 5.0)],
    "1.2": [(0, 0.0)],
    "1.3": [(["L", "s", "h", "x", "w"],), (["L", "s", "h", "w", "x"],)],  # one of them is the printed one
    "1.4": [(right_sweep,)],
    "1.5": [(2**30, 30)],
    "1.6": [(6.8814,), (5.1186,)],
    "2.1": [(2,)],
    "2.4": [(0, 0)],
    "2.5": [(lambda n, m: n * m, lambda n, m: 2 * n * m)],
    "3.1": [("backward", "step")],
    "3.2": [(1.0, 1.0, -2.0, -0.5)],
    "3.4": [(False,)],
    "3.5": [(0.25,)],
    "4.6": [(7, 3, 3)],
    "5.1": [("kink", "KINK")],
    "5.2": [("positive",)],
    "5.3": [(1.0, 1.0), (-2.0, -2.0)],
}
WRONG: list[tuple[str, tuple[Any, ...], str]] = [
    ("1.1", (2.0, 3.0), "another leads through a + b"),
    ("1.1", (2.5, 5.0), "∂y/∂a is not 2.5."),
    ("1.2", (1.0, 0.0), "one of two messages"),
    ("1.3", (["L", "h", "s", "w", "x"],), "h stands before s, which uses it"),
    ("1.3", (["L", "s", "h", "w"],), "each of L, h, s, w, x once"),
    ("1.4", (careless_sweep,), "x has 102, not 52: interior nodes"),
    ("1.4", (clearing_sweep,), "x has 26, not 52: that is one sweep's"),
    ("1.4", (lambda order, root: None,), "x has 0, not 52"),
    ("1.4", (lambda order: None,), "it raised TypeError"),
    ("1.5", (60, 30), "each node doubles"),
    ("1.6", (6.0,), "the slope is 1, not 0.5"),
    ("2.1", (1,), "the last layer"),
    ("2.4", (1, 0), "add up to 0"),
    ("2.5", (lambda n, m: n * m, lambda n, m: n * m), "it is not 15 backwards"),
    ("3.1", ("loss", "backward"), "thrown away"),
    ("3.2", (1.0, 1.0, 0.0, -0.5), "At (1, 1) z is 1.5"),
    ("3.4", (True,), "what does the boundary look like"),
    ("3.5", (4,), "four times as large already"),
    ("4.6", (7, 14, 28), "the steps repeat"),
    ("5.1", ("wrong", "kink"), "one right slope"),
    ("5.2", ("negative",), "1 − s"),
    ("5.3", (1.0, 2.0), "At (1.0, 2.0)"),
    ("5.2", (1,), "1 − s"),
    ("1.1", ("two", 5), "it raised ValueError"),
]


def test_each_exercise_has_an_answer_here() -> None:
    assert RIGHT.keys() == EXERCISES.keys() == {exercise for exercise, *_ in WRONG}


@pytest.mark.parametrize("exercise", RIGHT)
def test_right_answers_are_right(exercise: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for answer in RIGHT[exercise]:
        check(exercise, *answer)
        said.append(capsys.readouterr().out)
    right = [text.startswith(f"{exercise}: right! {EXERCISES[exercise].because}") for text in said]
    if exercise == "1.3":
        assert sorted(right) == [False, True]
        assert "which was printed" in said[right.index(False)]
    else:
        assert all(right)


@pytest.mark.parametrize(("exercise", "answer", "says"), WRONG)
def test_wrong_answers_are_told_why(
    exercise: str, answer: tuple[Any, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check(exercise, *answer)
    said = capsys.readouterr().out
    assert said.startswith(f"{exercise}: not yet. ")
    assert says in said


@pytest.mark.parametrize("exercise", RIGHT)
def test_dots_and_answers_of_other_lengths_are_told_what_is_asked(
    exercise: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asks = EXERCISES[exercise].asks
    for answer in ((), (...,) * EXERCISES[exercise].parts, (1,) * (EXERCISES[exercise].parts + 1)):
        check(exercise, *answer)
        assert asks in capsys.readouterr().out


def test_an_exercise_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no exercise '9\.9' can be checked: there are 1\.1, 1\.2"):
        check("9.9", 1)


def test_each_exercise_is_asked_in_its_notebook() -> None:
    asked = []
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code":
                found = re.findall(r"^check\(\"([\d.]+)\"", source, re.MULTILINE)
                assert all(exercise.partition(".")[0] == str(int(path.stem[:2])) for exercise in found)
                asked += found
    assert asked == list(EXERCISES)
