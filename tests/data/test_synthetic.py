"""Made-up dermoscopy: what is in the images and where the class and the background cue show."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix.data.splits import stratified_split
from longtail_mix.data.synthetic import LESION_TYPES, SyntheticDermoscopy, synthetic_dermoscopy
from longtail_mix.data.synthetic_evidence import paint_lesions
from longtail_mix.data.synthetic_lesions import draw_lesions, place_lesions


def one_class(label: int, cue: float = 0.0) -> SyntheticDermoscopy:
    counts = [0] * len(LESION_TYPES)
    counts[label] = 12
    return synthetic_dermoscopy(counts, seed=3, background_cue=cue)


def differing_pixels(a: SyntheticDermoscopy, b: SyntheticDermoscopy) -> Tensor:
    return (a.images != b.images).any(dim=1, keepdim=True)


@pytest.mark.parametrize("counts", [[7, 0, 3], (1,), torch.tensor([2, 1, 1, 1, 1, 1, 1])])
def test_gives_as_many_images_of_each_class_as_asked_for(counts) -> None:
    data = synthetic_dermoscopy(counts, size=33)
    wanted = [int(count) for count in counts]
    n = sum(wanted)
    assert data.labels.bincount(minlength=len(wanted)).tolist() == wanted
    assert (data.images.shape, data.images.dtype) == ((n, 3, 33, 33), torch.uint8)
    assert (data.masks.shape, data.masks.dtype) == ((n, 1, 33, 33), torch.bool)
    assert data.labels.dtype == data.tints.dtype == torch.int64
    assert len(data.lesions) == len(data.tints) == n


def test_images_come_in_random_order() -> None:
    labels = synthetic_dermoscopy([20, 20], size=32).labels
    assert labels.tolist() != sorted(labels.tolist())


@pytest.mark.parametrize("size", [32, 64, 97])
def test_masks_hold_a_lesion_but_not_the_frame(size: int) -> None:
    share = synthetic_dermoscopy([60] * 7, size=size, seed=5).masks.float().mean(dim=(1, 2, 3))
    assert share.min() > 0.02
    assert share.max() < 0.6
    assert share.std() > 0.03  # lesions of many sizes


def test_lesions_are_darker_than_their_skin_and_not_always_in_the_middle() -> None:
    data = synthetic_dermoscopy([100], seed=2)
    grey, inside = data.images.float().mean(dim=1), data.masks[:, 0].float()
    steps = torch.linspace(-1, 1, 64)
    near = (steps.view(1, 64) ** 2 + steps.view(64, 1) ** 2 < 0.8).float() * (1 - inside)  # no dark corners
    darker = (grey * inside).sum((1, 2)) / inside.sum((1, 2)) < (grey * near).sum((1, 2)) / near.sum((1, 2))
    assert darker.float().mean() > 0.95
    middle = (inside * steps).sum((1, 2)) / inside.sum((1, 2))
    assert 0.1 < middle.std() < 0.2


@pytest.mark.parametrize(("label", "other_label"), [*combinations(range(len(LESION_TYPES)), 2)])
def test_class_shows_only_inside_the_mask(label: int, other_label: int) -> None:
    first, other = one_class(label), one_class(other_label)
    assert torch.equal(first.masks, other.masks)  # so size, border and place cannot tell the class
    changed = differing_pixels(first, other)
    assert not (changed & ~first.masks).any()
    assert ((changed & first.masks).sum(dim=(1, 2, 3)) > 0.1 * first.masks.sum(dim=(1, 2, 3))).all()
    # Nearly nothing of it lies beside the border, from where resizing would carry it out.
    inner = F.max_pool2d((~first.masks).float(), 3, stride=1, padding=1) == 0
    difference = (first.images.float() - other.images.float()).abs().mean(dim=1, keepdim=True)
    assert difference[first.masks & ~inner].mean() < 0.15 * difference[inner].mean()


def test_lesion_ends_where_its_mask_ends() -> None:
    lesions = draw_lesions(14, torch.Generator().manual_seed(0))
    place = place_lesions(lesions, torch.zeros(14, 2), torch.zeros(14), torch.ones(14), 48)
    skin = torch.rand(14, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    painted = paint_lesions(skin, lesions, place, torch.arange(7).repeat(2))
    assert torch.equal((painted != skin).all(dim=1), place.depth < 1.0)
    assert torch.equal((painted != skin).any(dim=1), place.depth < 1.0)


def test_cue_shows_only_outside_the_mask_and_all_around() -> None:
    free, tied = one_class(2), one_class(2, cue=1.0)
    other_tint = free.tints != tied.tints
    assert (tied.tints == 2).all()
    assert other_tint.any()
    assert not other_tint.all()
    changed = differing_pixels(free, tied)
    assert torch.equal(free.masks, tied.masks)
    assert not (changed & free.masks).any()
    assert not changed[~other_tint].any()
    share = (changed & ~free.masks).sum(dim=(1, 2, 3)) / (~free.masks).sum(dim=(1, 2, 3))
    assert share[other_tint].min() > 0.6  # not all: dark corners and the border have no tint


@pytest.mark.parametrize("cue", [0.0, 0.6, 1.0])
def test_cue_agrees_with_the_class_as_often_as_asked_for(cue: float) -> None:
    data = synthetic_dermoscopy([800, 200, 200, 200], size=32, background_cue=cue)
    for label in range(4):
        tints = data.tints[data.labels == label].bincount(minlength=4) / (data.labels == label).sum()
        for tint, share in enumerate(tints.tolist()):
            assert share == pytest.approx((1 - cue) / 4 + cue * (tint == label), abs=0.1)


def test_some_lesions_are_shown_twice_and_splits_keep_them_together() -> None:
    data = synthetic_dermoscopy([50, 23, 9], size=32)
    views = Counter(data.lesions)
    assert Counter(views.values()) == {2: 10 + 4 + 1, 1: 82 - 2 * 15}
    for lesion in views:
        rows = [i for i, name in enumerate(data.lesions) if name == lesion]
        assert len(set(data.labels[rows].tolist())) == 1
        if len(rows) == 2:
            assert not torch.equal(data.images[rows[0]], data.images[rows[1]])
    split = stratified_split(data.labels, data.lesions, test_fraction=0.3)
    assert not {data.lesions[i] for i in split.train} & {data.lesions[i] for i in split.test}


def test_second_view_keeps_the_size_of_the_lesion() -> None:
    data = synthetic_dermoscopy([200], size=64)
    area = data.masks.float().sum(dim=(1, 2, 3)).sqrt()
    rows: dict[str, list[int]] = {}
    for i, name in enumerate(data.lesions):
        rows.setdefault(name, []).append(i)
    pairs = torch.tensor([pair for pair in rows.values() if len(pair) == 2])
    # Zoom and the rounding to pixels change it by less than a third.
    assert (area[pairs[:, 0]] / area[pairs[:, 1]]).log().abs().max() < 0.3
    assert area.std() / area.mean() > 0.15


def test_same_arguments_give_the_same_images_and_another_seed_others() -> None:
    first, again, other = (synthetic_dermoscopy([9, 4], seed=seed) for seed in (4, 4, 5))
    for a, b in zip(first, again, strict=True):
        assert a == b if isinstance(a, tuple) else torch.equal(a, b)
    assert (first.images != other.images).float().mean() > 0.9


def test_default_dtype_does_not_change_the_images() -> None:
    expected = synthetic_dermoscopy([2] * 7, size=32)
    torch.set_default_dtype(torch.float64)
    try:
        got = synthetic_dermoscopy([2] * 7, size=32)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(got.images, expected.images)
    assert torch.equal(got.masks, expected.masks)


def test_global_random_state_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    synthetic_dermoscopy([3], size=32)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"class_counts": []}, ValueError, "expected at least one class"),
        ({"class_counts": [0, 0]}, ValueError, "expected at least one image"),
        ({"class_counts": [4, -1]}, ValueError, "expected no negative count"),
        ({"class_counts": [1] * 8}, ValueError, "expected at most 7 classes, got 8"),
        ({"class_counts": [1.5]}, TypeError, "expected whole numbers"),
        ({"class_counts": [2], "size": 31}, ValueError, "size: expected at least 32, got 31"),
        ({"class_counts": [2], "size": 64.0}, TypeError, "expected a whole number, got 64.0"),
        ({"class_counts": [2], "size": True}, TypeError, "expected a whole number, got True"),
        ({"class_counts": [2], "seed": "x"}, TypeError, "seed: expected a whole number, got 'x'"),
        ({"class_counts": [2], "background_cue": "x"}, TypeError, "background_cue: expected a number, got 'x'"),
        ({"class_counts": [2], "background_cue": -0.1}, ValueError, "from 0 to 1, got -0.1"),
        ({"class_counts": [2], "background_cue": 1.1}, ValueError, "from 0 to 1, got 1.1"),
        ({"class_counts": [2], "background_cue": float("nan")}, ValueError, "from 0 to 1, got nan"),
    ],
)
def test_bad_input_is_refused(options, error, message) -> None:
    with pytest.raises(error, match=message):
        synthetic_dermoscopy(**options)
