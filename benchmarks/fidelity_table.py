"""Means with intervals, and the tables that show them."""

from __future__ import annotations

import math
from typing import TypeAlias

import torch
from torch import Tensor

from benchmarks.bootstrap import bootstrap_means, bootstrap_quantiles, interval

__all__ = ["Measure", "OfRow", "OfSet", "markdown", "summarise_images", "summarise_pairs"]

Measure: TypeAlias = "dict[str, float | list[float]]"
OfRow: TypeAlias = "dict[str, Measure | int]"
OfSet: TypeAlias = "dict[str, dict[str, dict[str, OfRow]]]"  # view, part, row

COLUMNS = {
    "AUROC": "auroc",
    "10th percentile": "auroc_tenth_percentile",
    "IoU": "iou",
    "retention": "retention",
    "leak": "leak",
    "background": "background",
    "composite": "composite",
    "composite, all pairs": "composite_all_pairs",
}
INTERVALS = ("auroc", "composite", "composite_all_pairs")  # printed; the JSON file has all


def summarise_images(of_images: Tensor, draws: Tensor) -> OfRow:
    """AUROC and IoU, their tenth percentiles, each with its 95 % interval: [N, 2], draws [R, N]."""
    summary: OfRow = {"images": int((~of_images[:, 0].isnan()).sum())}
    means = bootstrap_means(of_images, draws)
    for i, name in enumerate(("auroc", "iou")):
        values = of_images[:, i]
        summary[name] = _measure(values.nanmean(), means[:, i])
        summary[f"{name}_tenth_percentile"] = _measure(
            torch.nanquantile(values, 0.1), bootstrap_quantiles(values, draws, 0.1)
        )
    return summary


def summarise_pairs(of_pairs: Tensor, draws: Tensor) -> OfRow:
    """Retention, leak, background and their composite, each with its 95 % interval: [M, 3], draws [R, M]."""
    summary: OfRow = {"pairs": len(of_pairs)}
    means = bootstrap_means(of_pairs, draws)
    for i, name in enumerate(("retention", "leak", "background")):
        summary[name] = _measure(of_pairs[:, i].nanmean(), means[:, i])
    summary["composite"] = _measure(_composite(of_pairs.nanmean(0)), _composite(means))
    # Where the head's lesion lies inside the tail's nothing can leak.
    filled = torch.stack([of_pairs[:, 0], of_pairs[:, 1].nan_to_num(0), of_pairs[:, 2]], 1)
    summary["composite_all_pairs"] = _measure(_composite(filled.nanmean(0)), _composite(bootstrap_means(filled, draws)))
    return summary


def _composite(means: Tensor) -> Tensor:
    """(retention + (1 - leak) + background) / 3 of means [..., 3]."""
    retention, leak, background = means.unbind(-1)
    return (retention + (1 - leak) + background) / 3


def _measure(value: Tensor, replicates: Tensor) -> Measure:
    return {"value": value.item(), "interval": list(interval(replicates))}


def markdown(results: dict[str, OfSet], milliseconds: dict[str, float | None]) -> str:
    """A table for each set, view and part."""
    lines = []
    for data, views in results.items():
        for view, parts in views.items():
            for part, of_rows in parts.items():
                lines += _table(f"### {data}: {view}; {part}", of_rows, milliseconds)
    return "\n".join(lines)


def _table(title: str, of_rows: dict[str, OfRow], milliseconds: dict[str, float | None]) -> list[str]:
    any_row = next(iter(of_rows.values()))
    lines = [
        title,
        "",
        f"{any_row['images']} images with an AUROC, {any_row['pairs']} pairs.",
        "",
        f"| {' | '.join(('detector', *COLUMNS, 'ms'))} |",
        "|---" * (len(COLUMNS) + 2) + "|",
    ]
    for name, row in of_rows.items():
        cells = [_cell(row[key], with_interval=key in INTERVALS) for key in COLUMNS.values()]
        spent = milliseconds.get(name)
        lines.append(f"| {' | '.join((name, *cells, '' if spent is None else f'{spent:.1f}'))} |")
    return [*lines, ""]


def _cell(measure: Measure | int, with_interval: bool) -> str:
    assert isinstance(measure, dict)
    value, ends = measure["value"], measure["interval"]
    assert isinstance(value, float)
    assert isinstance(ends, list)
    if math.isnan(value):
        return ""
    if not with_interval:
        return f"{value:.3f}"
    if any(map(math.isnan, ends)):
        return f"{value:.3f} (too few for an interval)"
    return f"{value:.3f} ({ends[0]:.3f}-{ends[1]:.3f})"
