"""The table of what each mix keeps: worked by hand on a pair, and whole on made-up images."""

import json

import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.fidelity_data import Lesions
from benchmarks.mix_fidelity import measure, mixes
from longtail_mix import CopyPaste, Mix, MixRecord, OtherSkin, SkinSwap


class LeftHalf(Mix):
    """The left half is the first image's, and 0.9 of the label."""

    def rule(self, pairs, generator=None):  # noqa: ARG002
        batch, _, height, width = pairs.first.shape
        mask = (torch.arange(width) < width // 2).expand(batch, 1, height, width)
        return MixRecord(mask, torch.full((batch,), 0.9))


def a_pair() -> Lesions:
    """Lesions of four rows: the first's in columns 1 to 4 of 8, the second's in columns 4 to 7."""
    masks = torch.zeros(2, 1, 4, 8, dtype=torch.bool)
    masks[0, ..., 1:5] = masks[1, ..., 4:] = True
    images = torch.randint(256, (2, 3, 4, 8), dtype=torch.uint8)
    zero, one = torch.tensor([0]), torch.tensor([1])
    return Lesions("by hand", images, masks, ("a", "b"), torch.tensor([False, False]), zero, one, 1.0)


def test_a_row_by_hand():
    data = a_pair()
    row = measure(LeftHalf(), data, data.masks.float(), seed=0, batch=1)
    assert row.retention == pytest.approx(3 / 4)  # columns 1, 2, 3 of 1 to 4
    assert row.leak == 1.0  # columns 5 to 7 are the second's
    assert row.background == 0.0  # column 0 is the first's
    assert row.composite == pytest.approx((3 / 4 + 0 + 0) / 3)
    assert row.label_error == pytest.approx(0.9 - 3 / 7)  # three columns of the first lesion, four of the second


def test_a_moved_lesion_is_looked_for_where_it_went():
    data = a_pair()
    flipped = CopyPaste(degrees=180, scale=(1, 1), edge=0)
    row = measure(flipped, data, data.masks.float(), seed=0, batch=1)
    assert row.retention > 0.99
    assert row.leak < 0.01
    assert measure(SkinSwap(edge=0), data, data.masks.float(), seed=0, batch=1).composite == 1.0


def test_a_lesion_that_was_painted_over_is_not_there():
    data = a_pair()
    row = measure(OtherSkin(), data, data.masks.float(), seed=0, batch=1)
    assert (row.retention, row.leak, row.background) == (1.0, 0.0, 1.0)
    assert row.label_error == 0.0  # the first lesion alone is to see, and the label is its


def test_the_whole_table(tmp_path, monkeypatch):
    for name in ("ISIC2018_ROOT", "ISIC2017_ROOT"):
        monkeypatch.delenv(name, raising=False)
    main(["mix-fidelity", "--images", "8", "--size", "32", "--batch", "4", "--out", str(tmp_path)])
    report = json.loads((tmp_path / "mix_fidelity.json").read_text())
    assert list(report["rows"]) == list(report["detected"]) == list(mixes())
    for row in (*report["rows"].values(), *report["detected"].values()):
        assert all(0 <= value <= 1 for value in row.values())
    assert report["rows"]["MixUp"] == report["detected"]["MixUp"]  # which looks at no map
    assert report["rows"]["LSM"] != report["detected"]["LSM"]
    assert (tmp_path / "mix_fidelity.md").read_text().count("\n") == len(mixes()) + 2
