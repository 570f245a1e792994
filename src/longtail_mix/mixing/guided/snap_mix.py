"""SnapMix: a box of the second image, scaled into a box of the first; the label by what both boxes show."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from longtail_mix._checks import check_positive
from longtail_mix.mixing._moves import affine_of_boxes, grid_of_places, places_read
from longtail_mix.mixing.classic.cutmix import outside_boxes
from longtail_mix.mixing.draws import draw_lam, random_boxes
from longtail_mix.mixing.guided._guide import GuidedMix, semantic_share
from longtail_mix.mixing.mix import Pairs
from longtail_mix.mixing.record import MixRecord

__all__ = ["SnapMix"]


class SnapMix(GuidedMix):
    """A box of each image, drawn apart, the second's scaled into the first's: Huang et al. 2021.

    The maps are class activation maps for the true labels, of the network in training; handed over as maps, as
    ``GradCAM`` makes them, any size. With each map divided by its sum, the first image keeps the meaning
    ``r1 = 1 - sum of its map in its box``, and the second brings ``r2 = sum of its map in its box``. The paper weighs
    the two losses by `r1` and `r2`, which do not sum to 1; a :class:`~longtail_mix.MixedTarget` does, so here
    ``lam = r1 / (r1 + r2)``, and where both are 0 the share of the pixels. A pair of which a box is empty stays as it
    was.

    Args:
        alpha: of the Beta distribution that both boxes come from, above 0; 5 in the paper.
        saliency: a module from images to maps, where none are handed over. Default:
            :class:`~longtail_mix.SaliencyMap` with `mean` and `std`, which is not the paper's.
        mean: per-channel mean the images were normalised with, for the default saliency.
        std: per-channel standard deviation, likewise.

    Shape:
        first [B, 3, H, W], first_labels [B], second [B, 3, H, W], second_labels [B], maps [B, 1, h, w] of both, at
        least 0 -> images [B, 3, H, W], :class:`~longtail_mix.MixedTarget`.

    Raises:
        TypeError, ValueError: options out of range; images, labels or maps that do not fit each other.

    Example:
        >>> from longtail_mix import InBatch, RandomPairing
        >>> images, labels, cams = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2]), torch.rand(4, 1, 2, 2)
        >>> images, target = InBatch(SnapMix(), RandomPairing())(images, labels, cams)
        >>> target.soft(3).shape
        torch.Size([4, 3])
    """

    def __init__(
        self,
        alpha: float = 5.0,
        saliency: nn.Module | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(saliency, mean, std)
        check_positive(alpha, "alpha")
        self.alpha = alpha

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """A box of each image, and what the maps say of them."""
        height, width = pairs.first.shape[-2:]
        first_box, second_box = (
            random_boxes(draw_lam(pairs.first_labels, self.alpha, generator), height, width, generator)
            for _ in range(2)
        )
        of_first, of_second = outside_boxes(first_box, height, width), outside_boxes(second_box, height, width)
        is_mixed = (of_first.lam < 1) & (of_second.lam < 1)
        of_maps = self.first_map(pairs), of_first.mask, self.second_map(pairs), ~of_second.mask
        lam = semantic_share(*of_maps, of_first.lam)
        # A box without pixels, whose pair stays as it was, counts as a pixel to keep the numbers finite.
        source, target = (
            torch.cat([box[:, :2], box[:, 2:].clamp(min=box[:, :2] + 1)], 1) for box in (second_box, first_box)
        )
        affine = affine_of_boxes(source.float(), target.float())
        places = places_read(affine, height, width)
        # Not beyond the middles of the box's own pixels: what lies outside of it is not pasted.
        places = places.clamp(source[:, None, None, :2] + 0.5, source[:, None, None, 2:] - 0.5)
        record = MixRecord(of_first.mask, lam, second_grid=grid_of_places(places), second_affine=affine)
        return record.only_where(is_mixed)
