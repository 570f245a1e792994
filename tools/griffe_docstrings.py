"""Docstrings in the words that mkdocstrings knows: "Example:" opens a section of examples."""

from __future__ import annotations

from typing import Any

import griffe


class Examples(griffe.Extension):
    """Read ``Example:`` as ``Examples:``."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Each object once it is loaded."""
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace("Example:\n", "Examples:\n")
