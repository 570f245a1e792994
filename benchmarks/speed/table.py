"""Results as text: wins and losses alike."""

from __future__ import annotations

from typing import Any

from benchmarks.speed.results import Results

__all__ = ["as_text", "of_record"]

COLUMNS = ("", "ms", "IQR", "GB/s", "pictures/s", "of copy", "x eager", "x best peer", "peak MB", "launch us")


def as_text(results: Results) -> str:
    """All problems, then what was refused, skipped, or is missing."""
    parts = [of_record(record) for record in results.records]
    for what in ("refused", "skipped"):
        of = getattr(results, what)
        if of:
            parts.append("\n".join([f"{what.upper()}:", *(f"  {title}: {why}" for title, why in of.items())]))
    if not results.finished:
        parts.append("The run was stopped before its end.")
    return "\n\n".join(parts) + "\n"


def of_record(record: dict[str, Any]) -> str:
    """A heading, a line for each contender, and who is not there."""
    megabytes = record["floor_bytes"] / 1e6
    heading = f"{record['case']}  {record['size']}  {record['dtype']}  {record['direction']}  ({megabytes:.1f} MB)"
    rows = [COLUMNS, *(_cells(row) for row in record["contenders"])]
    shown = [i for i in range(len(COLUMNS)) if i < 7 or any(row[i] for row in rows[1:])]
    rows = [tuple(row[i] for i in shown) for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(shown))]
    lines = [heading]
    for row in rows:
        name, *cells = (
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  " + "  ".join([name, *cells]).rstrip())
    for what, of in (("not installed", record["missing"]), ("failed", record["failed"])):
        lines += [f"  {name}: {what} ({why})" for name, why in of.items()]
    return "\n".join(lines)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    seconds = row["seconds"]
    return (
        row["name"] + (" (waits)" if row.get("waits") else ""),
        _number(seconds["median"] * 1e3),
        f"{_number(seconds['first_quartile'] * 1e3)}-{_number(seconds['third_quartile'] * 1e3)}",
        _number(row["gb_per_s"]),
        f"{row['pictures_per_s']:.0f}",
        f"{row['of_roof']:.2f}",
        _ratio(row["over_eager"]),
        _ratio(row["over_best_peer"]),
        f"{row['peak_bytes'] / 1e6:.1f}" if "peak_bytes" in row else "",
        f"{row['launch_seconds'] * 1e6:.0f}" if "launch_seconds" in row else "",
    )


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
