"""Images of what a mix does, and of where a network looks: after Fig. 4 of SPMix's paper and Fig. 10 of CARE's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix._checks import (
    check_alike,
    check_has_values,
    check_images,
    check_map,
    check_same_device,
    check_tensor,
    needs_extra,
)
from longtail_mix.mixing import SPMix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["attention_panel", "pair_panel"]

COLUMNS = ("tail", "head", "tail saliency", "head saliency", "merged", "ratio", "mixed")


def pair_panel(
    tail: Tensor,
    head: Tensor,
    spmix: SPMix,
    generator: torch.Generator | None = None,
    titles: list[str] | None = None,
) -> Figure:
    """One row per pair: tail, head, both saliency maps, their maximum, the ratio of each patch, the mix.

    Maps and ratios share one scale, 0 (black) to 1 (white). The mix is made with the ratio that is shown.

    Args:
        tail: images that keep their label [B, 3, H, W], uint8 or floating point in [0, 1]; shown as they are.
        head: their partners, same shape, dtype and device.
        spmix: the mixing to show; without `mean` and `std`, as the images are not normalised.
        generator: where the noise of the ratio comes from.
        titles: a line for the left of each row.

    Returns:
        A matplotlib figure; ``figure.savefig(path)`` writes it. It is not registered with pyplot.

    Raises:
        TypeError, ValueError: as :class:`~longtail_mix.SPMix`; another number of titles than pairs; no pair;
            an SPMix for normalised images.

    Example:
        >>> panel = pair_panel(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32), SPMix(patch_size=8))
        >>> len(panel.axes)
        14
    """
    needs_extra("matplotlib", "examples")
    from matplotlib.figure import Figure

    check_images(tail, "tail")
    check_images(head, "head")
    if not isinstance(spmix, SPMix):
        raise TypeError(f"spmix: expected an SPMix, got {type(spmix).__name__}")
    check_has_values(tail, "tail")
    check_alike(tail, head, "tail", "head")
    if len(tail) == 0:
        raise ValueError("tail: expected at least one pair, got none")
    _check_titles(titles, len(tail), "pairs")
    if getattr(spmix.saliency, "mean", None) is not None:
        raise ValueError("spmix: expected one without mean and std, for images that are not normalised")
    tail_map, head_map = spmix.saliency(tail), spmix.saliency(head)
    ratio = spmix.recipe(tail_map, head_map, generator)
    steps = (tail, head, tail_map, head_map, torch.maximum(tail_map, head_map), ratio, spmix.mix(tail, head, ratio))

    figure = Figure(figsize=(1.6 * len(COLUMNS), 1.6 * len(tail) * tail.shape[2] / tail.shape[3] + 0.4))
    axes = figure.subplots(len(tail), len(COLUMNS), squeeze=False)
    for row, axes_of_pair in enumerate(axes):
        for axis, images in zip(axes_of_pair, steps, strict=True):
            _show(axis, images[row])
        if titles is not None:
            axes_of_pair[0].set_ylabel(titles[row], fontsize=8)
    for axis, name in zip(axes[0], COLUMNS, strict=True):
        axis.set_title(name, fontsize=9)
    figure.tight_layout(pad=0.3)
    return figure


def attention_panel(
    images: Tensor, masks: Tensor, maps: Mapping[str, Tensor], titles: list[str] | None = None
) -> Figure:
    """One row per image: the image with its lesion or box outlined, then each map laid over it.

    Blue is 0 and red is 1, on one scale for all maps, which are brought to the image's size bilinearly.

    Args:
        images: images [B, 3, H, W], uint8 or floating point in [0, 1]; shown as they are.
        masks: lesions or boxes [B, 1, H, W], bool; their outline is drawn on every image of the row.
        maps: for each column its name and maps [B, 1, h, w] in [0, 1], such as those of a network before and after.
        titles: a line for the left of each row.

    Returns:
        A matplotlib figure; ``figure.savefig(path)`` writes it. It is not registered with pyplot.

    Raises:
        TypeError, ValueError: images, masks or maps that do not fit each other; another number of titles than
            images; no image.

    Example:
        >>> images, masks = torch.rand(2, 3, 32, 32), torch.zeros(2, 1, 32, 32, dtype=torch.bool)
        >>> panel = attention_panel(images, masks, {"before": torch.rand(2, 1, 7, 7), "after": torch.rand(2, 1, 7, 7)})
        >>> len(panel.axes)
        6
    """
    from matplotlib.figure import Figure

    check_images(images)
    check_has_values(images, "images")
    check_tensor(masks, "masks")
    if not isinstance(maps, Mapping):
        raise TypeError(f"maps: expected a dictionary of maps by their names, got {type(maps).__name__}")
    if len(images) == 0:
        raise ValueError("images: expected at least one image, got none")
    if masks.dtype != torch.bool or masks.shape != (len(images), 1, *images.shape[2:]):
        raise ValueError(
            f"masks: expected bool {[len(images), 1, *images.shape[2:]]}, got {masks.dtype} {list(masks.shape)}"
        )
    for name, cam in maps.items():
        check_map(cam, f"maps[{name!r}]")
        check_has_values(cam, f"maps[{name!r}]")
        if len(cam) != len(images):
            raise ValueError(f"maps[{name!r}]: expected one for each of {len(images)} images, got {len(cam)}")
    _check_titles(titles, len(images), "images")
    check_same_device(images, masks, "images", "masks")

    height, width = images.shape[2:]
    columns = 1 + len(maps)
    figure = Figure(figsize=(1.6 * columns + 0.2, 1.6 * len(images) * height / width + 0.4))
    axes = figure.subplots(len(images), columns, squeeze=False)
    for row, axes_of_image in enumerate(axes):
        for axis, overlay in zip(axes_of_image, (None, *maps.values()), strict=True):
            _show(axis, images[row])
            if overlay is not None:
                full = F.interpolate(overlay[row : row + 1].detach().float(), (height, width), mode="bilinear")
                axis.imshow(full[0, 0].cpu().numpy(), cmap="jet", vmin=0, vmax=1, alpha=0.45)
            if min(height, width) > 1 and masks[row].any() and not masks[row].all():  # a line has no outline
                axis.contour(masks[row, 0].cpu().numpy(), levels=[0.5], colors="white", linewidths=1.0)
        if titles is not None:
            axes_of_image[0].set_ylabel(titles[row], fontsize=8)
    for axis, name in zip(axes[0], ("image", *maps), strict=True):
        axis.set_title(name, fontsize=9)
    figure.tight_layout(pad=0.3)
    return figure


def _check_titles(titles: list[str] | None, number: int, of: str) -> None:
    if titles is None:
        return
    if not isinstance(titles, list | tuple) or not all(isinstance(title, str) for title in titles):
        raise TypeError(f"titles: expected a list of texts or None, got {titles!r:.80}")
    if len(titles) != number:
        raise ValueError(f"titles: expected one for each of {number} {of}, got {len(titles)}")


def _show(axis: Axes, image: Tensor) -> None:
    """Draw an image [3, H, W] or a map [1, H, W]."""
    pixels = image.detach().cpu()
    if pixels.is_floating_point():
        pixels = pixels.float().clamp(0, 1)
    if len(pixels) == 1:
        axis.imshow(pixels[0].numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    else:
        axis.imshow(pixels.permute(1, 2, 0).numpy(), interpolation="nearest")
    axis.set(xticks=[], yticks=[])
