"""Which map guides a mix: that of the detector of its own, of the user's, or the one handed over."""

import pytest
import torch
from torch import nn

from longtail_mix import (
    AttentiveMix,
    CopyPaste,
    GuidedMixup,
    OtherSkin,
    PuzzleMix,
    SkinSwap,
    SnapMix,
)

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
MIXES = [AttentiveMix, CopyPaste, GuidedMixup, OtherSkin, PuzzleMix, SkinSwap]


@pytest.mark.parametrize("kind", MIXES)
def test_normalised_images_are_known_to_the_detector(kind):
    mix = kind(mean=MEAN, std=STD)
    assert (tuple(mix.saliency.mean), tuple(mix.saliency.std)) == (MEAN, STD)
    assert (kind().saliency.mean, kind().saliency.std) == (None, None)


@pytest.mark.parametrize("kind", [*MIXES, SnapMix])
def test_a_saliency_of_ones_own_stands_in_its_place(kind):
    saliency = nn.Identity()
    assert kind(saliency=saliency).saliency is saliency
    with pytest.raises(ValueError, match="mean, std: expected None beside a saliency of your own"):
        kind(saliency=saliency, mean=MEAN, std=STD)


def test_each_image_has_its_own_map():
    mix = GuidedMixup(saliency=nn.AvgPool3d((3, 1, 1)))
    first, second = torch.rand(2, 2, 3, 4, 4)
    labels = torch.tensor([0, 1])
    maps = [images.mean(1, keepdim=True) for images in (first, second)]
    for one, other in ((None, None), (maps[0], None), (None, maps[1])):
        mixed, target = mix(first, labels, second, labels, one, other)
        expected, expected_target = mix(first, labels, second, labels, *maps)
        torch.testing.assert_close(mixed, expected)
        torch.testing.assert_close(target.lam, expected_target.lam)
