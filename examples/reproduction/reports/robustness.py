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
from reproduction.training.judging import Judged

SKIN_MEASURES = ("changed", "balanced_accuracy", "few_recall")


def skin_measures(own: Sequence[Judged], groups: ClassGroups) -> dict[str, tuple[Tensor, Tensor]]:
    """On other skin: the share of predictions that change, balanced accuracy and the few; each with its replicates."""
    swaps = range(len(own[0].swapped))
    on_swap = [[replace(one, told={"logits": one.swapped[swap]}) for one in own] for swap in swaps]
    means = [measured(judged, groups) for judged in on_swap]
    drawn = [replicates(judged, groups) for judged in on_swap]
    changed = torch.tensor(mean_change(own), dtype=torch.float64), change_replicates(own)
    rest = {
        name: (torch.stack([m[name] for m in means]).mean(), torch.stack([d[name] for d in drawn]).mean(0))
        for name in SKIN_MEASURES[1:]
    }
    return {"changed": changed, **rest}


def on_other_skin(own: Sequence[Judged], groups: ClassGroups) -> dict[str, Any]:
    """One method, in percent."""
    measures = skin_measures(own, groups)
    return {name: {"mean": 100 * mean.item(), "interval": interval(drawn)} for name, (mean, drawn) in measures.items()}


def skin_difference(own: Sequence[Judged], base: Sequence[Judged], groups: ClassGroups) -> dict[str, Any]:
    """A method minus the baseline, of the same seeds, in percentage points, paired by lesion and seed."""
    mine, theirs = skin_measures(own, groups), skin_measures(base, groups)
    return {
        name: {
            "mean": 100 * (mine[name][0] - theirs[name][0]).item(),
            "interval": interval(mine[name][1] - theirs[name][1]),
        }
        for name in SKIN_MEASURES
    }


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


def skin_tables(rows: Mapping[str, Mapping[str, Any]], baseline: str) -> list[str]:
    """Lines of Markdown: on other skin, differences from the baseline there, and accuracy by group."""
    headings = ["predictions that change", "balanced accuracy", "few, mean recall"]
    lines = head("on other skin, %", headings)
    lines += [line(name, [cell(row["other_skin"][m]) for m in SKIN_MEASURES]) for name, row in rows.items()]
    changed = {
        n: row["difference"]["other_skin"] for n, row in rows.items() if "other_skin" in row.get("difference", {})
    }
    if changed:
        lines += ["", *head(f"on other skin, minus {baseline}", headings)]
        lines += [line(name, [cell(d[m], "+") for m in SKIN_MEASURES]) for name, d in changed.items()]
    groups = list(next(iter(rows.values()))["groups"])
    lines += ["", *head("accuracy, %", groups)]
    lines += [line(n, [f"{row['groups'][name]['accuracy']:.1f}" for name in groups]) for n, row in rows.items()]
    return lines
