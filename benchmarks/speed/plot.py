"""Results as an image: every time as a multiple of the copy's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.speed.results import Results

__all__ = ["draw"]

ROW_HEIGHT = 0.24  # inches
MARKERS = {"eager": ("o", "tab:blue"), "compiled": ("s", "tab:orange"), "kernel": ("D", "tab:green")}
PEER = ("x", "tab:gray")


def draw(results: Results, path: Path) -> None:
    """A row for each problem, a mark for each contender; further left is faster, 1 is the copy. Nothing for nothing."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    if not results.records:
        return
    figure, axes = plt.subplots(figsize=(10, 1.6 + ROW_HEIGHT * len(results.records)), layout="constrained")
    for y, record in enumerate(results.records):
        for row in record["contenders"]:
            marker, colour = MARKERS.get(row["name"], PEER)
            if row["role"] != "roof":
                axes.plot(1 / row["of_roof"], y, marker, color=colour, markersize=5)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(results.records)), [_label(record) for record in results.records], fontsize=7)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("time as a multiple of a copy of the same bytes")
    axes.set_title(f"{results.about['device']}, torch {results.about['packages']['torch']}", fontsize=9)
    axes.grid(axis="x", alpha=0.3)
    handles = [
        axes.plot([], [], marker, color=colour, linestyle="none", label=name)[0]
        for name, (marker, colour) in {**MARKERS, "a peer": PEER}.items()
    ]
    axes.legend(handles=handles, fontsize=7, loc="lower right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _label(record: dict[str, Any]) -> str:
    return f"{record['case']} {record['size']} {record['dtype']}{' +bwd' if '+' in record['direction'] else ''}"
