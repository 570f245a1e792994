"""A batch mixed inside a model in one call, as a mix of images says."""

import pytest
import torch
from torch import nn

from longtail_mix import (
    CutMix,
    FMix,
    HeadTailPairing,
    InBatch,
    MixedTarget,
    MixInside,
    MixUp,
    OtherSkin,
    RandomPairing,
    ResizeMix,
    Sometimes,
    SPMix,
)
from longtail_mix.functional import patch_mixup

COUNTS = [9, 1]
LABELS = torch.tensor([0, 0, 1, 1, 0])
IMAGES = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def seeded():
    return torch.Generator().manual_seed(3)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    lower = nn.Conv2d(3, 4, 3, stride=2, padding=1)  # 8 x 8
    return nn.Sequential(lower, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))


def test_spmix_in_one_call_is_what_one_writes_by_hand(model):
    spmix = SPMix(COUNTS, patch_size=4)
    with MixInside(model, "0") as mix_inside:
        logits, labels = mix_inside.in_batch(spmix, IMAGES, LABELS, generator=seeded())
    assert labels is LABELS
    _, _, record = spmix.with_record(IMAGES, LABELS, generator=seeded())
    features = model[0](IMAGES)
    mixed = features.clone()
    for i in range(5):
        for y in range(8):
            for x in range(8):
                r = record.mask[i, 0, y // 2, x // 2]
                mixed[i, :, y, x] = r * features[i, :, y, x] + (1 - r) * features[record.partner[i], :, y, x]
    torch.testing.assert_close(logits, model[1:](mixed))
    assert torch.equal(mixed[LABELS == 0], features[LABELS == 0])
    assert not torch.allclose(mixed[LABELS == 1], features[LABELS == 1])


def test_maps_are_handed_on(model):
    maps = torch.rand(5, 1, 16, 16, generator=seeded())
    spmix = SPMix(COUNTS, patch_size=4, noise=0.0)
    with MixInside(model, "0") as mix_inside:
        with_maps, _ = mix_inside.in_batch(spmix, IMAGES, LABELS, maps, seeded())
        without, _ = mix_inside.in_batch(spmix, IMAGES, LABELS, generator=seeded())
    assert not torch.allclose(with_maps, without)


@pytest.mark.parametrize("mix", [MixUp(), CutMix(), FMix(), Sometimes(CutMix(), 0.5)], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("pairing", [RandomPairing(), HeadTailPairing(COUNTS)], ids=["random", "head and tail"])
def test_any_mix_that_leaves_images_in_their_place(model, mix, pairing):
    in_batch = InBatch(mix, pairing)
    with MixInside(model, "0") as mix_inside:
        logits, target = mix_inside.in_batch(in_batch, IMAGES, LABELS, generator=seeded())
    _, expected, record = in_batch.with_record(IMAGES, LABELS, generator=seeded())
    assert isinstance(target, MixedTarget)
    assert torch.equal(target.lam, expected.lam)
    features = model[0](IMAGES)
    share = nn.functional.avg_pool2d(record.share(16, 16).float(), 2)
    torch.testing.assert_close(logits, model[1:](patch_mixup(features, features[record.partner], share)))


def test_in_evaluation_mode_the_model_sees_the_images(model):
    with MixInside(model, "0") as mix_inside:
        logits, labels = mix_inside.in_batch(SPMix(COUNTS, patch_size=4).eval(), IMAGES, LABELS)
    assert torch.equal(logits, model(IMAGES))
    assert labels is LABELS


def test_gradients_reach_the_lower_part(model):
    with MixInside(model, "0") as mix_inside:
        logits, target = mix_inside.in_batch(InBatch(MixUp(), RandomPairing()), IMAGES, LABELS)
    target.loss(nn.CrossEntropyLoss(reduction="none"), logits).backward()
    assert (model[0].weight.grad != 0).any()
    model.zero_grad()


@pytest.mark.parametrize(
    "ratio", [torch.rand(2, 1, 1, 2, 2), torch.rand(2, 1, 4, 8, 8), torch.rand(2), torch.rand(2, 1, 2, 4, 4)]
)
def test_volumes(ratio):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv3d(1, 2, 1), nn.Flatten(), nn.Linear(2 * 2 * 4 * 4, 3))
    tail, head = torch.rand(2, 2, 1, 2, 4, 4)
    with MixInside(model, "0") as mix_inside:
        logits = mix_inside(tail, head, ratio)
    of_tail, of_head = model[0](tail), model[0](head)
    mixed = of_tail.clone()
    for z in range(2):
        for y in range(4):
            for x in range(4):
                if ratio.ndim == 1:
                    r = ratio
                else:
                    d, h, w = ratio.shape[2:]
                    cut = [
                        slice(i * n // s, max(i * n // s + 1, (i + 1) * n // s))
                        for i, n, s in ((z, d, 2), (y, h, 4), (x, w, 4))
                    ]
                    r = ratio[:, 0, cut[0], cut[1], cut[2]].mean((1, 2, 3))
                r = r.unsqueeze(1)
                mixed[:, :, z, y, x] = r * of_tail[:, :, z, y, x] + (1 - r) * of_head[:, :, z, y, x]
    torch.testing.assert_close(logits, model[1:](mixed))


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        (InBatch(ResizeMix(), RandomPairing()), "mix: expected one that leaves images where they are, got InBatch"),
        (InBatch(OtherSkin(), RandomPairing()), "mix: expected one that mixes images as they are, got OtherSkin"),
        (nn.Identity(), r"mix: expected one that keeps a record \(with_record\), got Identity"),
        (None, r"mix: expected one that keeps a record \(with_record\), got NoneType"),
    ],
)
def test_other_mixes_are_refused(model, mix, message):
    with MixInside(model, "0") as mix_inside, pytest.raises(TypeError, match=message):
        mix_inside.in_batch(mix, IMAGES, LABELS)


def test_a_ratio_of_other_dimensions_is_refused(model):
    with MixInside(model, "0") as mix_inside, pytest.raises(ValueError, match="features' 8x8 or is .* got 2x4x4"):
        mix_inside(IMAGES, IMAGES, torch.rand(5, 1, 2, 4, 4))
