"""CARE in its two stages: plain training, then fine-tuning with the attention loss, against fine-tuning without it.

    python examples/care.py                                    made-up images, a short form for two cores
    python examples/care.py isic2018 --seeds 0 1 2             the images under ISIC2018_ROOT, from ImageNet weights
    python examples/care.py paper --methods csl-continued csl+care      the paper's settings, ResNet-50 at 224 pixels
    python examples/care.py paper-vgg19 ...                    likewise VGG19
    python examples/care.py pneumonia --data.root DIR          X-rays of the RSNA pneumonia challenge
    accelerate launch --num_processes 4 examples/care.py ...   several processes; --recipe.precision bf16 for AMP

A base (ce cross entropy, csl cost-sensitive, fl focal, da more augmentation) is trained once for each seed; from there
one network is trained on as before ("-continued") and others with CARE, over equally many steps. Boxes are those of the
ground-truth masks, or of what "+care-NAME" says. Every training has a folder, OUT/METHOD/seed-S, and goes on where it
was killed. Under OUT: report.json, report.md, curves.png, and attention.png where there are masks.

Deviations from the paper: no lesion is on two sides of the split; L_a is the mean over the images with a box, which
"+care-over-all" replaces by the mean over all; the baseline's augmentation is not printed, so it has none; the focal
loss's gamma is not printed, so it is Lin et al.'s 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reproduction.criteria.losses import AnyCriterion, CrossEntropy, Focal
from reproduction.criteria.weightings import ClassBalanced
from reproduction.data.boxes import BooleanMap, Boxes, Segmented
from reproduction.data.frames import Squash
from reproduction.data.maps import FineGrained, SkinContrast
from reproduction.data.synthetic import Synthetic
from reproduction.methods.care import CARE, Continued, Plain
from reproduction.methods.learner import Method
from reproduction.methods.sampling import ByClass
from reproduction.methods.siamese import Siamese
from reproduction.networks.network import Backbone
from reproduction.reports.care import curves, panel, summarise, tables
from reproduction.reports.printed import CARE_PNEUMONIA, CARE_SKIN, beside
from reproduction.reports.program import run
from reproduction.training.atomic_files import write_json, write_text
from reproduction.training.care_studies import FILMS, SKIN, care_study, paper
from reproduction.training.judging import Judged
from reproduction.training.optimisers import AdamW
from reproduction.training.printed_views import TurnedViews
from reproduction.training.real_forms import own_data, short_form
from reproduction.training.recipe import Recipe
from reproduction.training.study import Study
from reproduction.training.views import ViewSettings

TURNED = TurnedViews(224, (1.0, 1.0), (1.0, 1.0), rotation=180.0, jitter=0.2)  # rotation, flip, colour jitter
CRITERIA: dict[str, AnyCriterion] = {
    "ce": CrossEntropy(),
    "csl": CrossEntropy(ClassBalanced()),
    "fl": Focal(2.0),
    "da": CrossEntropy(),
}
BOXES = {
    "": Boxes(),
    "-skin": Boxes(SkinContrast()),
    "-fine-grained": Boxes(FineGrained()),
    "-boolean-map": Boxes(BooleanMap()),
    "-segmenter": Boxes(Segmented()),
    "-deeplabv3": Boxes(Segmented(Path("runs/segmenter/paper/deeplabv3.pt"))),
    "-2-classes": Boxes(masked_classes=2),
    "-3-classes": Boxes(masked_classes=3),
}


def rows_of(base: str, criterion: AnyCriterion) -> dict[str, Method]:
    """A base, the same trained on, and with CARE."""
    views = TURNED if base == "da" else None
    first = Plain(criterion=criterion, views=views)
    care = CARE(first, views=views)
    return {
        base: first,
        f"{base}-continued": Continued(first, views=views),
        **{f"{base}+care{name}": replace(care, boxes=boxes) for name, boxes in BOXES.items()},
        f"{base}+care-over-all": replace(care, over_all_images=True),
    }


ROWS: dict[str, Method] = {n: r for base, criterion in CRITERIA.items() for n, r in rows_of(base, criterion).items()}
CSL = CARE(Plain(criterion=CRITERIA["csl"]))
ROWS |= {f"csl+care-alpha-{value}": replace(CSL, alpha=value) for value in (0.1, 0.3, 0.7, 0.9)}  # Table 5
ROWS |= {f"csl+care-tau-{value}": replace(CSL, tau=value) for value in (0.2, 0.4, 0.5, 1.0)}  # Table 6
ROWS |= {f"csl+care-lam-{value}": replace(CSL, lam=value) for value in (0.7, 1.3)}  # Table 7
ROWS |= {f"csl+care-scale-{value}": replace(CSL, boxes=Boxes(scale=value)) for value in (0.7, 0.8, 0.9, 1.1)}  # Fig. 11
SIAMESE, FIRST = Siamese(), Plain(criterion=CRITERIA["ce"])  # Table 3
ROWS |= {"siamese": SIAMESE, "siamese-continued": Continued(SIAMESE), "siamese+care": CARE(SIAMESE)}
ROWS |= {
    "decouple": Continued(FIRST, sampling=ByClass(0.0), last_stage_only=True),
    "decouple+care": CARE(FIRST, sampling=ByClass(0.0), last_stage_only=True),
}
AGAINST = {name: f"{name.split('+')[0]}-continued" for name in ROWS if "+" in name} | {"decouple+care": "decouple"}
OUT = Path("runs/care")


EIGHT_BY_EIGHT = Backbone("test_resnet", "none", output_stride=8)  # cells of a map
SMALL = Recipe(EIGHT_BY_EIGHT, Squash(64), ViewSettings(64), 19_200, optimiser=AdamW(2e-3), keep_best=False)
FORMS = {
    "short": ("made-up images, a small network, two cores", care_study(Synthetic(), SMALL, OUT / "short")),
    "isic2018": (
        "ISIC 2018 from ImageNet weights at 96 pixels",
        care_study(SKIN, Recipe(keep_best=False), OUT / "isic2018"),
    ),
    "paper": ("the paper's, ResNet-50", paper("resnet50", SKIN, OUT / "resnet50")),
    "pneumonia": ("X-rays, ResNet-50", paper("resnet50", FILMS, OUT / "pneumonia-resnet50")),
}
for network in ("resnet18", "resnet152", "vgg19"):  # VGG's last convolution, before its pooling
    FORMS[f"paper-{network}"] = ("Table 4", paper(network, SKIN, OUT / network))
    FORMS[f"pneumonia-{network}"] = ("Table 4, X-rays", paper(network, FILMS, OUT / f"pneumonia-{network}"))
# X-rays: Tables 2, 4, 5 and 6. What finds skin lesions has no say there.
ON_FILMS = {
    name: replace(row, lam=0.5) if isinstance(row, CARE) else row
    for name, row in ROWS.items()
    if not isinstance(row, CARE) or (row.boxes == Boxes() and row.lam == 1)
}
ROWS_OF = {form: ON_FILMS for form in FORMS if form.startswith("pneumonia")}
FORMS |= short_form(FORMS["isic2018"][1], ("csl", "csl-continued", "csl+care"))
FORMS |= own_data(FORMS["isic2018"][1], ("csl", "csl-continued", "csl+care-skin"))


def report(done: Study, judged: Sequence[Judged]) -> str:
    """Tables with intervals and differences; the paper's figures beside those of its own recipe on its own images."""
    summary = summarise(judged, AGAINST)
    text = tables(summary)
    for form, figures in (("paper", CARE_SKIN), ("pneumonia", CARE_PNEUMONIA)):
        if (done.data, done.recipe) == (FORMS[form][1].data, FORMS[form][1].recipe):
            ours = {n: (r["rarest_recall"]["mean"], r["auc"], r["mca"]["mean"]) for n, r in summary.items()}
            text += "\n\n" + beside("recall of the rarest, AUC, MCA", figures, ours)
    write_json(done.out / "report.json", {"rows": summary, "facts": judged[0].facts})
    write_text(done.out / "report.md", text + "\n")
    curves(judged).savefig(done.out / "curves.png", dpi=110)
    if judged[0].side.masks is not None:
        shown = [one for one in judged if one.seed == judged[0].seed]
        panel(shown, judged[0].facts["classes"]).savefig(done.out / "attention.png", dpi=150)
    return text


if __name__ == "__main__":
    run(__doc__, ROWS, FORMS, report, ROWS_OF)
