import pytest
import torch
from torch import nn

from longtail_mix import BooleanMapSaliency, ClampToRange, SaliencyMap, SkinContrastSaliency, SPMix
from longtail_mix.functional import clamp_to_range

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)


def test_values_lie_between_black_and_white():
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 5
    clamped = clamp_to_range(images, MEAN, STD)
    for c in range(3):
        expected = images[:, c].clamp(-MEAN[c] / STD[c], (1 - MEAN[c]) / STD[c])
        torch.testing.assert_close(clamped[:, c], expected)
    assert torch.equal(clamp_to_range(images), images.clamp(0, 1))
    assert clamp_to_range(images.bfloat16(), MEAN, STD).dtype == torch.bfloat16
    inside = torch.rand(2, 3, 4, 4)
    assert torch.equal(clamp_to_range(inside), inside)
    grey = (inside * 255).byte()
    assert clamp_to_range(grey) is grey


@pytest.mark.parametrize("detector", [SaliencyMap, BooleanMapSaliency, SkinContrastSaliency])
def test_erased_images_reach_a_detector(detector):
    images = (torch.rand(2, 3, 32, 32) - 0.5) / 0.25
    images[:, :, 4:12, 4:12] = torch.randn(2, 3, 8, 8) * 20  # timm's random erasing with noise
    mean, std = [0.5] * 3, [0.25] * 3
    with pytest.raises(ValueError, match="where random erasing or jitter leaves the range, put ClampToRange before"):
        detector(mean, std)(images)
    whole = nn.Sequential(ClampToRange(mean, std), detector(mean, std))
    mixed, _ = SPMix([9, 1], patch_size=8, saliency=whole)(images, torch.tensor([0, 1]))
    assert torch.equal(mixed[0], images[0])
    assert not torch.equal(mixed[1], images[1])


def test_compiles_as_one_graph():
    images = torch.randn(2, 3, 4, 4)
    compiled = torch.compile(ClampToRange(MEAN, STD), fullgraph=True, backend="eager")
    assert torch.equal(compiled(images), clamp_to_range(images, MEAN, STD))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ClampToRange(MEAN), "mean, std: expected both or neither"),
        (lambda: clamp_to_range(torch.rand(2, 1, 4, 4)), r"images: expected RGB images \[B, 3, H, W\]"),
        (lambda: ClampToRange(MEAN, STD)(torch.zeros(1, 3, 4, 4, dtype=torch.uint8)), "expected None for uint8"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
