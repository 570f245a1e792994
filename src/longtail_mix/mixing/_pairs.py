"""What all two-image mixes share: checks of a pair, and leaving some images as they were."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import (
    check_alike,
    check_finite,
    check_labels_or_shares,
    check_map,
    check_map_form,
    check_same_device,
    check_share,
    check_tensor,
    is_finite,
    values_are_readable,
)
from longtail_mix.targets import MixedTarget, as_target


def check_any_images(images: Tensor, name: str, volumes: bool = False) -> None:
    """Images [B,C,H,W] or also volumes [B,C,D,H,W], uint8 or floating point, of any channels, at least one pixel."""
    check_tensor(images, name)
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise TypeError(f"{name}: expected uint8 or floating-point images, got {images.dtype}")
    if images.ndim != 4 and not (volumes and images.ndim == 5):
        or_volumes = " or volumes [B, C, D, H, W]" if volumes else ""
        way_out = "; CutMix and MixUp take volumes, others flatten(1, 2), all slices alike" if images.ndim == 5 else ""
        raise ValueError(f"{name}: expected images [B, C, H, W]{or_volumes}, got shape {list(images.shape)}{way_out}")
    if 0 in images.shape[2:]:
        raise ValueError(f"{name}: expected at least one pixel, got shape {list(images.shape)}")


def check_labelled_images(images: Tensor, labels: Tensor, name: str, labels_name: str, volumes: bool = False) -> None:
    """Images, or also volumes, and a label for each on the same device: a class, or a share of each class."""
    check_any_images(images, name, volumes)
    check_labels_or_shares(labels, name=labels_name)
    check_same_device(images, labels, name, labels_name)
    if len(labels) != len(images):
        raise ValueError(f"{labels_name}: expected one for each of {len(images)} images, got {len(labels)}")


def check_pairs(
    first: Tensor,
    first_labels: Tensor,
    second: Tensor,
    second_labels: Tensor,
    first_name: str = "first",
    second_name: str = "second",
    volumes: bool = False,
) -> None:
    """Two batches of images, or also volumes, of one shape, dtype and device, with labels of one kind."""
    check_labelled_images(first, first_labels, first_name, f"{first_name}_labels", volumes)
    check_labelled_images(second, second_labels, second_name, f"{second_name}_labels", volumes)
    check_alike(first, second, first_name, second_name)
    if first_labels.shape[1:] != second_labels.shape[1:]:
        raise ValueError(
            f"{second_name}_labels: expected shape {list(first_labels.shape)} like {first_name}_labels, "
            f"got {list(second_labels.shape)}"
        )


def check_maps(maps: Tensor, images: Tensor, name: str) -> None:
    """A map for each of the images, [B, 1, h, w]."""
    check_map(maps, name)
    check_same_device(images, maps, "images", name)
    if len(maps) != len(images):
        raise ValueError(f"{name}: expected one for each of {len(images)} images, got {len(maps)}")


def check_saliency(maps: Tensor, images: Tensor, name: str = "saliency") -> Tensor:
    """Maps [B, 1, H, W] of the size of the images, in [0, 1] or of bytes: given, or what a detector returned."""
    if isinstance(maps, Tensor) and maps.dtype == torch.uint8:
        check_map_form(torch.empty(maps.shape, device="meta"), name)
    else:
        check_map(maps, name)
        check_share(maps, name)
    check_same_device(images, maps, "images", name)
    if len(maps) != len(images) or maps.shape[-2:] != images.shape[-2:]:
        raise ValueError(f"{name}: expected one map for each image of {list(images.shape)}, got {list(maps.shape)}")
    return maps


def check_lam(lam: Tensor, images: Tensor) -> None:
    """A share in [0, 1] for each image."""
    check_share(lam, "lam")
    check_same_device(images, lam, "first", "lam")
    if lam.shape != images.shape[:1]:
        raise ValueError(f"lam: expected one for each of {len(images)} images, got shape {list(lam.shape)}")


def check_mixed(mixed: Tensor, first: Tensor, second: Tensor) -> None:
    """Raise for NaN or infinity in the images where it shows in the mix; one pass where all is well."""
    if mixed.is_floating_point() and values_are_readable(mixed) and not is_finite(mixed):
        check_finite(first, "first")
        check_finite(second, "second")
        raise ValueError(f"first: expected values whose difference {first.dtype} holds, got a mix that overflows")


def of_each(values: Tensor, images: Tensor) -> Tensor:
    """One value for each image [B], in the shape that multiplies images or volumes: [B, 1, 1, 1] or [B, 1, 1, 1, 1]."""
    return values.view(-1, *(1,) * (images.ndim - 1))


def only_where(
    chosen: Tensor, images: Tensor, labels: Tensor, mixed: Tensor, target: MixedTarget
) -> tuple[Tensor, MixedTarget]:
    """The mix for the images that `chosen` [B] names; the others as they were, with their own label alone."""
    if values_are_readable(chosen) and bool(chosen.all()):  # no copy is needed then
        return mixed, MixedTarget(as_target(labels), as_target(target.other), target.lam)
    chosen_images = torch.where(of_each(chosen, images), mixed, images)
    labels = as_target(labels)
    other = torch.where(of_each(chosen, labels), target.other, labels)
    return chosen_images, MixedTarget(labels, other, torch.where(chosen, target.lam, 1.0))
