"""A CSV file as rows of text, with errors that name the file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from longtail_mix.data._challenge_folder import refuse


def read_rows(file: Path, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The cells of `columns`, in their order, for each row of `file`; the first row is the header."""
    try:
        # utf-8-sig: spreadsheets put a byte order mark in front of the header when they save.
        with file.open(encoding="utf-8-sig", newline="") as text:
            lines = [line for line in csv.reader(text) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{file}: expected a UTF-8 table with commas, got {error}") from error
    header = lines[0] if lines else []
    missing = [column for column in columns if column not in header]
    if missing:
        raise ValueError(f"{file}: expected columns {list(columns)}, {missing} missing in {header}")
    rows = lines[1:]
    refuse(file, "rows do not have a cell for each column", [r[0] for r in rows if len(r) != len(header)])
    at = [header.index(column) for column in columns]
    # They would make two classes or two lesions of one.
    refuse(file, "cells have spaces around them", [repr(r[i]) for r in rows for i in at if r[i] != r[i].strip()])
    return [tuple(row[i] for i in at) for row in rows]
