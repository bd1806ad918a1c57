"""Every notebook runs from top to bottom, with the answers of its exercises, and is kept with its outputs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
#: Seconds that a cell may take.
LIMIT = 60
#: What runs in the place of training for many steps and of measuring every engine. Each cell runs; what comes out of
#: the whole, the outputs show that are kept, and ``make notebooks`` makes anew.
SHORTER: dict[str, dict[str, str]] = {
    "06_optimizers": {"STEPS, BATCH, SEEDS = 200, 32, (0, 1, 2)": "STEPS, BATCH, SEEDS = 40, 32, (0, 1)"},
    "07_vanishing_and_exploding_gradients": {
        "for s in range(5)]": "for s in range(2)]",
        "steps=100, momentum": "steps=10, momentum",
        "for seed in range(20)": "for seed in range(2)",
        "150, seed": "20, seed",
    },
    "08a_convolution": {
        "= digit_images()": "= [(x[:200], y[:200]) for x, y in digit_images()]",
        "seconds=0.3": "seconds=0.03, engines=['numpy']",
    },
    "08b_recurrent": {
        "= recurrent.rows_of_digits()": "= [(x[:200], y[:200]) for x, y in recurrent.rows_of_digits()]",
        "optimizer, 8, 32": "optimizer, 1, 32",
    },
    "08c_gpt": {"= gpt.split_names(names, generator=1)": "= [x[:80] for x in gpt.split_names(names, generator=1)]"},
    "08d_graph_network": {
        "epochs=100": "epochs=5",
        "100, None": "5, None",
        '("numpy", "jax"), seconds=0.1': '["numpy"], seconds=0.01',
    },
    "08e_diffusion": {
        "epochs, batch_size = 12, 256": "epochs, batch_size = 2, 256",
        "seconds=0.2": "seconds=0.02, engines=['numpy']",
    },
    "08f_autoencoder": {
        "epochs, batch_size = 100, 32": "epochs, batch_size = 5, 32",
        "adam, 60, 32": "adam, 2, 32",
        "seconds=0.2": "seconds=0.02, engines=['numpy']",
    },
}
FOLDED = re.compile(r"<details>.*?</details>", re.DOTALL)
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


def shortened(code: str, replaced: dict[str, str]) -> str:
    """The code, with what stands for what in it."""
    for long, short in replaced.items():
        code = code.replace(long, short)
    return code


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
    replaced = SHORTER.get(path.stem, {})
    assert [long for long in replaced if not any(long in cell.source for cell in cells)] == []
    for cell in cells:
        if cell.cell_type == "code":
            cell.source = shortened(cell.source, replaced)
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
