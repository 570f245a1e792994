"""Each mix against a loop over the images with the same draws; what is drawn; who is mixed with whom."""

import pytest
import torch
from torch import Tensor

from longtail_mix import MixedTarget
from reproduction.methods.sampling import ByClass, Heads, Natural
from reproduction.mixes.balanced_mixup import BalancedMixUp
from reproduction.mixes.cutmix import CutMix, cmo
from reproduction.mixes.mix import Mix
from reproduction.mixes.mixup import MixUp
from reproduction.mixes.patch_swap import PatchSwap
from reproduction.mixes.ratios import Displaced, Fidelity, OnePerImage, Paper, Random, Released
from reproduction.mixes.remix import Remix
from reproduction.mixes.saliency_mix import SaliencyMix
from reproduction.training.batch import Stream

B, S, P = 12, 16, 4
COUNTS = (900, 60, 90, 10)  # many: 0; medium: 2; few: 1, 3
FEW = (1, 3)
MIXES = [
    MixUp(),
    BalancedMixUp(),
    CutMix(),
    CutMix(probability=0.5),
    cmo(),
    Remix(),
    SaliencyMix(),
    SaliencyMix(probability=0.5),
    PatchSwap(Paper(P)),
    PatchSwap(Released(P), tail_only=False, partners=ByClass(0.0)),
    PatchSwap(Fidelity(P), tail_only=False, probability=0.5, partners=Natural()),
    PatchSwap(Random(P), tail_only=False),
    PatchSwap(OnePerImage(Paper(P)), tail_only=False),
    PatchSwap(Displaced(Paper(P)), tail_only=False),
]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stream(seed: int, views: int = 1) -> Stream:
    generator = seeded(seed)
    images = tuple(torch.rand(views, B, 3, S, S, generator=generator))
    maps = tuple(torch.rand(views, B, 1, S, S, generator=generator))
    return Stream(images, maps, torch.randint(len(COUNTS), (B,), generator=generator))


def row(part: Stream, i: int) -> Stream:
    """A stream of one image."""
    images, maps = (tuple(view[i : i + 1] for view in views) for views in (part.views, part.maps))
    return Stream(images, maps, part.labels[i : i + 1])


def mixed(mix: Mix, seed: int = 3) -> tuple[Stream, Stream, tuple[Tensor, ...], Tensor, MixedTarget]:
    labelled, partners = stream(1), stream(2)
    draws = mix.draw(B, S, seeded(seed))
    images, target = mix(labelled, partners, draws, COUNTS)
    return labelled, partners, draws, images, target


@pytest.mark.parametrize("mix", MIXES, ids=str)
def test_an_image_depends_on_its_own_rows_alone(mix):
    """So that a process can mix its rows of the global batch."""
    labelled, partners, draws, images, target = mixed(mix)
    for i in range(B):
        one, own = mix(row(labelled, i), row(partners, i), tuple(drawn[i : i + 1] for drawn in draws), COUNTS)
        torch.testing.assert_close(one, images[i : i + 1], rtol=0, atol=1e-6)
        for part, whole in zip(own, target, strict=True):
            torch.testing.assert_close(part, whole[i : i + 1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("mix", MIXES, ids=str)
def test_the_same_draws_give_the_same_mix_whatever_the_default_generator_does(mix):
    labelled, partners, draws, images, target = mixed(mix)
    torch.manual_seed(mix.partners.counts(COUNTS)[0])
    again, same = mix(labelled, partners, mix.draw(B, S, seeded(3)), COUNTS)
    assert torch.equal(images, again)
    assert all(torch.equal(a, b) for a, b in zip(target, same, strict=True))
    assert all(len(drawn) == B for drawn in draws)
    assert images.shape == labelled.views[0].shape
    assert ((images >= 0) & (images <= 1)).all()
    if not (isinstance(mix, PatchSwap) and isinstance(mix.ratio, Fidelity)):
        other, _ = mix(labelled, partners, mix.draw(B, S, seeded(4)), COUNTS)
        assert not torch.equal(images, other)


def test_mixup_is_the_weighted_sum():
    labelled, partners, (lam,), images, target = mixed(MixUp())
    for i in range(B):
        expected = lam[i] * labelled.views[0][i] + (1 - lam[i]) * partners.views[0][i]
        torch.testing.assert_close(images[i], expected, rtol=0, atol=1e-6)
    assert torch.equal(target.lam, lam)
    assert torch.equal(target.labels, labelled.labels)
    assert torch.equal(target.other, partners.labels)


def test_balanced_mixup_gives_a_little_of_the_balanced_image():
    """Galdran et al. 2021, Eq. 4: (1 - lam) natural + lam balanced, lam from Beta(alpha, 1)."""
    labelled, partners, (lam,), images, target = mixed(BalancedMixUp())
    for i in range(B):
        expected = (1 - lam[i]) * labelled.views[0][i] + lam[i] * partners.views[0][i]
        torch.testing.assert_close(images[i], expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(target.lam, 1 - lam)
    assert BalancedMixUp().partners == ByClass(0.0)
    (many,) = BalancedMixUp(alpha=0.2).draw(20000, S, seeded(0))
    expected = torch.distributions.Beta(0.2, 1.0)
    assert abs(many.mean() - expected.mean) < 4 * expected.stddev / 20000**0.5
    quantiles = torch.quantile(many, torch.tensor([0.5, 0.9]))
    torch.testing.assert_close(quantiles, torch.tensor([0.5**5, 0.9**5]), rtol=0.1, atol=0)


@pytest.mark.parametrize("mix", [CutMix(), CutMix(probability=0.5)], ids=str)
def test_cutmix_pastes_the_box_and_shares_the_label_by_area(mix):
    labelled, partners, (boxes, chosen), images, target = mixed(mix)
    for i, (left, top, right, bottom) in enumerate(boxes.tolist()):
        expected, lam = labelled.views[0][i].clone(), 1.0
        if chosen[i]:
            expected[:, top:bottom, left:right] = partners.views[0][i][:, top:bottom, left:right]
            lam = 1 - (right - left) * (bottom - top) / S**2
        assert torch.equal(images[i], expected)
        assert target.lam[i].item() == pytest.approx(lam)
    assert chosen.all() == (mix.probability == 1)
    assert torch.equal(target.labels, labelled.labels)


def test_cmo_takes_its_foregrounds_from_rare_classes():
    assert cmo() == CutMix(1.0, 0.5, ByClass(-1.0))
    shares = torch.tensor(ByClass(-1.0).counts(COUNTS)).double()
    torch.testing.assert_close(
        shares / shares.sum(),
        (1 / torch.tensor(COUNTS)) / (1 / torch.tensor(COUNTS)).sum(),
        check_dtype=False,
        rtol=1e-4,
        atol=0,
    )


def test_remix_gives_the_label_to_the_rarer_class():
    mix = Remix()
    labelled, partners, (lam,), images, target = mixed(mix)
    gave = set()
    for i in range(B):
        first, second = COUNTS[labelled.labels[i]], COUNTS[partners.labels[i]]
        share = float(lam[i])
        if first >= mix.kappa * second and share < mix.tau:
            share = 0.0
        elif second >= mix.kappa * first and 1 - share < mix.tau:
            share = 1.0
        gave.add(share in (0.0, 1.0))
        assert target.lam[i].item() == pytest.approx(share)
        expected = lam[i] * labelled.views[0][i] + (1 - lam[i]) * partners.views[0][i]
        torch.testing.assert_close(images[i], expected, rtol=0, atol=1e-6)
    assert gave == {True, False}


def test_saliency_mix_has_its_box_around_the_partner_s_peak():
    mix = SaliencyMix()
    labelled, partners, (lam, _, chosen), images, target = mixed(mix)
    assert chosen.all()
    for i in range(B):
        y, x = divmod(int(partners.maps[0][i].flatten().argmax()), S)
        half = int(0.5 * float((1 - lam[i]).sqrt()) * S)
        box = (slice(max(y - half, 0), min(y + half, S)), slice(max(x - half, 0), min(x + half, S)))
        expected = labelled.views[0][i].clone()
        rows, columns = box
        expected[:, rows, columns] = partners.views[0][i][:, rows, columns]
        changed = (images[i] != expected).any(0)
        assert not changed.any()
        area = (box[0].stop - box[0].start) * (box[1].stop - box[1].start)
        assert target.lam[i].item() == pytest.approx(1 - area / S**2, abs=1e-6)


def test_equally_salient_pixels_are_told_apart_by_lot():
    mix = SaliencyMix()
    labelled, partners = stream(1), stream(2)
    flat = partners._replace(maps=(torch.zeros(B, 1, S, S),))
    draws = mix.draw(B, S, seeded(0))
    lots = torch.zeros(B, S * S)
    places = torch.arange(B) * 17 % S**2
    lots[torch.arange(B), places] = 1.0
    peaked = partners._replace(maps=(lots.view(B, 1, S, S),))
    by_lot, _ = mix(labelled, flat, (draws[0], lots, draws[2]), COUNTS)
    by_map, _ = mix(labelled, peaked, draws, COUNTS)
    assert torch.equal(by_lot, by_map)


def shares_by_hand(mix: PatchSwap, labelled: Stream, partners: Stream, draws: tuple[Tensor, ...]) -> list[Tensor]:
    noise, chosen = draws
    shares = []
    for i in range(B):
        own, other = labelled.maps[0][i : i + 1], partners.maps[0][i : i + 1]
        ratio = mix.ratio(own, other, noise[i : i + 1])[0]
        keep = not chosen[i] or (mix.tail_only and int(labelled.labels[i]) not in FEW)
        shares.append(torch.ones_like(ratio) if keep else ratio)
    return shares


@pytest.mark.parametrize("mix", [mix for mix in MIXES if isinstance(mix, PatchSwap)], ids=str)
def test_patch_swap_keeps_the_label_and_the_share_of_each_patch(mix):
    labelled, partners, draws, images, target = mixed(mix)
    for i, ratio in enumerate(shares_by_hand(mix, labelled, partners, draws)):
        cell = S // ratio.shape[-1]
        spread = ratio.repeat_interleave(cell, 1).repeat_interleave(cell, 2)
        expected = spread * labelled.views[0][i] + (1 - spread) * partners.views[0][i]
        torch.testing.assert_close(images[i], expected, rtol=0, atol=1e-6)
    assert torch.equal(target.labels, labelled.labels)
    assert (target.lam == 1).all()


def test_the_tail_alone_is_mixed_unless_every_class_is():
    for tail_only in (True, False):
        labelled, _, _, images, _ = mixed(PatchSwap(Paper(P), tail_only=tail_only))
        changed = (images != labelled.views[0]).flatten(1).any(1)
        assert torch.equal(changed, torch.isin(labelled.labels, torch.tensor(FEW))) if tail_only else changed.all()


def test_every_other_image_is_mixed():
    mix = PatchSwap(Random(P), tail_only=False, probability=0.5)
    _, chosen = mix.draw(2000, 4, seeded(0))
    assert abs(chosen.float().mean() - 0.5) < 0.045  # 4 sigma


def test_each_view_has_the_ratio_of_its_own_map():
    mix = PatchSwap(Paper(P), tail_only=False)
    labelled, partners, draws = stream(1, views=2), stream(2, views=2), mix.draw(B, S, seeded(0))
    for view in range(2):
        expected = mix.ratio(labelled.maps[view], partners.maps[view], draws[0])
        assert torch.equal(mix.shares(labelled, partners, draws, COUNTS, view), expected)


def lesions(row: int, column: int) -> Tensor:
    maps = torch.zeros(B, 1, S, S)
    maps[..., row : row + P, column : column + P] = 1
    return maps


def test_exchanged_maps_are_no_control():
    """Each ratio keeps what either map shows, so it does not matter whose is whose."""
    own, other, noise = lesions(0, 4), lesions(8, 12), 2 * torch.rand(B, 2, S, S) - 1
    for ratio in (Paper(P), Fidelity(P)):
        assert torch.equal(ratio(own, other, noise), ratio(other, own, noise))


def test_the_control_mixes_as_much_anywhere():
    ratio, noise = Displaced(Fidelity(P)), 2 * torch.rand(B, 2, S, S, generator=seeded(1)) - 1
    own, other = lesions(0, 4), lesions(8, 12)
    plain, moved = ratio.of(own, other, noise), ratio(own, other, noise)
    places = set()
    for i in range(B):
        down, right = (int((noise[i, channel, 0, 0] + 1) / 2 * (S // P)) for channel in range(2))
        assert torch.equal(moved[i, 0], plain[i, 0].roll((down, right), (0, 1)))
        places.add((down, right))
    assert len(places) > B // 3
    torch.testing.assert_close(moved.sum((1, 2, 3)), plain.sum((1, 2, 3)))
    assert ratio.patch_size == P


def test_a_ratio_that_looks_at_no_map_needs_none():
    mix = PatchSwap(Random(P), tail_only=False)
    labelled, partners, draws = stream(1), stream(2), mix.draw(B, S, seeded(0))
    bare = (part._replace(maps=()) for part in (labelled, partners))
    assert torch.equal(mix.shares(*bare, draws, COUNTS), mix.shares(labelled, partners, draws, COUNTS))


def test_patches_have_to_fill_a_view():
    PatchSwap(Paper(8)).check(64)
    with pytest.raises(ValueError, match="patch_size: expected a divisor of the views' 60, got 8"):
        PatchSwap(Paper(8)).check(60)


def test_the_partners_are_head_images_unless_said_otherwise():
    assert PatchSwap().partners == Heads()
    labels = torch.arange(4).repeat_interleave(torch.tensor(COUNTS))
    drawn = labels[Heads()(labels, 4, 0).rows()]
    assert set(drawn.tolist()) == {0, 2}
    shares = drawn.bincount(minlength=4) / len(drawn)
    assert (shares - torch.tensor([900, 0, 90, 0]) / 990).abs().max() < 0.05
    assert Heads().counts(COUNTS) == (900, 0, 90, 0)
