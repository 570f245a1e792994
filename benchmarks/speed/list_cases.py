"""The table of what can be measured, and which peers are installed here."""

from __future__ import annotations

import argparse

from benchmarks.speed.cases import CASES
from benchmarks.speed.selection import add_selection, selected

SUMMARY = "what can be measured"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_selection(parser)


def run(options: argparse.Namespace) -> None:
    """Print every problem that the options select, and the peers of each case."""
    problems = selected(options)
    for case in CASES:
        own = [problem for problem in problems if problem.case is case]
        if not own:
            continue
        print(case.name)
        for size in dict.fromkeys(problem.size for problem in own):
            of_size = [problem for problem in own if problem.size == size]
            dtypes = " ".join(dict.fromkeys(problem.dtype_name for problem in of_size))
            directions = ", ".join(dict.fromkeys(problem.direction for problem in of_size))
            print(f"  {size}  {dtypes}  {directions}")
        for peer in case.peers:
            try:
                peer.build()
            except ImportError as error:
                print(f"  beside {peer.name}: not installed ({error})")
            else:
                print(f"  beside {peer.name}")
