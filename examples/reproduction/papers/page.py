"""docs/reproduction.md from the papers' tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reproduction.papers.table import Paper, Row, Table, wilson
from reproduction.reports.markdown import head, line

HEAD = """# Reproduction

Every table and figure of the four papers, row by row: what is printed, the command that gives it, and what it gave
here. Made by `python examples/papers.py` from [`examples/reproduction/papers/`](../examples/reproduction/papers) and
the files of results beside this page; nothing is typed in here. A test compares it with the rows that the programs
offer.

**No row was run in its paper's own form**: that takes a GPU for hours to days, and none was at hand. Where a column is
called *short form*, a smaller form of the table was run, which is named above it: its levels are not to be compared
with the printed ones. Intervals are 95 %. ROW in a command is the name in the row's own column.
"""


def document(papers: Sequence[Paper], results: Path) -> str:
    """The whole page; `results` is the folder of the JSON files."""
    return "\n".join([HEAD, *(section(paper, results) for paper in papers)])


def section(paper: Paper, results: Path) -> str:
    """A paper."""
    parts = [f"## {paper.title}", paper.about.strip()]
    parts += [table_of(paper, table, results) for table in paper.tables]
    drawn = [line(number, [said]) for number, said in paper.drawings.items()]
    parts.append("\n".join(["### Figures", "", *head("figure", ["what gives it"]), *drawn]))
    if paper.beyond:
        rows = [line(f"`{name}`", [what]) for name, what in paper.beyond.items()]
        title = f"### Rows of `{paper.program}.py` that the paper does not have"
        parts.append("\n".join([title, "", *head("row", ["what"]), *rows]))
    if paper.results:
        parts.append(paper.results.strip())
    return "\n\n".join(parts) + "\n"


def table_of(paper: Paper, table: Table, results: Path) -> str:
    """A table under its heading and its command."""
    parts = [f"### {table.name}"]
    forms = [
        f"    python examples/{paper.program}.py {form} {paper.options} --methods ROW" for form in table.forms_of_rows()
    ]
    parts += ["\n".join(forms)] if forms else []
    if table.about:
        parts.append(table.about.strip())
    notes = any(row.note for row in table.rows)
    names = [*table.columns, "ROW", table.ours.heading if table.ours else "here", *(["note"] if notes else [])]
    rows = [line(row.name, cells(table, row, results) + ([row.note] if notes else [])) for row in table.rows]
    parts.append("\n".join([*head("printed", names), *rows]))
    return "\n\n".join(parts)


def cells(table: Table, row: Row, results: Path) -> list[str]:
    """What is printed, the command, what was found."""
    found = list(row.figures.split())
    for place, images in enumerate(table.images):
        if images:
            low, high = wilson(float(found[place]), images)
            found[place] += f" [{low:.0f}, {high:.0f}]"
    found.append(
        (f"`{row.method}`" if table.commands(row) else "no command") + (f" of `{row.form}`" if row.form else "")
    )
    found.append(table.ours.cell(results, row.ours) if table.ours and row.ours else "not run")
    return found
