"""Images with lesion masks and the pairs to mix: ISIC 2018, ISIC 2017, made-up dermoscopy."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from longtail_mix.data import (
    CLASSES,
    isic2018_masks,
    load_images,
    load_masks,
    read_isic2018,
    squash,
    stratified_split,
    synthetic_dermoscopy,
)
from longtail_mix.data.isic2017 import read_isic2017

__all__ = ["READERS", "Lesions", "available", "draw_pairs"]

HALF_SEED = 0  # of the split into halves; what is tuned on the first half is reported on the second


@dataclass(frozen=True)
class Lesions:
    """N whole frames squashed to S x S, their masks, and M pairs."""

    name: str
    images: Tensor  # uint8 [N, 3, S, S]
    masks: Tensor  # bool [N, 1, S, S]
    lesions: tuple[str, ...]
    is_second_half: Tensor  # bool [N]
    tail: Tensor  # int64 [M], rows
    head: Tensor  # int64 [M]
    aspect: float  # width / height of the frames before they were squashed

    def __post_init__(self) -> None:
        if not len(self.tail):
            raise ValueError(f"images: expected enough for a pair of a tail and a head image, got {len(self.images)}")

    def parts(self) -> dict[str, Tensor]:
        """Rows of all images, and of the two halves by lesion."""
        every = torch.arange(len(self.images))
        return {"all": every, "first half": every[~self.is_second_half], "second half": every[self.is_second_half]}


def halves(labels: Tensor, lesions: tuple[str, ...]) -> Tensor:
    """Whether each image is in the second half; no lesion is in both: [N] bool."""
    split = stratified_split(labels, lesions, test_fraction=0.5, seed=HALF_SEED)
    is_second_half = torch.zeros(len(labels), dtype=torch.bool)
    is_second_half[split.test] = True
    return is_second_half


def draw_pairs(
    is_tail: Tensor, is_head: Tensor, lesions: tuple[str, ...], is_second_half: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A partner for each tail image: any head image of its half that shows another lesion, [M] and [M]."""
    number_of = {lesion: i for i, lesion in enumerate(dict.fromkeys(lesions))}
    lesion_of = torch.tensor([number_of[lesion] for lesion in lesions])
    tail = is_tail.nonzero().squeeze(1)
    allowed = is_head & (is_second_half == is_second_half[tail, None]) & (lesion_of != lesion_of[tail, None])
    has_partner = allowed.any(1)
    tail, allowed = tail[has_partner], allowed[has_partner]
    return tail, torch.multinomial(allowed.float(), 1, generator=generator).squeeze(1)


def _some(number: int, limit: int | None, seed: int) -> list[int]:
    order = torch.randperm(number, generator=torch.Generator().manual_seed(seed))
    kept: list[int] = order[:limit].sort().values.tolist()
    return kept


def _isic2018(size: int, limit: int | None, seed: int) -> Lesions:
    """Tail classes are all but the largest: every image that is no naevus is mixed with a naevus."""
    data = read_isic2018()
    masks = isic2018_masks(data)
    rows = _some(len(data.paths), limit, seed)
    lesions = tuple(data.lesions[i] for i in rows)
    second = halves(data.labels, data.lesions)[rows]
    is_head = data.labels[rows] == CLASSES.index("NV")
    pairs = draw_pairs(~is_head, is_head, lesions, second, torch.Generator().manual_seed(seed))
    images = load_images([data.paths[i] for i in rows], size, fit=squash)
    return Lesions(
        "ISIC 2018", images, load_masks([masks[i] for i in rows], size, fit=squash), lesions, second, *pairs, 4 / 3
    )


def _isic2017(size: int, limit: int | None, seed: int) -> Lesions:
    """It names neither classes nor lesions here: any image is mixed with any other of its half."""
    data = read_isic2017()
    rows = _some(len(data.names), limit, seed)
    names = tuple(data.names[i] for i in rows)
    second = halves(torch.zeros(len(data.names), dtype=torch.int64), data.names)[rows]
    every = torch.ones(len(rows), dtype=torch.bool)
    pairs = draw_pairs(every, every, names, second, torch.Generator().manual_seed(seed))
    images = load_images([data.paths[i] for i in rows], size, fit=squash)
    masks = load_masks([data.masks[i] for i in rows], size, fit=squash)
    # The frames differ in shape, most are 4:3.
    return Lesions("ISIC 2017", images, masks, names, second, *pairs, 4 / 3)


def _synthetic(size: int, limit: int | None, seed: int) -> Lesions:
    number = 280 if limit is None else limit
    per_class = max(number // 14, 1)
    data = synthetic_dermoscopy([max(number - 6 * per_class, 1)] + [per_class] * 6, size, seed)
    second = halves(data.labels, data.lesions)
    is_head = data.labels == 0
    pairs = draw_pairs(~is_head, is_head, data.lesions, second, torch.Generator().manual_seed(seed))
    return Lesions("made-up dermoscopy", data.images, data.masks, data.lesions, second, *pairs, 1.0)


READERS: dict[str, Callable[[int, int | None, int], Lesions]] = {
    "isic2018": _isic2018,
    "isic2017": _isic2017,
    "synthetic": _synthetic,
}


def available() -> list[str]:
    """The sets whose folders the environment names, or the made-up one."""
    found = [name for name in ("isic2018", "isic2017") if os.environ.get(f"{name.upper()}_ROOT")]
    return found or ["synthetic"]
