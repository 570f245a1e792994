"""The result tables of the docs are those of the JSON files beside them, cell by cell."""

import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
CELL = re.compile(r"^[+-]?\d+\.\d \[[+-]?\d+\.\d, [+-]?\d+\.\d\]$")


def tables(text):
    """Each table as its header and rows of cells."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        header, _, *rows = [
            [cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()
        ]
        yield header, rows


def measured():
    """The measures of every JSON file of results that has some, by file."""
    files = {path.name: json.loads(path.read_text()) for path in sorted((DOCS / "results").rglob("*.json"))}
    return {
        name: content["metrics"]
        for name, content in files.items()
        if isinstance(content, dict) and isinstance(content.get("metrics"), dict)
    }


def as_cells(measure):
    """A measure and its difference as the tables print them."""
    level = f"{measure['mean']:.1f} [{measure['interval'][0]:.1f}, {measure['interval'][1]:.1f}]"
    low, high = measure["difference_interval"]
    return level, f"{measure['difference']:+.1f} [{low:+.1f}, {high:+.1f}]"


def agrees(header, rows, metrics, column):
    """Whether every cell of a table is that of one file; column 0 for levels, 1 for differences."""
    names = [name.replace(" ", "_") for name in header[1:]]
    if not all(row[0] in metrics and all(name in metrics[row[0]] for name in names) for row in rows):
        return False
    return all(
        cell == as_cells(metrics[row[0]][name])[column]
        for row in rows
        for name, cell in zip(names, row[1:], strict=True)
    )


TABLES = [
    pytest.param(header, rows, id=f"{path.name}-{header[0]}-{rows[0][0]}")
    for path in sorted(DOCS.glob("*.md"))
    for header, rows in tables(path.read_text(encoding="utf-8"))
    if (header[0] == "test, %" or header[0].startswith("against "))
    and header[1:4] == ["many", "medium", "few"]
    and all(CELL.match(cell) for row in rows for cell in row[1:])
]


@pytest.mark.parametrize(("header", "rows"), TABLES)
def test_a_table_is_that_of_a_file(header, rows):
    column = int(header[0].startswith("against "))
    agreeing = [name for name, metrics in measured().items() if agrees(header, rows, metrics, column)]
    assert agreeing, f"no JSON file in docs/results/ has these cells: {rows[0]}"


def test_there_are_tables_to_check():
    assert len(TABLES) >= 2
