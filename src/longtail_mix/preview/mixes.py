"""The mixes that the page shows beside SPMix, each on the same pair."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from longtail_mix.functional import cutmix, lsm, mixup, random_boxes, remix, saliency_mix, unimix_share
from longtail_mix.mixing import (
    AttentiveMix,
    CopyPaste,
    FMix,
    GridMix,
    GuidedMixup,
    Mix,
    OtherSkin,
    PuzzleMix,
    ResizeMix,
    SkinSwap,
    SmoothMix,
    SnapMix,
    TokenMix,
)
from longtail_mix.targets import MixedTarget

SHARE = 0.6
SEED = 4  # of what is drawn; gives shares of 0.6 to 0.8
Images = tuple[Tensor, Tensor]  # of tail and head, [1, C, S, S]
Shown = dict[str, tuple[Tensor, MixedTarget]]  # an image with its target, by the name that the page shows

_DRAWN: tuple[Mix, ...] = (FMix(), GridMix(), ResizeMix(), SmoothMix(), TokenMix())
_GUIDED: tuple[Mix, ...] = (OtherSkin(), SkinSwap(), CopyPaste(), GuidedMixup(), PuzzleMix(), SnapMix())


def unguided(counts: Sequence[int], labels: Images, images: Images) -> Shown:
    """Those that look at no map. A drawn share would make them hard to compare: where it can be given it is SHARE."""
    tail, head = (images[0], labels[0]), (images[1], labels[1])
    size, share, of_classes = images[0].shape[-1], torch.tensor([SHARE]), torch.tensor(counts)
    rarer_has_more = unimix_share(torch.tensor([0.5]), *labels, of_classes)  # the middle of what UniMix draws
    boxes = random_boxes(share, size, size, torch.Generator().manual_seed(0))
    return {
        "MixUp()": mixup(*tail, *head, share),
        "Remix(class_counts)": remix(*tail, *head, share, of_classes),
        "UniMix(class_counts)": mixup(*tail, *head, rarer_has_more),
        "CutMix()": cutmix(*tail, *head, boxes),
        "CMO()": cutmix(*head, *tail, boxes),
        **{f"{_name(mix)}()": mix(*tail, *head, generator=torch.Generator().manual_seed(SEED)) for mix in _DRAWN},
    }


def guided(labels: Images, images: Images, maps: Images) -> Shown:
    """Those that look at the maps [1, 1, S, S] of tail and head."""
    tail, head = (images[0], labels[0]), (images[1], labels[1])
    block = images[0].shape[-1] // 8
    own = {
        f"{_name(mix)}()": mix(*tail, *head, *maps, generator=torch.Generator().manual_seed(SEED)) for mix in _GUIDED
    }
    return {
        **own,
        "SaliencyMix()": saliency_mix(*head, *tail, maps[0], torch.tensor([SHARE])),
        "AttentiveMix()": AttentiveMix()(*head, *tail, maps[1], maps[0]),
        f"LSM({block})": lsm(*tail, *head, *maps, block),
    }


def _name(mix: Mix) -> str:
    return type(mix).__name__
