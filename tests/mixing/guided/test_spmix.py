"""SPMix as users call it: on a batch, on pairs from two streams, on features."""

import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from longtail_mix import BalancedPairing, FidelityRatio, HeadTailPairing, PaperRatio, ReleasedRatio, SaliencyMap, SPMix
from longtail_mix.functional import (
    lesion_aware_ratio,
    merged_saliency,
    patch_mixup,
    released_ratio,
    saliency_map,
    spmix,
)

COUNTS = [100, 30, 2]
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def seeded(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.rand(6, 3, 32, 48, generator=seeded(0))
    return images, torch.tensor([0, 2, 1, 0, 2, 0])


class OwnMap(nn.Module):
    """A recipe that is not the same for both: the tail's map is the ratio."""

    def forward(self, tail: torch.Tensor, _head: torch.Tensor, _generator: torch.Generator | None) -> torch.Tensor:
        return tail


class Constant(nn.Module):
    """A saliency of one's own."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :1] * 0 + 0.5


def test_pair_is_the_chain_of_its_steps(batch):
    tail, head = batch[0][:3], batch[0][3:]
    merged = merged_saliency(saliency_map(tail), saliency_map(head))
    expected = patch_mixup(tail, head, lesion_aware_ratio(merged, 8, 0.7, 0.1, seeded(1)))
    mixer = SPMix(patch_size=8, alpha=0.7, noise=0.1)
    assert torch.equal(mixer.pair(tail, head, seeded(1)), expected)
    assert torch.equal(spmix(tail, head, 8, 0.7, 0.1, generator=seeded(1)), expected)
    ratio = mixer.ratio(tail, head, seeded(1))
    assert ratio.shape == (3, 1, 4, 6)
    assert torch.equal(mixer.mix(tail, head, ratio), expected)


def test_released_pair_is_the_chain_of_its_steps(batch):
    tail, head = batch[0][:3], batch[0][3:]
    ratio = released_ratio(saliency_map(tail), saliency_map(head), 16, 0.8, generator=seeded(1))
    mixer = SPMix.released()
    assert isinstance(mixer.recipe, ReleasedRatio)
    assert isinstance(mixer.pairing, BalancedPairing)
    assert torch.equal(mixer.pair(tail, head, seeded(1)), patch_mixup(tail, head, ratio))


def test_released_passes_its_options_on():
    mixer = SPMix.released(8, 0.7, 0.2, mean=IMAGENET[0], std=IMAGENET[1])
    assert repr(mixer.recipe) == "ReleasedRatio(patch_size=8, alpha=0.7, noise=0.2)"
    assert repr(mixer.saliency) == repr(SaliencyMap(*IMAGENET))
    assert isinstance(SPMix.released(saliency=Constant()).saliency, Constant)


def test_a_batch_equals_its_pairs_one_by_one(batch):
    images, labels = batch
    mixer = SPMix(COUNTS, patch_size=8, noise=0.0)
    mixed, same = mixer(images, labels, generator=seeded(3))
    assert same is labels
    partner, _ = HeadTailPairing(COUNTS).partners(labels, seeded(3))
    for i, label in enumerate(labels.tolist()):
        if label == 2:
            expected = mixer.pair(images[i : i + 1], images[partner[i]][None])[0]
            torch.testing.assert_close(mixed[i], expected)
            assert not torch.equal(mixed[i], images[i])
        else:
            assert torch.equal(mixed[i], images[i])


@pytest.mark.parametrize("labels", [[0] * 6, [0, 2, 1, 0, 1, 0], [0, 2, 2, 2, 2, 1], [2] * 6], ids=str)
@pytest.mark.parametrize("recipe", [PaperRatio(8, noise=0.2), ReleasedRatio(8, noise=0.2), FidelityRatio(8)])
@pytest.mark.parametrize("given", ["images", "bytes", "maps"])
def test_what_is_made_for_the_pairs_alone_is_what_is_made_for_all(monkeypatch, batch, labels, recipe, given):
    images, labels = batch[0], torch.tensor(labels)
    images = (images * 255).to(torch.uint8) if given == "bytes" else images
    maps = saliency_map(images) if given == "maps" else None
    mixer = SPMix(pairing=HeadTailPairing(COUNTS, probability=0.8), recipe=recipe)

    def mix(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        mixed, _, record = mixer.with_record(images, labels, maps, generator)
        return mixed, record.mask, torch.rand(1, generator=generator)  # the generator goes on alike

    some = mix(seeded(4))
    monkeypatch.setattr(sys.modules[SPMix.__module__], "values_are_readable", lambda _: False)
    for of_some, of_all in zip(some, mix(seeded(4)), strict=True):
        assert torch.equal(of_some, of_all)


@pytest.mark.parametrize("given", [True, False])
def test_only_what_is_mixed_is_looked_at(batch, given):
    class Counting(SaliencyMap):
        seen = 0

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.seen += len(images)
            return super().forward(images)

    images, labels = batch
    mixer = SPMix(COUNTS, saliency=Counting())
    mixer(images, labels, saliency_map(images) if given else None, seeded(0))
    partner, mixed = mixer.pairing.partners(labels, seeded(0))
    pairs = {*mixed.nonzero().flatten().tolist(), *partner[mixed].tolist()}
    assert mixer.saliency.seen == (0 if given else len(pairs))
    assert len(pairs) < len(images)


def test_an_image_that_does_not_fit_is_found_in_a_batch_without_pairs_too(batch):
    images, _ = batch
    heads = torch.zeros(6, dtype=torch.int64)
    with pytest.raises(ValueError, match="divisible by the patch size 20"):
        SPMix(COUNTS, patch_size=20)(images, heads)
    with pytest.raises(ValueError, match="images: expected values in"):
        SPMix(COUNTS)(images * 3, heads)


def test_maps_of_bytes_are_the_maps_they_were_made_of(batch):
    images, labels = batch
    maps = saliency_map(images)
    as_bytes = (maps * 255).round().to(torch.uint8)
    mixer = SPMix(COUNTS)
    expected = mixer(images, labels, maps, seeded(0))[0]
    assert torch.equal(mixer(images, labels, as_bytes, seeded(0))[0], expected)
    with pytest.raises(ValueError, match=r"one map for each image of \[6, 3, 32, 48\], got \[5, 1, 32, 48\]"):
        mixer(images, labels, as_bytes[:5])
    with pytest.raises(ValueError, match=r"maps: expected maps \[B, 1, H, W\], got shape"):
        mixer(images, labels, as_bytes[:, 0])
    with pytest.raises(TypeError, match="maps: expected a floating-point tensor, got torch.int64"):
        mixer(images, labels, as_bytes.long())


@given(
    labels=st.lists(st.integers(0, 2), max_size=8),
    alpha=st.floats(0.05, 1),
    noise=st.floats(0, 0.5),
    kind=st.sampled_from(["random", "flat", "bytes"]),
    released=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_invariants(labels, alpha, noise, kind, released, seed):
    labels = torch.tensor(labels, dtype=torch.int64)
    images = torch.rand(len(labels), 3, 8, 16, generator=seeded(seed))
    if kind == "flat":
        images = images[..., :1, :1].expand_as(images)
    if kind == "bytes":
        images = (images * 255).to(torch.uint8)
    mixer = SPMix.released(4, alpha, noise) if released else SPMix(COUNTS, 4, alpha, noise)
    before, labels_before = images.clone(), labels.clone()
    mixed, same = mixer(images, labels, generator=seeded(seed))
    assert mixed.shape == images.shape
    assert mixed.dtype == images.dtype
    assert same is labels
    assert torch.equal(images, before)
    assert torch.equal(labels, labels_before)
    assert torch.equal(mixer(images, labels, generator=seeded(seed))[0], mixed)
    if len(labels):
        assert ((mixed >= images.amin(0)) & (mixed <= images.amax(0))).all()
    is_mixed = mixer.pairing.partners(labels, seeded(seed))[1]
    assert torch.equal(mixed[~is_mixed], images[~is_mixed])


def test_different_seeds_differ(batch):
    mixer = SPMix(COUNTS)
    first, second = (mixer(*batch, generator=seeded(s))[0] for s in (0, 1))
    assert not torch.equal(first, second)


def test_normalised_images_give_the_same_ratio(batch):
    images, _ = batch
    images = (images * 255).round() / 255
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in IMAGENET)
    normalised = (images - mean) / std
    mixer = SPMix(mean=IMAGENET[0], std=IMAGENET[1])
    expected = SPMix().ratio(images[:3], images[3:], seeded(0))
    assert torch.equal(mixer.ratio(normalised[:3], normalised[3:], seeded(0)), expected)
    mixed = spmix(normalised[:3], normalised[3:], mean=IMAGENET[0], std=IMAGENET[1], generator=seeded(0))
    assert torch.equal(mixed, patch_mixup(normalised[:3], normalised[3:], expected))


def test_maps_computed_before_are_used(batch):
    images, labels = batch
    mixer = SPMix(COUNTS)
    expected = mixer(images, labels, generator=seeded(0))[0]
    maps = saliency_map(images)
    assert torch.equal(mixer(images, labels, maps, seeded(0))[0], expected)
    assert not torch.equal(mixer(images, labels, maps.flip(-1), seeded(0))[0], expected)


def test_steps_can_be_exchanged(batch):
    images, labels = batch
    pairing = HeadTailPairing(COUNTS, tail_classes=[0], head_classes=[1])
    mixer = SPMix(saliency=Constant(), pairing=pairing, recipe=PaperRatio(16, 0.6, 0.0))
    mixed, _ = mixer(images, labels)
    torch.testing.assert_close(mixed[0], 0.6 * images[0] + 0.4 * images[2])
    assert torch.equal(mixed[1], images[1])


def test_features_and_tokens(device):
    tail, head = torch.rand(2, 2, 3, 64, 64, device=device)
    mixer = SPMix()
    ratio = mixer.ratio(tail, head)
    assert ratio.device.type == device.type
    features = torch.rand(2, 2, 7, 8, 8, device=device, requires_grad=True)
    mixer.mix(features[0], features[1], ratio).sum().backward()
    torch.testing.assert_close(features.grad.sum(0), torch.ones(2, 7, 8, 8, device=device))
    tokens = torch.rand(2, 2, 1 + 16, 5, device=device)
    assert torch.equal(mixer.mix(*tokens, ratio, num_prefix_tokens=1)[:, :1], tokens[0][:, :1])


def test_gradients_flow_through_the_images_of_a_batch(batch, device):
    images, labels = (t.to(device) for t in batch)
    images.requires_grad_()
    mixed, _ = SPMix(COUNTS, noise=0.0)(images, labels)
    mixed.sum().backward()
    total = torch.zeros_like(images).sum() + images.numel()
    torch.testing.assert_close(images.grad.sum(), total)  # shares of a mix sum to one
    assert (images.grad[1] < 1).any()


@pytest.mark.parametrize("released", [False, True])
def test_batches_of_any_size_compile_as_one_graph(batch, released, device):
    images, labels = (t.to(device) for t in batch)
    mixer = (SPMix.released() if released else SPMix(COUNTS)).to(device)
    compiled = torch.compile(mixer, fullgraph=True, backend="aot_eager")
    for size in (6, 5, 3, 1, 0):  # the last batch of an epoch is a short one
        torch.manual_seed(0)
        got = compiled(images[:size], labels[:size])[0]
        torch.manual_seed(0)
        torch.testing.assert_close(got, mixer(images[:size], labels[:size])[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_nothing_waits_for_the_gpu(batch):
    images, labels = (t.cuda() for t in batch)
    for mixer in (SPMix(COUNTS, mean=IMAGENET[0], std=IMAGENET[1]).cuda(), SPMix.released().cuda()):
        mixer(images, labels)
        torch.cuda.set_sync_debug_mode("error")
        try:
            mixer(images, labels)
        finally:
            torch.cuda.set_sync_debug_mode("default")


def test_the_recipe_gets_the_tails_map_first(batch):
    images, labels = batch
    pairing = HeadTailPairing(COUNTS, tail_classes=[2], head_classes=[1])
    mixer = SPMix(saliency=Constant(), pairing=pairing, recipe=OwnMap())
    maps = torch.ones(6, 1, 32, 48)
    maps[2] = 0.0  # the only head
    assert torch.equal(mixer(images, labels, maps)[0], images)


@pytest.mark.parametrize("probability", [0.0, 0.4])
def test_only_the_chosen_are_mixed(probability):
    labels = torch.tensor([0] + [2] * 200)
    images = torch.rand(201, 3, 4, 4, generator=seeded(0))
    mixer = SPMix(patch_size=4, pairing=HeadTailPairing(COUNTS, probability=probability))
    mixed = (mixer(images, labels, generator=seeded(0))[0] != images).flatten(1).any(1)
    assert abs(int(mixed.sum()) - 200 * probability) <= 3 * (200 * probability * (1 - probability)) ** 0.5


def test_channels_last_and_autocast_change_nothing(batch, device):
    images, labels = (t.to(device) for t in batch)
    mixer = SPMix(COUNTS)
    expected = mixer(images, labels, generator=seeded(0, device))[0]
    last = images.to(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16):
        mixed = mixer(last, labels, generator=seeded(0, device))[0]
    assert torch.equal(mixed, expected)
    assert mixed.is_contiguous(memory_format=torch.channels_last)


def test_nothing_to_learn_and_nothing_to_store():
    mixer = SPMix(COUNTS)
    assert not list(mixer.parameters())
    assert not mixer.state_dict()
    assert isinstance(mixer.saliency, SaliencyMap)


def test_bad_options():
    with pytest.raises(ValueError, match="mean, std: expected None beside a saliency of your own"):
        SPMix(COUNTS, saliency=Constant(), mean=[0.5] * 3, std=[0.5] * 3)
    with pytest.raises(ValueError, match="class_counts: expected None beside a pairing of your own"):
        SPMix(COUNTS, pairing=BalancedPairing())
    with pytest.raises(ValueError, match="patch_size, alpha, noise: expected the defaults beside a recipe"):
        SPMix(COUNTS, patch_size=8, recipe=PaperRatio(8))
    with pytest.raises(TypeError, match="patch_size: expected a whole number"):
        SPMix.released(COUNTS)
    with pytest.raises(ValueError, match="alpha: expected 0 < alpha <= 1, got 2"):
        SPMix(COUNTS, alpha=2)
    with pytest.raises(ValueError, match="class_counts: expected no negative count"):
        SPMix([1, -1])


X = torch.zeros(2, 3, 32, 32)
Y = torch.tensor([0, 2])


@pytest.mark.parametrize(
    ("images", "labels", "maps", "error", "message"),
    [
        (X[0], Y, None, ValueError, r"images: expected images \[B, C, H, W\], got shape \[3, 32, 32\]"),
        (X[:, :2], Y, None, ValueError, r"images: expected RGB images"),
        (X.int(), Y, None, TypeError, "images: expected uint8 or floating-point images, got torch.int32"),
        (X[..., :30], Y, None, ValueError, "divisible by the patch size 16, got 32x30"),
        (X, Y[:1], None, ValueError, "labels: expected one for each of 2 images, got 1"),
        (X, Y + 1, None, ValueError, r"labels: expected labels from 0 to 2, got \[3\]"),
        (X, Y.float(), None, TypeError, "labels: expected integer labels"),
        (X, Y.to("meta"), None, ValueError, "labels: expected device cpu like images, got meta"),
        (X / 0, Y, None, ValueError, "images: expected finite values"),
        (X, Y, X, ValueError, r"maps: expected maps \[B, 1, H, W\]"),
        (X, Y, X[:, :1, :16], ValueError, r"maps: expected one map for each image of \[2, 3, 32, 32\]"),
        (X, Y, X[:1, :1], ValueError, r"maps: expected one map for each image"),
        (X, Y, X[:, :1].to("meta"), ValueError, "maps: expected device cpu like images, got meta"),
    ],
)
def test_bad_batches(images, labels, maps, error, message):
    with pytest.raises(error, match=message):
        SPMix(COUNTS)(images, labels, maps)


def test_bad_calls():
    with pytest.raises(ValueError, match="class_counts: expected the images per class to tell tail from head"):
        SPMix()(X, Y)
    for call in (SPMix().pair, SPMix().ratio, spmix):
        with pytest.raises(ValueError, match="head: expected shape"):
            call(X, X[:1])
        with pytest.raises(TypeError, match="tail: expected a torch.Tensor, got list"):
            call([X], X)
        with pytest.raises(TypeError, match="head: expected a torch.Tensor, got NoneType"):
            call(X, None)
