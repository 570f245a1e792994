"""What all two-image mixes have in common: one shape, one way to draw, one kind of label."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from longtail_mix import (
    CMO,
    LSM,
    BalancedPairing,
    CutMix,
    HeadTailPairing,
    InBatch,
    InverseFrequencyPairing,
    KeepLabels,
    Mix,
    MixCollate,
    MixedTarget,
    MixUp,
    Pairs,
    RandomPairing,
    Remix,
    SaliencyMix,
    ShiftedPairing,
    Sometimes,
    SPMix,
    mixing,
)
from tests.mixing.mixes import COUNTS, MIXES, WITH_MAPS, Brightness, seeded, some_pairs

MOVING = {"CopyPaste", "PuzzleMix", "ResizeMix", "SnapMix", "OneOf", "OtherSkin"}  # they change images first
KEEPING = {"SPMix", "CopyPaste", "SkinSwap", "OtherSkin"}  # the first label stays whole
EACH = pytest.mark.parametrize("name", MIXES)


@pytest.fixture
def forget_compiled_graphs():
    """All mixes share one forward, and PyTorch keeps no more than 8 graphs of a function."""
    yield
    torch._dynamo.reset()


@EACH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize("number", [0, 1, 5])
def test_a_mix_of_two_streams(name, dtype, number, device):
    pairs = [t.to(device) for t in some_pairs(number, dtype)]
    before = [t.clone() for t in pairs]
    images, target = MIXES[name]()(*pairs, generator=seeded(1, device))
    assert images.shape == pairs[0].shape
    assert images.dtype == dtype
    assert images.device.type == target.lam.device.type == device.type
    assert isinstance(target, MixedTarget)
    target.check(3)
    assert target.lam.dtype == torch.float32
    assert torch.equal(target.labels, pairs[1])
    for tensor, copy in zip(pairs, before, strict=True):
        assert torch.equal(tensor, copy)
    assert all(images.data_ptr() != t.data_ptr() for t in pairs if t.numel())
    low, high = torch.minimum(pairs[0], pairs[2]), torch.maximum(pairs[0], pairs[2])
    if name in MOVING:
        low, high = low.amin((2, 3), keepdim=True), high.amax((2, 3), keepdim=True)
    assert ((images >= low) & (images <= high)).all()


@EACH
def test_reproducible_and_two_ranks_differ(name, device):
    pairs = [t.to(device) for t in some_pairs(8)]
    mix = MIXES[name]()
    images, target = mix(*pairs, generator=seeded(7, device))
    again, same = mix(*pairs, generator=seeded(7, device))
    assert torch.equal(images, again)
    assert all(torch.equal(a, b) for a, b in zip(target, same, strict=True))
    other, _ = mix(*pairs, generator=seeded(8, device))
    assert not torch.equal(images, other)
    torch.manual_seed(3)
    default, _ = mix(*pairs)
    torch.manual_seed(3)
    assert torch.equal(default, mix(*pairs)[0])


@pytest.mark.parametrize(
    "name",
    [
        "MixUp",
        "CutMix",
        "CMO",
        "SaliencyMix",
        "Sometimes",
        "FMix",
        "ResizeMix",
        "GridMix",
        "SmoothMix",
        "OneOf",
        "Scheduled",
    ],
)
@settings(max_examples=15)
@given(seed=st.integers(0, 2**31), height=st.integers(1, 9), width=st.integers(1, 9), number=st.integers(1, 6))
def test_lam_is_the_share_of_the_first_image(name, seed, height, width, number):
    first, second = torch.ones(number, 3, height, width), torch.zeros(number, 3, height, width)
    if name == "SaliencyMix":
        second += torch.rand(number, 1, height, width, generator=seeded(seed)) * 1e-7  # where it is salient
    labels, other = torch.zeros(number, dtype=torch.long), torch.ones(number, dtype=torch.long)
    images, target = MIXES[name]()(first, labels, second, other, generator=seeded(seed))
    torch.testing.assert_close(images.mean((1, 2, 3)), target.lam, atol=1e-6, rtol=0)


@EACH
def test_images_get_shares_of_their_own(name):
    first, second = torch.ones(16, 3, 12, 16), torch.rand(16, 3, 12, 16, generator=seeded(0)) / 2
    labels = torch.arange(16) % 3
    images, target = MIXES[name]()(first, labels, second, labels.roll(1), generator=seeded(0))
    shares = images.mean((1, 2, 3))
    assert len(shares.unique()) > 6
    if name not in KEEPING:
        assert len(target.lam.unique()) > 4


def of_any_size(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """Tell the compiler that the batch size is a variable."""
    for tensor in tensors:
        torch._dynamo.mark_dynamic(tensor, 0)
    return tensors


@EACH
@pytest.mark.usefixtures("forget_compiled_graphs")
def test_one_graph_for_batches_of_any_size(name, device):
    mix = MIXES[name]().to(device)
    compiled = torch.compile(mix, fullgraph=True, backend="eager")
    for number in (5, 3):
        pairs = [t.to(device) for t in some_pairs(number)]
        torch.manual_seed(0)
        with torch._dynamo.config.patch(error_on_recompile=number == 3):
            images, target = compiled(*of_any_size(pairs))
        torch.manual_seed(0)
        expected, expected_target = mix(*pairs)
        torch.testing.assert_close(images, expected)
        for a, b in zip(target, expected_target, strict=True):
            torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", WITH_MAPS)
@pytest.mark.usefixtures("forget_compiled_graphs")
def test_one_graph_with_maps(name, device):
    mix = WITH_MAPS[name]().to(device)
    compiled = torch.compile(mix, fullgraph=True, backend="eager")
    for number in (4, 3):
        pairs = [t.to(device) for t in some_pairs(number)]
        maps = [m.clone() for m in torch.rand(2, number, 1, 8, 12, device=device)]
        torch.manual_seed(0)
        with torch._dynamo.config.patch(error_on_recompile=number == 3):
            images, target = compiled(*of_any_size(pairs), *of_any_size(maps))
        torch.manual_seed(0)
        expected, expected_target = mix(*pairs, *maps)
        torch.testing.assert_close(images, expected)
        torch.testing.assert_close(target.lam, expected_target.lam)


@EACH
def test_channels_last_and_autocast_change_nothing(name, device):
    pairs = [t.to(device) for t in some_pairs()]
    mix = MIXES[name]()
    expected, expected_target = mix(*pairs, generator=seeded(0, device))
    last = [t.to(memory_format=torch.channels_last) if t.ndim == 4 else t for t in pairs]
    with torch.autocast(device.type, torch.bfloat16):
        images, target = mix(*last, generator=seeded(0, device))
    assert torch.equal(images, expected)
    assert torch.equal(target.lam, expected_target.lam)
    assert images.is_contiguous(memory_format=torch.channels_last)


@EACH
def test_gradients_reach_both_images(name, device):
    first, labels, second, other = (t.to(device) for t in some_pairs(6))
    first.requires_grad_()
    second.requires_grad_()
    images, _ = MIXES[name]()(first, labels, second, other, generator=seeded(0, device))
    images.sum().backward()
    if name in MOVING:  # a pixel may be read often or never, and what was read sums to one in each
        torch.testing.assert_close((first.grad + second.grad).sum(), torch.tensor(1.0 * first.numel(), device=device))
    else:
        torch.testing.assert_close(first.grad + second.grad, torch.ones_like(first))
    assert (second.grad > 0).any()


def test_no_mix_is_forgotten():
    here = {type(make()) for make in (MIXES | WITH_MAPS).values()}
    public = {getattr(mixing, name) for name in mixing.__all__}
    every = {c for c in public if isinstance(c, type) and issubclass(c, Mix) and c is not Mix}
    assert every <= here, f"add {sorted(c.__name__ for c in every - here)} to MIXES or WITH_MAPS"


@EACH
def test_nothing_to_learn_and_nothing_to_store(name):
    mix = MIXES[name]()
    assert not list(mix.parameters())
    assert not mix.state_dict() or name == "Scheduled"  # which keeps its epoch


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", WITH_MAPS | MIXES)
def test_nothing_waits_for_the_gpu(name):
    pairs = [t.cuda() for t in some_pairs()]
    maps = torch.rand(2, 5, 1, 8, 12, device="cuda") if "LSM" in name else ()
    mix = (WITH_MAPS | MIXES)[name]().cuda()
    mix(*pairs, *maps)
    torch.cuda.set_sync_debug_mode("error")
    try:
        mix(*pairs, *maps)
    finally:
        torch.cuda.set_sync_debug_mode("default")


PAIRINGS: dict[str, Callable[[], nn.Module]] = {
    "random": RandomPairing,
    "shifted": ShiftedPairing,
    "balanced": BalancedPairing,
    "head and tail": lambda: HeadTailPairing(COUNTS),
    "inverse frequency": lambda: InverseFrequencyPairing(COUNTS),
}


@EACH
@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("labels", [[], [2], [0, 2, 1], [0, 0, 1, 2, 2, 0, 1]], ids=len)
def test_in_one_batch(name, pairing, labels):
    images, labels = some_pairs(len(labels))[0], torch.tensor(labels, dtype=torch.long)
    pairing = PAIRINGS[pairing]()
    mix = InBatch(MIXES[name](), pairing)
    before = images.clone()
    mixed, target = mix(images, labels, generator=seeded(5))
    generator = seeded(5)
    partner, chosen = pairing.partners(labels, generator)
    expected, expected_target = mix.mix(images, labels, images[partner], labels[partner], generator=generator)
    assert torch.equal(images, before)
    assert torch.equal(target.labels, labels)
    for i in range(len(labels)):
        if chosen[i]:
            assert torch.equal(mixed[i], expected[i])
            assert [target.other[i], target.lam[i]] == [expected_target.other[i], expected_target.lam[i]]
        else:
            assert torch.equal(mixed[i], images[i])
            assert [target.other[i], target.lam[i]] == [labels[i], 1]


@pytest.mark.parametrize("name", WITH_MAPS)
def test_in_one_batch_with_maps(name):
    images, labels, _, _ = some_pairs(6)
    maps = torch.rand(6, 1, 8, 12, generator=seeded(1))
    mix = InBatch(WITH_MAPS[name](), ShiftedPairing())
    mixed, target = mix(images, labels, maps, seeded(2))
    rolled = [t.roll(1, 0) for t in (images, labels, maps)]
    expected = mix.mix(images, labels, rolled[0], rolled[1], maps, rolled[2], generator=seeded(2))
    assert torch.equal(mixed, expected[0])
    assert torch.equal(target.lam, expected[1].lam)
    assert torch.equal(target.other, expected[1].other)


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.usefixtures("forget_compiled_graphs")
def test_one_graph_in_one_batch(pairing, device):
    mix = InBatch(MixUp(), PAIRINGS[pairing]()).to(device)
    compiled = torch.compile(mix, fullgraph=True, backend="eager")
    images, _, _, labels = (t.to(device) for t in some_pairs(6))
    torch.manual_seed(0)
    mixed, target = compiled(images, labels)
    torch.manual_seed(0)
    expected, expected_target = mix(images, labels)
    torch.testing.assert_close(mixed, expected)
    assert torch.equal(target.other, expected_target.other)


@pytest.mark.parametrize("workers", [0, 1])
def test_as_collate_fn(workers):
    images, labels, _, _ = some_pairs(7)
    collate = MixCollate(InBatch(CutMix(), RandomPairing()))
    loader = DataLoader(TensorDataset(images, labels), 4, collate_fn=collate, num_workers=workers)
    torch.manual_seed(0)
    batches = list(loader)
    assert [len(batch[0]) for batch in batches] == [4, 3]
    assert all(isinstance(target, MixedTarget) for _, target in batches)
    assert torch.equal(torch.cat([target.labels for _, target in batches]), labels)
    torch.manual_seed(0)
    for (mixed, target), (again, same) in zip(batches, loader, strict=True):
        assert torch.equal(mixed, again)
        assert torch.equal(target.lam, same.lam)
    torch.manual_seed(1)
    assert not torch.equal(next(iter(loader))[0], batches[0][0])


def test_hard_labels_leave_a_collate_fn_as_a_target():
    images, labels, _, _ = some_pairs(4)
    collate = MixCollate(SPMix(COUNTS, patch_size=4))
    mixed, target = collate(list(zip(images, labels, strict=True)))
    assert mixed.shape == images.shape
    assert isinstance(target, MixedTarget)
    assert torch.equal(target.labels, labels)
    assert target.lam.tolist() == [1] * 4


def test_collate_wants_pairs():
    images, labels, _, _ = some_pairs(2)
    collate = MixCollate(InBatch(MixUp(), RandomPairing()))
    with pytest.raises(ValueError, match="samples: expected pairs of an image and a label, got 3 parts"):
        collate([(images[0], labels[0], 1), (images[1], labels[1], 2)])
    with pytest.raises(ValueError, match="samples: expected pairs of an image and a label, got Tensor"):
        collate([images[0], images[1]])


def test_a_collate_of_ones_own():
    images, labels, _, _ = some_pairs(3)
    collate = MixCollate(InBatch(MixUp(), ShiftedPairing()), collate=lambda rows: (images[rows], labels[rows]))
    assert torch.equal(collate([2, 0])[1].labels, labels[[2, 0]])


@pytest.mark.parametrize("name", MIXES | WITH_MAPS)
@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: Sometimes(m, 0.6)], ids=["always", "sometimes"])
def test_the_record_tells_what_was_mixed(name, wrap):
    mix, pairs = wrap((MIXES | WITH_MAPS)[name]()), some_pairs(6, torch.float64)
    maps = torch.rand(2, 6, 1, 8, 12, generator=seeded(1)) if name in WITH_MAPS else ()
    images, target = mix(*pairs, *maps, generator=seeded(2))
    again, same, record = mix.with_record(*pairs, *maps, generator=seeded(2))
    assert torch.equal(images, again)
    assert all(torch.equal(a, b) for a, b in zip(target, same, strict=True))
    assert torch.equal(record.lam, target.lam)
    assert record.partner is None
    atol = 1e-6 if name in MOVING else 0  # an image that Sometimes left alone is read at its own places, in float32
    inner = getattr(mix, "mix", mix)  # of Sometimes
    second = inner.prepare(Pairs(*pairs, *maps)).second if isinstance(inner, Mix) else pairs[2]
    torch.testing.assert_close(record.blend(pairs[0], second), images, atol=atol, rtol=1e-6)
    share = record.share(8, 12).double()
    assert ((share >= 0) & (share <= 1)).all()
    if name not in MOVING:
        torch.testing.assert_close(share * pairs[0] + (1 - share) * pairs[2], images)


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_the_record_in_one_batch_names_the_partners(pairing):
    images, labels, _, _ = some_pairs(7)
    mix = InBatch(CutMix(), PAIRINGS[pairing]())
    mixed, target = mix(images, labels, generator=seeded(2))
    again, same, record = mix.with_record(images, labels, generator=seeded(2))
    assert torch.equal(mixed, again)
    assert all(torch.equal(a, b) for a, b in zip(target, same, strict=True))
    assert torch.equal(record.blend(images, images[record.partner]), mixed)
    assert torch.equal(record.lam, target.lam)


def test_spmix_records_what_it_mixed():
    images, labels = some_pairs(7)[0], torch.tensor([0, 1, 2, 2, 0, 1, 0])
    mix = SPMix(COUNTS, patch_size=4)
    mixed, _ = mix(images, labels, generator=seeded(2))
    again, same_labels, record = mix.with_record(images, labels, generator=seeded(2))
    assert torch.equal(mixed, again)
    assert same_labels is labels
    torch.testing.assert_close(record.blend(images, images[record.partner]), mixed)
    assert record.lam.tolist() == [1] * 7


def test_a_mix_without_a_record_cannot_be_asked_for_one():
    class Own(nn.Module):
        def forward(self, first, first_labels, *_others, **_options):
            return first, MixedTarget.hard(first_labels)

    InBatch(Own(), RandomPairing())(X, Y)
    with pytest.raises(TypeError, match=r"mix: expected one that keeps a record \(with_record\), got Own"):
        InBatch(Own(), RandomPairing()).with_record(X, Y)


def test_sometimes_mixes_as_often_as_it_says():
    first, second = torch.ones(2000, 1, 1, 1), torch.zeros(2000, 1, 1, 1)
    labels = torch.zeros(2000, dtype=torch.long)
    for probability in (0.0, 0.3, 1.0):
        images, target = Sometimes(MixUp(), probability)(first, labels, second, labels + 1, generator=seeded(0))
        mixed = target.lam < 1
        assert abs(int(mixed.sum()) - 2000 * probability) <= 3 * (2000 * probability * (1 - probability)) ** 0.5
        assert torch.equal(images[~mixed], first[~mixed])
        assert torch.equal(target.other, mixed.long())
    assert repr(Sometimes(CutMix(), 0.5)).startswith("Sometimes(\n  probability=0.5\n")


def test_spmix_keeps_its_labels():
    tail, labels, head, other = some_pairs(3)
    spmix = SPMix(patch_size=4)
    images, target = KeepLabels(spmix)(tail, labels, head, other, generator=seeded(1))
    assert torch.equal(images, spmix.pair(tail, head, seeded(1)))
    maps = spmix.saliency(tail), spmix.saliency(head)
    again, _ = KeepLabels(SPMix(patch_size=4, saliency=Brightness()))(
        tail, labels, head, other, *maps, generator=seeded(1)
    )
    assert torch.equal(again, images)
    assert target.lam.tolist() == [1, 1, 1]
    assert torch.equal(target.soft(3), nn.functional.one_hot(labels, 3).float())


X = torch.rand(2, 3, 8, 8)
Y = torch.tensor([0, 2])


@EACH
@pytest.mark.parametrize(
    ("pairs", "error", "message"),
    [
        (
            (X[0], Y, X[0], Y),
            ValueError,
            r"(first|tail): expected images \[B, C, H, W\]( or volumes \[B, C, D, H, W\])?, got shape \[3, 8, 8\]",
        ),
        (([X], Y, X, Y), TypeError, "(first|tail): expected a torch.Tensor, got list"),
        ((X.int(), Y, X.int(), Y), TypeError, "(first|tail): expected uint8 or floating-point images, got torch.int"),
        ((X[..., :0], Y, X[..., :0], Y), ValueError, "(first|tail): expected at least one pixel"),
        ((X, Y, X[..., :4], Y), ValueError, r"(second|head): expected shape \[2, 3, 8, 8\] like (first|tail), got"),
        ((X, Y, X[:1], Y), ValueError, "(second|head)_labels: expected one for each of 1 images, got 2"),
        ((X, Y, X.double(), Y), ValueError, "(second|head): expected dtype torch.float32 like (first|tail), got"),
        ((X, Y, X.to("meta"), Y.to("meta")), ValueError, "(second|head): expected device cpu like (first|tail)"),
        ((X, Y[:1], X, Y), ValueError, "(first|tail)_labels: expected one for each of 2 images, got 1"),
        ((X, Y, X, Y.float()), TypeError, "(second|head)_labels: expected integer labels, got torch.float32"),
        ((X, Y - 1, X, Y), ValueError, r"(first_|tail_|)labels: expected labels of at least 0, got \[-1\]"),
        ((X, Y, X, Y.to("meta")), ValueError, "(second|head)_labels: expected device cpu like (second|head), got meta"),
        (
            (X / 0, Y, X, Y),
            ValueError,
            "(first|tail|images|first_map|saliency): expected finite values, got NaN or infinity",
        ),
    ],
)
def test_bad_pairs(name, pairs, error, message):
    with pytest.raises(error, match=message):
        MIXES[name]()(*pairs)


@EACH
def test_bad_generators(name):
    with pytest.raises(TypeError, match="generator: expected a torch.Generator or None, got int"):
        MIXES[name]()(X, Y, X, Y, generator=1)


def test_bad_batches():
    with pytest.raises(TypeError, match="pairing: expected a module with partners.*, got MixUp"):
        InBatch(MixUp(), MixUp())
    mix = InBatch(LSM(), ShiftedPairing())
    with pytest.raises(ValueError, match="labels: expected one for each of 2 images, got 1"):
        mix(X, Y[:1])
    with pytest.raises(TypeError, match="images: expected a torch.Tensor, got NoneType"):
        mix(None, Y)
    with pytest.raises(ValueError, match="maps: expected one for each of 2 images, got 1"):
        mix(X, Y, torch.rand(1, 1, 2, 2))
    with pytest.raises(TypeError, match="maps: expected a floating-point tensor, got torch.int64"):
        mix(X, Y, Y)
    with pytest.raises(ValueError, match="maps: expected device cpu like images, got meta"):
        mix(X, Y, torch.rand(2, 1, 2, 2, device="meta"))
    with pytest.raises(ValueError, match="probability: expected a number from 0 to 1, got 2"):
        Sometimes(MixUp(), 2)


@pytest.mark.parametrize("alpha", [0, -1.0, float("inf"), float("nan")])
def test_bad_alpha(alpha):
    for mix in (MixUp, CutMix, CMO, SaliencyMix, lambda a: Remix(COUNTS, a)):
        with pytest.raises(ValueError, match="alpha: expected a finite number above 0, got"):
            mix(alpha)
    with pytest.raises(TypeError, match="alpha: expected a number, got '1'"):
        MixUp("1")


@pytest.mark.parametrize("name", ["Remix", "CMO in one batch"])
def test_labels_that_the_class_counts_do_not_know(name):
    mix = InBatch(Remix([5, 0, 1]), RandomPairing()) if name == "Remix" else CMO.in_batch([5, 0, 1])
    with pytest.raises(ValueError, match=r"labels: expected labels from 0 to 2, got \[3\]"):
        mix(X, Y + 1)
    with pytest.raises(ValueError, match=r"that class_counts \[5, 0, 1\] has images of, got \[1\]"):
        mix(X, Y // 2)
