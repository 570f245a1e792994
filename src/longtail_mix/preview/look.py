"""Decoding a sample of the images, and what that shows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from longtail_mix.data import ImageTable, center_crop_square


class Look(NamedTuple):
    """What decoding one image showed.

    Attributes:
        row: its row in the table.
        pixels: uint8 [3, S, S], as ``load_images`` gives it.
        side: pixels of the shorter side of the file.
        mode: Pillow's word for the channels, such as ``L`` for one of 8 bits.
        spread: standard deviation of the grey levels, from 0 to 255.
    """

    row: int
    pixels: Tensor
    side: int
    mode: str
    spread: float


def sample_rows(labels: Sequence[int], rows: Sequence[int], number: int, seed: int) -> list[int]:
    """`number` of `rows`, the classes taking turns, so that the rarest are among them."""
    order = random.Random(seed).sample(list(rows), len(rows))
    rank: dict[int, int] = {}
    turns: list[tuple[int, int, int]] = []
    for row in order:
        rank[labels[row]] = rank.get(labels[row], -1) + 1
        turns.append((rank[labels[row]], len(turns), row))
    return [row for _, _, row in sorted(turns)[:number]]


def look_at(data: ImageTable, rows: Sequence[int], size: int, progress: bool) -> tuple[list[Look], dict[int, str]]:
    """Decode `rows`; returns what can be decoded, and why the others cannot, by row."""

    def one(row: int) -> Look | str:
        try:
            with Image.open(data.paths[row]) as file:
                mode, side = file.mode, min(file.size)
                image = center_crop_square(file.convert("RGB"), size)
        except Exception as error:  # Pillow's decoders raise nearly everything on damaged files.
            return f"{type(error).__name__}: {error}"
        pixels = np.asarray(image)
        return Look(row, torch.from_numpy(pixels.transpose(2, 0, 1).copy()), side, mode, float(pixels.mean(2).std()))

    looks: list[Look] = []
    unreadable: dict[int, str] = {}
    with ThreadPoolExecutor() as pool:
        results = tqdm(pool.map(one, rows), "looking at images", len(rows), unit="image", disable=not progress)
        for row, result in zip(rows, results, strict=True):
            if isinstance(result, str):
                unreadable[row] = result
            else:
                looks.append(result)
    return looks, unreadable
