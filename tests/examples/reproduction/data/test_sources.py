"""Made-up images, folds by lesion, maps that are computed once a data set."""

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from longtail_mix import SaliencyMap, SkinContrastSaliency
from reproduction.data import maps as maps_module
from reproduction.data.folds import lesion_folds
from reproduction.data.frames import Squash
from reproduction.data.maps import FineGrained, GroundTruth, MapSource, SkinContrast, by_module, with_maps
from reproduction.data.synthetic import Synthetic
from reproduction.data.task import Images

CPU = torch.device("cpu")
SMALL = Synthetic(counts=(6, 4, 3), test_per_class=2, validation_per_class=2)


def test_made_up_sides_have_the_counts_and_the_size_and_are_the_same_for_every_seed_of_a_training():
    task, again = (SMALL.task(Squash(32), seed) for seed in (0, 1))
    assert task.class_counts() == (6, 4, 3)
    assert task.train.images.shape == (13, 3, 32, 32)
    assert task.train.masks.shape == (13, 1, 32, 32)
    assert task.validation.labels.bincount().tolist() == task.test().labels.bincount().tolist() == [2, 2, 2]
    assert torch.equal(task.train.images, again.train.images)
    sides = [task.train.images, task.validation.images, task.test().images]
    assert not any(torch.equal(a[:2], b[:2]) for a, b in pairwise(sides))
    other = replace(SMALL, seed=1).task(Squash(32), 0)
    assert not torch.equal(other.train.images, task.train.images)
    assert replace(SMALL, validation_per_class=0).task(Squash(32), 0).validation is None


def test_the_skin_tells_the_class_in_training_alone():
    """The share of each image outside of its lesion whose mean colour is nearest to that of its class."""
    source = Synthetic(background_cue=1.0, counts=(40, 40, 40), test_per_class=40)
    task = source.task(Squash(32), 0)

    def skins(side: Images) -> Tensor:
        outside = ~side.masks
        return (side.images * outside).sum((2, 3)) / outside.sum((2, 3))

    train, test = skins(task.train), skins(task.test())
    means = torch.stack([train[task.train.labels == label].mean(0) for label in range(3)])

    def told(side: Images, colours: Tensor) -> float:
        nearest = torch.cdist(colours, means).argmin(1)
        return (nearest == side.labels).float().mean().item()

    assert told(task.train, train) > told(task.test(), test) + 0.2


def test_folds_share_each_class_evenly_and_keep_lesions_whole():
    labels = torch.tensor([0] * 30 + [1] * 12)
    lesions = [f"a{i // 2}" for i in range(30)] + [f"b{i}" for i in range(12)]
    fold = lesion_folds(labels, lesions, 4)
    for label in (0, 1):
        sizes = fold[labels == label].bincount(minlength=4)
        assert sizes.max() - sizes.min() <= (2 if label == 0 else 0)
    assert all(len({int(fold[i]) for i, name in enumerate(lesions) if name == lesion}) == 1 for lesion in set(lesions))
    assert torch.equal(fold, lesion_folds(labels, lesions, 4))
    assert not torch.equal(fold, lesion_folds(labels, lesions, 4, seed=1))
    order = torch.randperm(42, generator=torch.Generator().manual_seed(0))
    shuffled = lesion_folds(labels[order], [lesions[i] for i in order.tolist()], 4)
    of_lesion = dict(zip(lesions, fold.tolist(), strict=True))
    assert {lesions[i]: int(f) for i, f in zip(order.tolist(), shuffled, strict=True)} == of_lesion


@pytest.mark.parametrize(
    ("folds", "message"), [(1, "expected 2 or more, got 1"), (5, "expected at most the 4 lesions")]
)
def test_folds_that_cannot_be_are_refused(folds, message):
    labels = torch.tensor([0] * 4 + [1] * 8)
    with pytest.raises(ValueError, match="folds: " + message):
        lesion_folds(labels, [str(i) for i in range(12)], folds)


@pytest.fixture(scope="module")
def side() -> Images:
    return SMALL.task(Squash(32), 0).train


def test_maps_are_those_of_the_library_in_steps_of_a_255th(side):
    for source, module in (
        (FineGrained(), SaliencyMap()),
        (SkinContrast(0.5, 0.1), SkinContrastSaliency(center_prior=0.5, margin=0.1)),
    ):
        found = source.maps(side, CPU)
        assert found.dtype == torch.uint8
        assert (found / 255 - module(side.images)).abs().max() <= 0.5 / 255 + 1e-6


def test_parts_make_no_difference():
    class Red(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images[:, :1] / 255 * 0.5

    images = torch.randint(0, 256, (30, 3, 16, 16), dtype=torch.uint8)
    found = by_module(Red(), images, CPU, batch_size=7)
    assert (found / 255 - images[:, :1] / 510).abs().max() <= 0.5 / 255 + 1e-6


def test_ground_truth_is_carried_as_it_is_and_missed_loudly(side, tmp_path):
    found = with_maps(side, GroundTruth(), CPU, tmp_path)
    assert torch.equal(found.maps, side.masks.to(torch.uint8) * 255)
    assert not list(tmp_path.iterdir())  # nothing to keep
    with pytest.raises(ValueError, match="masks: expected images with ground-truth masks"):
        with_maps(replace(side, masks=None), GroundTruth(), CPU)


@dataclass(frozen=True)
class Counted(MapSource):
    """Says how often it was asked."""

    level: int = 7

    def maps(self, side: Images, device: torch.device) -> Tensor:
        asked.append(device)
        return torch.full_like(side.images[:, :1], self.level)


asked: list[torch.device] = []


def test_maps_are_computed_once_for_each_source_option_and_content(side, tmp_path):
    asked.clear()
    for _ in range(2):
        assert with_maps(side, Counted(), CPU, tmp_path).maps.unique().tolist() == [7]
    assert len(asked) == 1
    assert with_maps(side, Counted(9), CPU, tmp_path).maps.unique().tolist() == [9]  # another option
    changed = side.images.clone()
    changed[0, 0, 0, 0] ^= 1
    with_maps(replace(side, images=changed), Counted(), CPU, tmp_path)  # one bit of the content
    with_maps(side.rows(torch.arange(5)), Counted(), CPU, tmp_path)
    assert len(asked) == 4
    assert len(list(tmp_path.glob("maps-*.pt"))) == 4


def test_the_cache_is_the_users_and_knows_the_librarys_version(side, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked.clear()
    with_maps(side, Counted(), CPU)
    assert len(list((tmp_path / "longtail_mix").glob("maps-*.pt"))) == 1
    monkeypatch.setattr(maps_module, "version", lambda _: "another")
    with_maps(side, Counted(), CPU)
    assert len(asked) == 2
