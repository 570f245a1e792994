"""Tables 2 to 5 of Barata and Santiago 2021 beside our own, and the recall of each class as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from reproduction.reports.markdown import cell, head, line
from reproduction.reports.measures import REPLICATES, confusion_of, interval, lesion_weights
from reproduction.training.study import Judged

MEASURES = ("Acc", "BAcc", "mPR", "mF1")
WEIGHTS = {"none": "-", "cb": "CB", "es": "ES", "spl": "SPL", "ohem": "OHEM", "class-ohem": "class-wise OHEM"}
LOSSES = {"ce": "CEL", "focal": "FL"}
# (network, optimiser): for CEL, then FL, the rows -, CB, ES, SPL, OHEM; in each Acc, BAcc, mPR, mF1.
PAPER = {
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
TABLES = {key: number for number, key in enumerate(PAPER, 2)}


def printed(network: str, optimiser: str, loss: str, weights: str) -> list[float] | None:
    """Acc, BAcc, mPR, mF1 as the paper has them, or None where it has no such row."""
    row = list(WEIGHTS).index(weights)
    numbers = [float(n) for n in PAPER[network, optimiser][list(LOSSES).index(loss)].split()]
    return numbers[4 * row : 4 * row + 4] or None


def measures_of_confusion(confusion: Tensor) -> dict[str, Tensor]:
    """Of confusion matrices [..., K, K], rows the true class; the precision of a class never named is 0."""
    hits, shown, called = confusion.diagonal(dim1=-2, dim2=-1), confusion.sum(-1), confusion.sum(-2)
    return {
        "Acc": hits.sum(-1) / shown.sum(-1),
        "BAcc": (hits / shown).mean(-1),
        "mPR": (hits / called.clamp(min=1)).mean(-1),
        "mF1": (2 * hits / (shown + called)).mean(-1),
        "recall": hits / shown,
    }


def measured(own: Sequence[Judged]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The means over splits, and those of resampled lesions of each split [R]; the same lesions for every method."""
    own = sorted(own, key=lambda one: one.seed)
    each = [measures_of_confusion(confusion_of(one)) for one in own]
    drawn = [measures_of_confusion(confusion_of(one, lesion_weights([one], REPLICATES)[0])) for one in own]
    means, draws = ({n: torch.stack([m[n] for m in parts]).mean(0) for n in parts[0]} for parts in (each, drawn))
    return means, draws


def summarise(judged: Sequence[Judged]) -> dict[str, Any]:
    """Each method's measures in percent with 95 % intervals, and the difference from the same without weights.

    Names are NETWORK-LOSS-WEIGHTS.
    """
    of = {name: [one for one in judged if one.name == name] for name in dict.fromkeys(one.name for one in judged)}
    values = {name: measured(own) for name, own in of.items()}
    summary: dict[str, Any] = {}
    for name, (means, draws) in values.items():
        row: dict[str, Any] = {m: {"mean": 100 * means[m].item(), "interval": interval(draws[m])} for m in MEASURES}
        classes = of[name][0].facts["classes"]
        row["recall"] = {
            label: {"mean": 100 * means["recall"][c].item(), "interval": interval(draws["recall"][:, c])}
            for c, label in enumerate(classes)
        }
        base = "-".join(name.split("-")[:2]) + "-none"
        if base != name and base in values:
            other, other_draws = values[base]
            row["difference"] = {
                m: {
                    "mean": 100 * (means[m] - other[m]).item(),
                    "interval": interval(draws[m] - other_draws[m]),
                }
                for m in MEASURES
            }
        summary[name] = row
    return summary


def tables(summary: Mapping[str, Any], optimiser: str, with_printed: bool) -> str:
    """Markdown: a table for each network; the paper's figures in brackets where the data and the recipe are its own."""
    parts = []
    for network in ("flat", "hierarchical"):
        rows = {tuple(name.split("-", 2)): row for name, row in summary.items() if name.startswith(network)}
        if not rows:
            continue
        lines = [f"As Table {TABLES[network, optimiser]}: {network}, {optimiser}", ""]
        lines += head("loss", ["weights", *MEASURES, "BAcc, change"])
        for (_, loss, weights), row in rows.items():
            paper = printed(network, optimiser, loss, weights) if with_printed else None
            cells = [cell(row[m]) + ("" if paper is None else f" ({paper[i]:.1f})") for i, m in enumerate(MEASURES)]
            change = cell(row["difference"]["BAcc"], "+") if "difference" in row else ""
            lines.append(line(LOSSES[loss], [WEIGHTS[weights], *cells, change]))
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def recall_bars(summary: Mapping[str, Any]) -> Figure:
    """Figs. 1 and 2: the recall of each class by network, loss and weights, with 95 % intervals."""
    panels = list(dict.fromkeys(tuple(name.split("-", 2)[:2]) for name in summary))
    figure = Figure(figsize=(12, 3.2 * len(panels)), layout="constrained")
    for axis, (network, loss) in zip(figure.subplots(len(panels), squeeze=False).flatten(), panels, strict=True):
        rows = {n.split("-", 2)[2]: r["recall"] for n, r in summary.items() if n.startswith(f"{network}-{loss}-")}
        for i, (weights, recall) in enumerate(rows.items()):
            means = [value["mean"] for value in recall.values()]
            ends = [
                [max(mean - value["interval"][0], 0) for mean, value in zip(means, recall.values(), strict=True)],
                [max(value["interval"][1] - mean, 0) for mean, value in zip(means, recall.values(), strict=True)],
            ]
            places = [c + 0.8 * (i + 0.5) / len(rows) - 0.4 for c in range(len(means))]
            axis.bar(places, means, 0.8 / len(rows), yerr=ends, label=WEIGHTS[weights], error_kw={"lw": 0.7})
        classes = list(next(iter(rows.values())))
        axis.set(title=f"{network}, {LOSSES[loss]}", ylabel="recall, %", ylim=(0, 100))
        axis.set_xticks(range(len(classes)), classes)
        axis.legend(ncols=6, fontsize=8)
    return figure
