"""LSM, and what its paper's tables compare it with.

    python examples/lsm.py                                    made-up images, a short form for two cores
    python examples/lsm.py paper --data.root DIR              CIFAR-100-LT, ResNet-32, 200 epochs; --data.download
    python examples/lsm.py paper-50 ..., paper-10 ...         with imbalances of 50 and 10
    python examples/lsm.py imagenet-lt --data.root DIR        ImageNet by the lists of Liu et al. 2019, ResNet-50
    python examples/lsm.py inaturalist2018 --data.root DIR    iNaturalist by the challenge's JSON files
    python examples/lsm.py isic2018 --jobs 2                  the images under ISIC2018_ROOT, from ImageNet weights

All methods of a seed see the same budget, augmentation and first weights; those of two stages train the second one
beside it, at the recipe's rates. Every training has a folder, OUT/METHOD/seed-S, and goes on where it was killed. The
report is OUT/report.json, OUT/report.md and OUT/report.html. What of LSM is our reading is in docs/lsm.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from longtail_mix import many_medium_few, many_medium_few_by_count
from reproduction.criteria.losses import LADE, LDAM, AnyCriterion, BalancedSoftmax, CrossEntropy, Focal
from reproduction.criteria.weightings import Deferred
from reproduction.data.cifar_lt import CifarLT
from reproduction.data.frames import Squash
from reproduction.data.inaturalist import INaturalist2018
from reproduction.data.isic2018 import ISIC2018, Balanced
from reproduction.data.listed import ImageNetLT
from reproduction.data.synthetic import Synthetic
from reproduction.methods.bbn import BBN
from reproduction.methods.contrasted import Contrasted
from reproduction.methods.hybrid_contrast import HybridContrast
from reproduction.methods.influence import InfluenceBalanced
from reproduction.methods.learner import Method
from reproduction.methods.lsm import LSM
from reproduction.methods.mislas import MiSLAS
from reproduction.methods.post_hoc import TauNormalisation
from reproduction.methods.retraining import Retraining
from reproduction.methods.ride import RIDE, RIDEWithLSM
from reproduction.methods.sampling import ByClass
from reproduction.methods.supervised import Supervised
from reproduction.methods.weight_scaling import WeightScaling
from reproduction.mixes.cutmix import cmo
from reproduction.mixes.remix import Remix
from reproduction.networks.network import Backbone
from reproduction.reports.printed import LSM_CIFAR100, accuracies, beside
from reproduction.reports.program import comparison, run
from reproduction.training.judging import Judged
from reproduction.training.long_tail_studies import cifar100_lt, imagenet_lt, inaturalist2018
from reproduction.training.optimisers import SGD, Steps
from reproduction.training.real_forms import own_data, short_form
from reproduction.training.recipe import Recipe
from reproduction.training.study import Study
from reproduction.training.views import ViewSettings

CRITERIA: dict[str, AnyCriterion] = {
    "ce": CrossEntropy(),
    "ce-drw": CrossEntropy(Deferred()),
    "ldam-drw": LDAM(),
}


def rows_of(loss: str, criterion: AnyCriterion) -> dict[str, Method]:
    """Every mix under one loss; a half of LSM's tails stay as they are in the last."""
    return {
        loss: Supervised(criterion=criterion),
        f"{loss}+cmo": Supervised(criterion=criterion, mix=cmo()),
        f"{loss}+remix": Supervised(criterion=criterion, mix=Remix()),
        f"{loss}+lsm": LSM(criterion),
        f"{loss}+lsm-half": LSM(criterion, probability=0.5),
    }


ROWS: dict[str, Method] = {
    **{name: row for loss, criterion in CRITERIA.items() for name, row in rows_of(loss, criterion).items()},
    "focal": Supervised(criterion=Focal()),
    "balanced-softmax": Supervised(criterion=BalancedSoftmax()),
    "lade": Supervised(criterion=LADE()),
    "ib": InfluenceBalanced(),
    "square-root": Supervised(ByClass(0.5)),
    "crt": Retraining(optimiser=None),
    "lws": WeightScaling(optimiser=None),
    "tau-normalisation": TauNormalisation(),
    "mislas": MiSLAS(),
    "bbn": BBN(),
    "supcon": Retraining(Contrasted(), optimiser=None),
    "hybrid-sc": HybridContrast(),
    "ride": RIDE(),
    "ride+lsm": RIDEWithLSM(),
    # Sec. 4.5: blocks of 2, 8 and 16 pixels of 32; the others have 4.
    **{f"ce-drw+lsm-{blocks}-blocks": LSM(CRITERIA["ce-drw"], blocks=blocks) for blocks in (16, 4, 2)},
}
OUT = Path("runs/lsm")

# Grad-CAM of 4 x 4 cells: a stride of 32 would leave one cell, in which there is nothing to see.
SHORT = Recipe(
    Backbone("test_resnet", "none", output_stride=8),
    Squash(32),
    ViewSettings(32),
    24_320,
    optimiser=SGD(0.05),
    schedule=Steps(),
    keep_best=False,
)
FORMS = {
    "short": (
        "made-up images, a small network, two cores",
        Study(Synthetic(), SHORT, tuple(ROWS)[:4], test=True, out=OUT / "short"),
    ),
    "paper": ("CIFAR-100-LT, imbalance 100", cifar100_lt(100, OUT)),
    "paper-50": ("imbalance 50", cifar100_lt(50, OUT)),
    "paper-10": ("imbalance 10", cifar100_lt(10, OUT)),
    "imagenet-lt": ("ImageNet-LT, by its lists", imagenet_lt(OUT)),
    "inaturalist2018": ("iNaturalist 2018, by its JSON files", inaturalist2018(OUT)),
    "isic2018": (
        "40 test images a class of ISIC 2018; blocks of 12 pixels",
        Study(ISIC2018(Balanced()), Recipe(keep_best=False), out=OUT / "isic2018"),
    ),
}
FORMS |= short_form(FORMS["isic2018"][1], ("ce", "ce+cmo", "ce+lsm"))
FORMS |= own_data(FORMS["isic2018"][1], ("ce", "ce+cmo", "ce+remix", "ce+lsm"))


def report(study: Study, judged: Sequence[Judged]) -> str:
    """The tables; beside them the paper's figures where the data are its own."""
    data = study.data
    by_count = isinstance(data, ImageNetLT | INaturalist2018)  # fewer than 20 images are few, as those sets have it
    text = comparison(study, judged, many_medium_few_by_count if by_count else many_medium_few)
    if isinstance(data, CifarLT) and data.classes == 100 and data.max_count is None:
        printed = {name: [row[data.imbalance]] for name, row in LSM_CIFAR100.items() if data.imbalance in row}
        text += f"\n\n{beside('accuracy in %', printed, {name: [own] for name, own in accuracies(judged).items()})}"
    return text


if __name__ == "__main__":
    run(__doc__, ROWS, FORMS, report)
