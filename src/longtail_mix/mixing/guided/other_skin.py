"""OtherSkin: the lesion alone on the skin of another image, whose own lesion is filled in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from longtail_mix._checks import check_probability
from longtail_mix.mixing.guided._guide import GuidedMix
from longtail_mix.mixing.guided.fill_in import fill_in
from longtail_mix.mixing.mix import Pairs
from longtail_mix.mixing.record import MixRecord
from longtail_mix.saliency import SkinContrastSaliency

__all__ = ["OtherSkin"]


class OtherSkin(GuidedMix):
    """The first image's lesion on the second image's skin; no patches, no ghost of the second lesion; the label stays.

    Ours. With the two maps m and n, nearly 0 or 1::

        skin = fill_in(second, 1 - n)                              # the second image without its lesion
        skin = skin + mean(first where 1 - m) - mean(second where 1 - n)     # with keep_tone: a shift of each channel
        mixed = m * first + (1 - m) * skin                         # and lam = 1

    Mix every other image of every class, so that being mixed says nothing of the class::

        mix = InBatch(Sometimes(OtherSkin(mean=mean, std=std), probability=0.5), RandomPairing())

    An image whose map shows next to nothing stays as it is: there is no telling what would have to be kept. On one
    fold of ISIC 2018 (docs/research.md) it made a pretrained network depend less on the skin.

    Args:
        keep_tone: shift the second image's skin to the mean colour of the first one's own; what leaves the range of the
            two images is cut.
        least: the smallest share of the image that a map has to show, in [0, 1].
        saliency: a module from images to maps in [0, 1]. Default: :class:`~longtail_mix.SkinContrastSaliency` with a
            margin of 1/28 of the side.
        mean: per-channel mean the images were normalised with, for the default saliency.
        std: per-channel standard deviation, likewise.

    Shape:
        first [B, 3, H, W], first_labels [B], second [B, 3, H, W], second_labels [B], and maps or masks [B, 1, h, w] of
        both, floating point, if there are any -> images [B, 3, H, W], :class:`~longtail_mix.MixedTarget`, `lam` 1.

    Raises:
        TypeError, ValueError: options out of range; images, labels or maps that do not fit each other.

    Example:
        >>> first, second = torch.full((1, 3, 8, 8), 0.2), torch.full((1, 3, 8, 8), 0.75)
        >>> first[..., 2:4, 2:4], second[..., 5:7, 5:7] = 1.0, 0.0
        >>> lesions = torch.zeros(2, 1, 1, 8, 8)
        >>> lesions[0, ..., 2:4, 2:4] = lesions[1, ..., 5:7, 5:7] = 1
        >>> mixed, target = OtherSkin(keep_tone=False)(first, torch.tensor([2]), second, torch.tensor([0]), *lesions)
        >>> mixed.unique(), target.lam
        (tensor([0.7500, 1.0000]), tensor([1.]))
    """

    draws = False

    def __init__(
        self,
        keep_tone: bool = True,
        least: float = 0.01,
        saliency: nn.Module | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        if saliency is None:
            saliency, mean, std = SkinContrastSaliency(mean, std, margin=1 / 28), None, None
        super().__init__(saliency, mean, std)
        check_probability(least, "least")
        if not isinstance(keep_tone, bool):
            raise TypeError(f"keep_tone: expected True or False, got {keep_tone!r}")
        self.keep_tone, self.least = keep_tone, least

    def prepare(self, pairs: Pairs) -> Pairs:
        """The second image without its lesion, in the first one's tone; and both maps."""
        keep, theirs = self.first_map(pairs), self.second_map(pairs)
        dtype = torch.promote_types(keep.dtype, torch.float32)
        first, second = pairs.first.to(dtype), pairs.second.to(dtype)
        skin = fill_in(second, 1 - theirs.to(dtype))
        if self.keep_tone:
            shift = _mean_skin(first, 1 - keep) - _mean_skin(second, 1 - theirs)
            low = torch.minimum(first.amin((2, 3), keepdim=True), second.amin((2, 3), keepdim=True))
            high = torch.maximum(first.amax((2, 3), keepdim=True), second.amax((2, 3), keepdim=True))
            skin = skin.add_(shift).clamp_(low, high)
        if pairs.second.dtype == torch.uint8:
            skin = skin.round()
        return pairs._replace(second=skin.to(pairs.second.dtype), first_map=keep, second_map=theirs)

    def rule(
        self,
        pairs: Pairs,
        generator: torch.Generator | None = None,  # noqa: ARG002 - all mixes are called alike; nothing is drawn here
    ) -> MixRecord:
        """The first map is the mask; where the second image showed its lesion, it was painted over."""
        keep = self.first_map(pairs)
        is_known = keep.mean((1, 2, 3), keepdim=True) >= self.least
        mask = torch.where(is_known, keep, 1.0)
        lam = torch.ones(len(mask), device=mask.device)
        return MixRecord(mask, lam, painted=self.second_map(pairs))


def _mean_skin(images: Tensor, skin: Tensor) -> Tensor:
    """The mean colour where there is skin, [B, C, 1, 1]."""
    return (images * skin).sum((2, 3), keepdim=True) / skin.sum((2, 3), keepdim=True).clamp(min=1)
