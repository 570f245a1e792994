"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def cell(value: Mapping[str, Any], sign: str = "") -> str:
    """A mean with its interval."""
    low, high = value["interval"]
    return f"{value['mean']:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"


def head(first: str, names: Sequence[str]) -> list[str]:
    """A heading row and its rule."""
    return [line(first, names), "|" + " --- |" * (len(names) + 1)]


def line(first: str, cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join([first, *cells]) + " |"
