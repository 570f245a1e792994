"""A comparison as numbers: measures with intervals, paired differences, calibration, cost; and as Markdown tables."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from longtail_mix import ClassGroups, many_medium_few
from reproduction.reports.markdown import cell, head, line
from reproduction.reports.measures import (
    MEASURES,
    auroc,
    calibration_error,
    interval,
    measured,
    reliability,
    replicates,
)
from reproduction.reports.robustness import by_group, on_other_skin, skin_difference, skin_tables
from reproduction.training.judging import Judged

HEADINGS = {
    "balanced_accuracy": "balanced accuracy",
    "few_recall": "few, mean recall",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
}


Grouping = Callable[[Sequence[int]], ClassGroups]
"""Many, medium and few from the training images of each class."""


def compare(judged: Sequence[Judged], baseline: str, side: str, grouping: Grouping = many_medium_few) -> dict[str, Any]:
    """Everything the report says, as JSON has it.

    Args:
        judged: all trainings.
        baseline: the method that the others are paired with, over the seeds that both have.
        side: "validation" or "test".
        grouping: which classes are few.
    """
    methods = {name: [one for one in judged if one.name == name] for name in dict.fromkeys(one.name for one in judged)}
    if baseline not in methods:
        raise ValueError(f"baseline: expected one of {', '.join(methods)}, got {baseline!r}")
    facts = judged[0].facts
    groups = grouping(facts["training_images"])
    rows = {name: row_of(own, groups, facts["classes"]) for name, own in methods.items()}
    for name, own in methods.items():
        if name != baseline:
            rows[name]["difference"] = difference(own, methods[baseline], groups)
    return {
        "task": facts["task"],
        "side": side,
        "classes": facts["classes"],
        "few": [facts["classes"][label] for label in groups.few],
        "training_images": facts["training_images"],
        "judged_images": sum(len(one.side) for one in methods[baseline]),
        "baseline": baseline,
        "rows": rows,
        "recipe": facts["config"]["recipe"],
        "environment": facts["environment"],
    }


def row_of(own: Sequence[Judged], groups: ClassGroups, classes: Sequence[str]) -> dict[str, Any]:
    """One method."""
    means, drawn = measured(own, groups), replicates(own, groups)
    each = [measured([one], groups) for one in own]
    row: dict[str, Any] = {
        name: {
            "mean": 100 * means[name].item(),
            "interval": interval(drawn[name]),
            "by_seed": [100 * one[name].item() for one in each],
        }
        for name in MEASURES
    }
    row["recall"] = {
        label: {"mean": 100 * means["recall"][c].item(), "interval": interval(drawn["recall"][:, c])}
        for c, label in enumerate(classes)
    }
    row["auroc"] = {"by_seed": [100 * value for value in auroc(own)]}
    row["ece"] = {"by_seed": [100 * value for value in calibration_error(own)]}
    row["reliability"] = reliability(own)
    row["seeds"] = [one.seed for one in own]
    row["images_per_second"] = [one.facts["images_per_second"] for one in own]
    row["method"] = own[0].facts["config"]["method"]
    if own[0].swapped:
        row["other_skin"] = on_other_skin(own, groups)
        row["groups"] = by_group(own)
    row["losses"] = [thinned(one.facts["losses"]) for one in own]
    return row


def difference(own: Sequence[Judged], base: Sequence[Judged], groups: ClassGroups) -> dict[str, Any]:
    """A method minus the baseline over the seeds that both have, in percentage points, paired by lesion and seed."""
    seeds = sorted({one.seed for one in own} & {one.seed for one in base})
    if not seeds:
        return {"seeds": []}

    def both(judged: Sequence[Judged]) -> list[Judged]:
        return sorted((one for one in judged if one.seed in seeds), key=lambda one: one.seed)

    mine, theirs = both(own), both(base)
    means, their_means = measured(mine, groups), measured(theirs, groups)
    drawn, their_draws = replicates(mine, groups), replicates(theirs, groups)
    result: dict[str, Any] = {
        name: {
            "mean": 100 * (means[name] - their_means[name]).item(),
            "interval": interval(drawn[name] - their_draws[name]),
        }
        for name in MEASURES
    }
    if mine[0].swapped and theirs[0].swapped:
        result["other_skin"] = skin_difference(mine, theirs, groups)
    return {"seeds": seeds, **result}


def thinned(losses: Sequence[float], points: int = 100) -> list[float]:
    """Means of equally long parts of a curve."""
    width = max(len(losses) // points, 1)
    return [sum(losses[i : i + width]) / width for i in range(0, len(losses) - width + 1, width)]


def tables(report: Mapping[str, Any]) -> str:
    """Markdown: measures, differences from the baseline, recalls, calibration and cost."""
    rows: Mapping[str, Mapping[str, Any]] = report["rows"]
    headings = list(HEADINGS.values())
    lines = [*head(f"{report['side']}, %", ["seeds", *headings])]
    lines += [line(name, [str(len(row["seeds"])), *(cell(row[m]) for m in HEADINGS)]) for name, row in rows.items()]
    changed = {name: row["difference"] for name, row in rows.items() if row.get("difference", {}).get("seeds")}
    if changed:
        lines += ["", *head(f"minus {report['baseline']}", ["seeds", *headings])]
        lines += [line(n, [str(len(d["seeds"])), *(cell(d[m], "+") for m in HEADINGS)]) for n, d in changed.items()]
    lines += ["", *head("recall, %", list(report["classes"]))]
    lines += [line(name, [cell(row["recall"][label]) for label in report["classes"]]) for name, row in rows.items()]
    lines += ["", *head("", ["macro AUROC, %", "ECE, %", "training, images/s"])]
    for name, row in rows.items():
        means = [statistics.fmean(values) for values in (row["auroc"]["by_seed"], row["ece"]["by_seed"])]
        cost = statistics.median(row["images_per_second"])
        lines.append(line(name, [*(f"{mean:.1f}" for mean in means), f"{cost:.0f}"]))
    on_skin = {name: row for name, row in rows.items() if "other_skin" in row}
    return "\n".join([*lines, *(["", *skin_tables(on_skin, report["baseline"])] if on_skin else [])])
