"""Where a mix draws nothing, a CPU looks at the mixed pairs alone; the results are those of the whole batch."""

from __future__ import annotations

import pytest
import torch

from longtail_mix import HeadTailPairing, InBatch, OtherSkin, RandomPairing, Sometimes
from longtail_mix.mixing import Mix, MixRecord
from longtail_mix.mixing.composition import in_batch

LABELS = torch.tensor([0, 2, 1, 0, 0, 2, 1])


class Halves(Mix):
    """Half of each; it tells how many images it sees at once."""

    draws = False

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def rule(self, pairs, generator=None):  # noqa: ARG002 - nothing is drawn here
        self.seen.append(len(pairs.first))
        return MixRecord(torch.full((len(pairs.first), 1, 1, 1), 0.5), torch.full((len(pairs.first),), 0.5))


class Cubes(Halves):
    """Half of each volume."""

    takes_volumes = True

    def rule(self, pairs, generator=None):
        record = super().rule(pairs, generator)
        return record._replace(mask=record.mask.unsqueeze(-1))


class Drawn(Halves):
    """The same, but for what it says of itself."""

    draws = True


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(7, 3, 16, 16, generator=generator)
    maps = torch.zeros(7, 1, 16, 16)
    maps[..., 4:9, 5:12] = torch.rand(7, 1, 5, 7, generator=generator)
    return images, LABELS, maps


@pytest.mark.parametrize("pairing", [RandomPairing(), HeadTailPairing([9, 8, 1])], ids=["all", "tail"])
@pytest.mark.parametrize("probability", [None, 0.0, 0.5, 1.0])
def test_equals_the_mix_of_all_pairs(monkeypatch, pairing, probability):
    mix = OtherSkin() if probability is None else Sometimes(OtherSkin(), probability)
    images, labels, maps = inputs()
    both = InBatch(mix, pairing)
    compiled = torch.compile(both, fullgraph=True, backend="eager")

    def seeded() -> torch.Generator:
        return torch.Generator().manual_seed(3)

    expected, target, _ = both.with_record(images, labels, maps, seeded())
    torch.manual_seed(3)
    of_compiled, _ = compiled(images, labels, maps)
    assert torch.equal(of_compiled, expected)
    for pixels in (1, 3 * 16 * 16, 2**20):
        monkeypatch.setattr(in_batch, "_CHUNK", pixels)
        got, of_labels = both(images, labels, maps, seeded())
        assert torch.equal(got, expected)
        assert torch.equal(of_labels.labels, target.labels)
        assert torch.equal(of_labels.other, target.other)
        assert torch.equal(of_labels.lam, target.lam)
        assert of_labels.lam.dtype == target.lam.dtype


def test_sees_the_mixed_pairs_alone():
    images, labels, _ = inputs()
    for mix, seen in ((Halves(), [2]), (Drawn(), [7])):
        mixed, target = InBatch(mix, HeadTailPairing([9, 8, 1]))(images, labels)
        assert mix.seen == seen
        assert torch.equal(mixed[labels < 2], images[labels < 2])
        assert target.lam.tolist() == [1, 0.5, 1, 1, 1, 0.5, 1]


def test_nobody_is_mixed_and_no_detector_is_asked():
    images, _, _ = inputs()

    def detector(images: torch.Tensor) -> torch.Tensor:
        return torch.stack([image.mean(0, keepdim=True) for image in images])  # takes no empty batch

    other_skin = OtherSkin(saliency=detector_module(detector))
    mixed, target = InBatch(other_skin, HeadTailPairing([9, 8, 1]))(images, torch.zeros(7, dtype=torch.int64))
    assert torch.equal(mixed, images)
    assert target.lam.tolist() == [1] * 7


def detector_module(call) -> torch.nn.Module:
    module = torch.nn.Module()
    module.forward = call
    return module


def test_volumes_go_to_a_mix_that_takes_them():
    volumes = torch.rand(7, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    mix = InBatch(Cubes(), HeadTailPairing([9, 8, 1]))
    expected, _, _ = mix.with_record(volumes, LABELS, generator=torch.Generator().manual_seed(1))
    mixed, _ = mix(volumes, LABELS, generator=torch.Generator().manual_seed(1))
    assert torch.equal(mixed, expected)
    assert not torch.equal(mixed, volumes)


def test_images_stay_as_they_were_and_get_gradients():
    images, labels, maps = inputs()
    before = images.clone()
    images.requires_grad_()
    mixed, _ = InBatch(OtherSkin(), RandomPairing())(images, labels, maps)
    mixed.sum().backward()
    assert torch.equal(images, before)
    assert (images.grad != 0).any((1, 2, 3)).all()


def test_a_batch_without_pairs_is_still_checked():
    images, labels, maps = inputs()
    mix = InBatch(Sometimes(OtherSkin(), 0.0), RandomPairing())
    assert torch.equal(mix(images, labels, maps)[0], images)
    with pytest.raises(ValueError, match="maps: expected one for each of 7 images, got 6"):
        mix(images, labels, maps[:6])
    with pytest.raises(TypeError, match="generator: expected a torch.Generator or None, got int"):
        mix(images, labels, maps, 3)
