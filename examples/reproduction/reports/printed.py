"""The papers' printed figures beside ours, for the data they were printed for and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reproduction.papers import care, lsm, pneumonia
from reproduction.reports.markdown import head, line
from reproduction.training.judging import Judged

# Top-1 accuracy in % on CIFAR-100-LT by imbalance.
LSM_CIFAR100: Mapping[str, Mapping[float, float]] = {
    row.method: dict(zip((100.0, 50.0, 10.0), row.values(), strict=True)) for row in lsm.TABLE_3.rows if row.method
}

# Recall of the rarest class in %, AUC, mean class accuracy in %; ResNet-50.
CARE_SKIN: Mapping[str, Sequence[float]] = {row.method: row.values() for row in care.TABLE_2.rows}
CARE_PNEUMONIA: Mapping[str, Sequence[float]] = {row.method: row.values() for row in pneumonia.TABLE_2.rows}


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
