"""SPMix: Wei et al. 2024."""

from __future__ import annotations

from reproduction.papers.table import Ours, Paper, Row, Table

ABOUT = """
Wei et al. 2024 (ISBI), [`examples/spmix.py`](../examples/spmix.py); what each method is here, and what the paper
leaves open: [framework.md](framework.md). ISIC 2018, 7:1:2 with balanced validation and test; 224 pixels, AdamW 5e-6,
weight decay 0.1, batch 64, 500 epochs, temperature 0.2, alpha 0.8.

Deviations and what is not printed: what the networks started from (here ImageNet; of the hybrid its ResNet alone),
the number of seeds, the schedule (here warm-up and a cosine), views, the momentum, how the classifier learns beside
the contrast, and how a frame becomes 224 pixels: here the whole frame is squashed to 256 and views are cut from it.
No lesion is on two sides of the split here. **Split**: 7:1:2 with 40 test images a class means 20 for validation: 280
and 140 images, 9,595 to train on (`Balanced(20, 40)`, the paper's forms). The list that the authors released has 46
for validation: 322, and 9,413 to train on (`Balanced(46, 40)`, `released`).
"""
TEST = (40, 120, 120, 280, 0)
SHORT = Ours("short form: accuracy", "isic2018_framework.json", ("metrics", "ROW", "accuracy"))
GROUPS = ("many", "medium", "few", "total", "F1")

TABLE_1_RESNET = Table(
    "Table 1, ResNet50",
    GROUPS,
    (
        Row("CE (baseline)", "80.00 42.50 33.33 43.93 43.13", "ce"),
        Row("CE-resample", "62.50 57.50 45.00 52.86 52.51", "ce-resample"),
        Row(
            "MiSLAS",
            "65.00 71.88 67.50 63.93 64.87",
            "mislas",
            "the groups make 69.02 in all; 71.88 is no share of 120",
        ),
        Row("ResLT", "87.50 47.50 45.83 52.50 47.32", "reslt", "the branches begin after the pooling"),
        Row(
            "BALLAD", "75.00 63.33 61.67 64.29 63.66", "ballad", "CLIP's own ResNet-50; prompts with the classes' names"
        ),
        Row("BCL", "80.00 79.17 65.83 73.57 74.11", "bcl", "classifies the first of two views, its authors a third"),
        Row("PaCo", "15.00 59.17 81.67 62.50 60.21", "paco"),
    ),
    ("paper-resnet50",),
    """
Accuracy in % with Wilson's 95 % interval for a share of that many images: the test has 40 of each of seven classes,
so 40 of many, 120 of medium, 120 of few, 280 in all. The interval says what another draw of test images could do;
what another seed could do comes on top.
""",
    TEST,
)
TABLE_1_HYBRID = Table(
    "Table 1, Hybrid-ViT",
    GROUPS,
    (
        Row("CE (baseline)", "90.00 90.00 58.33 76.43 75.83", "ce", "", "", "ce"),
        Row("CE-resample", "92.50 86.67 57.50 75.00 74.25", "ce-resample", "", "", "ce-resample"),
        Row(
            "MiSLAS",
            "90.00 90.62 75.00 75.00 74.12",
            "mislas",
            "the groups make 83.84 in all; 90.62 is no share of 120",
            "",
            "mislas",
        ),
        Row("BCL", "90.00 85.83 63.33 76.79 76.55", "bcl", "as above", "", "bcl"),
        Row("PaCo", "72.50 86.67 86.67 84.64 84.59", "paco", "", "", "paco"),
        Row("Ours (SPMix)", "82.50 90.00 83.33 86.07 86.22", "spmix", "", "", "spmix-paper"),
    ),
    ("paper",),
    """
**SPMix against PaCo**, 86.07 to 84.64: 241 and 237 images of 280, four more. If the two made their mistakes
independently, the difference would be +1.4 [-4.4, +7.3]; on the same images it is less wide, but nobody can know by
how much without the predictions. Ours: 64 x 64 pixels (squares cut from the middle, which cuts 21 % of the lesions),
0.3 million weights from scratch, three epochs, `Balanced(46, 40)`, two seeds;
[how](results_appendix.md#the-spmix-framework-on-isic-2018-short-form).
""",
    TEST,
    SHORT,
)
TABLE_2 = Table(
    "Table 2, the switches patches and saliency",
    ("accuracy", "F1"),
    (
        Row(
            "no, no", "83.57 83.47", "spmix-no-patches-no-saliency", "", "", "spmix-paper-no-patches-no-saliency-guided"
        ),
        Row("patches alone", "83.93 84.08", "spmix-no-saliency", "", "", "spmix-paper-no-saliency-guided"),
        Row("saliency alone", "84.64 85.00", "spmix-no-patches", "", "", "spmix-paper-no-patches"),
        Row("both", "86.07 86.22", "spmix", "", "", "spmix-paper"),
    ),
    ("table2",),
    """
Our copy of the paper has lost the ticks of this table; which middle row is which is the order of its text. 234, 235,
237 and 241 of 280 images: all four intervals overlap, the whole table is seven images wide. How the switches were run
is not printed; how we read them is in [framework.md](framework.md#recipes). Ours as in Table 1, but seed 0 alone for
the first three.
""",
    (280, 0),
    SHORT,
)
SPMIX = Paper(
    "SPMix",
    "spmix",
    "--recipe.precision bf16 --seeds 0 1 2 --test",
    ABOUT,
    (TABLE_1_RESNET, TABLE_1_HYBRID, TABLE_2),
    {
        "1, mixes side by side": "`python examples/draw_mixes.py runs/mixes` on made-up images",
        "2, the framework": "a diagram; [framework.md](framework.md) says what of it is here",
        "3, images a class": "bars: NV 6,705, MEL 1,113, BKL 1,099, BCC 514, AKIEC 327, VASC 142, DF 115",
        "4, mixed images": "`python examples/draw_panel.py runs/panel.png --data isic2018 --pairs 8`",
    },
    {
        "spmix-released": "SPMix as its released code trains it, form `released`; the paper does not describe it so",
        "spmix-ours": "what keeps lesions best, with PaCo's loss: a design of ours",
    },
    """
### SPMix, short form

Of nine methods plain resampling came out best (52.3 % [45.7, 58.1]), then SPMix in our recipe (48.4 % [42.7, 53.5]);
the paper's recipe has 33.4 % [28.3, 38.1]. [The
appendix](results_appendix.md#the-spmix-framework-on-isic-2018-short-form) has all tables, and says why they are no
verdict on the methods. On pretrained networks: [results.md](results.md).
""",
)
