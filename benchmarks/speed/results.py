"""The file of results, complete after every problem: a run that is killed leaves what it measured."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Results"]


@dataclass
class Results:
    """Records with what has to be known beside them.

    Attributes:
        path: where they are written.
        about: command, versions, hardware.
        records: one a problem.
        refused: problems whose check failed, and why: they have no record.
        skipped: problems that were not measured, and why.
        finished: whether all that was asked for was gone through.
    """

    path: Path
    about: dict[str, Any]
    records: list[dict[str, Any]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    finished: bool = False

    def flush(self) -> None:
        """Write everything, in one step for a reader: never a half file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        parts = {name: getattr(self, name) for name in ("about", "finished", "records", "refused", "skipped")}
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps(parts, indent=1) + "\n", encoding="utf-8")
        os.replace(draft, self.path)

    @classmethod
    def read(cls, path: Path) -> Results:
        return cls(path, **json.loads(path.read_text(encoding="utf-8")))
