"""The X-ray half of CARE's tables."""

from __future__ import annotations

from reproduction.papers.table import Row, Table

FORMS = ("pneumonia",)
ABOUT = """
RSNA pneumonia detection challenge of 2018, stage 2, from its own files. The paper says 8,851 normal images, 6,012
that are neither normal nor opaque and 105 with an opacity, and not which. In the challenge's training part 11,821 are
neither; 6,012 is the number of those *with* an opacity. Here as many as the paper says are drawn of each class. lam is
0.5.
"""
COLUMNS = ("recall", "AUC", "MCA")

TABLE_2 = Table(
    "Table 2, pneumonia",
    COLUMNS,
    (
        Row("Baseline", "7.4 0.663 56.8", "ce"),
        Row("CARE", "31.1 0.741 63.3", "ce+care"),
        Row("CSL", "11.1 0.704 57.9", "csl"),
        Row("CARE+CSL", "45.0 0.769 65.2", "csl+care"),
        Row("FL", "11.1 0.758 58.4", "fl"),
        Row("CARE+FL", "49.4 0.769 66.7", "fl+care"),
        Row("DA", "20.1 0.805 59.6", "da"),
        Row("CARE+DA", "45.2 0.796 66.0", "da+care"),
    ),
    FORMS,
    ABOUT,
)
TABLE_4 = Table(
    "Table 4, pneumonia",
    COLUMNS,
    (
        Row("ResNet18", "15.2 0.581 57.8", "csl", form="pneumonia-resnet18"),
        Row("ResNet18(CARE)", "25.5 0.710 58.8", "csl+care", form="pneumonia-resnet18"),
        Row("ResNet50", "11.1 0.704 57.9", "csl", form="pneumonia"),
        Row("ResNet50(CARE)", "45.0 0.769 65.2", "csl+care", form="pneumonia"),
        Row("ResNet152", "11.4 0.747 59.1", "csl", form="pneumonia-resnet152"),
        Row("ResNet152(CARE)", "31.3 0.749 63.8", "csl+care", form="pneumonia-resnet152"),
        Row("VGG19", "25.8 0.873 61.7", "csl", form="pneumonia-vgg19"),
        Row("VGG19(CARE)", "41.2 0.871 64.3", "csl+care", form="pneumonia-vgg19"),
    ),
)
TABLE_5 = Table(
    "Table 5, pneumonia",
    ("recall", "MCA"),
    (
        Row("0", "11.1 57.9", "csl"),
        Row("0.1", "28.8 63.8", "csl+care-alpha-0.1"),
        Row("0.3", "38.3 64.4", "csl+care-alpha-0.3"),
        Row("0.5", "45.0 65.2", "csl+care"),
        Row("0.7", "42.6 64.3", "csl+care-alpha-0.7"),
        Row("0.9", "50.7 65.2", "csl+care-alpha-0.9"),
    ),
    FORMS,
)
TABLE_6 = Table(
    "Table 6, pneumonia",
    ("recall", "MCA"),
    (
        Row("Baseline", "11.1 57.9", "csl"),
        Row("0.2", "33.3 64.9", "csl+care-tau-0.2"),
        Row("0.4", "51.8 68.9", "csl+care-tau-0.4"),
        Row("0.5", "45.0 65.2", "csl+care-tau-0.5"),
        Row("0.7", "51.9 67.4", "csl+care"),
        Row("1", "37.0 64.0", "csl+care-tau-1.0"),
    ),
    FORMS,
)
