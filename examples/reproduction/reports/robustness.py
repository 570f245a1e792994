"""How much a network looks at the skin: the same lesions on other skin, and groups of images by their skin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from longtail_mix import ClassGroups
from reproduction.data.skin import hairiness, inkiness, skin_tone
from reproduction.reports.markdown import cell, head, line
from reproduction.reports.measures import REPLICATES, interval, lesion_weights, measured, replicates
from reproduction.training.study import Judged


def on_other_skin(own: Sequence[Judged], groups: ClassGroups) -> dict[str, Any]:
    """One method on other skin: the share of predictions that change, and the measures there."""
    swaps = range(len(own[0].swapped))
    on_swap = [[replace(one, told={"logits": one.swapped[swap]}) for one in own] for swap in swaps]
    changed = {"mean": 100 * mean_change(own), "interval": interval(change_replicates(own))}
    result: dict[str, Any] = {"changed": changed}
    for name in ("balanced_accuracy", "few_recall"):
        means = torch.stack([measured(judged, groups)[name] for judged in on_swap]).mean()
        drawn = torch.stack([replicates(judged, groups)[name] for judged in on_swap]).mean(0)
        result[name] = {"mean": 100 * means.item(), "interval": interval(drawn)}
    return result


def mean_change(own: Sequence[Judged]) -> float:
    """The share of (image, swap) whose prediction is another one than on its own skin."""
    return float(torch.cat([changes(one) for one in own]).mean())


def changes(one: Judged) -> Tensor:
    """For each image the share of the swaps that change its prediction, [N]."""
    before = one.logits.argmax(1)
    return torch.stack([(after.argmax(1) != before).double() for after in one.swapped]).mean(0)


def change_replicates(own: Sequence[Judged], number: int = REPLICATES) -> Tensor:
    """That share for resampled lesions, [R]."""
    weights = lesion_weights(own, number)
    total = torch.stack([w.sum(1) for w in weights]).sum(0)
    return torch.stack([w @ changes(one) for w, one in zip(weights, own, strict=True)]).sum(0) / total


def by_group(own: Sequence[Judged]) -> dict[str, dict[str, float]]:
    """Accuracy and number of images by skin tone (thirds), hair (first and last quarter) and ink (over 1 %)."""
    right = torch.cat([one.logits.argmax(1) == one.side.labels for one in own]).double()
    tone, hair, ink = (
        torch.cat([measure(part) for one in own for part in one.side.images.split(256)])
        for measure in (skin_tone, hairiness, inkiness)
    )
    dark, light = tone.quantile(torch.tensor([1 / 3, 2 / 3])).tolist()
    bald, hairy = hair.quantile(torch.tensor([0.25, 0.75])).tolist()
    members = {
        "darkest skin": tone < dark,
        "middle skin": (tone >= dark) & (tone < light),
        "lightest skin": tone >= light,
        "most hair": hair > hairy,
        "least hair": hair <= bald,
        "ink or ruler": ink > 0.01,
        "no ink": ink <= 0.01,
    }
    return {
        name: {"accuracy": 100 * right[rows].mean().item(), "images": int(rows.sum())}
        for name, rows in members.items()
        if rows.any()
    }


def skin_tables(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Lines of Markdown: on other skin, and accuracy by group."""
    measures = ("changed", "balanced_accuracy", "few_recall")
    lines = head("on other skin, %", ["predictions that change", "balanced accuracy", "few, mean recall"])
    lines += [line(name, [cell(row["other_skin"][m]) for m in measures]) for name, row in rows.items()]
    groups = next(iter(rows.values()))["groups"]
    lines += ["", *head("accuracy, %", [f"{name} ({group['images']})" for name, group in groups.items()])]
    lines += [line(n, [f"{row['groups'][name]['accuracy']:.1f}" for name in groups]) for n, row in rows.items()]
    return lines
