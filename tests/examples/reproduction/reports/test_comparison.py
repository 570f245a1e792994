"""The report: paired differences, tables that say what the numbers say, and a page that needs nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import torch

from longtail_mix import many_medium_few, many_medium_few_by_count
from reproduction.data.task import Images
from reproduction.reports.comparison import compare, tables, thinned
from reproduction.reports.measures import measured
from reproduction.reports.page import page
from reproduction.reports.robustness import by_group, change_replicates, mean_change
from reproduction.training.judging import Judged

COUNTS = (500, 60, 30, 10)
FACTS: dict[str, Any] = {
    "task": "made up",
    "classes": ["w", "x", "y", "z"],
    "training_images": COUNTS,
    "losses": [3.0, 2.0, 1.0, 1.0],
    "images_per_second": 50.0,
    "config": {"recipe": {"images": 4}, "method": {"is": "Supervised"}},
    "environment": {"command": "python compare.py", "versions": {"torch": "2"}},
}


def judged(name: str, seed: int, skill: float) -> Judged:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(80) % 4
    logits = torch.randn(80, 4, generator=generator) + skill * torch.nn.functional.one_hot(labels, 4)
    images = torch.randint(256, (80, 3, 16, 16), generator=generator, dtype=torch.uint8)
    lesions = tuple(f"{i % 4}-{i // 8}" for i in range(80))
    return Judged(name, seed, {"logits": logits}, Images(images, labels, lesions), FACTS)


def test_differences_are_paired_over_the_seeds_that_both_have():
    runs = [judged("ce", 0, 1.0), judged("ce", 1, 1.0), judged("mix", 1, 2.0), judged("mix", 2, 0.0)]
    report = compare(runs, "ce", "test")
    difference = report["rows"]["mix"]["difference"]
    groups = many_medium_few(COUNTS)
    assert difference["seeds"] == [1]
    expected = measured([runs[2]], groups)["few_recall"] - measured([runs[1]], groups)["few_recall"]
    assert difference["few_recall"]["mean"] == pytest.approx(100 * expected.item())
    low, high = difference["few_recall"]["interval"]
    assert low < difference["few_recall"]["mean"] < high
    assert "difference" not in report["rows"]["ce"]


def test_few_is_what_the_grouping_says():
    one = judged("ce", 0, 1.0)
    by_count = compare([one], "ce", "test", many_medium_few_by_count)  # fewer than 20 images
    assert (by_count["few"], compare([one], "ce", "test")["few"]) == (["z"], ["y", "z"])
    few = measured([one], many_medium_few_by_count(COUNTS))["few_recall"]
    assert by_count["rows"]["ce"]["few_recall"]["mean"] == pytest.approx(100 * few.item())


def test_a_method_against_itself_differs_by_nothing():
    one = judged("ce", 0, 1.0)
    report = compare([one, replace(one, name="again")], "ce", "test")
    assert report["rows"]["again"]["difference"]["balanced_accuracy"] == {"mean": 0.0, "interval": [0.0, 0.0]}


def test_an_unknown_baseline_is_refused():
    with pytest.raises(ValueError, match=r"^baseline: expected one of ce, got 'mix'"):
        compare([judged("ce", 0, 1.0)], "mix", "test")


def test_tables_and_page_say_what_the_report_says_and_the_page_needs_nothing_else():
    runs = [judged("ce", 0, 1.0), judged("a <mix>", 0, 2.0)]
    runs = [replace(run, swapped=(run.logits.flip(1), run.logits)) for run in runs]
    report = json.loads(json.dumps(compare(runs, "ce", "validation")))
    text = tables(report)
    value = report["rows"]["a <mix>"]["few_recall"]
    cell = f"{value['mean']:.1f} [{value['interval'][0]:.1f}, {value['interval'][1]:.1f}]"
    assert sum(cell in line for line in text.splitlines() if line.startswith("| a <mix> |")) >= 1
    assert "| minus ce | seeds |" in text
    assert "| on other skin, % |" in text
    whole = page(report, "title & all")
    assert whole.count("<svg") == 3
    assert "a &lt;mix&gt;" in whole
    assert "<mix>" not in whole
    assert "title &amp; all" in whole
    assert not re.search(r'(src|href)="(?!#)|url\((?!#)|<script|<link', whole)


def test_predictions_that_change_are_counted_over_images_and_swaps():
    one = judged("ce", 0, 1.0)
    other = one.logits.roll(1, 1)
    moved = (other.argmax(1) != one.logits.argmax(1)).double().mean().item()
    assert moved == 1
    one = replace(one, swapped=(other, one.logits, one.logits))
    assert mean_change([one]) == pytest.approx(1 / 3)
    assert change_replicates([one], 10).tolist() == pytest.approx([1 / 3] * 10)


def test_differences_on_other_skin_are_paired():
    base = judged("ce", 0, 1.0)
    base = replace(base, swapped=(base.logits.roll(1, 1),))  # every prediction changes
    steady = replace(base, name="mix", swapped=(base.logits,))  # none does
    report = compare([base, steady], "ce", "test")
    change = report["rows"]["mix"]["difference"]["other_skin"]
    assert change["changed"] == {"mean": pytest.approx(-100), "interval": pytest.approx([-100, -100])}
    groups = many_medium_few(COUNTS)
    there = measured([replace(base, told={"logits": base.swapped[0]})], groups)["balanced_accuracy"]
    expected = measured([base], groups)["balanced_accuracy"] - there
    assert change["balanced_accuracy"]["mean"] == pytest.approx(100 * expected.item())
    assert "| on other skin, minus ce |" in tables(report)


def test_groups_hold_every_image_once():
    own = [judged("ce", 0, 1.0)]
    groups = by_group(own)
    assert sum(groups[name]["images"] for name in ("darkest skin", "middle skin", "lightest skin")) == 80
    assert groups.get("ink or ruler", {"images": 0})["images"] + groups.get("no ink", {"images": 0})["images"] == 80


def test_curves_are_means_of_equal_parts():
    assert thinned([4.0, 2.0, 1.0, 1.0], points=2) == [3.0, 1.0]
    assert thinned([1.0], points=100) == [1.0]
