"""Tables 2 to 5 of Barata and Santiago 2021 beside our own, and the recall of each class as bars."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from matplotlib.figure import Figure
from report import REPLICATES, hardware, interval, resampled_confusions
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
)

if TYPE_CHECKING:
    from train_weighting import Form

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


@dataclass(frozen=True)
class Result:
    """What a cell of the grid made of the test images of its split."""

    cell: dict[str, Any]
    task: str
    classes: tuple[str, ...]
    logits: Tensor  # [N, K]
    labels: Tensor  # [N]
    lesions: tuple[str, ...]
    seconds: float

    def key(self) -> tuple[str, ...]:
        """The cell without its split."""
        return tuple(self.cell[name] for name in ("model", "optimizer", "loss", "weights"))


def paper_row(model: str, optimizer: str, loss: str, weights: str) -> list[float] | None:
    """Acc, BAcc, mPR, mF1 as printed, or None where the paper has no such row."""
    row = list(WEIGHTS).index(weights)
    numbers = [float(n) for n in PAPER[model, optimizer][list(LOSSES).index(loss)].split()]
    return numbers[4 * row : 4 * row + 4] or None


def measure(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Accuracy, balanced accuracy, mean precision, mean F1 and the recall of each class, by torchmetrics."""
    classes = logits.shape[1]
    metrics = MetricCollection(
        {
            "Acc": MulticlassAccuracy(classes, average="micro"),
            "BAcc": MulticlassRecall(classes, average="macro"),
            "mPR": MulticlassPrecision(classes, average="macro"),
            "mF1": MulticlassF1Score(classes, average="macro"),
            "recall": MulticlassRecall(classes, average="none"),
        }
    )
    measured: dict[str, Tensor] = metrics(logits, labels)
    return measured


def measures_of_confusion(confusion: Tensor) -> dict[str, Tensor]:
    """The same from confusion matrices [..., K, K], rows the true class; the precision of a class never named is 0."""
    hits, shown, called = confusion.diagonal(dim1=-2, dim2=-1), confusion.sum(-1), confusion.sum(-2)
    return {
        "Acc": hits.sum(-1) / shown.sum(-1),
        "BAcc": (hits / shown).mean(-1),
        "mPR": (hits / called.clamp(min=1)).mean(-1),
        "mF1": (2 * hits / (shown + called)).mean(-1),
        "recall": hits / shown,
    }


def summarise(results: Sequence[Result]) -> dict[tuple[str, ...], dict[str, Any]]:
    """For each cell the mean over splits, its 95 % interval and the difference from the same cell without weights.

    Intervals resample the lesions of each class and the splits; the same lesions for every cell, so that differences
    are paired.
    """
    splits = sorted({result.cell["split"] for result in results})
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randint(len(splits), (REPLICATES, len(splits)), generator=generator)
    rows = torch.arange(REPLICATES).unsqueeze(1)
    summary: dict[tuple[str, ...], dict[str, Any]] = {}
    cells: dict[tuple[str, ...], list[Result]] = {}
    for result in sorted(results, key=lambda result: int(result.cell["split"])):
        cells.setdefault(result.key(), []).append(result)
    measured = {key: [measure(r.logits, r.labels) for r in own] for key, own in cells.items()}
    means: dict[tuple[str, ...], dict[str, Tensor]] = {}
    draws: dict[tuple[str, ...], dict[str, Tensor]] = {}
    for key, own in cells.items():
        means[key] = {name: torch.stack([m[name] for m in measured[key]]).double().mean(0) for name in measured[key][0]}
        resampled = [measures_of_confusion(confusions_of(result)) for result in own]
        draws[key] = {name: torch.stack([r[name] for r in resampled])[chosen, rows].mean(1) for name in resampled[0]}
    for key, own in cells.items():
        base = (*key[:-1], "none")
        summary[key] = {"by_split": [{n: 100 * m[n].item() for n in MEASURES} for m in measured[key]]}
        for name in MEASURES:
            summary[key][name] = {"mean": 100 * means[key][name].item(), "interval": interval(draws[key][name])}
            if base in means and key != base:
                summary[key][name]["difference"] = 100 * (means[key][name] - means[base][name]).item()
                summary[key][name]["difference_interval"] = interval(draws[key][name] - draws[base][name])
        summary[key]["recall"] = {
            name: {"mean": 100 * value.item(), "interval": interval(draws[key]["recall"][:, c])}
            for c, (name, value) in enumerate(zip(own[0].classes, means[key]["recall"], strict=True))
        }
        summary[key]["seconds"] = [result.seconds for result in own]
        summary[key]["paper"] = paper_row(*key)
    return summary


def confusions_of(result: Result) -> Tensor:
    """Resampled confusion matrices of one training, [REPLICATES, K, K]; the seed is that of its split."""
    generator = torch.Generator().manual_seed(result.cell["split"])
    return resampled_confusions(result.logits.unsqueeze(0), result.labels, result.lesions, REPLICATES, generator)[0]


def tables(summary: dict[tuple[str, ...], dict[str, Any]]) -> str:
    """Markdown: one table for each network and optimiser, the paper's figures in brackets at the end of a cell."""
    lines = []
    for (model, optimizer), number in TABLES.items():
        rows = {key: value for key, value in summary.items() if key[:2] == (model, optimizer)}
        if not rows:
            continue
        lines += [f"Table {number}: {model}, {optimizer}", ""]
        lines += ["| loss | weights | " + " | ".join(f"{name} (paper)" for name in MEASURES) + " | BAcc, change |"]
        lines += ["|" + " --- |" * (len(MEASURES) + 3)]
        for (_, _, loss, weights), values in rows.items():
            printed = [f"({p:.1f})" for p in values["paper"]] if values["paper"] else ["(-)"] * len(MEASURES)
            cells = [
                f"{values[name]['mean']:.1f} [{values[name]['interval'][0]:.1f}, {values[name]['interval'][1]:.1f}] {p}"
                for name, p in zip(MEASURES, printed, strict=True)
            ]
            change = values["BAcc"].get("difference_interval")
            cells += [f"{values['BAcc']['difference']:+.1f} [{change[0]:+.1f}, {change[1]:+.1f}]" if change else ""]
            lines += [f"| {LOSSES[loss]} | {WEIGHTS[weights]} | " + " | ".join(cells) + " |"]
        lines += [""]
    return "\n".join(lines)


def recall_bars(summary: dict[tuple[str, ...], dict[str, Any]], optimizer: str) -> Figure:
    """Figs. 1 and 2: the recall of each class by network, loss and weights, with 95 % intervals."""
    shown = {key: value for key, value in summary.items() if key[1] == optimizer}
    models = list(dict.fromkeys(key[0] for key in shown))
    losses = list(dict.fromkeys(key[2] for key in shown))
    figure = Figure(figsize=(12, 3.2 * len(models) * len(losses)))
    axes = figure.subplots(len(models) * len(losses), squeeze=False).flatten()
    for axis, (model, loss) in zip(axes, [(m, n) for m in models for n in losses], strict=True):
        rows = {key[3]: value["recall"] for key, value in shown.items() if (key[0], key[2]) == (model, loss)}
        for i, (weights, recall) in enumerate(rows.items()):
            means = [r["mean"] for r in recall.values()]
            below = [max(r["mean"] - r["interval"][0], 0) for r in recall.values()]
            above = [max(r["interval"][1] - r["mean"], 0) for r in recall.values()]
            places = [c + 0.8 * (i + 0.5) / len(rows) - 0.4 for c in range(len(recall))]
            axis.bar(places, means, 0.8 / len(rows), yerr=[below, above], label=WEIGHTS[weights], error_kw={"lw": 0.7})
        axis.set(title=f"{model}, {LOSSES[loss]}, {optimizer}", ylabel="recall, %", ylim=(0, 100))
        axis.set_xticks(range(len(next(iter(rows.values())))), list(next(iter(rows.values()))))
    axes[0].legend(ncols=6, fontsize=8, loc="upper right")
    figure.tight_layout()
    return figure


def write_study(folder: Path, results: Sequence[Result], form: Form) -> str:
    """study.json, tables.md and a bar chart for each optimiser under `folder`; the tables as text."""
    summary = summarise(results)
    text = tables(summary)
    folder.mkdir(parents=True, exist_ok=True)
    report = {
        "task": results[0].task,
        "form": asdict(form),
        "cells": {" ".join(key): value for key, value in summary.items()},
        "command": " ".join(["python", *sys.argv]),
        "versions": {name: version(name) for name in ("longtail-mix", "torch", "timm", "kornia", "torchmetrics")},
        "hardware": hardware(results[0].labels.device),
    }
    (folder / "study.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (folder / "tables.md").write_text(text + "\n", encoding="utf-8")
    for optimizer in dict.fromkeys(key[1] for key in summary):
        recall_bars(summary, optimizer).savefig(folder / f"recall_{optimizer}.png", dpi=110)
    return text
