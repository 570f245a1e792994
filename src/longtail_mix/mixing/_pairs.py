"""What all two-picture mixes share: checks of a pair, and leaving some pictures as they were."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import (
    check_alike,
    check_finite,
    check_has_pixels,
    check_labels,
    check_same_device,
    check_share,
    check_tensor,
    is_finite,
    values_are_readable,
)
from longtail_mix.targets import MixedTarget


def check_pictures(images: Tensor, labels: Tensor, name: str, labels_name: str) -> None:
    """Pictures [B,C,H,W], uint8 or floating point, and an integer label for each, on one device."""
    check_tensor(images, name)
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise TypeError(f"{name}: expected uint8 or floating-point pictures, got {images.dtype}")
    if images.ndim != 4:
        raise ValueError(f"{name}: expected pictures [B, C, H, W], got shape {list(images.shape)}")
    check_has_pixels(images, name)
    check_labels(labels, name=labels_name)
    check_same_device(images, labels, name, labels_name)
    if len(labels) != len(images):
        raise ValueError(f"{labels_name}: expected one for each of {len(images)} pictures, got {len(labels)}")


def check_pairs(
    first: Tensor,
    first_labels: Tensor,
    second: Tensor,
    second_labels: Tensor,
    first_name: str = "first",
    second_name: str = "second",
) -> None:
    """Two batches of pictures of one shape, dtype and device, with their labels."""
    check_pictures(first, first_labels, first_name, f"{first_name}_labels")
    check_pictures(second, second_labels, second_name, f"{second_name}_labels")
    check_alike(first, second, first_name, second_name)


def check_lam(lam: Tensor, images: Tensor) -> None:
    """A share in [0, 1] for each picture."""
    check_share(lam, "lam")
    check_same_device(images, lam, "first", "lam")
    if lam.shape != images.shape[:1]:
        raise ValueError(f"lam: expected one for each of {len(images)} pictures, got shape {list(lam.shape)}")


def check_mixed(mixed: Tensor, first: Tensor, second: Tensor) -> None:
    """Raise for NaN or infinity in the pictures where it shows in the mix; one pass where all is well."""
    if mixed.is_floating_point() and values_are_readable(mixed) and not is_finite(mixed):
        check_finite(first, "first")
        check_finite(second, "second")


def only_where(
    chosen: Tensor, images: Tensor, labels: Tensor, mixed: Tensor, target: MixedTarget
) -> tuple[Tensor, MixedTarget]:
    """The mix for the pictures that `chosen` [B] names; the others as they were, with their own label alone."""
    pictures = torch.where(chosen.view(-1, 1, 1, 1), mixed, images)
    other = torch.where(chosen, target.other, labels)
    return pictures, MixedTarget(labels, other, torch.where(chosen, target.lam, 1.0))
