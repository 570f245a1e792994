"""What a mix did: the share of each image in each pixel, the label's weight, the partner."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from longtail_mix._checks import written
from longtail_mix.mixing._moves import identity_affine, identity_grid, moved
from longtail_mix.mixing._pairs import of_each
from longtail_mix.mixing.patch import patch_mixup

__all__ = ["MixRecord"]


class MixRecord(NamedTuple):
    """What was mixed, so that masks, boxes and points can be carried along: ``mix.with_record(...)`` returns it.

    :func:`~longtail_mix.functional.carry_masks`, :func:`~longtail_mix.functional.carry_boxes` and
    :func:`~longtail_mix.functional.carry_points` do so.

    A mix is ``mask * first + (1 - mask) * second`` in every pixel, and ``lam`` of the label belongs to the first. Some
    mixes move an image before they blend it; then a grid says where each pixel of the result was taken from. A named
    tuple of tensors, so that loaders, ``torch.compile`` and accelerate move it as they move a batch.

    Args:
        mask: the share of the first image, [B, 1, h, w] in [0, 1] or bool (true where the first image is); h divides
            the images' height and w their width, so one share for an image is [B, 1, 1, 1]. Of volumes [B, 1, d, h, w].
        lam: the weight of the first label [B], float32 in [0, 1].
        first_grid: where the pixels of the first image come from, [B, H, W, 2], (x, y) from -1 to 1 as
            ``F.grid_sample(align_corners=False)`` takes it; None where it was not moved.
        second_grid: likewise for the second image.
        partner: index of the second image of each pair in its batch, int64 [B]; None where the two are streams, and
            the second image is the one at the same place of the second stream.
        first_affine: where the places of the first image go to, [B, 2, 3]: (x, y) in pixels from the upper left corner
            goes to ``first_affine @ (x, y, 1)``, the inverse of what the grid says; None where it was not moved. Boxes
            and points need it.
        second_affine: likewise for the second image.
        painted: where the second image was painted over before it was mixed, [B, 1, H, W] in [0, 1], so that what it
            showed there is nowhere to see; None where it was not.

    Example:
        >>> from longtail_mix import CutMix, InBatch, RandomPairing
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2])
        >>> mixed, target, record = InBatch(CutMix(), RandomPairing()).with_record(images, labels)
        >>> torch.equal(record.blend(images, images[record.partner]), mixed), torch.equal(record.lam, target.lam)
        (True, True)
        >>> lesions = torch.rand(4, 1, 8, 8) > 0.5
        >>> record.carry(lesions, lesions[record.partner]).dtype
        torch.bool
    """

    mask: Tensor
    lam: Tensor
    first_grid: Tensor | None = None
    second_grid: Tensor | None = None
    partner: Tensor | None = None
    first_affine: Tensor | None = None
    second_affine: Tensor | None = None
    painted: Tensor | None = None

    def share(self, *size: int) -> Tensor:
        """The mask on a grid of pixels, as it is: ``share(height, width)``; of volumes the depth comes first."""
        grid = tuple(self.mask.shape[2:])
        if len(size) != len(grid) or any(pixels % cells for pixels, cells in zip(size, grid, strict=True)):
            raise ValueError(f"height, width: expected multiples of the mask's {written(grid)}, got {written(size)}")
        share = self.mask
        for dim, (pixels, cells) in enumerate(zip(size, grid, strict=True), 2):
            share = share.repeat_interleave(pixels // cells, dim)
        return share

    def blend(self, first: Tensor, second: Tensor) -> Tensor:
        """Mix images, maps or volumes as the images were, in the dtype of `first`; uint8 is rounded at the end.

        The same in plain PyTorch: ``share * moved(first) + (1 - share) * moved(second)``. Where a mix painted over the
        second image before, `second` has to be the painted one.
        """
        dtype = first.dtype
        if dtype == torch.uint8 and (self.mask.is_floating_point() or self._moves()):
            mixed = self.blend(first.to(torch.float32), second.to(torch.float32))
            return mixed.round_().to(torch.uint8)
        first, second = moved(first, self.first_grid), moved(second, self.second_grid)
        size, grid = first.shape[2:], self.mask.shape[2:]
        if not self.mask.is_floating_point():
            return torch.where(self.share(*size), first, second)
        if len(grid) == len(size) and grid in ((1,) * len(size), size):
            return torch.lerp(second, first, self.mask.to(dtype))
        return patch_mixup(first, second, self.mask)

    def carry(self, first: Tensor, second: Tensor) -> Tensor:
        """Mix what cannot be averaged, as masks of lesions or classes of pixels, of any dtype.

        Each pixel is that of the image with the larger share, the first at a draw; moved images are read at the
        nearest pixel.
        """
        first, second = (
            values if grid is None else moved(values.to(torch.float64), grid, "nearest").to(values.dtype)
            for values, grid in ((first, self.first_grid), (second, self.second_grid))
        )
        share = self.share(*first.shape[2:])
        return torch.where(share >= 0.5 if share.is_floating_point() else share, first, second)

    def only_where(self, chosen: Tensor) -> MixRecord:
        """The record of a batch in which only the images that `chosen` [B] names were mixed."""
        of_image = of_each(chosen, self.mask)
        mask = torch.where(of_image, self.mask, True if self.mask.dtype == torch.bool else 1.0)
        grid, affine = self.first_grid, self.first_affine
        if grid is not None:
            grid = torch.where(of_image, grid, identity_grid(grid))
        if affine is not None:
            affine = torch.where(chosen.view(-1, 1, 1), affine, identity_affine(affine))
        lam = torch.where(chosen, self.lam, 1.0)
        return self._replace(mask=mask, lam=lam, first_grid=grid, first_affine=affine)

    def _moves(self) -> bool:
        return self.first_grid is not None or self.second_grid is not None


def unmixed(images: Tensor) -> MixRecord:
    """The record of images that were left as they are."""
    mask = of_each(torch.ones(len(images), dtype=torch.bool, device=images.device), images)
    return MixRecord(mask, torch.ones(len(images), device=images.device))
