"""In evaluation mode every mix hands its images through, as dropout does, and draws nothing."""

import pytest
import torch

from longtail_mix import (
    CMO,
    LSM,
    CutMix,
    HeadTailPairing,
    InBatch,
    KeepLabels,
    MixUp,
    RandomPairing,
    Remix,
    SaliencyMix,
    SoftTargetMix,
    Sometimes,
    SPMix,
)

COUNTS = [100, 30, 2]
MAPS = torch.rand(2, 6, 1, 32, 32).unbind()
OF_PAIRS = {
    "MixUp": (MixUp(), ()),
    "CutMix": (CutMix(), ()),
    "Remix": (Remix(COUNTS), ()),
    "CMO": (CMO(), ()),
    "SaliencyMix": (SaliencyMix(), ()),
    "LSM": (LSM(), MAPS),
    "KeepLabels": (KeepLabels(SPMix()), ()),
    "Sometimes": (Sometimes(MixUp(), 0.9), ()),
}
OF_BATCHES = {
    "InBatch": InBatch(MixUp(), RandomPairing()),
    "InBatch of one's own": InBatch(torch.nn.Identity(), HeadTailPairing(COUNTS)),
    "SPMix": SPMix(COUNTS),
    "SPMix.released": SPMix.released(),
}
IMAGES, OTHERS = torch.rand(2, 6, 3, 32, 32).unbind()
LABELS, OTHER_LABELS = torch.tensor([[0, 0, 1, 2, 2, 1], [1, 2, 0, 0, 0, 2]]).unbind()


@pytest.fixture(autouse=True)
def _nothing_is_drawn():
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", OF_PAIRS)
def test_pairs(name):
    mix, maps = OF_PAIRS[name]
    mix.eval()
    pairs = (IMAGES, LABELS, OTHERS, OTHER_LABELS, *maps)
    images, target = mix(*pairs)
    assert torch.equal(images, IMAGES)
    assert torch.equal(target.labels, LABELS)
    assert (target.lam == 1).all()
    images, again, record = mix.with_record(*pairs)
    assert all(torch.equal(a, b) for a, b in zip(target, again, strict=True))
    assert torch.equal(record.blend(IMAGES, OTHERS), images)
    assert torch.equal(record.lam, target.lam)
    with pytest.raises(ValueError, match="labels"):
        mix(IMAGES, LABELS[:3], OTHERS, OTHER_LABELS, *maps)  # it checks all the same


@pytest.mark.parametrize("name", OF_BATCHES)
def test_batches(name):
    mix = OF_BATCHES[name].eval()
    images, target = mix(IMAGES, LABELS)
    assert torch.equal(images, IMAGES)
    labels = target if name.startswith("SPMix") else target.labels
    assert torch.equal(labels, LABELS)
    images, target, record = mix.with_record(IMAGES, LABELS)
    assert torch.equal(images, IMAGES)
    assert torch.equal(record.partner, torch.arange(6))
    assert torch.equal(record.blend(IMAGES, IMAGES[record.partner]), IMAGES)
    with pytest.raises(ValueError, match="labels"):
        mix(IMAGES, LABELS[:3])


def test_pairs_of_spmix_and_soft_targets():
    assert torch.equal(SPMix().eval().pair(IMAGES, OTHERS), IMAGES)
    images, soft = SoftTargetMix(InBatch(MixUp(), RandomPairing()), 3).eval()(IMAGES, LABELS)
    assert torch.equal(images, IMAGES)
    assert torch.equal(soft.argmax(1), LABELS)


def test_a_model_takes_its_mix_along():
    model = torch.nn.Module()
    model.mix = SPMix(COUNTS)
    model.eval()
    assert torch.equal(model.mix(IMAGES, LABELS)[0], IMAGES)
