"""Images of other channels than three: mixed, or told the way out."""

import pytest
import torch
from torch import nn

from longtail_mix import (
    BooleanMapSaliency,
    HeadTailPairing,
    InBatch,
    KeepLabels,
    SaliencyMap,
    SkinContrastSaliency,
    SpectralResidualSaliency,
    SPMix,
)

LABELS = torch.tensor([0, 0, 1, 1])


def some(channels, *size):
    return torch.rand(4, channels, *(size or (32, 32)), generator=torch.Generator().manual_seed(channels))


class Brightness(nn.Module):
    def forward(self, images):
        return images.mean(1, keepdim=True)


@pytest.mark.parametrize("channels", [1, 2, 4, 12])
@pytest.mark.parametrize("given", ["maps", "saliency"])
def test_any_channels_with_maps_or_a_saliency(channels, given):
    images = some(channels)
    spmix = SPMix([9, 1], noise=0.0, saliency=Brightness() if given == "saliency" else None)
    maps = (images.mean(1, keepdim=True),) if given == "maps" else ()
    mixed, labels, record = spmix.with_record(images, LABELS, *maps)
    assert labels is LABELS
    expected = images.clone()
    for i in (2, 3):
        partner = record.partner[i]
        assert LABELS[partner] == 0
        share = record.mask[i].repeat_interleave(16, 1).repeat_interleave(16, 2)
        expected[i] = share * images[i] + (1 - share) * images[partner]
    torch.testing.assert_close(mixed, expected)


@pytest.mark.parametrize("detector", [SaliencyMap, SpectralResidualSaliency, BooleanMapSaliency])
def test_grey_is_shown_to_a_detector_as_rgb(detector):
    grey = some(1)
    spmix = SPMix([9, 1], noise=0.0, saliency=detector())
    torch.testing.assert_close(spmix.maps(grey), detector()(grey.repeat(1, 3, 1, 1)))
    mixed, _ = spmix(grey, LABELS)
    assert mixed.shape == grey.shape
    pairs = InBatch(KeepLabels(spmix), HeadTailPairing([9, 1]))
    assert pairs(grey, LABELS)[0].shape == grey.shape
    assert spmix.pair(grey[2:], grey[:2]).shape == (2, 1, 32, 32)


@pytest.mark.parametrize(
    ("saliency", "channels", "name"),
    [
        (SkinContrastSaliency(), 1, "SkinContrastSaliency"),
        (None, 4, "SaliencyMap"),
        (SpectralResidualSaliency(), 2, "Sp"),
    ],
)
def test_a_detector_that_cannot_look_says_what_to_give(saliency, channels, name):
    message = rf"images: expected RGB images \[B, 3, H, W\] for {name}.*; give the maps, or a saliency for such images"
    with pytest.raises(ValueError, match=message):
        SPMix([9, 1], saliency=saliency)(some(channels), LABELS)
