"""The lesion alone on other skin, against a loop over pixels."""

from __future__ import annotations

import pytest
import torch

from reproduction.data.skin import filled
from reproduction.mixes.other_skin import OtherSkin, mean_skin
from reproduction.training.batch import Stream


def stream(seed: int) -> Stream:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.zeros(3, 1, 8, 8)
    maps[:, :, 2 + seed : 5 + seed, 2:6] = 1
    maps[:, :, 1 + seed, 2:6] = 0.25
    return Stream((torch.rand(3, 3, 8, 8, generator=generator),), (maps,), torch.tensor([0, 2, 1]))


def test_equals_a_loop_over_pixels_and_keeps_the_labels():
    own, other = stream(0), stream(1)
    chosen = torch.tensor([True, False, True])
    mixed, target = OtherSkin()(own, other, (chosen,), ())
    skin = filled(other.views[0], 1 - other.maps[0])
    for b in range(3):
        for y in range(8):
            for x in range(8):
                keep = own.maps[0][b, 0, y, x] if chosen[b] else 1.0
                expected = keep * own.views[0][b, :, y, x] + (1 - keep) * skin[b, :, y, x]
                assert torch.allclose(mixed[b, :, y, x], expected, atol=1e-6)
    assert torch.equal(target.labels, own.labels)
    assert (target.lam == 1).all()


def test_the_partners_lesion_leaves_no_ghost():
    own, other = stream(0), stream(1)
    bright = Stream((torch.where(other.maps[0] == 1, 1.0, 0.2).expand(-1, 3, -1, -1),), other.maps, other.labels)
    mixed, _ = OtherSkin()(own, bright, (torch.ones(3, dtype=torch.bool),), ())
    outside = (own.maps[0] == 0).expand(-1, 3, -1, -1)
    # The quarter-known edge mixes a little of it in; its inside is gone.
    assert mixed[outside].max() < 0.5


def test_the_tone_of_the_skin_stays_where_that_is_asked_for():
    own, other = stream(0), stream(1)
    dark = Stream((0.3 + 0.1 * own.views[0],), own.maps, own.labels)
    mixed, _ = OtherSkin(keep_tone=True)(dark, other, (torch.ones(3, dtype=torch.bool),), ())
    without, _ = OtherSkin()(dark, other, (torch.ones(3, dtype=torch.bool),), ())
    skin = 1 - dark.maps[0]
    wanted = mean_skin(dark.views[0], skin)
    assert (mean_skin(mixed, skin) - wanted).abs().mean() < 0.3 * (mean_skin(without, skin) - wanted).abs().mean()
    assert 0 <= mixed.min() <= mixed.max() <= 1


def test_an_image_whose_map_shows_nothing_stays_as_it_is():
    own, other = stream(0), stream(1)
    nothing = Stream(own.views, (torch.full_like(own.maps[0], 0.005),), own.labels)
    mixed, _ = OtherSkin()(nothing, other, (torch.ones(3, dtype=torch.bool),), ())
    assert torch.equal(mixed, own.views[0])


def test_the_control_swaps_the_maps():
    own, other = stream(0), stream(1)
    chosen = torch.ones(3, dtype=torch.bool)
    swapped, _ = OtherSkin(maps_of_others=True)(own, other, (chosen,), ())
    expected, _ = OtherSkin()(own._replace(maps=other.maps), other._replace(maps=own.maps), (chosen,), ())
    assert torch.equal(swapped, expected)
    assert not torch.equal(swapped, OtherSkin()(own, other, (chosen,), ())[0])


def test_the_draw_repeats_and_has_the_probability():
    mix = OtherSkin(probability=0.3)
    (first,) = mix.draw(20_000, 8, torch.Generator().manual_seed(3))
    (again,) = mix.draw(20_000, 8, torch.Generator().manual_seed(3))
    assert torch.equal(first, again)
    assert first.float().mean() == pytest.approx(0.3, abs=0.02)
