"""Any two-image mix inside one batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from longtail_mix._checks import check_callable
from longtail_mix.mixing._pairs import check_labelled_images, check_maps, only_where
from longtail_mix.mixing.mix import mix_with_record
from longtail_mix.mixing.pairing import Pairing
from longtail_mix.mixing.record import MixRecord, unmixed
from longtail_mix.targets import MixedTarget

__all__ = ["InBatch"]


class InBatch(nn.Module):
    """A two-image mix inside one batch: a pairing says who is mixed with whom, the mix does it.

    The whole of it::

        partner, mixed = pairing.partners(labels, generator)
        images, target = mix(images, labels, images[partner], labels[partner], generator=generator)

    and images that the pairing leaves out come back as they were, with ``lam = 1`` and their own label.

    In evaluation mode all images come back as they were.

    On two streams no adapter is needed: call the mix itself, ``mix(first, first_labels, second, second_labels)``.

    Args:
        mix: a module ``(first, first_labels, second, second_labels, *maps, generator=None) -> (images, MixedTarget)``:
            :class:`~longtail_mix.MixUp`, :class:`~longtail_mix.CutMix` and all others here, or your own.
        pairing: a module with ``partners(labels, generator) -> (partner [B], mixed [B])``:
            :class:`~longtail_mix.RandomPairing`, :class:`~longtail_mix.HeadTailPairing` and others.

    Shape:
        images [B, C, H, W] and labels [B] -> images [B, C, H, W], :class:`~longtail_mix.MixedTarget`.

    Raises:
        TypeError, ValueError: images, labels or maps that do not fit each other; and as the mix and the pairing.

    Example:
        >>> from longtail_mix import CutMix, HeadTailPairing
        >>> mix = InBatch(CutMix(), HeadTailPairing([900, 50, 5]))
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2])
        >>> mixed, target = mix(images, labels)
        >>> target.labels, target.lam[:3]  # only the image of the rare class was mixed
        (tensor([0, 0, 1, 2]), tensor([1., 1., 1.]))
    """

    def __init__(self, mix: nn.Module, pairing: Pairing) -> None:
        super().__init__()
        check_callable(mix, "mix", "a module that mixes two images")
        if not callable(getattr(pairing, "partners", None)):
            raise TypeError(
                f"pairing: expected a module with partners(labels, generator), got {type(pairing).__name__}"
            )
        self.mix = mix
        self.pairing: Pairing = pairing

    def forward(
        self,
        images: Tensor,
        labels: Tensor,
        maps: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, MixedTarget]:
        """Mix the images of a batch with each other.

        Args:
            images: [B, C, H, W].
            labels: [B], integers, on the device of `images`.
            maps: a saliency or class activation map for each image, [B, 1, h, w], for a mix that takes maps.
            generator: where pairs and all else are drawn from; on the same kind of device as `images`.
        """
        if not self.training:
            check_labelled_images(images, labels, "images", "labels")
            return images, MixedTarget.hard(labels)
        _, chosen, pairs = self._pair(images, labels, maps, generator)
        mixed, target = self.mix(*pairs, generator=generator)
        return only_where(chosen, images, labels, mixed, target)

    def with_record(
        self,
        images: Tensor,
        labels: Tensor,
        maps: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, MixedTarget, MixRecord]:
        """The same from the same draws, and what was mixed with whom; for a mix that keeps a record."""
        if not self.training:
            alone = torch.arange(len(images), device=images.device)
            return (*self(images, labels, maps), unmixed(images)._replace(partner=alone))
        partner, chosen, pairs = self._pair(images, labels, maps, generator)
        mixed, target, record = mix_with_record(self.mix, *pairs, generator=generator)
        record = record.only_where(chosen)._replace(partner=partner)
        return (*only_where(chosen, images, labels, mixed, target), record)

    def _pair(
        self, images: Tensor, labels: Tensor, maps: Tensor | None, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        check_labelled_images(images, labels, "images", "labels")
        partner, chosen = self.pairing.partners(labels, generator)
        pairs = (images, labels, images[partner], labels[partner])
        if maps is None:
            return partner, chosen, pairs
        check_maps(maps, images, "maps")
        return partner, chosen, (*pairs, maps, maps[partner])
