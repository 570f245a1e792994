"""The rows of the comparison, each written out once more."""

from dataclasses import replace

import compare
from reproduction.criteria.contrastive import BCL, PaCo
from reproduction.criteria.losses import LDAM, BalancedSoftmax, CrossEntropy, Focal, LogitAdjustment
from reproduction.criteria.weightings import ClassBalanced, Deferred, EffectiveNumber, NoWeights
from reproduction.data.maps import FineGrained, GroundTruth, SkinContrast
from reproduction.methods.inside import Inside
from reproduction.methods.momentum_contrast import MomentumContrast
from reproduction.methods.post_hoc import PostHocAdjustment
from reproduction.methods.retraining import Retraining
from reproduction.methods.sampling import ByClass, Heads, Natural
from reproduction.methods.supervised import Supervised
from reproduction.methods.two_views import TwoViews
from reproduction.mixes.balanced_mixup import BalancedMixUp
from reproduction.mixes.cutmix import CutMix
from reproduction.mixes.mixup import MixUp
from reproduction.mixes.other_skin import OtherSkin
from reproduction.mixes.patch_swap import PatchSwap
from reproduction.mixes.ratios import Displaced, Fidelity, Paper, Released
from reproduction.mixes.remix import Remix
from reproduction.mixes.saliency_mix import SaliencyMix

SWAP = PatchSwap(Fidelity(2, 0.8), SkinContrast(1.0, 1 / 28), False, 0.5, Natural())
OTHER = OtherSkin(SkinContrast(1.0, 1 / 28), 0.5, Natural(), True, 0.0, 1.0, 0.0, 0.01, False)
PRINTED = PatchSwap(Paper(8, 0.8), FineGrained(), True, 1.0, Heads())
MIXES = {
    "mixup": MixUp(0.4, Natural()),
    "cutmix": CutMix(1.0, 0.5, Natural()),
    "remix": Remix(1.0, 3.0, 0.5),
    "cmo": CutMix(1.0, 0.5, ByClass(-1.0)),
    "balanced-mixup": BalancedMixUp(0.2, ByClass(0.0)),
    "saliency-mix": SaliencyMix(1.0, 0.5, Natural(), FineGrained()),
    "spmix-paper": PRINTED,
    "spmix-released": PatchSwap(Released(8, 0.8), FineGrained(), False, 1.0, ByClass(0.0)),
    "spmix-half": replace(PRINTED, maps=SkinContrast(1.0, 1 / 28), probability=0.5),
    "patch-swap": SWAP,
    "patch-swap-displaced": replace(SWAP, ratio=Displaced(Fidelity(2, 0.8))),
    "patch-swap-truth": replace(SWAP, maps=GroundTruth()),
    "other-skin": replace(OTHER, keep_tone=False),
    "other-skin-tone": OTHER,
    "other-skin-tone-displaced": replace(OTHER, displaced=True),
    "other-skin-tone-truth": replace(OTHER, maps=GroundTruth()),
    "other-skin-tone-moved": replace(OTHER, degrees=180.0, scale=1.25, move=0.5),
}
NO = NoWeights()
PLAIN, BALANCED = (Supervised(Natural(), loss, None, 0.0, 1.0) for loss in (CrossEntropy(NO), BalancedSoftmax(NO)))
DRW = Deferred(EffectiveNumber(0.9999, over_classes=True), 0.8)
EXPECTED = {
    "ce": PLAIN,
    "resample": replace(PLAIN, sampling=ByClass(0.0)),
    "square-root": replace(PLAIN, sampling=ByClass(0.5)),
    "balanced-softmax": BALANCED,
    "balanced-softmax-square-root": replace(BALANCED, sampling=ByClass(0.5)),
    "logit-adjustment": replace(PLAIN, criterion=LogitAdjustment(1.5, NO)),
    "post-hoc": PostHocAdjustment(PLAIN, 1.0),
    "ldam-drw": replace(PLAIN, criterion=LDAM(30.0, DRW)),
    "focal": replace(PLAIN, criterion=Focal(1.0, NO)),
    "cb": replace(PLAIN, criterion=CrossEntropy(ClassBalanced())),
    "es": replace(PLAIN, criterion=CrossEntropy(EffectiveNumber(None, False))),
    "crt": Retraining(PLAIN),
    "crt+other-skin-tone": Retraining(PLAIN, replace(PLAIN, sampling=ByClass(0.0), mix=OTHER)),
    "bcl": TwoViews(Natural(), BCL(0.1, 1.0, 0.35), 128),
    "paco": MomentumContrast(Natural(), PaCo(0.05, 1.0, 1.0, 0.2), None, "patch_embed", 0.999, 8192, 128),
    "balanced-softmax+spmix-inside": Inside(Natural(), BalancedSoftmax(NO), PRINTED, 0.0, 1.0, "blocks.2"),
    "balanced-softmax+other-skin-tone-late": replace(BALANCED, mix=OTHER, mix_from=0.5),
}


def test_the_mixes():
    assert compare.MIXES == MIXES


def test_the_rows():
    expected = EXPECTED | {f"ce+{name}": replace(PLAIN, mix=mix) for name, mix in MIXES.items()}
    expected |= {f"balanced-softmax+{name}": replace(BALANCED, mix=mix) for name, mix in MIXES.items()}
    rest = {name: row for name, row in compare.ROWS.items() if name not in expected}
    assert {name: compare.ROWS[name] for name in expected} == expected
    assert rest.keys() == {f"balanced-softmax+both-skins{name}" for name in ("", "-displaced", "-truth")}
    for name, of in (("", OTHER), ("-displaced", MIXES["other-skin-tone-displaced"])):
        mix = rest[f"balanced-softmax+both-skins{name}"].mix
        assert (mix.maps, mix.displaced, mix.keep_tone) == (of.maps, of.displaced, of.keep_tone)
    assert rest["balanced-softmax+both-skins-truth"].mix.maps == GroundTruth()
