"""ResizeMix: the whole second image, made small, pasted into the first."""

from __future__ import annotations

import torch

from longtail_mix._checks import check_number
from longtail_mix.mixing._moves import affine_of_boxes, grid_of_places, places_read
from longtail_mix.mixing.classic.cutmix import outside_boxes
from longtail_mix.mixing.mix import Mix, Pairs
from longtail_mix.mixing.record import MixRecord

__all__ = ["ResizeMix"]


class ResizeMix(Mix):
    """The second image, whole but smaller, somewhere in the first: Qin et al. 2020.

    So no label speaks of an object that was cut off. The same for one image, in plain PyTorch::

        small = F.interpolate(second[None], (h, w), mode="bilinear")[0]    # h = round(tau * H), w = round(tau * W)
        mixed = first.clone()
        mixed[:, y : y + h, x : x + w] = small
        lam = 1 - h * w / (H * W)

    Args:
        smallest: of the factors tau, which are drawn evenly, above 0; 0.1 in the paper.
        largest: of the factors, at most 1; 0.8 in the paper.

    Shape:
        first [B, C, H, W], first_labels [B], second [B, C, H, W], second_labels [B] -> images [B, C, H, W],
        :class:`~longtail_mix.MixedTarget`, `lam` the share of the pixels that are the first's.

    Raises:
        TypeError, ValueError: factors that are not ``0 < smallest <= largest <= 1``.

    Example:
        >>> from longtail_mix import InBatch, RandomPairing
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2])
        >>> images, target = InBatch(ResizeMix(), RandomPairing())(images, labels)
        >>> target.soft(3).shape
        torch.Size([4, 3])
    """

    def __init__(self, smallest: float = 0.1, largest: float = 0.8) -> None:
        super().__init__()
        check_number(smallest, "smallest")
        check_number(largest, "largest")
        if not 0 < smallest <= largest <= 1:
            raise ValueError(f"smallest, largest: expected 0 < smallest <= largest <= 1, got {smallest} and {largest}")
        self.smallest, self.largest = smallest, largest

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """A box anywhere inside the image, and the whole second image in it."""
        height, width = pairs.first.shape[-2:]
        draw = torch.empty((len(pairs.first), 3), device=pairs.first.device).uniform_(generator=generator)
        factor = self.smallest + draw[:, 0] * (self.largest - self.smallest)
        w, h = ((factor * size).round().clamp(min=1) for size in (width, height))
        x, y = (draw[:, 1] * (width - w + 1)).floor(), (draw[:, 2] * (height - h + 1)).floor()
        boxes = torch.stack([x, y, x + w, y + h], 1)
        affine = affine_of_boxes(boxes.new_tensor([[0, 0, width, height]]), boxes)
        grid = grid_of_places(places_read(affine, height, width))
        return outside_boxes(boxes, height, width)._replace(second_grid=grid, second_affine=affine)
