"""What every program does around its study: the command line, the trainings, the report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import tyro

from longtail_mix import many_medium_few
from reproduction.methods.learner import Method
from reproduction.reports.comparison import Grouping, compare, tables
from reproduction.reports.page import page
from reproduction.training.atomic_files import write_json, write_text
from reproduction.training.judging import Judged
from reproduction.training.run_study import run_study
from reproduction.training.study import Study

Report = Callable[[Study, Sequence[Judged]], str]
"""Writes what came out under the study's folder, and says it as text."""


def comparison(study: Study, judged: Sequence[Judged], grouping: Grouping = many_medium_few) -> str:
    """report.json, report.md and report.html: tables with intervals, and differences from the first method."""
    report = compare(judged, judged[0].name, "test" if study.test else "validation", grouping)
    write_json(study.out / "report.json", report)
    write_text(study.out / "report.md", tables(report) + "\n")
    write_text(study.out / "report.html", page(report, f"{Path(sys.argv[0]).stem}: {report['task']}"))
    return f"{tables(report)}\n\nreport.json, report.md and report.html are in {study.out}"


def run(
    about: str | None,
    rows: Mapping[str, Method],
    forms: Mapping[str, tuple[str, Study]],
    report: Report = comparison,
    rows_of: Mapping[str, Mapping[str, Method]] | None = None,
) -> None:
    """Read the options of a form, train, and report.

    Args:
        about: the program's docstring, for its help.
        rows: the methods it offers, by name; differences are from the first one that is trained.
        forms: default options by name, each with what it is for; the first is taken where none is named.
        report: what is written at the end.
        rows_of: rows of forms that have others of the same names, as the size of a patch goes with that of the images.
    """
    first = next(iter(forms))
    given = sys.argv[1:]
    named = given if given and (given[0] in forms or given[0] in ("-h", "--help")) else [first, *given]
    study = tyro.extras.overridable_config_cli(
        dict(forms), args=named, description=about, config=(tyro.conf.AvoidSubcommands,)
    )
    try:
        judged = run_study(study, (rows_of or {}).get(named[0], rows))
    except (ValueError, FileNotFoundError, ModuleNotFoundError) as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")
    if judged:
        print(f"\n{report(study, judged)}")
