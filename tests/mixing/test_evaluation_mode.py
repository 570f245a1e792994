"""In evaluation mode every mix hands its images through, as dropout does, and draws nothing."""

import pytest
import torch

from longtail_mix import (
    CMO,
    CutMix,
    HeadTailPairing,
    InBatch,
    MixCollate,
    MixUp,
    RandomPairing,
    SoftTargetMix,
    Sometimes,
    SPMix,
    mixing,
)
from tests.mixing.mixes import COUNTS, MIXES, WITH_MAPS

IMAGES, OTHERS = torch.rand(2, 6, 3, 32, 32).unbind()
LABELS, OTHER_LABELS = torch.tensor([[0, 0, 1, 2, 2, 1], [1, 2, 0, 0, 0, 2]]).unbind()
MAPS = torch.rand(2, 6, 1, 32, 32).unbind()

OF_PAIRS = {
    **{name: (make, ()) for name, make in MIXES.items()},
    **{f"{name}, maps": (make, MAPS) for name, make in WITH_MAPS.items()},
}
OF_BATCHES = {
    **{f"InBatch {name}": lambda m=make: InBatch(m(), RandomPairing()) for name, (make, _) in OF_PAIRS.items()},
    "InBatch of one's own": lambda: InBatch(torch.nn.Identity(), HeadTailPairing(COUNTS)),
    "CMO.in_batch": lambda: CMO.in_batch(COUNTS),
    "SPMix": lambda: SPMix(COUNTS),
    "SPMix.released": SPMix.released,
}
OF_OTHERS = {"SoftTargetMix", "MixCollate"}  # each with a test below

# What mixing offers besides: who is paired, ratios, mixing by a given ratio, what a mix is made of and returns.
NO_MIXES = {
    *("Pairing", "BalancedPairing", "HeadTailPairing", "InverseFrequencyPairing", "RandomPairing", "ShiftedPairing"),
    *("FidelityRatio", "LesionAwareRatio", "MergedSaliency", "PaperRatio", "ReleasedRatio"),
    *("MixInside", "AlignFeatures", "ClassAttention", "PatchMixup"),
    *("Mix", "Pairs", "MixRecord", "CarriedBoxes", "CarriedPoints"),
}


def test_no_mix_is_forgotten():
    classes = {name for name in mixing.__all__ if isinstance(getattr(mixing, name), type)}
    tested = {type(make()).__name__ for make in (*(make for make, _ in OF_PAIRS.values()), *OF_BATCHES.values())}
    assert classes == tested | OF_OTHERS | NO_MIXES


@pytest.fixture(autouse=True)
def _nothing_is_drawn():
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", OF_PAIRS)
def test_pairs(name):
    make, maps = OF_PAIRS[name]
    mix, generator = make().eval(), torch.Generator()
    pairs, before = (IMAGES, LABELS, OTHERS, OTHER_LABELS, *maps), generator.get_state()
    images, target = mix(*pairs, generator=generator)
    assert torch.equal(images, IMAGES)
    assert torch.equal(target.labels, LABELS)
    assert (target.lam == 1).all()
    images, again, record = mix.with_record(*pairs, generator=generator)
    assert all(torch.equal(a, b) for a, b in zip(target, again, strict=True))
    assert torch.equal(record.blend(IMAGES, OTHERS), images)
    assert torch.equal(record.lam, target.lam)
    assert torch.equal(generator.get_state(), before)
    with pytest.raises(ValueError, match="labels"):
        mix(IMAGES, LABELS[:3], OTHERS, OTHER_LABELS, *maps)  # it checks all the same


@pytest.mark.parametrize("name", OF_BATCHES)
def test_batches(name):
    mix, generator = OF_BATCHES[name]().eval(), torch.Generator()
    before = generator.get_state()
    images, target = mix(IMAGES, LABELS, generator=generator)
    assert torch.equal(images, IMAGES)
    labels = target if isinstance(mix, SPMix) else target.labels
    assert torch.equal(labels, LABELS)
    images, target, record = mix.with_record(IMAGES, LABELS, generator=generator)
    assert torch.equal(images, IMAGES)
    assert torch.equal(record.partner, torch.arange(6))
    assert torch.equal(record.blend(IMAGES, IMAGES[record.partner]), IMAGES)
    assert torch.equal(generator.get_state(), before)
    with pytest.raises(ValueError, match="labels"):
        mix(IMAGES, LABELS[:3])


def test_pairs_of_spmix_and_soft_targets():
    assert torch.equal(SPMix().eval().pair(IMAGES, OTHERS), IMAGES)
    images, soft = SoftTargetMix(InBatch(MixUp(), RandomPairing()), 3).eval()(IMAGES, LABELS)
    assert torch.equal(images, IMAGES)
    assert torch.equal(soft.argmax(1), LABELS)


def test_collators():
    mix, model = InBatch(CutMix(), RandomPairing()), torch.nn.Identity()
    samples = list(zip(IMAGES, LABELS.tolist(), strict=True))
    for collate, switch in ((MixCollate(mix), mix), (MixCollate(mix.train(), follows=model), model)):
        switch.eval()
        images, labels = collate(samples)
        assert torch.equal(images, IMAGES)
        assert torch.equal(labels, LABELS)


def test_a_mix_inside_follows_the_mix_around_it():
    inner = MixUp()
    outer = InBatch(Sometimes(inner, 1.0), RandomPairing()).eval()
    assert not inner.training
    assert torch.equal(outer(IMAGES, LABELS)[0], IMAGES)


def test_a_model_takes_its_mix_along():
    model = torch.nn.Module()
    model.mix = SPMix(COUNTS)
    model.eval()
    assert torch.equal(model.mix(IMAGES, LABELS)[0], IMAGES)


def test_classes_are_int64_in_both_modes():
    labels = LABELS.to(torch.int32)
    for mix in (MixUp(), MixUp().eval()):
        _, target = mix(IMAGES, labels, IMAGES.flip(0), labels, generator=torch.Generator())
        assert {target.labels.dtype, target.other.dtype} == {torch.int64}
