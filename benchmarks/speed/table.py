"""Results as text: wins and losses alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.speed.results import Results

__all__ = ["as_text", "of_record", "of_steps", "short"]

COLUMNS = ("", "ms", "IQR", "GB/s", "images/s", "of copy", "x eager", "x best peer", "peak MB", "launch us")

SHORT = ("ms", "eager", "compiled", "kernel", "copy", "fastest peer", "")


def as_text(results: Results) -> str:
    """All problems or training steps, then what was refused, skipped, or is missing."""
    return "\n\n".join([*(_of_any(record) for record in results.records), *_gaps(results)]) + "\n"


def short(results: Results) -> str:
    """A line for each problem, training steps as they are."""
    problems = [record for record in results.records if "contenders" in record]
    steps = [of_steps(record) for record in results.records if "methods" in record]
    parts = [_aligned([SHORT, *(_line(record) for record in problems)])] if problems else []
    return "\n\n".join([*parts, *steps, *_gaps(results)]) + "\n"


def _of_any(record: dict[str, Any]) -> str:
    return of_steps(record) if "methods" in record else of_record(record)


def _gaps(results: Results) -> list[str]:
    parts = []
    for what in ("refused", "skipped"):
        of = getattr(results, what)
        if of:
            parts.append("\n".join([f"{what.upper()}:", *(f"  {title}: {why}" for title, why in of.items())]))
    if not results.finished:
        parts.append("The run was stopped before its end.")
    return parts


def _line(record: dict[str, Any]) -> tuple[str, ...]:
    """Milliseconds of each variant, of the fastest peer and of the copy."""
    of = {row["name"]: row for row in record["contenders"]}
    peers = [row for row in of.values() if row["role"] == "peer"]
    best = min(peers, key=lambda row: row["seconds"]["median"], default=None)
    named = [of.get(name) for name in ("eager", "compiled", "kernel", "copy")]
    cells = [_number(row["seconds"]["median"] * 1e3) if row else "" for row in (*named, best)]
    title = f"{record['case']} {record['size']} {record['dtype']}{' +bwd' if '+' in record['direction'] else ''}"
    return title, *cells, best["name"] if best else ""


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns under each other, the first to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    )


def of_record(record: dict[str, Any]) -> str:
    """A heading, a line for each contender, and who is not there."""
    megabytes = record["floor_bytes"] / 1e6
    heading = f"{record['case']}  {record['size']}  {record['dtype']}  {record['direction']}  ({megabytes:.1f} MB)"
    rows = [COLUMNS, *(_cells(row) for row in record["contenders"])]
    shown = [i for i in range(len(COLUMNS)) if i < 7 or any(row[i] for row in rows[1:])]
    rows = [tuple(row[i] for i in shown) for row in rows]
    lines = [heading, *(f"  {line}" for line in _aligned(rows).splitlines())]
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
        f"{row['images_per_s']:.0f}",
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


def of_steps(record: dict[str, Any]) -> str:
    """A training step with each method, and what it adds to a step with none."""
    lines = [f"{record['model']}  batch {record['batch']}  {record['pixels']} pixels"]
    for method, row in record["methods"].items():
        t = {name: 1e3 * row["seconds"][name] for name in ("median", "first_quartile", "third_quartile")}
        middle = f"{t['median']:9.1f} ms  ({t['first_quartile']:.1f}-{t['third_quartile']:.1f})"
        lines.append(f"  {method:20}{middle}  {100 * row['added']:+.1f} %")
    lines += [f"  {method}: failed ({why})" for method, why in record["failed"].items()]
    return "\n".join(lines)
