"""SkinSwap: an image keeps its lesion and its label, and gets the skin of another image."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from longtail_mix._checks import check_probability
from longtail_mix.mixing.guided._guide import GuidedMix
from longtail_mix.mixing.guided.soft_edges import soft_edges
from longtail_mix.mixing.mix import Pairs
from longtail_mix.mixing.record import MixRecord
from longtail_mix.saliency import SkinContrastSaliency

__all__ = ["SkinSwap"]


class SkinSwap(GuidedMix):
    """The first image wherever either image shows its lesion, the second image's skin elsewhere; the label stays.

    Ours. SPMix's idea (keep both lesions' places as the first image has them) for each pixel instead of each patch,
    without noise, with edges that fade, and for images of any class. The whole of it::

        mask = soft_edges((first_map > threshold) | (second_map > threshold), edge)
        mixed = mask * first + (1 - mask) * second          # and lam = 1

    An image in whose map nothing is above the threshold comes back as it was: nobody knows what to keep.

    Args:
        threshold: above it a pixel of a map belongs to the lesion, in [0, 1].
        edge: width of the edges, as a share of the shorter side: see :func:`~longtail_mix.functional.soft_edges`.
        saliency: a module from images [B, 3, H, W] to maps [B, 1, H, W] in [0, 1]. Default:
            :class:`~longtail_mix.SkinContrastSaliency` with `mean` and `std`.
        mean: per-channel mean the images were normalised with, for the default saliency.
        std: per-channel standard deviation, likewise.

    Shape:
        first [B, 3, H, W], first_labels [B], second [B, 3, H, W], second_labels [B], and maps or masks [B, 1, h, w] of
        both, floating point, if there are any -> images [B, 3, H, W], :class:`~longtail_mix.MixedTarget`, `lam` 1.

    Raises:
        TypeError, ValueError: options out of range; images, labels or maps that do not fit each other.

    Example:
        >>> first, second = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
        >>> lesion = torch.zeros(2, 1, 1, 4, 4)
        >>> lesion[0, ..., 1:3, 1:3] = lesion[1, ..., 3, 3] = 1
        >>> images, target = SkinSwap(edge=0)(first, torch.tensor([2]), second, torch.tensor([0]), *lesion)
        >>> images[0, 0], target.lam
        (tensor([[1., 1., 1., 1.],
                [1., 0., 0., 1.],
                [1., 0., 0., 1.],
                [1., 1., 1., 0.]]), tensor([1.]))
    """

    detector = SkinContrastSaliency

    def __init__(
        self,
        threshold: float = 0.5,
        edge: float = 0.05,
        saliency: torch.nn.Module | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(saliency, mean, std)
        check_probability(threshold, "threshold")
        check_probability(edge, "edge")
        self.threshold, self.edge = threshold, edge

    def rule(
        self,
        pairs: Pairs,
        generator: torch.Generator | None = None,  # noqa: ARG002 - all mixes are called alike; nothing is drawn here
    ) -> MixRecord:
        """Both lesions' places, with soft edges."""
        lesion, hidden = self.first_map(pairs) > self.threshold, self.second_map(pairs) > self.threshold
        is_known = lesion.flatten(1).any(1).view(-1, 1, 1, 1)
        mask = torch.where(is_known, soft_edges(lesion | hidden, self.edge), 1.0)
        return MixRecord(mask, torch.ones(len(mask), device=mask.device))
