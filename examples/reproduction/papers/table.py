"""What a paper prints, row by row, with the command that gives each row, or why there is none."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from reproduction.reports.markdown import cell


@dataclass(frozen=True)
class Row:
    """A row of a table, or a figure.

    Args:
        name: as the paper has it.
        figures: as printed, one for each column, with blanks between; - where there is none.
        method: the program's row of the same; "" where there is none.
        note: what sets it apart from the paper, or what is odd about what is printed; without a command: why.
        form: of the program, where it is not one of the table's.
        ours: its name in the table's file of results, where it was run.
    """

    name: str
    figures: str = ""
    method: str = ""
    note: str = ""
    form: str = ""
    ours: str = ""

    def values(self) -> list[float]:
        """The figures as numbers."""
        return [float(figure) for figure in self.figures.split()]


@dataclass(frozen=True)
class Ours:
    """Where a smaller form of a table was run.

    Args:
        heading: of the column.
        file: JSON in docs/results.
        path: of keys to ``{"mean": ..., "interval": ...}``; "ROW" stands for the row's name in the file.
    """

    heading: str
    file: str
    path: tuple[str, ...]

    def cell(self, results: Path, row: str) -> str:
        """The mean with its interval."""
        value: Any = _read(results / self.file)
        for key in self.path:
            value = value[row if key == "ROW" else key]
        return cell(value)


@dataclass(frozen=True)
class Table:
    """A table or figure of a paper.

    Args:
        name: its number, and what is in it.
        columns: of figures.
        rows: in the paper's order.
        forms: of the program that give them, often one; none: nothing does.
        about: what there is to say, Markdown.
        images: judged images behind each column's percentage, for its interval; 0: it is no share.
        ours: where a smaller form of it was run.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    forms: tuple[str, ...] = ()
    about: str = ""
    images: tuple[int, ...] = ()
    ours: Ours | None = None

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.figures.split()) != len(self.columns):
                raise ValueError(f"{self.name}, {row.name}: expected {len(self.columns)} figures, got {row.figures!r}")
            if not (self.commands(row) or row.note or self.about):
                raise ValueError(f"{self.name}, {row.name}: expected a command, or a note why there is none")

    def commands(self, row: Row) -> list[tuple[str, str]]:
        """Form and method of the program that give a row, often one pair; none: nothing does."""
        forms = (row.form,) if row.form else self.forms
        return [(form, row.method) for form in forms if row.method]

    def forms_of_rows(self) -> list[str]:
        """Every form that gives a row, once."""
        return list(dict.fromkeys(form for row in self.rows for form, _ in self.commands(row)))


@dataclass(frozen=True)
class Paper:
    """A paper and the program that goes with it.

    Args:
        title: heading of its section.
        program: of examples/, without its ending.
        options: of its commands, behind the form.
        about: who, where, what it prints of its settings, and what we do where it prints nothing; Markdown.
        tables: every table of the paper.
        drawings: every figure of it, by its number: what it shows and what gives it.
        beyond: rows of the program that the paper does not have, by name or pattern (``*``): what they are.
        results: what came out of smaller forms, Markdown.
    """

    title: str
    program: str
    options: str
    about: str
    tables: tuple[Table, ...]
    drawings: Mapping[str, str]
    beyond: Mapping[str, str] = field(default_factory=dict)
    results: str = ""

    def commands(self) -> list[tuple[str, str]]:
        """Form and method of every row that has a command."""
        return [pair for table in self.tables for row in table.rows for pair in table.commands(row)]


@cache
def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def wilson(percent: float, images: int) -> tuple[float, float]:
    """Wilson's 95 % interval, in percent, of a share of so many images."""
    z, share = 1.959964, percent / 100
    middle = (share + z * z / (2 * images)) / (1 + z * z / images)
    half = z / (1 + z * z / images) * math.sqrt(share * (1 - share) / images + z * z / (4 * images * images))
    return 100 * (middle - half), 100 * (middle + half)
