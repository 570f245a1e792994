"""What CARE changes: recall of the rarest class, MCA, AUC, and where the network looks, with paired intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from longtail_mix import ClassGroups
from longtail_mix.visualize import attention_panel
from reproduction.methods.care import attention_means
from reproduction.reports.markdown import cell, head, line
from reproduction.reports.measures import REPLICATES, auroc, interval, lesion_weights, measured, replicates
from reproduction.training.judging import Judged

COLUMNS = {
    "rarest_recall": "recall of the rarest",
    "mca": "MCA",
    "inside": "map inside",
    "outside": "map outside",
    "inside_rarest": "inside, rarest",
    "outside_rarest": "outside, rarest",
}


def summarise(judged: Sequence[Judged], against: Mapping[str, str]) -> dict[str, Any]:
    """Each method's measures in percent with 95 % intervals, and differences from the method that `against` names."""
    of = {name: [one for one in judged if one.name == name] for name in dict.fromkeys(one.name for one in judged)}
    values = {name: measures_of(own) for name, own in of.items()}
    summary: dict[str, Any] = {}
    for name, (means, draws) in values.items():
        row: dict[str, Any] = {m: {"mean": 100 * means[m], "interval": interval(draws[m])} for m in COLUMNS}
        row["auc"] = sum(auroc(of[name])) / len(of[name])
        row["recall"] = {
            label: {"mean": 100 * means["recall"][c].item(), "interval": interval(draws["recall"][:, c])}
            for c, label in enumerate(of[name][0].facts["classes"])
        }
        if against.get(name) in values:
            other, other_draws = values[against[name]]
            row["against"] = against[name]
            row["difference"] = {
                m: {"mean": 100 * (means[m] - other[m]), "interval": interval(draws[m] - other_draws[m])}
                for m in COLUMNS
            }
        summary[name] = row
    return summary


def measures_of(own: Sequence[Judged]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Means over the seeds of one method, and their replicates [R] for resampled lesions; NaN without masks.

    "recall" is a tensor [K], its replicates [R, K].
    """
    rarest = rarest_class(own[0])
    groups = ClassGroups(tuple(c for c in range(own[0].logits.shape[1]) if c != rarest), (), (rarest,))
    scores, drawn = measured(own, groups), replicates(own, groups)
    means: dict[str, Any] = {
        "rarest_recall": scores["few_recall"].item(),
        "mca": scores["balanced_accuracy"].item(),
        "recall": scores["recall"],
    }
    draws = {"rarest_recall": drawn["few_recall"], "mca": drawn["balanced_accuracy"], "recall": drawn["recall"]}
    weights = lesion_weights(own, REPLICATES)
    looks = [looked(one) for one in own]
    for suffix in ("", "_rarest"):
        for at, part in enumerate(("inside", "outside")):
            each, resampled = [], []
            for one, look, weight in zip(own, looks, weights, strict=True):
                counted = ~look[:, at].isnan() & ((one.side.labels == rarest) | (suffix == ""))
                each.append(look[counted, at].mean().item())
                resampled.append(weight[:, counted] @ look[counted, at] / weight[:, counted].sum(1))
            means[part + suffix] = sum(each) / len(each)
            draws[part + suffix] = torch.stack(resampled).mean(0)
    return means, draws


def looked(one: Judged) -> Tensor:
    """The mean of the maps inside and outside the lesions [N, 2]."""
    if one.side.masks is None:
        return torch.full((len(one.side), 2), torch.nan, dtype=torch.float64)
    return attention_means(one.told["cam"], one.side.masks)


def rarest_class(one: Judged) -> int:
    """The class with the fewest training images."""
    counts: Sequence[int] = one.facts["training_images"]
    return list(counts).index(min(counts))


def tables(summary: Mapping[str, Any]) -> str:
    """Markdown: measures, the recall of each class, then differences."""
    lines = [*head("test, %", [*COLUMNS.values(), "AUC"])]
    lines += [line(name, [*(cell(row[m]) for m in COLUMNS), f"{row['auc']:.3f}"]) for name, row in summary.items()]
    lines += ["", *head("recall, %", list(next(iter(summary.values()))["recall"]))]
    lines += [line(name, [cell(recall) for recall in row["recall"].values()]) for name, row in summary.items()]
    changed = {name: row for name, row in summary.items() if "difference" in row}
    if changed:
        lines += ["", *head("difference", ["from", *COLUMNS.values()])]
        lines += [
            line(name, [row["against"], *(cell(row["difference"][m], "+") for m in COLUMNS)])
            for name, row in changed.items()
        ]
    return "\n".join(lines)


def panel(judged: Sequence[Judged], classes: Sequence[str], count: int = 6) -> Figure:
    """Images of the rarest class with the maps of each method and what it said, after Fig. 10."""
    side = judged[0].side
    rows = (side.labels == rarest_class(judged[0])).nonzero().flatten()[:count]
    each = [[classes[label] for label in one.logits[rows].argmax(1).tolist()] for one in judged]
    said = ["\n".join(names) for names in zip(*each, strict=True)]
    masks = torch.zeros_like(side.images[rows, :1], dtype=torch.bool) if side.masks is None else side.masks[rows]
    return attention_panel(side.images[rows], masks, {one.name: one.told["cam"][rows] for one in judged}, said)


def curves(judged: Sequence[Judged]) -> Figure:
    """After Fig. 9: the training loss, a point for each 20 steps, and the MCA on a validation side where there is one.

    A mean over the seeds; a second stage goes on where it starts, at 0.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    for name in dict.fromkeys(one.name for one in judged):
        facts = [one.facts for one in judged if one.name == name]
        each = torch.tensor([fact["losses"] for fact in facts], dtype=torch.float64).mean(0)
        steps = torch.arange(len(each)).split(20)
        losses.plot([part[-1].item() + 1 for part in steps], [each[part].mean().item() for part in steps], label=name)
        followed = torch.tensor([fact["validation"] for fact in facts], dtype=torch.float64)
        if followed.numel():
            at, value = followed.mean(0).T.tolist()
            scores.plot(at, [100 * mca for mca in value], label=name)
    losses.set(xlabel="steps", ylabel="loss")
    losses.legend(fontsize=8)
    scores.set(xlabel="steps", ylabel="MCA on the validation side, %")
    return figure
