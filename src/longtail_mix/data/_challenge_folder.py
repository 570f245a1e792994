"""What the readers of the ISIC challenges share: where the folder is, and how offenders are named."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path


def resolve_root(root: str | Path | None, variable: str) -> Path:
    """The folder given, or the one that an environment variable names."""
    if root is None:
        root = os.environ.get(variable) or None
    if root is None:
        raise ValueError(f"root: expected a folder, got None while the environment variable {variable} is unset")
    return as_path(root, "root")


def as_path(path: object, name: str) -> Path:
    """A path given as text or as a path."""
    if not isinstance(path, str | Path):
        raise TypeError(f"{name}: expected a path, got {path!r:.80}")
    return Path(path)


def refuse(where: str | Path, what: str, offenders: Iterable[str]) -> None:
    """Raise ``ValueError`` with the number of offenders and the first five, where there are any."""
    names = sorted(offenders)
    if names:
        raise ValueError(f"{where}: {len(names)} {what}, {first(names)}")


def first(names: Sequence[str]) -> str:
    """The first five names, in words."""
    return f"the first: {', '.join(names[:5])}"
