"""Every public mix on a GPU that is only described, and from a generator whatever the global seed: found by walking."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from longtail_mix import CutMix, HeadTailPairing, MixUp, ResizeMix, SPMix, mixing
from tests.mixing.mixes import COUNTS, seeded

ARGUMENTS = {  # of those that need any for images of 8 x 12
    "InBatch": lambda: (CutMix(), HeadTailPairing(COUNTS)),
    "KeepLabels": lambda: (SPMix(patch_size=4),),
    "LSM": lambda: (4,),
    "OneOf": lambda: ([MixUp(), CutMix(), ResizeMix()],),
    "PuzzleMix": lambda: (4,),
    "Remix": lambda: (COUNTS,),
    "SPMix": lambda: (COUNTS, 4),
    "Scheduled": lambda: (MixUp(), lambda epoch: 0.7 - epoch / 10),
    "Sometimes": lambda: (MixUp(), 0.7),
    "UniMix": lambda: (COUNTS,),
}
EVERY = [name for name in mixing.__all__ if hasattr(getattr(mixing, name), "with_record") and name != "Mix"]
IN_BATCH = {"InBatch", "SPMix"}


def make(name: str) -> nn.Module:
    return getattr(mixing, name)(*ARGUMENTS.get(name, tuple)())


def arguments(name: str, with_maps: bool) -> list[torch.Tensor]:
    images, labels, maps = torch.rand(2, 6, 3, 8, 12), torch.tensor([[0, 1, 2, 2, 0, 1]]).expand(2, -1), ()
    if with_maps:
        maps = torch.rand(2, 6, 1, 8, 12)
    if name in IN_BATCH:
        return [images[0], labels[0], *maps[:1]]
    return [images[0], labels[0], images[1], labels[1].flip(0), *maps]


def test_all_are_here():
    assert len(EVERY) >= 23
    assert ARGUMENTS.keys() <= set(EVERY)


@pytest.mark.parametrize("with_maps", [False, True], ids=["detector", "maps"])
@pytest.mark.parametrize("name", EVERY)
def test_no_mix_waits_for_the_gpu(name, with_maps):
    if name == "LSM" and not with_maps:
        pytest.skip("it makes no maps of its own")
    with FakeTensorMode(), torch.device("cuda"):
        images, _, record = make(name).with_record(*arguments(name, with_maps))
        assert images.shape == (6, 3, 8, 12)
        assert images.device.type == record.lam.device.type == record.mask.device.type == "cuda"


@pytest.mark.parametrize("name", EVERY)
def test_a_generator_replays_a_mix_under_any_global_seed(name):
    torch.manual_seed(0)
    mix, of = make(name), arguments(name, with_maps=True)
    results = []
    for seed in range(6):
        torch.manual_seed(seed)
        images, _, record = mix.with_record(*of, generator=seeded(7))
        results.append((images, record.lam))
        assert torch.initial_seed() == seed
        assert torch.equal(torch.rand(3), torch.rand(3, generator=seeded(seed)))
    for images, lam in results[1:]:
        assert torch.equal(images, results[0][0])
        assert torch.equal(lam, results[0][1])
