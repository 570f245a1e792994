"""Tables 2 to 5 of Barata and Santiago 2021 beside our own, and the recall of each class as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from reproduction.papers.weighting import LOSSES, MEASURES, TABLES, WEIGHTS, table
from reproduction.reports.markdown import cell, head, line
from reproduction.reports.measures import REPLICATES, confusion_of, interval, lesion_weights
from reproduction.training.judging import Judged

NAMES = WEIGHTS | {"class-ohem": "class-wise OHEM"}


def loss_name(loss: str) -> str:
    """As the paper calls it; "focal2" is the focal loss with a gamma of 2."""
    return LOSSES.get(loss, f"FL, gamma {loss.removeprefix('focal')}")


def printed(network: str, optimiser: str, loss: str, weights: str) -> list[float] | None:
    """Acc, BAcc, mPR, mF1 as the paper has them, or None where it has no such row."""
    rows = {row.method: row.values() for row in table(network, optimiser).rows}
    return rows.get(f"{network}-{loss}-{weights}")


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
            lines.append(line(loss_name(loss), [NAMES[weights], *cells, change]))
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
            axis.bar(places, means, 0.8 / len(rows), yerr=ends, label=NAMES[weights], error_kw={"lw": 0.7})
        classes = list(next(iter(rows.values())))
        axis.set(title=f"{network}, {loss_name(loss)}", ylabel="recall, %", ylim=(0, 100))
        axis.set_xticks(range(len(classes)), classes)
        axis.legend(ncols=6, fontsize=8)
    return figure
