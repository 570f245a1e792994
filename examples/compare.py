"""Does it help the rare classes? Methods against each other: one network, one budget, one augmentation, several seeds.

    python examples/compare.py                                        made-up images, a short form for two cores
    python examples/compare.py isic2018 --jobs 2                      choose on validation lesions of ISIC 2018
    python examples/compare.py cross-validation --seeds 0 1 2 3 4 --test      judge every lesion outside of them once
    python examples/compare.py official --seeds 0 1 2 3 4 --test      the challenge's own test images

Every training has a folder, OUT/METHOD/seed-S, and goes on where it was killed; the same command trains what is
missing.
The report is OUT/report.json, OUT/report.md and OUT/report.html. The test side is read with --test alone.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reproduction.criteria.contrastive import BCL, PaCo
from reproduction.criteria.losses import LDAM, BalancedSoftmax, CrossEntropy, Focal, LogitAdjustment
from reproduction.criteria.weightings import ClassBalanced, EffectiveNumber
from reproduction.data.frames import Squash
from reproduction.data.isic2018 import ISIC2018, Balanced, CrossValidation, Official
from reproduction.data.maps import GroundTruth, SkinContrast
from reproduction.data.synthetic import Synthetic
from reproduction.methods.both_skins import BothSkins
from reproduction.methods.inside import Inside
from reproduction.methods.learner import Method
from reproduction.methods.momentum_contrast import MomentumContrast
from reproduction.methods.post_hoc import PostHocAdjustment
from reproduction.methods.retraining import Retraining
from reproduction.methods.sampling import ByClass, Natural
from reproduction.methods.supervised import AnyMix, Supervised
from reproduction.methods.two_views import TwoViews
from reproduction.mixes.balanced_mixup import BalancedMixUp
from reproduction.mixes.cutmix import CutMix, cmo
from reproduction.mixes.mixup import MixUp
from reproduction.mixes.other_skin import OtherSkin
from reproduction.mixes.patch_swap import PatchSwap
from reproduction.mixes.ratios import Displaced, Fidelity, Paper, Released
from reproduction.mixes.remix import Remix
from reproduction.mixes.saliency_mix import SaliencyMix
from reproduction.networks.network import Backbone
from reproduction.reports.program import run
from reproduction.training.optimisers import AdamW
from reproduction.training.real_forms import own_data, short_form
from reproduction.training.recipe import Recipe
from reproduction.training.study import Study
from reproduction.training.views import ViewSettings

PATCH_SWAP = PatchSwap(Fidelity(2), SkinContrast(), tail_only=False, probability=0.5, partners=Natural())
MIXES: dict[str, AnyMix] = {
    "mixup": MixUp(),
    "cutmix": CutMix(probability=0.5),
    "remix": Remix(),
    "cmo": cmo(),
    "balanced-mixup": BalancedMixUp(),
    "saliency-mix": SaliencyMix(probability=0.5),
    "spmix-paper": PatchSwap(Paper(8)),
    "spmix-released": PatchSwap(Released(8), tail_only=False, partners=ByClass(0.0)),
    "spmix-half": PatchSwap(Paper(8), SkinContrast(), probability=0.5),
    # Ours: the label kept, every class; the others are its controls.
    "patch-swap": PATCH_SWAP,
    "patch-swap-displaced": replace(PATCH_SWAP, ratio=Displaced(Fidelity(2))),
    "patch-swap-truth": replace(PATCH_SWAP, maps=GroundTruth()),
    "other-skin": OtherSkin(),
    "other-skin-tone": OtherSkin(keep_tone=True),
    "other-skin-tone-displaced": OtherSkin(keep_tone=True, displaced=True),
    "other-skin-tone-truth": OtherSkin(GroundTruth(), keep_tone=True),
    "other-skin-tone-moved": OtherSkin(keep_tone=True, degrees=180.0, scale=1.25, move=0.5),
}
PLAIN, BALANCED = Supervised(), Supervised(criterion=BalancedSoftmax())
BOTH_SKINS = BothSkins(criterion=BalancedSoftmax())
ROWS: dict[str, Method] = {
    "ce": PLAIN,
    "resample": Supervised(ByClass(0.0)),
    "square-root": Supervised(ByClass(0.5)),
    "balanced-softmax": BALANCED,
    "balanced-softmax-square-root": Supervised(ByClass(0.5), BalancedSoftmax()),
    "logit-adjustment": Supervised(criterion=LogitAdjustment(1.5)),
    "post-hoc": PostHocAdjustment(PLAIN),
    "ldam-drw": Supervised(criterion=LDAM()),
    "focal": Supervised(criterion=Focal()),
    "cb": Supervised(criterion=CrossEntropy(ClassBalanced())),
    "es": Supervised(criterion=CrossEntropy(EffectiveNumber())),
    "crt": Retraining(PLAIN),
    "crt+other-skin-tone": Retraining(PLAIN, Supervised(ByClass(0.0), mix=MIXES["other-skin-tone"])),
    "bcl": TwoViews(contrast=BCL()),
    "paco": MomentumContrast(contrast=PaCo()),
    **{f"ce+{name}": replace(PLAIN, mix=mix) for name, mix in MIXES.items()},
    **{f"balanced-softmax+{name}": replace(BALANCED, mix=mix) for name, mix in MIXES.items()},
    "balanced-softmax+spmix-inside": Inside(criterion=BalancedSoftmax(), mix=PatchSwap(Paper(8))),
    "balanced-softmax+both-skins": BOTH_SKINS,
    "balanced-softmax+both-skins-displaced": replace(BOTH_SKINS, mix=replace(BOTH_SKINS.mix, displaced=True)),
    "balanced-softmax+both-skins-truth": replace(BOTH_SKINS, mix=replace(BOTH_SKINS.mix, maps=GroundTruth())),
    "balanced-softmax+other-skin-tone-late": replace(BALANCED, mix=MIXES["other-skin-tone"], mix_from=0.5),
}
OUT = Path("runs/compare")

SHORT = Study(
    Synthetic(),
    Recipe(Backbone("test_resnet", "none"), Squash(64), ViewSettings(64), 19_200, optimiser=AdamW(2e-3)),
    ("ce", "resample", "balanced-softmax", "balanced-softmax+spmix-paper", "balanced-softmax+patch-swap"),
    test=True,
    out=OUT / "short",
)


def real(split: CrossValidation | Official | Balanced, name: str) -> Study:
    """ISIC 2018 from ImageNet weights: 64,000 training images at 96 pixels, the last weights of every training."""
    return Study(ISIC2018(split, with_masks=True), Recipe(keep_best=False), out=OUT / name)


FORMS = {
    "short": ("made-up images, a small network, two cores", SHORT),
    "isic2018": ("choose methods: validation on a fold of ISIC 2018", real(CrossValidation(develop=True), "isic2018")),
    "cross-validation": ("judge them on the other folds", real(CrossValidation(), "cross-validation")),
    "balanced": ("judge them on 40 test images a class", real(Balanced(), "balanced")),
    "official": ("judge them on the challenge's own test", real(Official(), "official")),
}
FORMS |= short_form(FORMS["isic2018"][1], ("ce", "balanced-softmax", "balanced-softmax+patch-swap"))
FORMS |= own_data(FORMS["official"][1], ("ce", "balanced-softmax", "balanced-softmax+patch-swap"))

if __name__ == "__main__":
    run(__doc__, ROWS, FORMS)
