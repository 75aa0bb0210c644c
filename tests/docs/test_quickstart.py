"""The notebook runs from its first cell to its last, in Python alone."""

import json
from pathlib import Path

import matplotlib
import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "quickstart.ipynb"


@pytest.fixture
def cells():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_it_is_stored_without_outputs_and_reads_on_its_own(cells):
    kinds = [cell["cell_type"] for cell in cells]
    assert kinds[0] == "markdown"
    assert kinds.count("markdown") >= 8
    for cell in cells:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_its_cells_run_in_order(cells, tmp_path, monkeypatch, capsys):
    """With one epoch in the place of fifteen: whether the network learns is tested elsewhere."""
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            assert ("epochs = 15" in source) == ("[training]" in source)
            exec(compile(source.replace("epochs = 15", "epochs = 1"), cell["id"], "exec"), names)
    out = capsys.readouterr().out
    assert "shared between splits: 0" in out
    assert "open-pit mine: " in out
    pits = names["estimate"].estimates.classes[0].area
    truth = (names["landscape"].codes == 1).sum() * 16 / 1e4
    assert abs(pits.value - truth) < 4 * pits.standard_error
    assert (tmp_path / "quickstart" / "results" / "report.html").exists()
