"""Write docs/results.md from the reports that compare.py made: every figure comes from a JSON file beside it.

    python examples/results.py

To add a report, copy its report.json to docs/results/compare_NAME.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reproduction.reports.comparison import tables
from reproduction.training.atomic_files import write_text

DOCS = Path(__file__).parents[1] / "docs"
HEAD = """# Results

Made by `python examples/results.py` from the JSON files named below; nothing is written by hand. What was expected
before each run, and what it means, is in the [research log](research.md). Older short forms of small networks are in
the [appendix](results_appendix.md).

Intervals are 95 %: lesions resampled within their class, and seeds where all judge the same images. Differences are
paired by lesion and seed. *Few, mean recall*: the mean of the recalls of the three rarest classes.
"""


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


def reports() -> dict[str, dict[str, Any]]:
    """Those under docs/results, by name."""
    files = sorted((DOCS / "results").glob("compare_*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}


if __name__ == "__main__":
    write_text(DOCS / "results.md", document(reports()))
    print(f"{DOCS / 'results.md'} is written")
