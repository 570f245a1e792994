"""Every figure with an interval, in a table or a sentence of the docs, is one of a JSON file of results."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FIGURE = re.compile(r"[+-]?\d+\.\d \[[+-]?\d+\.\d, [+-]?\d+\.\d\]|\d\.\d{3} \(\d\.\d{3}-\d\.\d{3}\)")
NAMES = (("mean", "interval"), ("value", "interval"), ("difference", "difference_interval"))


def measures(content: object) -> Iterator[tuple[float, float, float]]:
    """Each figure of a file with its interval."""
    if isinstance(content, dict):
        for value, interval in NAMES:
            if isinstance(content.get(value), float) and isinstance(content.get(interval), list):
                low, high = content[interval]
                yield content[value], low, high
        content = list(content.values())
    if isinstance(content, list):
        for part in content:
            yield from measures(part)


def shown(value: float, low: float, high: float) -> set[str]:
    """The ways in which the docs print it: a level, a difference, the difference the other way round, a share."""
    return {
        f"{value:.1f} [{low:.1f}, {high:.1f}]",
        f"{value:+.1f} [{low:+.1f}, {high:+.1f}]",
        f"{-value:+.1f} [{-high:+.1f}, {-low:+.1f}]",
        f"{value:.3f} ({low:.3f}-{high:.3f})",
    }


def unpaired(right: int, other: int, of: int) -> tuple[float, float, float]:
    """The difference of two printed accuracies as if their mistakes were independent, in points."""
    p, q = right / of, other / of
    half = 1.96 * math.sqrt((p * (1 - p) + q * (1 - q)) / of)
    return 100 * (p - q), 100 * (p - q - half), 100 * (p - q + half)


@pytest.fixture(scope="module")
def known() -> set[str]:
    files = (json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "docs" / "results").glob("*.json"))
    found = [figure for content in files for figure in measures(content)]
    found.append(unpaired(241, 237, 280))  # reproduction.md: SPMix and PaCo as the paper prints them
    return {text for figure in found for text in shown(*figure)}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_figure_is_that_of_a_file(page, known):
    figures = set(FIGURE.findall(page.read_text(encoding="utf-8")))
    assert figures <= known, f"no JSON file in docs/results/ has {sorted(figures - known)}"


def test_figures_are_found():
    readme, *_ = PAGES
    assert len(FIGURE.findall(readme.read_text(encoding="utf-8"))) >= 20
    assert list(measures({"a": [{"mean": 1.0, "interval": [0.5, 2.0]}]})) == [(1.0, 0.5, 2.0)]
