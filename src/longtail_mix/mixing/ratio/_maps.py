"""What the ratio recipes share: min-max per image, and from a noisy map to the ratio of each patch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from longtail_mix._checks import values_are_readable

# Pixels whose intermediate maps, a megabyte each, fit into the cache of a CPU core.
_CHUNK = 2**18


Room = tuple[Tensor | None, Tensor | None]


def a_few_at_a_time(ratio_of: Callable[..., Tensor], first: Tensor, *others: Tensor) -> Tensor:
    """``ratio_of(room, first, *others)`` of maps [B, 1, H, W]; faster over what the cache of a CPU holds.

    `room` is memory for two intermediate maps [B, 1, H, W], float32 at least, the same each time: new memory may cost
    more than what is done in it. It is for ``out=``, where None means new memory; None it is where values cannot be
    read or gradients are asked for.
    """
    if not values_are_readable(first):
        return ratio_of((None, None), first, *others)
    number = max(_CHUNK // (first.shape[-2] * first.shape[-1]), 1)
    has_gradients = torch.is_grad_enabled() and any(maps.requires_grad for maps in (first, *others))
    dtype = torch.promote_types(first.dtype, torch.float32)
    one, two = torch.empty((2, *first[:number].shape), dtype=dtype, device=first.device)
    ratios = []
    for chunk in zip(*(tensor.split(number) for tensor in (first, *others)), strict=True):
        length = len(chunk[0])
        ratios.append(ratio_of((None, None) if has_gradients else (one[:length], two[:length]), *chunk))
    return torch.cat(ratios)


def min_max(maps: Tensor) -> Tensor:
    """Stretch each map to [0, 1]; a map whose values are all equal becomes 1. NaN stays."""
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    extent = high - low
    flat = extent == 0
    return torch.where(flat, 1, (maps - low) / torch.where(flat, 1, extent))


def is_flat(maps: Tensor) -> Tensor:
    """Whether a map has no contrast at all, [B, 1, 1, 1]; false where it holds NaN."""
    return maps.amax((-2, -1), keepdim=True) == maps.amin((-2, -1), keepdim=True)


def patch_means(maps: Tensor, patch_size: int) -> Tensor:
    """The mean of each patch, as ``F.avg_pool2d(maps, patch_size)``; rows first, which is faster on a CPU."""
    size, channels, height, width = maps.shape
    rows, columns = height // patch_size, width // patch_size
    of_rows = maps.reshape(size, channels, rows, patch_size, width).sum(3)
    return of_rows.view(size, channels, rows, columns, patch_size).sum(4) / patch_size**2


def stretched_ratio(
    saliency: Tensor, noisy: Tensor, patch_size: int, alpha: float, out: Tensor | None = None
) -> Tensor:
    """The lesion-aware ratio once there is noise on the map: min-max, cut at `alpha`, mean of each patch.

    `out` is memory for the map on the way, if there is some; it may be `noisy` itself.

    ``F.avg_pool2d(min_max(noisy).clamp(max=alpha), patch_size)``, but divided after the mean and not before. A map
    without any contrast becomes `alpha`: stretched, its noise alone would pass for saliency.
    """
    low = noisy.amin((-2, -1), keepdim=True)
    extent = noisy.amax((-2, -1), keepdim=True) - low
    flat = (is_flat(saliency) & ~extent.isnan()) | (extent == 0)  # an infinite map is flat, and its extent is no number
    cut = torch.minimum(torch.sub(noisy, low, out=out), alpha * extent, out=out)
    means = patch_means(cut, patch_size) / torch.where(flat, 1, extent)
    # The mean of many alphas may be rounded to just above alpha.
    return torch.where(flat, alpha, means.clamp(max=alpha)).to(saliency.dtype)


def ratio_with_draw(saliency: Tensor, draw: Tensor, patch_size: int, alpha: float, noise: float) -> Tensor:
    """The lesion-aware ratio with a number in [0, 1) given for each pixel: what the kernel has to equal."""
    dtype = torch.promote_types(saliency.dtype, torch.float32)
    noisy = saliency.to(dtype) + noise * (2 * draw.to(dtype) - 1)
    return stretched_ratio(saliency, noisy, patch_size, alpha)
