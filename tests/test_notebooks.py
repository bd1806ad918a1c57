"""Every notebook runs from top to bottom, with the answers of its exercises, and is kept with its outputs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
#: Seconds that a cell may take.
LIMIT = 60
FOLDED = re.compile(r"<details>.*?</details>", re.DOTALL)
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def answers(markdown: str) -> list[str]:
    """The code in the folded answers of a cell of text."""
    return [code for folded in FOLDED.findall(markdown) for code in CODE.findall(folded)]


@pytest.mark.filterwarnings("default")  # Jupyter's own warnings are not ours to mend
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason="the notebook extra is not installed")
    pytest.importorskip("ipykernel", reason="the notebook extra is not installed")
    import nbformat

    notebook: Any = nbformat.read(path, as_version=4)
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "markdown":
            cells += [nbformat.v4.new_code_cell(code) for code in answers(cell.source)]
    notebook.cells = cells
    client = nbclient.NotebookClient(
        notebook, timeout=LIMIT, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_with_its_outputs(path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="the notebook extra is not installed")
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert any(cell.outputs for cell in cells)
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]


def test_the_code_of_folded_answers_is_found() -> None:
    assert answers("Why?\n<details>\n<summary>Answer</summary>\n\n```python\n1 + 1\n```\n</details>") == ["1 + 1\n"]
    assert answers("```python\nnot folded\n```") == []


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS
