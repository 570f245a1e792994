"""Images that are in the set more than once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import torch
import torch.nn.functional as F

from longtail_mix.preview.look import Look

FLAT = 2.0
"""Grey levels: images whose standard deviation is smaller show nothing."""

_THUMBNAIL = 16
_ALIKE = 4.0  # largest difference of two thumbnails in grey levels: a JPEG that is saved again stays far below


def same_files(paths: Sequence[Path]) -> list[list[int]]:
    """Groups of rows whose files are equal byte for byte; only files of equal length are read."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for row, path in enumerate(paths):
        by_length[path.stat().st_size].append(row)
    by_content: dict[bytes, list[int]] = defaultdict(list)
    for rows in by_length.values():
        for row in rows if len(rows) > 1 else ():
            by_content[blake2b(paths[row].read_bytes(), digest_size=16).digest()].append(row)
    return [rows for rows in by_content.values() if len(rows) > 1]


def alike(looks: Sequence[Look]) -> list[tuple[int, int]]:
    """Pairs of rows that show the same image, though resized or saved again; flat images are left out."""
    shown = [look for look in looks if look.spread >= FLAT]
    if len(shown) < 2:
        return []
    grey = torch.stack([look.pixels for look in shown]).float().mean(1, keepdim=True)
    thumbnails = F.adaptive_avg_pool2d(grey, _THUMBNAIL).flatten(1)
    apart = torch.cdist(thumbnails, thumbnails, p=float("inf"))
    first, second = torch.triu(apart < _ALIKE, diagonal=1).nonzero().unbind(1)
    return [(shown[i].row, shown[j].row) for i, j in zip(first.tolist(), second.tolist(), strict=True)]
