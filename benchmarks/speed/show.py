"""Print the tables of results that were measured before, also of a run that was stopped; draw them where asked."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.speed.plot import draw
from benchmarks.speed.results import Results
from benchmarks.speed.table import as_text, short

SUMMARY = "print what was measured before, and draw it with --plot"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="+", help="as run and steps write them")
    parser.add_argument("--short", action="store_true", help="a line for each problem")
    parser.add_argument("--plot", action="store_true", help="draw a PNG beside each file")


def run(options: argparse.Namespace) -> None:
    for path in options.file:
        results = Results.read(path)
        print(f"{path}: {results.about['device']}, {results.about['command']}\n")
        print(short(results) if options.short else as_text(results))
        if options.plot and any("contenders" in record for record in results.records):
            draw(results, path.with_suffix(".png"))
