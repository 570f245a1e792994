"""Train a lesion segmenter with the Dice loss; SegmentationSaliency makes saliency of it, and CARE boxes.

    python examples/segmenter.py                          made-up images, a short form for two cores
    python examples/segmenter.py isic2017                 ISIC 2017 Task 1, under ISIC2017_ROOT
    python examples/segmenter.py both                     the lesion masks of ISIC 2018 Task 3 as well
    python examples/segmenter.py paper                    DeepLabV3 at 224 pixels, as CARE takes it

It learns from one half of each set, and its Dice is that of the other, lesion by lesion. A training that was killed
goes on. OUT/NETWORK.pt is what load_segmenter reads, OUT/report.json the Dice coefficients.

    saliency = SegmentationSaliency(load_segmenter(Path("runs/segmenter/isic2017/lraspp.pt")))
    spmix = SPMix(class_counts, saliency=saliency)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reproduction.data.frames import Squash
from reproduction.data.lesions import Lesions, Set
from reproduction.methods.segmentation import Segmentation
from reproduction.networks.network import Backbone
from reproduction.networks.segmenters import build_segmenter, save_segmenter
from reproduction.reports.program import run
from reproduction.training.atomic_files import write_json
from reproduction.training.judging import Judged
from reproduction.training.optimisers import AdamW, Cosine
from reproduction.training.printed_views import TurnedViews
from reproduction.training.real_forms import short_form
from reproduction.training.recipe import Recipe
from reproduction.training.study import Study
from reproduction.training.train import weights_of

ROWS = {"lraspp": Segmentation("lraspp"), "deeplabv3": Segmentation("deeplabv3")}
OUT = Path("runs/segmenter")


def recipe(size: int, steps: int, batch_size: int = 32) -> Recipe:
    """Random crops, flips, rotations and colours; AdamW with a short warm-up and half a cosine."""
    return Recipe(
        Backbone("test_resnet", "none"),  # not used: the networks bring their own
        Squash(size),
        TurnedViews(size, crop_scale=(0.25, 1.0)),
        steps * batch_size,
        batch_size,
        AdamW(2e-3, 1e-2),
        Cosine(0.1),
        keep_best=False,
    )


def form(name: str, sets: tuple[Set, ...], network: str, size: int, steps: int) -> Study:
    """One network on these sets, judged on the half that it did not learn from."""
    return Study(Lesions(sets), recipe(size, steps), (network,), test=True, out=OUT / name)


FORMS = {
    "short": ("made-up images", form("short", ("synthetic",), "lraspp", 64, 100)),
    "isic2017": ("ISIC 2017 Task 1", form("isic2017", ("isic2017",), "lraspp", 128, 1500)),
    "both": ("ISIC 2017 and 2018", form("both", ("isic2017", "isic2018"), "lraspp", 128, 1500)),
    "paper": ("CARE's network; its settings are not printed", form("paper", ("isic2017",), "deeplabv3", 224, 4000)),
}
# Small batches: it takes BatchNorm's running statistics, of momentum 0.01 here, more than 50 steps to get there.
SMALL = Study(Lesions(("isic2018",)), recipe(128, 200, batch_size=8), test=True, out=OUT / "isic2018")
FORMS |= short_form(SMALL, ("lraspp",))


def report(study: Study, judged: Sequence[Judged]) -> str:
    """The Dice coefficients, in report.json; and each network of the first seed as a checkpoint of its own."""
    size = study.recipe.views.size
    lines, rows = [], []
    for one in judged:
        if one.seed == study.seeds[0]:
            state = weights_of(study.out / one.name / f"seed-{one.seed}", study.recipe.keep_best)
            model = build_segmenter(ROWS[one.name].network, size)
            model.load_state_dict({name.removeprefix("network."): value for name, value in state.items()})
            save_segmenter(study.out / f"{one.name}.pt", ROWS[one.name].network, size, model)
        value = float(one.told["dice"].mean())
        about = {"network": one.name, "seed": one.seed, "images": len(one.side)}
        rows.append({**about, "dice": value, "facts": one.facts})
        lines.append(f"{one.name}, seed {one.seed}: Dice {value:.4f} on {len(one.side)} images not trained on")
    write_json(study.out / "report.json", rows)
    return "\n".join(lines)


if __name__ == "__main__":
    run(__doc__, ROWS, FORMS, report)
