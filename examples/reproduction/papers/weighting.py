"""How Important Is Each Dermoscopy Image?: Barata and Santiago 2021."""

from __future__ import annotations

from reproduction.papers.table import Ours, Paper, Row, Table

MEASURES = ("Acc", "BAcc", "mPR", "mF1")
WEIGHTS = {"none": "-", "cb": "CB", "es": "ES", "spl": "SPL", "ohem": "OHEM"}
LOSSES = {"ce": "CEL", "focal": "FL"}
# (network, optimiser): for CEL, then FL, the rows -, CB, ES, SPL, OHEM; in each Acc, BAcc, mPR, mF1.
FIGURES = {
    ("flat", "adam"): (
        "87.5 72.5 80.0 75.5  82.0 78.8 73.0 75.0  83.5 78.0 77.5 77.0  87.0 74.5 80.0 77.0  84.5 74.0 77.0 74.5",
        "87.0 73.5 79.5 75.5  81.0 78.8 73.0 75.0  82.0 78.7 74.0 75.5  86.0 71.9 80.0 75.0  87.0 75.6 80.5 77.5",
    ),
    ("hierarchical", "adam"): (
        "87.5 75.5 80.0 77.0  84.0 78.4 76.0 76.5  84.5 76.7 77.0 76.0  85.5 68.8 76.5 72.0  87.0 76.4 79.0 76.5",
        "87.0 74.5 79.0 76.0  83.0 76.9 73.0 75.0  83.5 78.0 74.0 75.5  84.5 65.3 71.5 67.5  88.0 75.7 80.5 77.5",
    ),
    ("flat", "sgd"): (
        "78.5 46.1 57.0 49.0  70.5 69.6 55.5 60.0  71.5 68.9 54.5 59.5  78.0 45.4 55.0 48.0  78.0 44.0 61.0 47.0",
        "76.0 42.4 56.5 44.5  71.0 69.0 53.5 59.0  71.5 68.0 54.0 58.5  77.0 39.0 60.0 44.0  78.0 46.1 59.5 50.0",
    ),
    ("hierarchical", "sgd"): (
        "80.5 51.8 56.0 52.5  75.0 74.4 60.5 65.5  77.0 73.8 62.5 66.5  80.5 52.1 57.0 53.0  82.5 55.3 75.0 52.5",
        "78.0 49.0 55.0 51.0  70.5 69.8 55.0 60.0  72.5 70.2 55.5 60.5  77.0 41.5 52.0 43.0  79.5 49.2 57.5 52.0",
    ),
}
TABLES = {key: number for number, key in enumerate(FIGURES, 2)}


def table(network: str, optimiser: str) -> Table:
    """Tables 2 to 5, whose rows are {CEL, FL} x {-, CB, ES, SPL, OHEM}."""
    rows = []
    for (loss, printed), figures in zip(LOSSES.items(), FIGURES[network, optimiser], strict=True):
        for (weights, name), own in zip(WEIGHTS.items(), figures.split("  "), strict=True):
            ours = f"{network} {optimiser} {loss} {weights}"
            rows.append(Row(f"{printed}, {name}", own, f"{network}-{loss}-{weights}", ours=ours))
    return Table(
        f"Table {TABLES[network, optimiser]}, {network}, {optimiser}",
        MEASURES,
        tuple(rows),
        ("paper" if optimiser == "adam" else "paper-sgd",),
        ours=Ours("short form: BAcc", "isic2018_weighting.json", ("cells", "ROW", "BAcc")),
    )


COUNTS = Table(
    "Table 1, images a class",
    ("images",),
    (
        Row("Nevus", "6741", note="here 6,705"),
        Row("Melanoma", "1119", note="here 1,113"),
        Row("Dermatofibroma", "116", note="here 115"),
        Row("Actinic keratosis", "331", note="here 327"),
        Row("Benign keratosis", "1101", note="here 1,099"),
        Row("Basal cell carcinoma", "517", note="here 514"),
        Row("Vascular", "143", note="here 142"),
    ),
    about="The table sums to 10,068; the text says 10,015, as many as the challenge hands out and as are read here.",
)
WEIGHTING = Paper(
    "Weights and curricula",
    "weighting",
    "--recipe.precision bf16",
    """
Barata and Santiago 2021 (CVPR workshops), "How Important Is Each Dermoscopy Image?",
[`examples/weighting.py`](../examples/weighting.py). ISIC 2018 under white light, whole frames resized to 299 x 299,
two 80/20 splits by lesion (seeds 0 and 1); VGG16 with ImageNet weights and CBAM, batch 20, Adam 1e-5 or SGD-Nesterov
1e-4, a tenth at 50 and 75 %, 150 epochs flat and 250 hierarchical, dropout 0.5.

Deviations and what is not printed: CB and ES are scaled to a mean of 1 over the training images; gamma of the focal
loss is 1, which the paper found best most often; the LSTM's width (64) and how its attention is dynamic; the ranges of
crops and colours; where the dropout stands; SPL's and OHEM's alpha. [weighting.md](weighting.md#the-study) says what is
done. Ours in Tables 2 to 5: 64 x 64 pixels (squares cut from the middle), a small network whose features were frozen
after 600 steps, the two splits;
[how, and the other measures](results_appendix.md#losses-and-weights-on-isic-2018-short-form).
""",
    (COUNTS, *(table(*key) for key in FIGURES)),
    {
        "1, recall of non-melanocytic classes": "`recall.png` of the form `paper`",
        "2, recall of melanocytic classes": "the same file",
        "3, CBAM's maps of hard examples": (
            "`attention-hard.png` of the form `paper`: of each class the first image one of them gets wrong; the best "
            "channel is the one that CBAM lets through most, which is how we read it"
        ),
        "4, CBAM's maps of easy examples": "`attention-easy.png`: those that all get right",
    },
    {
        "*-class-ohem": "OHEM within each class, which the paper names as future work",
        "*-focal[0-9]*-none": "other gammas; the form `gamma` judges them on validation lesions",
    },
)
