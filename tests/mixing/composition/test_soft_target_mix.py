import pytest
import torch
from timm.data.mixup import mixup_target
from timm.loss import SoftTargetCrossEntropy

from longtail_mix import InBatch, LDAMLoss, MixUp, RandomPairing, SoftTargetMix, SPMix

IMAGES = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 0, 1, 2, 2, 1])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_targets_are_those_of_the_mix_smoothed_as_timm_does(smoothing):
    mix = InBatch(MixUp(), RandomPairing())
    torch.manual_seed(3)
    images, soft = SoftTargetMix(mix, 3, smoothing)(IMAGES, LABELS)
    torch.manual_seed(3)
    expected, target = mix(IMAGES, LABELS)
    assert torch.equal(images, expected)
    torch.testing.assert_close(soft, target.soft(3) * (1 - smoothing) + smoothing / 3)
    assert SoftTargetCrossEntropy()(torch.randn(6, 3), soft).isfinite()
    assert LDAMLoss([9, 5, 2])(torch.randn(6, 3), soft).isfinite()
    off = SoftTargetMix(mix, 3, smoothing)
    off.mixup_enabled = False  # as timm's program says towards the end
    images, soft = off(IMAGES, LABELS)
    assert torch.equal(images, IMAGES)
    torch.testing.assert_close(soft, mixup_target(LABELS, 3, 1.0, smoothing))


def test_hard_labels_of_spmix_become_soft():
    images, soft = SoftTargetMix(SPMix([9, 5, 1], patch_size=8), 3)(IMAGES, LABELS)
    assert not torch.equal(images, IMAGES)
    assert torch.equal(soft, torch.nn.functional.one_hot(LABELS, 3).float())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SoftTargetMix(MixUp(), 0), "num_classes: expected at least 1, got 0"),
        (lambda: SoftTargetMix(MixUp(), 3, 1.0), "label_smoothing: expected a number from 0 to less than 1, got 1.0"),
        (lambda: SoftTargetMix(InBatch(MixUp(), RandomPairing()), 2)(IMAGES, LABELS), "expected labels from 0 to 1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
