"""Print the tables of results that were measured before, also of a run that was stopped, and draw their picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.speed.plot import draw
from benchmarks.speed.results import Results
from benchmarks.speed.table import as_text

SUMMARY = "print and draw what was measured before"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="+", help="performance.json, as run writes it")


def run(options: argparse.Namespace) -> None:
    for path in options.file:
        results = Results.read(path)
        print(f"{path}: {results.about['device']}, {results.about['command']}\n")
        print(as_text(results))
        draw(results, path.with_suffix(".png"))
