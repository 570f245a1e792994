"""The ratio under which a mix is expected to keep most of both lesions and least of the tail's skin."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import (
    check_alike,
    check_alpha,
    check_divisible,
    check_finite,
    check_map_form,
    check_whole,
    values_are_readable,
)
from longtail_mix._module import Module
from longtail_mix.mixing.ratio._maps import Room, a_few_at_a_time, is_flat, patch_means

__all__ = ["FidelityRatio", "fidelity_ratio"]


def fidelity_ratio(tail: Tensor, head: Tensor, patch_size: int = 16, alpha: float = 0.8) -> Tensor:
    """Keep `alpha` of the tail in the patches where that is worth more than the head's skin is, nothing elsewhere.

    Ours, not the paper's. With t and h the probabilities that a pixel of tail and head shows a lesion, three regions
    are expected: the tail's lesion, t; the head's lesion outside of it, h (1 - t); skin in both, (1 - t)(1 - h). A
    mix of ratio r scores r on the first two and 1 - r on the third, each averaged over its region
    (:class:`~longtail_mix.metrics.MixFidelity`). That score is linear in the ratio of each patch, so the best ratio
    within [0, alpha] is one of the two ends::

        def share(region):                       # of the region, in each patch
            return F.avg_pool2d(region, p) / region.mean((-2, -1), keepdim=True)
        worth = share(t) + share(h * (1 - t)) - share((1 - t) * (1 - h))
        ratio = alpha * (worth > 0)

    A region is counted as one patch larger than it is, so that a hint of a lesion somewhere in the image is not taken
    for a small lesion. Nothing is drawn at random. A tail map without any contrast cannot say where the lesion is;
    its ratio is `alpha` everywhere, so that the image whose label is kept is kept as well.

    Args:
        tail: how likely each pixel of the images that keep their label shows the lesion, [B, 1, H, W] in [0, 1],
            floating point. Maps that are nearly 0 or 1 do best, as of :class:`~longtail_mix.SkinContrastSaliency`
            or :class:`~longtail_mix.SegmentationSaliency`.
        head: the same of their partners; same shape, dtype and device.
        patch_size: side of a patch in pixels; it divides H and W.
        alpha: largest ratio, in (0, 1].

    Returns:
        Ratios [B, 1, H / patch_size, W / patch_size], each 0 or `alpha`, in the dtype of the maps.

    Raises:
        TypeError: maps that are not floating point, options that are not numbers.
        ValueError: shapes, dtypes or devices that do not fit, `alpha` or `patch_size` out of range, or (on the CPU,
            uncompiled) NaN, infinity, or values outside [0, 1]. Elsewhere NaN in a map makes its ratios NaN.

    Example:
        >>> tail, head = torch.zeros(2, 1, 1, 4, 6)
        >>> tail[..., 2:4, 2:4] = 1.0
        >>> head[..., :2, :2] = 1.0
        >>> fidelity_ratio(tail, head, patch_size=2)
        tensor([[[[0.8000, 0.0000, 0.0000],
                  [0.0000, 0.8000, 0.0000]]]])
    """
    check_map_form(tail, "tail")
    check_map_form(head, "head")
    check_alike(tail, head, "tail", "head")
    check_whole(patch_size, "patch_size", 1)
    check_alpha(alpha)
    check_divisible(tail, patch_size, "tail")

    def of_some(room: Room, tail: Tensor, head: Tensor) -> Tensor:
        _check_values(tail, "tail")
        _check_values(head, "head")
        dtype = torch.promote_types(tail.dtype, torch.float32)
        t, h = tail.to(dtype), head.to(dtype)
        of_tail = patch_means(t, patch_size)
        of_head = patch_means(torch.sub(h, torch.mul(h, t, out=room[0]), out=room[0]), patch_size)
        # What is neither is skin in both: 1 - t - h (1 - t) = (1 - t) (1 - h).
        worth = _share(of_tail) + _share(of_head) - _share((1 - of_tail - of_head).clamp(min=0))
        return torch.where(worth.isnan(), worth, alpha * ((worth > 0) | is_flat(t)).to(dtype))

    return a_few_at_a_time(of_some, tail, head).to(tail.dtype)


def _check_values(maps: Tensor, name: str) -> None:
    if not values_are_readable(maps) or not maps.numel():
        return
    low, high = torch.aminmax(maps.detach())
    if not (low >= 0 and high <= 1):
        check_finite(maps, name)
        raise ValueError(f"{name}: expected values in [0, 1], got {low:.3g} to {high:.3g}")


def _share(patches: Tensor) -> Tensor:
    """How much of a region lies in each patch, but for a factor that all regions have in common."""
    return patches / (patches.sum((-2, -1), keepdim=True) + 1)


class FidelityRatio(Module):
    """The recipe that keeps lesions best, as a module: see :func:`fidelity_ratio`.

    Args:
        patch_size: side of a patch in pixels.
        alpha: largest ratio, in (0, 1].

    Shape:
        tail [B, 1, H, W], head [B, 1, H, W] in [0, 1] -> [B, 1, H / patch_size, W / patch_size], each 0 or alpha.

    Example:
        >>> ratio = FidelityRatio(patch_size=8)(torch.rand(2, 1, 32, 32), torch.rand(2, 1, 32, 32))
        >>> ratio.shape, bool(((ratio == 0) | (ratio == 0.8)).all())
        (torch.Size([2, 1, 4, 4]), True)
    """

    def __init__(self, patch_size: int = 16, alpha: float = 0.8) -> None:
        super().__init__()
        check_whole(patch_size, "patch_size", 1)
        check_alpha(alpha)
        self.patch_size, self.alpha = patch_size, alpha

    def forward(self, tail: Tensor, head: Tensor, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002 a recipe's form; nothing is drawn
        """Ratios [B, 1, h, w] from the saliency of tail and head."""
        return fidelity_ratio(tail, head, self.patch_size, self.alpha)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"patch_size={self.patch_size}, alpha={self.alpha}"
