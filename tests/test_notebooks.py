"""The notebooks run from top to bottom on made-up images, cell after cell, and are stored without outputs."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path):
    pytest.importorskip("matplotlib")
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    names = {}
    for number, cell in enumerate(cells):
        assert cell["outputs"] == [], "store it without outputs"
        exec(compile("".join(cell["source"]), f"{path.name}, code cell {number}", "exec"), names)
    if path.stem == "quick_start":
        assert names["changed"][names["data"].labels == 0].sum() == 0
        assert names["loss"].isfinite()
    else:
        for low, middle, high in names["difference"].values():
            assert low <= middle <= high


def test_both_are_there():
    assert [path.stem for path in NOTEBOOKS] == ["does_it_help", "quick_start"]
