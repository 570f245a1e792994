"""A comparison as one HTML page that needs nothing else: tables, and plots inside of it as SVG."""

from __future__ import annotations

import html
import io
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reproduction.reports.comparison import tables

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; font-size: 14px }
td, th { border: 1px solid #ccc; padding: .25rem .5rem; text-align: right; white-space: nowrap }
td:first-child, th:first-child { text-align: left } svg { max-width: 100%; height: auto }
"""


def page(report: Mapping[str, Any], title: str) -> str:
    """The whole document."""
    counts = dict(zip(report["classes"], report["training_images"], strict=True))
    facts = (
        f"{report['task']}, {report['side']}: {report['judged_images']} judged images. "
        f"Few: {', '.join(report['few'])}. Training images: {counts}. "
        "Intervals: 95 %, lesions resampled within their class. Differences are paired by lesion and seed."
    )
    plots = "\n".join(svg(figure) for figure in (measures(report), curves(report), reliabilities(report)))
    environment = html.escape(f"{report['environment']['command']}; {report['environment']['versions']}")
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{html.escape(title)}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{STYLE}</style></head><body>"
        f"<h1>{html.escape(title)}</h1><p>{html.escape(facts)}</p>{as_html(tables(report))}{plots}"
        f"<p><small>{environment}</small></p></body></html>\n"
    )


def as_html(markdown: str) -> str:
    """Markdown tables, one after the other, as HTML."""
    parts = []
    for table in markdown.split("\n\n"):
        rows = [[html.escape(c.strip()) for c in row.strip("|").split(" | ")] for row in table.splitlines()]
        head = "".join(f"<th>{c}</th>" for c in rows[0])
        body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows[2:])
        parts.append(f"<table><tr>{head}</tr>{body}</table>")
    return "\n".join(parts)


def measures(report: Mapping[str, Any]) -> Figure:
    """Balanced accuracy and the few, each method a line with its interval."""
    rows = report["rows"]
    figure = Figure(figsize=(10, 1.2 + 0.32 * len(rows)), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    axes[0].invert_yaxis()  # the first method on top, as in the tables
    for axis, name in zip(axes, ("balanced_accuracy", "few_recall"), strict=True):
        for place, row in enumerate(rows.values()):
            low, high = row[name]["interval"]
            axis.plot([low, high], [place, place], color="C0")
            axis.plot(row[name]["mean"], place, "o", color="C0")
            axis.plot(row[name]["by_seed"], [place] * len(row[name]["by_seed"]), "|", color="C1")
        axis.set(title=f"{name.replace('_', ' ')}, %", yticks=range(len(rows)), yticklabels=list(rows))
    return figure


def curves(report: Mapping[str, Any]) -> Figure:
    """The training loss over the share of the training, a line for each training."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    axis: Axes = figure.subplots()
    for number, (name, row) in enumerate(report["rows"].items()):
        for i, losses in enumerate(row["losses"]):
            done = [100 * (step + 1) / len(losses) for step in range(len(losses))]
            axis.plot(done, losses, color=f"C{number % 10}", lw=1, label=None if i else name)
    axis.set(xlabel="% of the training", ylabel="training loss (its own for each method)")
    axis.legend(fontsize=7)
    return figure


def reliabilities(report: Mapping[str, Any]) -> Figure:
    """How often the network is right against how sure it is."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axis: Axes = figure.subplots()
    axis.plot([0, 1], [0, 1], color="grey", lw=1)
    for number, (name, row) in enumerate(report["rows"].items()):
        sure, right, _ = zip(*row["reliability"], strict=True)
        axis.plot(sure, right, ".-", color=f"C{number % 10}", label=name, lw=1)
    axis.set(xlabel="largest probability", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    axis.legend(fontsize=7)
    return figure


def svg(figure: Figure) -> str:
    """The figure as markup for inside a page."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
