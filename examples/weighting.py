"""The weighting study of Barata and Santiago 2021: losses x weights x networks, two splits by lesion, two optimisers.

    python examples/weighting.py                            made-up images, a short form for two cores
    python examples/weighting.py isic2018 --jobs 2          the images under ISIC2018_ROOT, from ImageNet weights
    python examples/weighting.py paper                      VGG16 and CBAM end to end with Adam: Tables 2 and 3
    python examples/weighting.py paper-sgd                  likewise with SGD and Nesterov's momentum: Tables 4 and 5
    python examples/weighting.py gamma                      gamma of the focal loss, chosen on validation lesions

Rows are NETWORK-LOSS-WEIGHTS, as hierarchical-focal-es; all of them without --methods. A seed is a split. Every image
is under white light. Every training has a folder, OUT/METHOD/seed-S, and goes on where it was killed. Under OUT:
report.json, report.md, recall.png; of the hierarchical networks attention-hard.png and attention-easy.png.

Not printed, and ours: the width of the LSTM (64), how its attention is dynamic, the ranges of crops and colours, no
weight decay. The paper tunes gamma; 1 is what it found best most often.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reproduction.criteria.losses import AnyWeighting
from reproduction.criteria.weightings import ClassBalanced, EasyFirst, EffectiveNumber, HardFirst, NoWeights
from reproduction.data.frames import Squash
from reproduction.data.isic2018 import ISIC2018, SplitOfSeed, Stratified
from reproduction.data.synthetic import Synthetic
from reproduction.data.white_light import WhiteLight
from reproduction.methods.diagnosis import Flat, Hierarchical
from reproduction.networks.network import Backbone
from reproduction.reports.cbam import attention_maps
from reproduction.reports.program import run
from reproduction.reports.weighting import recall_bars, summarise, tables
from reproduction.training.atomic_files import write_json, write_text
from reproduction.training.judging import Judged
from reproduction.training.optimisers import SGD, Adam, AdamW, Steps
from reproduction.training.printed_views import TurnedViews
from reproduction.training.real_forms import own_data, short_form
from reproduction.training.recipe import Recipe
from reproduction.training.study import Study

WEIGHTINGS: dict[str, AnyWeighting] = {
    "none": NoWeights(),
    "cb": ClassBalanced(),
    "es": EffectiveNumber(),
    "spl": EasyFirst(),
    "ohem": HardFirst(),
    "class-ohem": HardFirst(class_wise=True),
}
ROWS = {
    f"{network}-{loss}-{name}": kind(gamma, weighting)
    for network, kind in (("flat", Flat), ("hierarchical", Hierarchical))
    for loss, gamma in (("ce", 0.0), ("focal", 1.0))
    for name, weighting in WEIGHTINGS.items()
}
# Other gammas of the focal loss; 0 is cross entropy.
ROWS |= {
    f"{network}-focal{gamma:g}-none": kind(gamma)
    for network, kind in (("flat", Flat), ("hierarchical", Hierarchical))
    for gamma in (0.5, 2.0, 5.0)
}
OUT = Path("runs/weighting")
SKIN = WhiteLight(ISIC2018(SplitOfSeed(0.2)))
DECAY = Steps((0.5, 0.75), 0.1)


def views(size: int) -> TurnedViews:
    """Random crops, flips and colours."""
    return TurnedViews(size, (0.7, 1.0), (0.9, 1.1), rotation=0.0, jitter=0.1)


def paper(optimiser: Adam | SGD) -> Recipe:
    """Whole frames of 299 pixels, batches of 20, 250 epochs (flat: 150) of 8,012 images; a tenth at 50 and 75 %."""
    return Recipe(
        Backbone("vgg16", "hub"),
        Squash(299),
        views(299),
        images=250 * (8012 // 20) * 20,
        batch_size=20,
        optimiser=optimiser,
        schedule=DECAY,
        keep_best=False,
    )


def study(data: WhiteLight, recipe: Recipe, name: str, methods: tuple[str, ...] = ()) -> Study:
    """Two splits."""
    return Study(data, recipe, methods, (0, 1), test=True, out=OUT / name)


SMALL = Recipe(Backbone("test_resnet", "none"), Squash(64), views(64), 19_200, 64, Adam(2e-3), DECAY, keep_best=False)
SOME = ("flat-ce-none", "flat-ce-es", "flat-ce-ohem", "hierarchical-ce-none", "hierarchical-ce-es")
REAL = Recipe(Backbone(), Squash(128), views(96), 64_000, 20, AdamW(2e-4, 0.0), DECAY, keep_best=False)
FORMS = {
    "short": ("made-up images, a small network", study(WhiteLight(Synthetic()), SMALL, "short", SOME)),
    "isic2018": ("ISIC 2018 from ImageNet weights at 96 pixels", study(SKIN, REAL, "isic2018")),
    "paper": ("Tables 2 and 3", study(SKIN, paper(Adam(1e-5)), "paper")),
    "paper-sgd": ("Tables 4 and 5", study(SKIN, paper(SGD(1e-4, 0.0, nesterov=True)), "paper-sgd")),
}
FORMS["gamma"] = (
    "the hierarchical network's gamma, judged on a tenth of the lesions; no test",
    Study(
        WhiteLight(ISIC2018(Stratified(0.2, val_fraction=0.1))),
        REAL,
        tuple(f"hierarchical-{loss}-none" for loss in ("ce", "focal0.5", "focal", "focal2", "focal5")),
        out=OUT / "gamma",
    ),
)
FORMS |= short_form(FORMS["isic2018"][1], ("flat-ce-none", "flat-ce-es", "hierarchical-ce-es"))
FORMS |= own_data(FORMS["isic2018"][1], tuple(name for name in ROWS if name.startswith("flat")))


def report(done: Study, judged: Sequence[Judged]) -> str:
    """Tables with intervals; the paper's figures beside those of its own recipe on its own images."""
    optimiser = "sgd" if isinstance(done.recipe.optimiser, SGD) else "adam"
    summary = summarise(judged)
    own = done.data == SKIN and done.recipe in (FORMS["paper"][1].recipe, FORMS["paper-sgd"][1].recipe)
    text = tables(summary, optimiser, own)
    write_json(done.out / "report.json", {"rows": summary, "facts": judged[0].facts})
    write_text(done.out / "report.md", text + "\n")
    recall_bars(summary).savefig(done.out / "recall.png", dpi=110)
    hierarchical = [one for one in judged if one.seed == judged[0].seed and one.name.startswith("hierarchical")]
    for name, hard in (("hard", True), ("easy", False)):
        if hierarchical:
            attention_maps(hierarchical, hard).savefig(done.out / f"attention-{name}.png", dpi=110)
    return text


if __name__ == "__main__":
    run(__doc__, ROWS, FORMS, report)
