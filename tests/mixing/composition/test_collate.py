import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from longtail_mix import InBatch, MixCollate, MixedTarget, MixUp, RandomPairing, ShiftedPairing, SPMix

MIX = InBatch(MixUp(), ShiftedPairing())


def samples(keys=("pixel_values", "labels")):
    images = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    return [{keys[0]: image, keys[1]: i % 3, "name": f"{i}.png"} for i, image in enumerate(images)]


@pytest.mark.parametrize("keys", [("pixel_values", "labels"), ("image", "label")])
def test_dictionaries_are_mixed_under_their_keys(keys):
    rows = samples(keys)
    batch = MixCollate(MIX, keys=keys)(rows)
    assert set(batch) == {*keys, "name"}
    assert batch["name"] == [f"{i}.png" for i in range(6)]
    assert isinstance(batch[keys[1]], MixedTarget)
    assert batch[keys[1]].labels.tolist() == [0, 1, 2, 0, 1, 2]
    images = torch.stack([row[keys[0]] for row in rows])
    partner, _ = ShiftedPairing().partners(batch[keys[1]].labels)
    lam = batch[keys[1]].lam.view(-1, 1, 1, 1)
    torch.testing.assert_close(batch[keys[0]], lam * images + (1 - lam) * images[partner])


@pytest.mark.parametrize("workers", [0, 1])
def test_training_only(workers):
    model = nn.Linear(1, 1)
    loader = DataLoader(samples(), 6, collate_fn=MixCollate(MIX, follows=model), num_workers=workers)
    (batch,) = loader
    assert isinstance(batch["labels"], MixedTarget)
    model.eval()
    (batch,) = loader
    assert batch["labels"].tolist() == [0, 1, 2, 0, 1, 2]
    assert torch.equal(batch["pixel_values"], torch.stack([row["pixel_values"] for row in samples()]))


def test_it_follows_the_mix_and_mixes_always_for_a_function():
    pairs = [(row["pixel_values"], row["labels"]) for row in samples()]
    mix = SPMix([9, 5, 1], patch_size=8)
    collate = MixCollate(mix)
    assert isinstance(collate(pairs)[1], MixedTarget)
    mix.eval()
    assert collate(pairs)[1].tolist() == [0, 1, 2, 0, 1, 2]
    assert isinstance(MixCollate(lambda images, labels: (images, labels))(pairs)[1], MixedTarget)


@pytest.mark.parametrize("training", [True, False])
def test_bad_batches(training):
    collate = MixCollate(InBatch(MixUp(), RandomPairing()).train(training))
    with pytest.raises(ValueError, match="samples: expected pixel_values and labels, got image, labels, name"):
        collate(samples(("image", "labels")))
    with pytest.raises(ValueError, match="samples: expected pairs of an image and a label, got 1 parts"):
        collate([(torch.rand(3, 4, 4),)])
