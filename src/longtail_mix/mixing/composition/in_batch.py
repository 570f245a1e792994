"""Any two-image mix inside one batch."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

from longtail_mix._checks import check_callable, values_are_readable
from longtail_mix._module import Module
from longtail_mix.mixing._pairs import check_labelled_images, check_maps, only_where
from longtail_mix.mixing.composition.sometimes import Sometimes
from longtail_mix.mixing.mix import mix_with_record
from longtail_mix.mixing.pairing import Pairing
from longtail_mix.mixing.patch._patch_reference import gather
from longtail_mix.mixing.record import MixRecord, unmixed
from longtail_mix.targets import MixedTarget, as_target

__all__ = ["InBatch"]

# Pixels of the images that a CPU mixes at once, where nothing is drawn: intermediate images stay in its cache. A
# detector looks at many small grids and wants more of them.
_CHUNK = 2**17
_CHUNK_OF_DETECTOR = 2**20


class InBatch(Module):
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
        images [B, C, H, W] and labels [B] or [B, K] -> images [B, C, H, W], :class:`~longtail_mix.MixedTarget`; or
        volumes [B, C, D, H, W], where the mix takes them.

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
        check_labelled_images(images, labels, "images", "labels", volumes=True)
        if not self.training:
            return images, MixedTarget.hard(labels)
        inner = self.mix.mix if isinstance(self.mix, Sometimes) else self.mix
        if values_are_readable(images) and self.mix.training and not getattr(inner, "draws", True):
            return self._mix_the_chosen(inner, images, labels, maps, generator)
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
        check_labelled_images(images, labels, "images", "labels", volumes=True)
        partner, chosen, pairs = self._pair(images, labels, maps, generator)
        mixed, target, record = mix_with_record(self.mix, *pairs, generator=generator)
        record = record.only_where(chosen)._replace(partner=partner)
        return (*only_where(chosen, images, labels, mixed, target), record)

    def _mix_the_chosen(
        self, mix: nn.Module, images: Tensor, labels: Tensor, maps: Tensor | None, generator: torch.Generator | None
    ) -> tuple[Tensor, MixedTarget]:
        """The same, where it is known who is mixed and nothing else is drawn: only those pairs, a few at a time."""
        if maps is not None:
            check_maps(maps, images, "maps")
        partner, chosen = self.pairing.partners(labels, generator)
        if isinstance(self.mix, Sometimes):
            chosen = chosen & self.mix.draw(labels, generator)
        mixed, own = images.clone(), as_target(labels)
        other = own.clone()
        lam = torch.ones(len(labels), device=labels.device)
        at_once = (_CHUNK_OF_DETECTOR if maps is None else _CHUNK) // prod(images.shape[2:])
        for index in chosen.nonzero().squeeze(1).split(max(at_once, 2)):
            if len(index) == 0:  # nobody is mixed, and detectors need not take zero images
                break
            theirs = partner[index]
            of_pairs = () if maps is None else (gather(maps, index), gather(maps, theirs))
            pairs = (gather(images, index), labels[index], gather(images, theirs), labels[theirs], *of_pairs)
            some, target = mix(*pairs, generator=generator)
            mixed.index_copy_(0, index, some)
            other[index], lam[index] = target.other, target.lam
        return mixed, MixedTarget(own, other, lam)

    def _pair(
        self, images: Tensor, labels: Tensor, maps: Tensor | None, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        partner, chosen = self.pairing.partners(labels, generator)
        pairs = (images, labels, images[partner], labels[partner])
        if maps is None:
            return partner, chosen, pairs
        check_maps(maps, images, "maps")
        return partner, chosen, (*pairs, maps, maps[partner])
