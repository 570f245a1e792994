"""Folds by lesion with the same share of every class, the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import torch
from torch import Tensor


def lesion_folds(labels: Tensor, lesions: Sequence[str], folds: int, seed: int = 0) -> Tensor:
    """The fold of each image, int64 [N]; all images of a lesion are in one.

    Within a class the lesions are dealt, in an order hashed from the seed, each to the fold that has the fewest images
    of the class. So the folds of a class differ by less than the images of one lesion.
    """
    if folds < 2:
        raise ValueError(f"folds: expected 2 or more, got {folds}")
    rows: dict[tuple[int, str], list[int]] = {}
    for row, (label, lesion) in enumerate(zip(labels.tolist(), lesions, strict=True)):
        rows.setdefault((label, lesion), []).append(row)
    fold = torch.empty(len(labels), dtype=torch.int64)
    for label in sorted({label for label, _ in rows}):
        own = sorted((key for key in rows if key[0] == label), key=lambda key: _rank(seed, key[1]))
        sizes = [0] * folds
        for key in own:
            smallest = sizes.index(min(sizes))
            fold[rows[key]] = smallest
            sizes[smallest] += len(rows[key])
        if 0 in sizes:
            raise ValueError(f"folds: expected at most the {len(own)} lesions of class {label}, got {folds}")
    return fold


def _rank(seed: int, name: str) -> bytes:
    return blake2b(f"{seed}:{name}".encode()).digest()
