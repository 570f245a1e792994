"""CARE: Zhuang et al. 2023."""

from __future__ import annotations

from reproduction.papers import pneumonia
from reproduction.papers.table import Ours, Paper, Row, Table

ABOUT = """
Zhuang et al. 2023, *Neurocomputing* 126577, [`examples/care.py`](../examples/care.py) and, for DeepLabV3, `python
examples/segmenter.py paper`. Skin: ISIC 2018, 80/20, whole frames resized to 224 x 224, ImageNet weights, AdamW 1e-4,
batch 96, up to 200 epochs for each of two stages, alpha 0.5, lam 1, tau 0.7; boxes for the 115 images of DF. *Recall*
is that of the rarest class, MCA the mean over the classes.

Deviations and what is not printed: the split here keeps a lesion on one side; no schedule and no decay are printed,
so there are none; each stage takes 200 epochs (16,600 steps), whether the loss still falls or not; the baseline's
augmentation is not printed, so it has none; the focal loss's gamma is Lin et al.'s 2; boxes are those of the
ground-truth masks that HAM10000 brings, not the authors' own. L_a is the mean over the images with a box, as in the
paper's pseudocode; its text says over all training images, which is `+care-over-all`: about 87 times weaker on these
images. What more training alone is worth is `...-continued`, which the paper does not have.

**The paper's figures for one thing differ.** MCA of CSL without CARE: 77.2 (Table 2), 77.7 (4, 5, 6, 9), 77.69 (10),
75.9 (7). Its AUC: 0.981 (2), 0.953 (4). MCA of CSL with CARE at alpha 0.5, tau 0.7, lam 1: 81.0 (2, 4), 80.3 (5),
80.2 (6), 80.6 (7), 81.35 (10), and its recall 65.2 (2, 4, 5, 6), 86.9 (7), 86.96 (10). The 81.0 and 65.2 of Table 2
are those of tau 0.5 in Table 6. MCA of FL: 71.5 (2), 72.0 (9). The text calls VGG19 the best backbone, Table 4 has it
last; it says that CSL, FL and DA all beat the baseline, Table 2 has FL and DA below it in MCA.
"""
SKIN = ("recall", "AUC", "MCA")
CLASSES = ("MCA", "DF", "VASC", "AKIEC", "BCC", "BKL", "MEL", "NV")
SHORT = Ours("short form: recall", "synthetic_care.json", ("metrics", "ROW", "rarest_recall"))

TABLE_1 = Table(
    "Table 1, settings",
    ("rate", "batch", "epochs", "alpha", "lam", "tau"),
    (
        Row("pretrain stage", "1e-4 96 200 - - -", "ce"),
        Row("finetune stage", "1e-4 96 200 0.5 1 0.7", "ce+care"),
    ),
    ("paper",),
    """
The settings of the form `paper`; on X-rays lam is 0.5, as the text has it. The map is 224 x 224 there; means over it
are taken at its own size here, which gives the same numbers ([care.md](care.md#the-equations)).
""",
)
TABLE_2 = Table(
    "Table 2, skin",
    SKIN,
    (
        Row("Baseline", "52.2 0.962 74.1", "ce"),
        Row("CARE", "73.9 0.973 78.2", "ce+care"),
        Row("CSL", "56.5 0.981 77.2", "csl", "", "", "cost-sensitive, first stage"),
        Row("CARE+CSL", "65.2 0.986 81.0", "csl+care", "", "", "cost-sensitive + CARE"),
        Row("FL", "52.2 0.918 71.5", "fl"),
        Row("CARE+FL", "60.9 0.933 73.9", "fl+care"),
        Row("DA", "56.6 0.862 54.4", "da", "rotation, flips, colour jitter; their ranges are ours"),
        Row("CARE+DA", "60.3 0.885 56.2", "da+care", "likewise"),
    ),
    ("paper",),
    "Ours: made-up images of 48 pixels, boxes for three classes, two seeds; [how, and the rest](care.md#two-stages).",
    ours=SHORT,
)
TABLE_3 = Table(
    "Table 3, Siamese and Decoupling",
    CLASSES,
    (
        Row("Siamese", "56.9 21.7 51.7 53.0 67.9 60.0 45.7 98.3", "siamese"),
        Row("Siamese+CARE", "68.9 65.2 68.9 48.4 70.8 65.4 70.8 93.8", "siamese+care"),
        Row("Decouple", "73.9 65.2 82.7 57.5 81.5 76.3 63.2 91.9", "decouple"),
        Row("Decouple+CARE", "78.3 73.9 89.6 62.1 83.4 74.0 73.0 92.2", "decouple+care"),
    ),
    ("paper",),
    """
The paper's PBK is BKL. Siamese: cross entropy and the contrastive loss of all pairs of a batch, margin 1; how the
classifier learns beside the pairs is not printed. Decoupling: from `ce` on, the last stage and the classifier alone,
the classes equally often; the latter is Kang et al.'s and not printed.
""",
)
TABLE_4 = Table(
    "Table 4, skin, other networks, all with CSL",
    SKIN,
    (
        Row("ResNet18", "60.9 0.990 74.1", "csl", form="paper-resnet18"),
        Row("ResNet18(CARE)", "73.9 0.969 76.2", "csl+care", form="paper-resnet18"),
        Row("ResNet50", "56.5 0.953 77.7", "csl", form="paper"),
        Row("ResNet50(CARE)", "65.2 0.986 81.0", "csl+care", form="paper"),
        Row("ResNet152", "61.9 0.914 80.5", "csl", form="paper-resnet152"),
        Row("ResNet152(CARE)", "72.2 0.966 81.9", "csl+care", form="paper-resnet152"),
        Row("VGG19", "47.8 0.881 70.2", "csl", "looked at in its last convolution, before the pooling", "paper-vgg19"),
        Row("VGG19(CARE)", "56.5 0.933 72.8", "csl+care", "likewise", "paper-vgg19"),
    ),
)
TABLE_5 = Table(
    "Table 5, skin, alpha, with CSL",
    ("recall", "MCA"),
    (
        Row("0", "56.5 77.7", "csl", "`csl-continued` is trained as long as the others"),
        Row("0.1", "55.2 78.8", "csl+care-alpha-0.1"),
        Row("0.3", "65.2 79.9", "csl+care-alpha-0.3"),
        Row("0.5", "65.2 80.3", "csl+care"),
        Row("0.7", "65.2 80.2", "csl+care-alpha-0.7"),
        Row("0.9", "65.1 80.2", "csl+care-alpha-0.9"),
    ),
    ("paper",),
)
TABLE_6 = Table(
    "Table 6, skin, tau",
    ("recall", "MCA"),
    (
        Row("Baseline", "56.5 77.7", "csl"),
        Row("0.2", "73.9 79.1", "csl+care-tau-0.2"),
        Row("0.4", "69.6 78.8", "csl+care-tau-0.4"),
        Row("0.5", "65.2 81.0", "csl+care-tau-0.5"),
        Row("0.7", "65.2 80.2", "csl+care"),
        Row("1", "78.3 79.6", "csl+care-tau-1.0"),
    ),
    ("paper",),
)
TABLE_7 = Table(
    "Table 7, skin, lam, with CSL",
    CLASSES,
    (
        Row("- (CSL alone)", "75.9 56.5 93.1 66.6 80.5 76.8 64.1 94.0", "csl"),
        Row("0.7", "79.95 60.8 96.5 78.7 87.3 76.8 67.2 92.0", "csl+care-lam-0.7"),
        Row("1.0", "80.6 86.9 89.6 72.7 86.4 68.1 71.7 88.2", "csl+care"),
        Row("1.3", "79.94 69.5 96.5 68.1 88.3 70.4 78.4 87.9", "csl+care-lam-1.3"),
    ),
    ("paper",),
)
NO_DSR = "the boolean map, which the paper cites for DSR where it uses it: [why not DSR](care.md#boxes)"
AFTER_SEGMENTER = (
    "after `python examples/segmenter.py paper`, which learns from ISIC 2017 where the paper has ISIC 2018 Task 1"
)
TABLE_8 = Table(
    "Table 8, skin, boxes",
    ("MCA", "recall"),
    (
        Row("Baseline", "74.13 52.17", "ce"),
        Row("CARE(GT)", "78.17 73.91", "ce+care"),
        Row("CARE(DSR)", "77.02 65.22", "ce+care-boolean-map", NO_DSR),
        Row("CARE(DeepLabV3)", "75.61 60.87", "ce+care-deeplabv3", AFTER_SEGMENTER),
    ),
    ("paper",),
)
TABLE_9 = Table(
    "Table 9, skin, boxes with CSL and FL",
    ("MCA", "recall"),
    (
        Row("CSL", "77.7 56.5", "csl"),
        Row("CSL+CARE(DSR)", "80.2 78.3", "csl+care-boolean-map", "as in Table 8"),
        Row("CSL+CARE(DeepLabV3)", "81.4 86.7", "csl+care-deeplabv3", "as in Table 8"),
        Row("FL", "72.0 52.2", "fl"),
        Row("FL+CARE(DSR)", "72.3 60.9", "fl+care-boolean-map", "as in Table 8"),
        Row("FL+CARE(DeepLabV3)", "74.6 82.6", "fl+care-deeplabv3", "as in Table 8"),
    ),
    ("paper",),
)
TABLE_10 = Table(
    "Table 10, skin, masks for more classes",
    CLASSES,
    (
        Row("CSL (baseline)", "77.69 56.52 89.65 68.18 90.29 75.45 71.17 92.54", "csl"),
        Row("CARE [DF]", "81.35 86.96 89.66 66.67 88.35 76.82 68.47 92.54", "csl+care", "the text has 89.96 for DF"),
        Row("CARE [DF+VASC]", "80.51 82.61 96.55 66.67 86.41 74.09 64.41 92.84", "csl+care-2-classes"),
        Row("CARE [DF+VASC+AKIEC]", "80.28 69.57 89.66 74.24 90.29 76.82 68.92 92.46", "csl+care-3-classes"),
    ),
    ("paper",),
    "The paper's masks are DeepLabV3's, looked through by experts; here they are HAM10000's own.",
)
SCALES = Table(
    "Fig. 11, scales of the boxes",
    (),
    (
        Row("0.7", method="csl+care-scale-0.7"),
        Row("0.8", method="csl+care-scale-0.8", note="the text does not name it"),
        Row("0.9", method="csl+care-scale-0.9"),
        Row("1", method="csl+care"),
        Row("1.1", method="csl+care-scale-1.1"),
    ),
    ("paper",),
    "A curve without figures.",
)
CARE = Paper(
    "CARE",
    "care",
    "--recipe.precision bf16 --seeds 0 1 2",
    ABOUT,
    (
        *(
            TABLE_1,
            TABLE_2,
            pneumonia.TABLE_2,
            TABLE_3,
            TABLE_4,
            pneumonia.TABLE_4,
            TABLE_5,
            pneumonia.TABLE_5,
            TABLE_6,
        ),
        *(pneumonia.TABLE_6, TABLE_7, TABLE_8, TABLE_9, TABLE_10, SCALES),
    ),
    {
        "1, images a class": "bars: 6,705 of NV to 115 of DF, as in SPMix's Fig. 3; X-rays 8,851, 6,012 and 105",
        "2 to 5, the method": "diagrams; [care.md](care.md) says what of it is here",
        "6 and 7, the networks": "timm's `resnet50` and `vgg19`",
        "8, recall of each class": "`report.md` of the form `paper` has the recall of each class; no bars",
        "9, training curves": (
            "`curves.png`: the loss, and the MCA where `--data.split.val-fraction` leaves a validation side; recall, "
            "and both on the training images, are not followed"
        ),
        "10, maps with and without CARE": "`attention.png` of every form with masks",
        "11, scales of the boxes": "the table above",
        "12, maps by tau": "`attention.png` of `csl+care-tau-0.2` and its like",
        "13, boxes by hand, DSR, DeepLabV3": "no command draws them",
        "14, maps by kind of box": "`attention.png` of `ce+care`, `ce+care-boolean-map` and `ce+care-deeplabv3`",
    },
    {
        "siamese-continued": "as long a training as `siamese+care` without it",
        "*-continued": "the second stage without the attention loss: what more training alone is worth",
        "*+care-over-all": "L_a over all images of a batch",
        "*+care-*-classes": "boxes for the two or three rarest classes under every base, where Table 10 has CSL",
        "da+care-*": "boxes of every kind under more augmentation, where the tables have none",
        "*+care-skin": "boxes by skin contrast",
        "*+care-fine-grained": "boxes by fine-grained saliency",
        "*+care-segmenter": "boxes by LR-ASPP of `python examples/segmenter.py isic2017`",
    },
    """
### CARE, short form

On two cores, made-up images: the maps of the rarest class move onto the lesion (inside 58.1 to 65.8 %), its recall
goes from 17.5 to 21.7 % (+4.2 [+0.0, +10.3]) against equally long training without CARE.
[care.md](care.md#two-stages) has the table.
""",
)
