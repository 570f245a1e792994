"""OneOf and Scheduled: who is drawn how often, and that what is drawn is what that mix does."""

import pytest
import torch

from longtail_mix import (
    LSM,
    CutMix,
    InBatch,
    MixUp,
    OneOf,
    OtherSkin,
    RandomPairing,
    ResizeMix,
    Scheduled,
    SkinSwap,
    set_epoch,
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def black_and_white(number: int, size: int = 4):
    labels = torch.zeros(number, dtype=torch.long)
    return torch.ones(number, 1, size, size), labels, torch.zeros(number, 1, size, size), labels + 1


def test_weights_are_how_often_each_is_drawn():
    mix = OneOf([MixUp(), CutMix(), MixUp(0.3)], weights=[3, 1, 0])
    images, _ = mix(*black_and_white(3000), generator=seeded(0))
    is_cut = ((images == 0) | (images == 1)).all(3).all(2).all(1)
    assert abs(is_cut.sum() - 750) < 4 * (3000 * 0.25 * 0.75) ** 0.5
    assert OneOf([CutMix(), MixUp()]).weights == (1.0, 1.0)


def test_one_draw_for_the_whole_batch():
    mix, seen = OneOf([MixUp(), CutMix()], each_image=False), set()
    for seed in range(12):
        images, _ = mix(*black_and_white(30, 8), generator=seeded(seed))
        is_cut = ((images == 0) | (images == 1)).flatten(1).all(1)
        assert is_cut.all() or not is_cut.any()
        seen.add(bool(is_cut.all()))
    assert seen == {True, False}


@pytest.mark.parametrize("chosen", range(4))
def test_each_pair_gets_what_its_mix_does(chosen):
    mixes = [MixUp(), CutMix(), ResizeMix(), SkinSwap(edge=0)]
    first, second = torch.rand(2, 6, 3, 8, 8, generator=seeded(1))
    labels, maps = torch.arange(6) % 3, torch.rand(2, 6, 1, 8, 8, generator=seeded(2))
    pairs = (first, labels, second, labels.roll(1))
    mix = OneOf(mixes, [float(i == chosen) for i in range(4)])
    images, target, record = mix.with_record(*pairs, *maps, generator=seeded(3))
    generator = seeded(3)
    torch.empty(6).uniform_(generator=generator)
    for before in mixes[:chosen]:
        before.rule(type("", (), dict(zip(FIELDS, (*pairs, *maps), strict=True))), generator)
    expected, expected_target = mixes[chosen](*pairs, *maps, generator=generator)
    torch.testing.assert_close(images, expected, atol=2e-6, rtol=0)
    assert torch.equal(target.lam, expected_target.lam)
    torch.testing.assert_close(record.blend(first, second), images)


FIELDS = ("first", "first_labels", "second", "second_labels", "first_map", "second_map")


def test_one_of_one_of():
    mix = InBatch(OneOf([OneOf([MixUp(), CutMix()]), LSM()]), RandomPairing())
    images, labels, cams = torch.rand(5, 3, 8, 8), torch.arange(5) % 3, torch.rand(5, 1, 2, 2)
    mixed, target = mix(images, labels, cams, seeded(0))
    assert mixed.shape == images.shape
    target.check(3)


def test_a_schedule_follows_the_epoch_and_its_state_goes_along():
    mix = InBatch(Scheduled(MixUp(), lambda epoch: [0.0, 0.5, 1.0][epoch]), RandomPairing())
    images, labels = torch.rand(400, 1, 1, 1), torch.arange(400) % 3
    for epoch, low, high in ((0, 0, 0), (1, 150, 250), (2, 400, 400)):
        set_epoch(mix, epoch)
        _, target, record = mix.with_record(images, labels, generator=seeded(0))
        assert low <= int((target.lam < 1).sum()) <= high
        assert torch.equal(record.lam, target.lam)
    other = InBatch(Scheduled(MixUp(), lambda epoch: [0.0, 0.5, 1.0][epoch]), RandomPairing())
    other.load_state_dict(mix.state_dict())
    assert torch.equal(other(images, labels, generator=seeded(1))[0], mix(images, labels, generator=seeded(1))[0])


def test_a_new_probability_needs_no_new_graph():
    mix = Scheduled(MixUp(), lambda epoch: epoch / 10)
    compiled = torch.compile(mix, fullgraph=True, backend="eager")
    pairs = black_and_white(5)
    for epoch in range(3):
        set_epoch(mix, epoch)
        with torch._dynamo.config.patch(error_on_recompile=epoch > 0):
            compiled(*pairs)
    set_epoch(mix, 10)
    assert (compiled(*pairs)[1].lam < 1).all()
    torch._dynamo.reset()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: OneOf([]), ValueError, "mixes: expected at least one, got none"),
        (lambda: OneOf([torch.nn.Identity()]), TypeError, r"mixes: expected mixes \(longtail_mix.Mix\), got Identity"),
        (lambda: OneOf([MixUp()], [1, 2]), ValueError, "weights: expected 1 finite numbers of at least 0, not all 0"),
        (lambda: OneOf([OtherSkin()]), TypeError, "expected mixes that take images as they are, got OtherSkin"),
        (lambda: OneOf([MixUp()], [0]), ValueError, r"not all 0, got \[0.0\]"),
        (lambda: OneOf([MixUp()], [-1]), ValueError, r"not all 0, got \[-1.0\]"),
        (lambda: OneOf([MixUp()], ["1"]), TypeError, "weights: expected a number, got '1'"),
        (lambda: Scheduled(MixUp(), lambda epoch: epoch + 2), ValueError, "probability: expected a number from 0 to 1"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
