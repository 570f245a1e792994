"""What an example reports: a table with intervals, a curve, and one JSON file that says how it was made."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from atomic_files import write_json
from images import Task
from matplotlib.figure import Figure
from torch import Tensor

from longtail_mix import ClassGroups
from longtail_mix.metrics import long_tail_metrics
from training import Run

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

COLUMNS = ("many", "medium", "few", "accuracy", "macro_f1", "balanced_accuracy")
REPLICATES = 1000


def measure(logits: Tensor, labels: Tensor, groups: ClassGroups) -> dict[str, Tensor]:
    """The metrics of the tables for one run, by torchmetrics, of the images that this process has."""
    metrics = long_tail_metrics(logits.shape[1], groups)
    for metric in metrics.values():
        metric.distributed_available_fn = lambda: False  # or it would wait for processes that never ask
    metrics.update(logits, labels)
    measured: dict[str, Tensor] = metrics.compute()
    return measured


def measures_of_confusion(confusion: Tensor, groups: ClassGroups) -> dict[str, Tensor]:
    """The same from confusion matrices [..., K, K], rows the true class: what a bootstrap needs thousands of."""
    hits, shown, called = confusion.diagonal(dim1=-2, dim2=-1), confusion.sum(-1), confusion.sum(-2)
    recall = hits / shown
    of_groups = {
        name: hits[..., list(classes)].sum(-1) / shown[..., list(classes)].sum(-1)
        for name, classes in groups._asdict().items()
        if classes
    }
    return {
        **of_groups,
        "accuracy": hits.sum(-1) / shown.sum(-1),
        "macro_f1": (2 * hits / (shown + called)).mean(-1),
        "balanced_accuracy": recall.mean(-1),
        "recall": recall,
    }


def bootstrap(
    logits: Tensor, labels: Tensor, lesions: Sequence[str], groups: ClassGroups, replicates: int = REPLICATES
) -> dict[str, Tensor]:
    """Resample the lesions of each class and the seeds; metrics averaged over seeds, [replicates] each.

    Returns:
        For each metric its replicates, [replicates] or [replicates, K]; arguments as :func:`resampled_confusions`.
    """
    seeds = len(logits)
    generator = torch.Generator().manual_seed(0)
    measured = measures_of_confusion(resampled_confusions(logits, labels, lesions, replicates, generator), groups)
    chosen = torch.randint(seeds, (replicates, seeds), generator=generator)
    index = torch.arange(replicates).unsqueeze(1)
    return {name: values[chosen, index].mean(1) for name, values in measured.items()}


def resampled_confusions(
    logits: Tensor, labels: Tensor, lesions: Sequence[str], replicates: int, generator: torch.Generator
) -> Tensor:
    """The confusion matrices of resampled lesions, [seeds, replicates, K, K], rows the true class.

    Args:
        logits: [seeds, N, K].
        labels: [N].
        lesions: N ids; the images of a lesion are drawn together.
        replicates: how many resamples.
        generator: from the same seed the same lesions are drawn at every call, so that methods can be compared.
    """
    _, images, classes = logits.shape
    names = {name: i for i, name in enumerate(dict.fromkeys(lesions))}
    lesion_of = torch.tensor([names[lesion] for lesion in lesions])
    label_of = torch.zeros(len(names), dtype=torch.int64).scatter_(0, lesion_of, labels)
    weights = torch.zeros(replicates, images, dtype=torch.float64)
    for label in range(classes):
        members = (label_of == label).nonzero().squeeze(1)
        drawn = members[torch.randint(len(members), (replicates, len(members)), generator=generator)]
        times = torch.zeros(replicates, len(names), dtype=torch.float64)
        times.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))
        weights += times[:, lesion_of]
    cells = labels * classes + logits.argmax(-1)  # [seeds, N]
    empty = torch.zeros(replicates, classes**2, dtype=torch.float64)
    confusion = torch.stack([empty.index_add(1, cell, weights) for cell in cells])
    return confusion.view(*confusion.shape[:-1], classes, classes)


def interval(replicates: Tensor) -> tuple[float, float]:
    """The middle 95 %, in percent."""
    low, high = torch.quantile(100 * replicates, torch.tensor([0.025, 0.975], dtype=replicates.dtype)).tolist()
    return low, high


def summarise(task: Task, runs: Sequence[Run], groups: ClassGroups) -> dict[str, Any]:
    """For each method mean over seeds, 95 % interval, and difference from the first method with its interval."""
    labels = task.test.labels.cpu()
    summary: dict[str, Any] = {}
    baseline: dict[str, Tensor] = {}
    for method in dict.fromkeys(run.method for run in runs):
        own = [run for run in runs if run.method == method]
        measured = [measure(run.logits, labels, groups) for run in own]
        mean = {name: torch.stack([m[name] for m in measured]).double().mean(0) for name in measured[0]}
        draws = bootstrap(torch.stack([run.logits for run in own]), labels, task.test.lesions, groups)
        baseline = baseline or {"mean " + n: v for n, v in mean.items()} | draws
        columns = [name for name in COLUMNS if name in mean]
        summary[method] = {
            name: {
                "mean": 100 * mean[name].item(),
                "interval": interval(draws[name]),
                "difference": 100 * (mean[name] - baseline["mean " + name]).item(),
                "difference_interval": interval(draws[name] - baseline[name]),
                "by_seed": [100 * m[name].item() for m in measured],
            }
            for name in columns
        }
        summary[method]["recall"] = {
            name: {"mean": 100 * value.item(), "interval": interval(draws["recall"][:, c])}
            for c, (name, value) in enumerate(zip(task.classes, mean["recall"], strict=True))
        }
        summary[method]["seconds"] = [run.seconds for run in own]
    return summary


def table(summary: dict[str, Any]) -> str:
    """Three Markdown tables in percent: metrics, differences from the first method, recall of each class."""
    first = next(iter(summary))
    columns = [name for name in COLUMNS if name in summary[first]]
    classes = list(summary[first]["recall"])

    def cell(value: float, bounds: tuple[float, float], sign: str = "") -> str:
        return f"{value:{sign}.1f} [{bounds[0]:{sign}.1f}, {bounds[1]:{sign}.1f}]"

    def rows(heading: str, names: Sequence[str], cells: dict[str, list[str]]) -> list[str]:
        head = [f"| {heading} | " + " | ".join(name.replace("_", " ") for name in names) + " |"]
        return [
            *head,
            "|" + " --- |" * (len(names) + 1),
            *(f"| {m} | " + " | ".join(c) + " |" for m, c in cells.items()),
        ]

    values = {m: [cell(s[c]["mean"], s[c]["interval"]) for c in columns] for m, s in summary.items()}
    changes = {
        m: [cell(s[c]["difference"], s[c]["difference_interval"], "+") for c in columns]
        for m, s in summary.items()
        if m != first
    }
    recalls = {m: [cell(r["mean"], r["interval"]) for r in s["recall"].values()] for m, s in summary.items()}
    lines = rows("test, %", columns, values)
    if changes:
        lines += ["", *rows(f"against {first}", columns, changes)]
    return "\n".join([*lines, "", *rows("recall, %", classes, recalls)])


def training_curve(runs: Sequence[Run]) -> Figure:
    """Training loss over the steps, averaged over the last 20, a line per run."""
    figure = Figure(figsize=(6, 4))
    axis = figure.subplots()
    methods = list(dict.fromkeys(run.method for run in runs))
    unnamed = set(methods)
    for run in runs:
        losses = torch.tensor(run.losses)
        width = min(20, len(losses))
        smooth = losses.unfold(0, width, 1).mean(1)
        label = run.method if run.method in unnamed else None
        unnamed.discard(run.method)
        axis.plot(range(width, len(losses) + 1), smooth, color=f"C{methods.index(run.method)}", label=label, lw=1)
    axis.set(xlabel="step", ylabel="training loss, mean of 20 steps")
    axis.legend()
    figure.tight_layout()
    return figure


def write_report(
    folder: Path, task: Task, settings: DataclassInstance, runs: Sequence[Run], summary: dict[str, Any]
) -> None:
    """metrics.json and training_curve.png under `folder`."""
    write_metrics(folder, task, settings, [run.seed for run in runs], {"metrics": summary}, "torchmetrics")
    training_curve(runs).savefig(folder / "training_curve.png", dpi=150)


def write_metrics(
    folder: Path,
    task: Task,
    settings: DataclassInstance,
    seeds: Sequence[int],
    results: Mapping[str, Any],
    package: str,
    device: torch.device | None = None,
) -> None:
    """metrics.json under `folder`: results, and what has to be known beside them; `package` is named with the usual.

    `device` is where the training ran, unless it is where the images are.
    """
    report = {
        "task": task.name,
        "classes": task.classes,
        "training_images": task.class_counts(),
        "test_images": torch.bincount(task.test.labels, minlength=len(task.classes)).tolist(),
        "settings": asdict(settings),
        "seeds": list(dict.fromkeys(seeds)),
        **results,
        "command": " ".join(["python", *sys.argv]),
        "versions": {name: version(name) for name in ("longtail-mix", "torch", "timm", "kornia", package)},
        "python": platform.python_version(),
        "hardware": hardware(device or task.train.images.device),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "metrics.json", report)


def hardware(device: torch.device) -> str:
    """What the figures were made on."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
