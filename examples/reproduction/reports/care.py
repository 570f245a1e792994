"""What CARE changes: recall of the rarest class, MCA, AUC, and where the network looks, with paired intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from images import Task
from report import REPLICATES, bootstrap, interval, write_metrics
from torch import Tensor
from torchmetrics.functional.classification import multiclass_auroc

from care_training import Outcome, Settings
from longtail_mix import many_medium_few

Draws = dict[str, Tensor]
COLUMNS = ("rarest_recall", "mca", "auc", "inside", "outside", "inside_rarest", "outside_rarest")
HEADINGS = ("recall of the rarest", "MCA", "AUC", "map inside", "map outside", "inside, rarest", "outside, rarest")


def summarise(outcomes: Sequence[Outcome], task: Task, against: Mapping[str, str]) -> dict[str, Any]:
    """Means over seeds in percent with 95 % intervals; and differences from the method that `against` names.

    Intervals come from resampling the lesions of each class, the same for every method, and the seeds.
    """
    summary: dict[str, Any] = {}
    values, draws = {}, {}
    for method in dict.fromkeys(outcome.method for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.method == method]
        values[method], draws[method] = by_seed(own, task), resampled(own, task)
    for method in values:
        cells: dict[str, Any] = {}
        for name, of_seeds in values[method].items():
            cells[name] = {"mean": 100 * of_seeds.mean().item(), "by_seed": (100 * of_seeds).tolist()}
            if name in draws[method]:
                cells[name]["interval"] = interval(draws[method][name])
            other = against.get(method)
            if other is not None:
                cells[name]["difference"] = 100 * (of_seeds.mean() - values[other][name].mean()).item()
                if name in draws[method]:
                    change = draws[method][name] - draws[other][name]
                    cells[name]["difference_interval"] = interval(change)
        summary[method] = cells
    return summary


def by_seed(own: Sequence[Outcome], task: Task) -> Draws:
    """Each measure for each seed, [seeds] float64; recalls as one measure for each class."""
    labels, classes = task.test.labels.cpu(), len(task.classes)
    rarest = rarest_class(task)
    measured: dict[str, list[float]] = {}
    for outcome in own:
        hits = (outcome.logits.argmax(1) == labels).double()
        recall = [hits[labels == c].mean().item() for c in range(classes)]
        inside, outside = outcome.attention.double().unbind(1)
        of_rarest = labels == rarest
        row = {
            "rarest_recall": recall[rarest],
            "mca": sum(recall) / classes,
            "auc": multiclass_auroc(outcome.logits.double(), labels, classes).item(),
            "inside": inside.nanmean().item(),
            "outside": outside.nanmean().item(),
            "inside_rarest": inside[of_rarest].nanmean().item(),
            "outside_rarest": outside[of_rarest].nanmean().item(),
            **{f"recall of {name}": value for name, value in zip(task.classes, recall, strict=True)},
        }
        for name, value in row.items():
            measured.setdefault(name, []).append(value)
    return {name: torch.tensor(of_seeds, dtype=torch.float64) for name, of_seeds in measured.items()}


def resampled(own: Sequence[Outcome], task: Task) -> Draws:
    """Replicates of each measure but the AUC, which a confusion matrix does not tell."""
    labels, rarest = task.test.labels.cpu(), rarest_class(task)
    logits = torch.stack([outcome.logits for outcome in own])
    draws = bootstrap(logits, labels, task.test.lesions, many_medium_few(task.class_counts()))
    result = {"rarest_recall": draws["recall"][:, rarest], "mca": draws["balanced_accuracy"]}
    result |= {f"recall of {name}": draws["recall"][:, c] for c, name in enumerate(task.classes)}
    attention = torch.stack([outcome.attention for outcome in own]).double()  # [seeds, N, 2]
    everything = torch.ones_like(labels, dtype=torch.bool)
    for suffix, rows in (("", everything), ("_rarest", labels == rarest)):
        lesions = [lesion for lesion, kept in zip(task.test.lesions, rows.tolist(), strict=True) if kept]
        for side, name in enumerate(("inside", "outside")):
            result[name + suffix] = resampled_means(attention[:, rows, side], lesions)
    return result


def resampled_means(values: Tensor, lesions: Sequence[str], replicates: int = REPLICATES) -> Tensor:
    """Means of [seeds, N] over drawn lesions and seeds [replicates], NaN left out; the same draws at every call."""
    generator = torch.Generator().manual_seed(0)
    names = {name: i for i, name in enumerate(dict.fromkeys(lesions))}
    lesion_of = torch.tensor([names[lesion] for lesion in lesions])
    drawn = torch.randint(len(names), (replicates, len(names)), generator=generator)
    times = torch.zeros(replicates, len(names), dtype=torch.float64)
    times.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))
    weights = times[:, lesion_of] * ~values[0].isnan()  # [replicates, N]
    means = weights @ values.nan_to_num(0).T / weights.sum(1, keepdim=True)  # [replicates, seeds]
    chosen = torch.randint(len(values), (replicates, len(values)), generator=generator)
    return means.gather(1, chosen).mean(1)


def rarest_class(task: Task) -> int:
    """The class with the fewest training images."""
    counts = task.class_counts()
    return counts.index(min(counts))


def table(summary: Mapping[str, Any], task: Task) -> str:
    """Markdown: measures in percent, differences, recalls of the classes."""
    lines = [row("test, %", HEADINGS), rule(HEADINGS)]
    lines += [row(method, [cell(cells[c], "mean", "interval") for c in COLUMNS]) for method, cells in summary.items()]
    changed = {method: cells for method, cells in summary.items() if "difference" in cells["mca"]}
    if changed:
        lines += ["", row("difference", HEADINGS), rule(HEADINGS)]
        for method, cells in changed.items():
            lines.append(row(method, [cell(cells[c], "difference", "difference_interval", "+") for c in COLUMNS]))
    lines += ["", row("recall, %", task.classes), rule(task.classes)]
    for method, cells in summary.items():
        lines.append(row(method, [cell(cells[f"recall of {c}"], "mean", "interval") for c in task.classes]))
    return "\n".join(lines)


def row(first: str, cells: Sequence[str]) -> str:
    return "| " + " | ".join([first, *cells]) + " |"


def rule(headings: Sequence[str]) -> str:
    return "|" + " --- |" * (len(headings) + 1)


def cell(measure: Mapping[str, Any], value: str, bounds: str, sign: str = "") -> str:
    if bounds not in measure:
        return f"{measure[value]:{sign}.1f}"
    low, high = measure[bounds]
    return f"{measure[value]:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"


def write_report(
    folder: Path, task: Task, settings: Settings, outcomes: Sequence[Outcome], summary: Mapping[str, Any], **about: Any
) -> None:
    """metrics.json under `folder`."""
    seeds = [outcome.seed for outcome in outcomes]
    write_metrics(folder, task, settings, seeds, {**about, "metrics": summary}, "accelerate")
