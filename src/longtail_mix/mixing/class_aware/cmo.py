"""CMO: rare foregrounds cut into the images of frequent classes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from longtail_mix.mixing.classic.cutmix import CutMix
from longtail_mix.mixing.composition.in_batch import InBatch
from longtail_mix.mixing.composition.sometimes import Sometimes
from longtail_mix.mixing.pairing.weighted import InverseFrequencyPairing

__all__ = ["CMO"]


class CMO(Sometimes):
    """Context-rich minority oversampling (Park et al. 2022): CutMix of rare foregrounds onto frequent backgrounds.

    ``mixed = M * background + (1 - M) * foreground``, as :func:`~longtail_mix.functional.cutmix`. What is new is where
    the two come from: backgrounds from the data as they are, foregrounds from a stream that favours rare classes. So on
    two streams it is ``CMO()(uniform, uniform_labels, balanced, balanced_labels)``, and in one batch
    :meth:`in_batch` draws the foregrounds from the batch.

    Args:
        alpha: of the Beta distribution that the share of the background comes from, above 0.
        probability: with which a pair is mixed; a half, as the authors do.

    Shape:
        background [B, C, H, W], background_labels [B], foreground [B, C, H, W], foreground_labels [B] -> images
        [B, C, H, W], :class:`~longtail_mix.MixedTarget`, whose `lam` belongs to the background.

    Example:
        >>> import torch
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2])
        >>> images, target = CMO.in_batch([900, 50, 5])(images, labels)
        >>> target.soft(3).shape
        torch.Size([4, 3])
    """

    def __init__(self, alpha: float = 1.0, probability: float = 0.5) -> None:
        super().__init__(CutMix(alpha), probability)

    @classmethod
    def in_batch(
        cls, class_counts: Sequence[int] | Tensor, alpha: float = 1.0, probability: float = 0.5, power: float = 1.0
    ) -> InBatch:
        """CMO within one batch: foregrounds by :class:`~longtail_mix.InverseFrequencyPairing`.

        Example:
            >>> CMO.in_batch([900, 50, 5], power=0.5).pairing
            InverseFrequencyPairing(class_counts=[900, 50, 5], power=0.5)
        """
        return InBatch(cls(alpha, probability), InverseFrequencyPairing(class_counts, power))
