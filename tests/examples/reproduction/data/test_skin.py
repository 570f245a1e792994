"""Lesions on other skin, and what tells skins apart."""

from __future__ import annotations

import pytest
import torch

from longtail_mix.data import synthetic_dermoscopy
from reproduction.data.skin import hairiness, inkiness, on_other_skin, other_rows, skin_tone
from reproduction.data.task import Images


def side() -> Images:
    made = synthetic_dermoscopy([3, 3], size=48, seed=1)
    return Images(made.images, made.labels, made.lesions, made.masks)


def test_the_lesion_stays_pixel_for_pixel_and_the_corners_are_the_others():
    before = side()
    after = on_other_skin(before, 0)
    assert before.masks is not None
    inside = before.masks.expand(-1, 3, -1, -1)
    assert torch.equal(after.images[inside], before.images[inside])
    partner = other_rows(before.groups, 0)
    far = ~inside
    assert (after.images != before.images)[far].float().mean() > 0.9
    corner = (slice(None), slice(None), slice(0, 2), slice(0, 2))
    clear = ~(before.masks[:, :, :8, :8].any((1, 2, 3)) | before.masks[partner][:, :, :8, :8].any((1, 2, 3)))
    assert clear.any()
    assert torch.equal(after.images[corner][clear], before.images[partner][corner][clear])
    assert torch.equal(after.labels, before.labels)


def test_swaps_differ_and_repeat():
    before = side()
    assert torch.equal(on_other_skin(before, 0).images, on_other_skin(before, 0).images)
    assert not torch.equal(on_other_skin(before, 0).images, on_other_skin(before, 1).images)


def test_partners_show_another_lesion():
    groups = ("a", "a", "b", "b", "c")
    for number in range(20):
        assert all(groups[i] != groups[j] for i, j in enumerate(other_rows(groups, number).tolist()))
    with pytest.raises(ValueError, match=r"^groups: expected two or more, got 'a' alone"):
        other_rows(("a", "a"), 0)


def test_without_masks_it_is_refused():
    with pytest.raises(ValueError, match="^masks: expected images with ground-truth masks"):
        on_other_skin(Images(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), ("a", "b")), 0)


def test_lighter_skin_has_the_larger_angle():
    light, dark = torch.tensor([240, 210, 190]), torch.tensor([120, 80, 60])
    images = torch.stack([colour.view(3, 1, 1).expand(3, 32, 32) for colour in (light, dark)]).to(torch.uint8)
    tone = skin_tone(images)
    assert tone[0] > 41  # very light or light, in the usual scale
    assert tone[1] < 10  # brown or dark
    images[:, :, 10:22, 10:22] = 0  # the lesion does not count
    assert torch.equal(skin_tone(images), tone)


def test_hairs_and_ink_are_told_from_skin():
    skin = torch.full((3, 3, 80, 80), 200, dtype=torch.uint8)
    skin[1, :, ::10] = 30
    skin[2, 2, 20:40] = 255
    skin[2, 0, 20:40] = 60
    assert hairiness(skin)[1] > 0.05
    assert hairiness(skin)[0] == 0
    assert inkiness(skin)[2] > 0.2
    assert not inkiness(skin)[:2].any()
