"""Write docs/results.md, and the gains in docs/choosing.md, from the reports that compare.py made.

    python examples/results.py

Every figure comes from a JSON file beside the page.

To add a report, copy its report.json to docs/results/compare_NAME.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reproduction.reports.comparison import tables
from reproduction.reports.markdown import cell, head, line
from reproduction.training.atomic_files import write_text

DOCS = Path(__file__).parents[1] / "docs"
HEAD = """# Results

Made by `python examples/results.py` from the JSON files named below; nothing is written by hand. What was expected
before each run, and what it means, is in the [research log](research.md). Older short forms of small networks are in
the [appendix](results_appendix.md).

Intervals are 95 %: lesions resampled within their class, and seeds where all judge the same images. Differences are
paired by lesion and seed, over the seeds that both rows have. In a cross-validation each seed judges a fold of its
own: compare rows of other seeds by their differences, not by their levels. *Few, mean recall*: the mean of the recalls
of the three rarest classes.
"""

# What a reader of docs/choosing.md calls a row of the comparison; other rows keep their name.
CHOICES = {
    "ce": "cross entropy in its place",
    "balanced-softmax+other-skin-tone": "`OtherSkin`, every other image",
    "balanced-softmax+other-skin": "`OtherSkin(keep_tone=False)`, every other image",
    "balanced-softmax+cutmix": "`CutMix`, every other image",
    "balanced-softmax+spmix-paper": "the SPMix paper's ratio on images, every tail image",
    "balanced-softmax+patch-swap": "other skin patch by patch, every other image",
    "balanced-softmax+both-skins": "`OtherSkin` and `ConsistencyLoss`, each image on both skins",
    "balanced-softmax+both-skins-displaced": "the same with maps moved to places that say nothing",
}
GAINS = ("<!-- gains: written by examples/results.py -->\n", "<!-- end of gains -->")


def document(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page, a section for each report by its file's name."""
    return "\n".join([HEAD, *(section(name, report) for name, report in reports.items())])


def section(name: str, report: Mapping[str, Any]) -> str:
    """A heading, what was run on what, and the tables."""
    counts = ", ".join(f"{c} {n}" for c, n in zip(report["classes"], report["training_images"], strict=True))
    recipe, environment = report["recipe"], report["environment"]
    versions = ", ".join(f"{package} {version}" for package, version in environment["versions"].items())
    seeds = sorted({seed for row in report["rows"].values() for seed in row["seeds"]})
    network, view, frame = recipe["backbone"], recipe["views"], recipe["frame"]
    hardware = ", ".join(environment["gpus"]) or f"{environment['machine']} CPU, {environment['threads']} thread(s)"
    facts = (
        f"{network['name']} ({network['weights']} weights); frames {frame['is']} {frame['size']}, views of "
        f"{view['size']} pixels; {recipe['images']:,} training images in batches of {recipe['batch_size']}, "
        f"{recipe['optimiser']['is']} {recipe['optimiser']['learning_rate']:g}. "
        f"Training images of a seed: {counts}. Judged images: {report['judged_images']:,}. "
        f"Seeds {', '.join(map(str, seeds))}. {versions}, Python {environment['python']}; {hardware}; "
        f"revision {environment['revision']}."
    )
    source = f"[results/{name}.json](results/{name}.json). `{environment['command']}`"
    return "\n".join([f"## {report['task']}, {report['side']}", "", source, "", facts, "", tables(report), ""])


def gains(report: Mapping[str, Any]) -> str:
    """What each choice changes against the baseline, in points, as docs/choosing.md shows it."""
    facts = (
        f"{report['task']}, {report['side']}: points against {report['baseline'].replace('-', ' ')} without a mix, "
        f"over the seeds that both have, with paired 95 % intervals; *few* is the mean recall of "
        f"{', '.join(report['few'])}. [Results](results.md) has the recipe, the levels and what was run."
    )
    on_images, on_skin = ("balanced accuracy", "few", "accuracy"), ("balanced accuracy", "predictions that change")
    headings = ["seeds", *on_images, *(f"on other skin: {measure}" for measure in on_skin)]
    rows = []
    for name, row in report["rows"].items():
        if name != report["baseline"]:
            change = row["difference"]
            plain = [cell(change[of], "+") for of in ("balanced_accuracy", "few_recall", "accuracy")]
            swapped = change.get("other_skin", {})
            moved = [cell(swapped[of], "+") if of in swapped else "" for of in ("balanced_accuracy", "changed")]
            rows.append(line(CHOICES.get(name, name), [str(len(change["seeds"])), *plain, *moved]))
    return "\n".join([facts, "", *head("", headings), *rows, ""])


def with_gains(page: str, report: Mapping[str, Any]) -> str:
    """docs/choosing.md with the table between its two marks."""
    begin, end = GAINS
    before, rest = page.split(begin)
    return f"{before}{begin}\n{gains(report)}\n{end}{rest.split(end)[1]}"


def reports() -> dict[str, dict[str, Any]]:
    """Those under docs/results, by name."""
    files = sorted((DOCS / "results").glob("compare_*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


if __name__ == "__main__":
    found = reports()
    choosing = DOCS / "choosing.md"
    write_text(DOCS / "results.md", document(found))
    write_text(choosing, with_gains(choosing.read_text(encoding="utf-8"), found["compare_cross_validation"]))
    print(f"{DOCS / 'results.md'} and {choosing} are written")
