"""Mixes of two packages that are about mixing alone: ``mixup`` (2026) and OpenMixup."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from benchmarks.speed.case import Operator, Peer
from benchmarks.speed.peers import BATCH_MIXES, NUM_CLASSES, images_and_labels

__all__ = ["CUTMIXES", "FMIXES", "MIXUPS", "RESIZE_MIXES", "SALIENCY_MIXES"]


def _mixup(name: str, **options: Any) -> Peer:
    def build() -> Operator:
        import mixup

        operator: Operator = getattr(mixup, name)(alpha=1.0, **options)
        return operator

    return Peer(f"mixup {name}", build, _images_and_shares)


def _images_and_shares(inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """It mixes the shares of the classes with the images."""
    images, labels = images_and_labels(inputs)
    return images, F.one_hot(labels, NUM_CLASSES).to(images.dtype)


def _openmixup(name: str) -> Peer:
    def build() -> Operator:
        from openmixup.models import augments

        mix: Callable[..., Any] = getattr(augments, name)
        return lambda images, labels: mix(images, labels, alpha=1.0)

    return Peer(f"OpenMixup {name}", build, images_and_labels)


MIXUPS = (*BATCH_MIXES, _mixup("VanillaMixUp"), _openmixup("mixup"))
CUTMIXES = (*BATCH_MIXES, _mixup("CutMix"), _openmixup("cutmix"))
FMIXES = (_mixup("FMix"), _openmixup("fmix"))
RESIZE_MIXES = (_mixup("ResizeMix"), _openmixup("resizemix"))
# The first finds its box by blurred contrast and a centre prior, for all images; the second by OpenCV, in one.
SALIENCY_MIXES = (_mixup("SaliencyMix"), _openmixup("saliencymix"))
