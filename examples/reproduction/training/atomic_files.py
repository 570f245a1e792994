"""Files that are there whole or not at all, whenever the process or the machine dies."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a file of another name, see it to the disk, then give it the name `path`.

    Whoever opens `path` sees the old file or the new one. What a killed process leaves behind is ``path.part``, which
    the next one overwrites. One process at a time may write a path.
    """
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)  # the new name is on the disk when the folder is
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_text(path: Path, text: str) -> None:
    """`text` as UTF-8."""
    write_atomically(path, lambda file: file.write(text.encode()))


def write_json(path: Path, value: Any) -> None:
    """`value` as indented JSON."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def save_tensors(path: Path, value: Any) -> None:
    """`value` as ``torch.load(path, weights_only=True)`` reads it."""
    write_atomically(path, lambda file: torch.save(value, file))
