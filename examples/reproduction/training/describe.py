"""Options as JSON: what a run folder says about what it holds."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

# Of a dataclass field that says where something lies, and not what it is: two machines may differ in it.
PLACE = {"place": True}


def describe(value: Any) -> Any:
    """Dataclasses as their options beside the class's name, without places; all else as JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        options = {f.name: describe(getattr(value, f.name)) for f in fields(value) if f.metadata != PLACE}
        return {"is": type(value).__name__, **options}
    if isinstance(value, tuple | list):
        return [describe(part) for part in value]
    return str(value) if isinstance(value, Path) else value
