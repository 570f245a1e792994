"""The papers' printed figures beside ours, for the data they were printed for and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reproduction.reports.markdown import head, line
from reproduction.training.study import Judged

# Lv et al. 2025, top-1 accuracy in % on CIFAR-100-LT by imbalance. The paper does not say which loss its rows for CMO
# and Remix have.
LSM_CIFAR100: Mapping[str, Mapping[float, float]] = {
    name: dict(zip((100.0, 50.0, 10.0), figures, strict=True))
    for name, figures in {
        "ce": (38.6, 44.0, 56.4),
        "ce-drw": (41.1, 45.6, 57.9),
        "ldam-drw": (41.7, 47.9, 57.3),
        "ce+cmo": (43.9, 48.3, 59.5),
        "balanced-softmax": (45.1, 49.9, 61.6),
        "lade": (45.4, 50.5, 61.7),
        "ce+remix": (45.8, 49.5, 59.2),
        "ce+lsm": (43.6, 47.9, 58.9),
        "ce-drw+lsm": (46.8, 51.6, 61.0),
        "ldam-drw+lsm": (46.9, 52.2, 58.6),
    }.items()
}

# CARE (Zhuang et al. 2023), Table 2, Skin: recall of the rarest class in %, AUC, mean class accuracy in %; ResNet-50.
CARE_SKIN: Mapping[str, tuple[float, float, float]] = {
    "ce": (52.2, 0.962, 74.1),
    "ce+care": (73.9, 0.973, 78.2),
    "csl": (56.5, 0.981, 77.2),
    "csl+care": (65.2, 0.986, 81.0),
    "fl": (52.2, 0.918, 71.5),
    "fl+care": (60.9, 0.933, 73.9),
    "da": (56.6, 0.862, 54.4),
    "da+care": (60.3, 0.885, 56.2),
}


def accuracies(judged: Sequence[Judged]) -> dict[str, float]:
    """The accuracy of each method in %, the mean over its seeds."""
    each: dict[str, list[float]] = {}
    for one in judged:
        right = (one.logits.argmax(1) == one.side.labels).double().mean()
        each.setdefault(one.name, []).append(100 * float(right))
    return {name: sum(values) / len(values) for name, values in each.items()}


def beside(heading: str, printed: Mapping[str, Sequence[float]], ours: Mapping[str, Sequence[float]]) -> str:
    """A Markdown table of the methods that were judged and that the paper has: each figure printed, then ours."""
    both = [name for name in ours if name in printed]
    rows = [line(name, [f"{p:g} / {o:.3g}" for p, o in zip(printed[name], ours[name], strict=True)]) for name in both]
    return "\n".join([*head("printed / ours", heading.split(", ")), *rows])
