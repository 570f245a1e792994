"""What judges PuzzleMix: the exact mask against all masks, the paper's exchange by hand, and the whole table."""

import itertools
import json

import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.puzzle import best_energy, conditional_modes, papers_exchange
from longtail_mix.mixing.guided._puzzle_mask import Energy


@pytest.mark.parametrize(("rows", "columns", "levels"), [(3, 3, 2), (2, 3, 3), (4, 1, 3)])
def test_the_best_energy_is_that_of_the_best_mask(rows, columns, levels):
    torch.manual_seed(0)
    energy = Energy(
        torch.rand(2, rows, columns, levels).double(),
        torch.randn(2, rows, columns - 1).double(),
        torch.randn(2, rows - 1, columns).double(),
    )
    steps = torch.linspace(0, 1, levels).tolist()
    every = torch.tensor(list(itertools.product(steps, repeat=rows * columns))).view(-1, rows, columns).double()
    for i, best in enumerate(best_energy(energy)):
        of_pair = Energy(*(part[i].expand(len(every), *part.shape[1:]) for part in energy))
        torch.testing.assert_close(best, of_pair.of(every).min())


def test_conditional_modes_are_the_best_given_their_neighbours():
    torch.manual_seed(1)
    energy = Energy(torch.rand(3, 4, 4, 3).double(), -torch.rand(3, 4, 3).double(), -torch.rand(3, 3, 4).double())
    share = conditional_modes(energy)
    least = energy.of(share)
    for i, j, level in itertools.product(range(4), range(4), (0.0, 0.5, 1.0)):
        other = share.clone()
        other[:, i, j] = level
        assert (energy.of(other) >= least - 1e-12).all()


def test_the_papers_exchange_by_hand():
    # Blocks 0 and 1 ask for place 0, which keeps block 1; block 0 then asks for place 2, from where block 2 stays out.
    cost = torch.tensor([[0.2, 0.9, 0.3], [0.1, 0.5, 0.6], [0.8, 0.4, 0.35]])
    assert papers_exchange(cost).tolist() == [1, 2, 0]


def test_the_whole_table(tmp_path, monkeypatch):
    pytest.importorskip("scipy")
    for name in ("ISIC2018_ROOT", "ISIC2017_ROOT"):
        monkeypatch.delenv(name, raising=False)
    main(["puzzle", "--images", "6", "--size", "32", "--out", str(tmp_path)])
    report = json.loads((tmp_path / "puzzle.json").read_text())
    assert [row["mask of"] for row in report["masks"]] == ["each block alone", "conditional modes", "ours"] * 3
    assert all(-1e-3 <= row["mean gap, %"] <= row["largest, %"] + 0.05 for row in report["masks"])
    for row in report["moves"]:
        assert row["the best"] - 1e-4 <= row["ours"] <= row["nothing moves"] + 1e-4
