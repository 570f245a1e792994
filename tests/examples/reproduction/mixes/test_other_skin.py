"""The lesion alone on other skin, against a loop over pixels."""

from __future__ import annotations

import pytest
import torch

from longtail_mix.functional import fill_in
from reproduction.mixes.other_skin import OtherSkin, mean_skin
from reproduction.training.batch import Stream

POSE = torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]])


def stream(seed: int) -> Stream:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.zeros(3, 1, 8, 8)
    maps[:, :, 2 + seed : 5 + seed, 2:6] = 1
    maps[:, :, 1 + seed, 2:6] = 0.25
    return Stream((torch.rand(3, 3, 8, 8, generator=generator),), (maps,), torch.tensor([0, 2, 1]))


def test_equals_a_loop_over_pixels_and_keeps_the_labels():
    own, other = stream(0), stream(1)
    chosen = torch.tensor([True, False, True])
    mixed, target = OtherSkin()(own, other, (chosen, POSE), ())
    skin = fill_in(other.views[0], 1 - other.maps[0])
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
    mixed, _ = OtherSkin()(own, bright, (torch.ones(3, dtype=torch.bool), POSE), ())
    outside = (own.maps[0] == 0).expand(-1, 3, -1, -1)
    # The quarter-known edge mixes a little of it in; its inside is gone.
    assert mixed[outside].max() < 0.5


def test_the_tone_of_the_skin_stays_where_that_is_asked_for():
    own, other = stream(0), stream(1)
    dark = Stream((0.3 + 0.1 * own.views[0],), own.maps, own.labels)
    mixed, _ = OtherSkin(keep_tone=True)(dark, other, (torch.ones(3, dtype=torch.bool), POSE), ())
    without, _ = OtherSkin()(dark, other, (torch.ones(3, dtype=torch.bool), POSE), ())
    skin = 1 - dark.maps[0]
    wanted = mean_skin(dark.views[0], skin)
    assert (mean_skin(mixed, skin) - wanted).abs().mean() < 0.3 * (mean_skin(without, skin) - wanted).abs().mean()
    assert 0 <= mixed.min() <= mixed.max() <= 1


def test_the_tone_is_shifted_by_the_difference_of_the_mean_skins():
    own, other = stream(0), stream(1)
    mixed, _ = OtherSkin(keep_tone=True)(own, other, (torch.ones(3, dtype=torch.bool), POSE), ())
    skin = fill_in(other.views[0], 1 - other.maps[0])
    for b in range(3):
        keep = own.maps[0][b, 0]
        for channel in range(3):
            means = []
            for part in (own, other):
                weight = 1 - part.maps[0][b, 0]
                means.append((part.views[0][b, channel] * weight).sum() / weight.sum())
            shifted = (skin[b, channel] + means[0] - means[1]).clamp(0, 1)
            expected = keep * own.views[0][b, channel] + (1 - keep) * shifted
            torch.testing.assert_close(mixed[b, channel], expected, rtol=0, atol=1e-6)


def test_an_image_whose_map_shows_nothing_stays_as_it_is():
    own, other = stream(0), stream(1)
    nothing = Stream(own.views, (torch.full_like(own.maps[0], 0.005),), own.labels)
    mixed, _ = OtherSkin()(nothing, other, (torch.ones(3, dtype=torch.bool), POSE), ())
    assert torch.equal(mixed, own.views[0])


def test_the_control_moves_both_maps_round_the_image():
    own, other = stream(0), stream(1)
    chosen = torch.ones(3, dtype=torch.bool)
    moved, _ = OtherSkin(displaced=True)(own, other, (chosen, POSE * 0.99), ())
    maps = []
    for stream_maps, offsets in ((own.maps[0], POSE[:, :2]), (other.maps[0], POSE[:, 2:])):
        steps = (8 * 0.99 * offsets).long().tolist()
        maps.append(torch.stack([m.roll(step, (1, 2)) for m, step in zip(stream_maps, steps, strict=True)]))
    expected, _ = OtherSkin()(own._replace(maps=(maps[0],)), other._replace(maps=(maps[1],)), (chosen, POSE), ())
    assert torch.equal(moved, expected)
    assert not torch.equal(moved, OtherSkin()(own, other, (chosen, POSE), ())[0])


def test_the_draw_repeats_and_has_the_probability():
    mix = OtherSkin(probability=0.3)
    first, pose = mix.draw(20_000, 8, torch.Generator().manual_seed(3))
    again, pose_again = mix.draw(20_000, 8, torch.Generator().manual_seed(3))
    assert torch.equal(first, again)
    assert torch.equal(pose, pose_again)
    assert pose.shape == (20_000, 4)
    assert first.float().mean() == pytest.approx(0.3, abs=0.02)


def test_a_lesion_is_turned_by_half_a_turn_about_its_middle():
    own, other = stream(0), stream(1)
    turned, _ = OtherSkin(degrees=180.0)(own, other, (torch.ones(3, dtype=torch.bool), POSE), ())
    plain, _ = OtherSkin()(own, other, (torch.ones(3, dtype=torch.bool), POSE), ())
    # Pose 0 asks for no turn, pose 2 for half a turn: the lesion's rows 2 to 4 and columns 2 to 5 come back reversed.
    assert torch.allclose(turned[0], plain[0], atol=1e-5)
    assert torch.allclose(turned[2, :, 2:5, 2:6], own.views[0][2, :, 2:5, 2:6].flip(1, 2), atol=1e-5)


def test_the_middle_of_the_draw_is_no_turn_whatever_the_angle():
    own, other = stream(0), stream(1)
    middle = (torch.ones(3, dtype=torch.bool), torch.full((3, 4), 0.5))
    turned, _ = OtherSkin(degrees=90.0)(own, other, middle, ())
    assert torch.allclose(turned, OtherSkin()(own, other, middle, ())[0], atol=1e-5)


def test_a_lesion_goes_to_the_edge_it_is_sent_to():
    own, other = stream(0), stream(1)
    moved, _ = OtherSkin(move=1.0)(own, other, (torch.ones(3, dtype=torch.bool), POSE), ())
    assert torch.allclose(moved[1, :, 5:8, 0:4], own.views[0][1, :, 2:5, 2:6], atol=1e-5)  # left, down


def test_a_lesion_grows_and_shrinks():
    own, other = stream(0), stream(1)
    white = own._replace(views=(torch.ones_like(own.views[0]),))
    black = other._replace(views=(torch.zeros_like(other.views[0]),))
    share = OtherSkin(scale=1.5)(white, black, (torch.ones(3, dtype=torch.bool), POSE), ())[0].mean((1, 2, 3))
    plain = OtherSkin()(white, black, (torch.ones(3, dtype=torch.bool), POSE), ())[0].mean((1, 2, 3))
    assert share[2] < plain[2] < share[1]
