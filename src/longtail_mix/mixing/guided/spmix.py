"""SPMix: tail-class images keep their lesion and get the surroundings of head-class images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from longtail_mix._checks import (
    check_alike,
    check_divisible,
    check_finite,
    check_images,
    values_are_readable,
)
from longtail_mix._module import Module
from longtail_mix.mixing._pairs import check_any_images, check_labelled_images, check_saliency
from longtail_mix.mixing.pairing._partners import as_pairs
from longtail_mix.mixing.pairing.balanced import BalancedPairing
from longtail_mix.mixing.pairing.head_tail import HeadTailPairing, Pairing
from longtail_mix.mixing.patch._patch_reference import gather
from longtail_mix.mixing.patch.patch_mixup import patch_mixup
from longtail_mix.mixing.ratio.paper import NOISE, PaperRatio, check_ratio_options, paper_ratio
from longtail_mix.mixing.ratio.released import ReleasedRatio
from longtail_mix.mixing.record import MixRecord, unmixed
from longtail_mix.saliency import (
    BooleanMapSaliency,
    SaliencyMap,
    SkinContrastSaliency,
    SpectralResidualSaliency,
    saliency_map,
)

__all__ = ["SPMix", "spmix"]

_ANY_RGB = (SaliencyMap, SpectralResidualSaliency, BooleanMapSaliency)  # what they look at, a grey image has too


def spmix(
    tail: Tensor,
    head: Tensor,
    patch_size: int = 16,
    alpha: float = 0.8,
    noise: float = NOISE,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Mix pairs of images as the SPMix paper does (Secs. 2.2 to 2.4, Eqs. 1 and 2); the tail's labels stay.

    The whole method::

        merged = merged_saliency(saliency_map(tail), saliency_map(head))
        ratio = lesion_aware_ratio(merged, patch_size, alpha, noise)
        mixed = patch_mixup(tail, head, ratio)

    Args:
        tail: RGB images that keep their label [B, 3, H, W]; uint8, or floating point in [0, 1], or normalised with
            `mean` and `std`. H and W are multiples of `patch_size`.
        head: their partners, same shape, dtype and device.
        patch_size: side of a patch in pixels.
        alpha: largest share of the tail in a patch, in (0, 1].
        noise: half width of the uniform noise on the merged saliency.
        mean: per-channel mean the images were normalised with, or None.
        std: per-channel standard deviation, or None.
        generator: where the noise comes from; on the same kind of device as the images.

    Returns:
        Mixed images, [B, 3, H, W] in the dtype of `tail`.

    Raises:
        TypeError, ValueError: as the three functions it calls.

    Example:
        >>> tail, head = torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
        >>> spmix(tail, head).shape
        torch.Size([2, 3, 64, 64])
    """
    check_images(tail, "tail")
    check_images(head, "head")
    check_alike(tail, head, "tail", "head")
    check_ratio_options(patch_size, alpha, noise)
    check_divisible(tail, patch_size, "tail")
    tail_map, head_map = saliency_map(tail, mean, std), saliency_map(head, mean, std)
    return patch_mixup(tail, head, paper_ratio(tail_map, head_map, patch_size, alpha, noise, generator))


class SPMix(Module):
    """Saliency-guided, patch-based mixup for long-tailed data (Wei et al. 2024): one line in a training loop.

    ``images, labels = spmix(images, labels)`` gives each tail-class image of the batch the surroundings of a
    head-class image of the same batch. The labels stay. Images of other classes, and all images of a batch
    without a tail or without a head, come back as they were; in evaluation mode all images do.

    The steps are modules that can be exchanged: `saliency` finds what must stay, `pairing` decides who is mixed with
    whom, `recipe` turns two saliency maps into a ratio for each patch. ``SPMix()`` has the paper's ratio and mixes
    images, where the paper mixes features: :meth:`mix` and :class:`~longtail_mix.MixInside` do that. :meth:`released`
    has the ratio of the authors' released code.

    Args:
        class_counts: training images per class [K], position k for label k, as ``torch.bincount(train_labels)`` gives
            them; needed to call the module on a batch, unless `pairing` is given.
        patch_size: side of a patch in pixels; it divides height and width of the images.
        alpha: largest share of the tail in a patch, in (0, 1].
        noise: half width of the uniform noise on the merged saliency, on maps in [0, 1].
        saliency: any module from images [B, 3, H, W] to maps [B, 1, H, W] in [0, 1]. Default:
            :class:`~longtail_mix.SaliencyMap` with `mean` and `std`.
        mean: per-channel mean the images were normalised with, for the default saliency.
        std: per-channel standard deviation, likewise.
        pairing: a module with ``partners(labels, generator) -> (partner [B], mixed [B])``. Default:
            :class:`~longtail_mix.HeadTailPairing` from `class_counts`.
        recipe: a module ``(tail_saliency, head_saliency, generator) -> ratio``. Default:
            :class:`~longtail_mix.PaperRatio` from `patch_size`, `alpha` and `noise`, which another recipe holds itself.

    Shape:
        images [B, C, H, W] and labels [B] -> the same. C is 3; 1 is shown to the detector as grey; with maps, or a
        saliency for such images, any number.

    Raises:
        TypeError, ValueError: options, images or labels out of range, each with what was expected and what came.

    Example:
        >>> spmix = SPMix(class_counts=[6705, 1113, 115])  # .to(device) with the rest of your modules
        >>> images, labels = torch.rand(8, 3, 224, 224), torch.tensor([0, 0, 0, 0, 0, 1, 1, 2])
        >>> mixed, same_labels = spmix(images, labels)
        >>> torch.equal(mixed[:7], images[:7]), torch.equal(mixed[7], images[7]), same_labels is labels
        (True, False, True)

        On features, in a model of your own:

        >>> ratio = spmix.ratio(images[7:], images[:1])
        >>> tail_features, head_features = torch.rand(1, 768, 14, 14), torch.rand(1, 768, 14, 14)
        >>> spmix.mix(tail_features, head_features, ratio).shape
        torch.Size([1, 768, 14, 14])
    """

    def __init__(
        self,
        class_counts: Sequence[int] | Tensor | None = None,
        patch_size: int = 16,
        alpha: float = 0.8,
        noise: float = NOISE,
        saliency: nn.Module | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        *,
        pairing: Pairing | None = None,
        recipe: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if saliency is not None and (mean is not None or std is not None):
            raise ValueError("mean, std: expected None beside a saliency of your own, which has to hold them itself")
        if pairing is not None and class_counts is not None:
            raise ValueError("class_counts: expected None beside a pairing of your own, which replaces what it decides")
        if recipe is not None and (patch_size, alpha, noise) != (16, 0.8, NOISE):
            raise ValueError(
                "patch_size, alpha, noise: expected the defaults beside a recipe of your own, which holds its own"
            )
        for given, name in ((saliency, "saliency"), (recipe, "recipe")):
            if given is not None and not isinstance(given, nn.Module):
                raise TypeError(f"{name}: expected a torch.nn.Module, got {type(given).__name__}")
        if pairing is not None and not callable(getattr(pairing, "partners", None)):
            raise TypeError(
                f"pairing: expected a module with partners(labels, generator), got {type(pairing).__name__}"
            )
        if pairing is None and class_counts is not None:
            pairing = HeadTailPairing(class_counts)
        self.saliency = SaliencyMap(mean, std) if saliency is None else saliency
        kinds = (type(part) for part in self.saliency.modules())
        self._detectors = tuple(kind for kind in kinds if kind in (*_ANY_RGB, SkinContrastSaliency))
        self.pairing: Pairing | None = pairing
        self.recipe = PaperRatio(patch_size, alpha, noise) if recipe is None else recipe

    @classmethod
    def released(
        cls,
        patch_size: int = 16,
        alpha: float = 0.8,
        noise: float = NOISE,
        saliency: nn.Module | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> SPMix:
        """SPMix as in the authors' released code: :class:`ReleasedRatio` and :class:`BalancedPairing`.

        There every image of a uniform batch keeps its label and is mixed with one of a class-balanced batch. With
        two loaders that is ``SPMix.released().pair(uniform_images, balanced_images)``.

        Example:
            >>> images, labels = torch.rand(4, 3, 32, 32), torch.tensor([0, 0, 0, 1])
            >>> SPMix.released()(images, labels)[0].shape
            torch.Size([4, 3, 32, 32])
        """
        recipe = ReleasedRatio(patch_size, alpha, noise)
        return cls(saliency=saliency, mean=mean, std=std, pairing=BalancedPairing(), recipe=recipe)

    def forward(
        self,
        images: Tensor,
        labels: Tensor,
        maps: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Mix the tail images of a batch with its head images.

        Args:
            images: [B, C, H, W]; C is 3, or 1, or any where `maps` or a saliency for such images are given.
            labels: [B], integers, on the device of `images`.
            maps: saliency of `images` [B, 1, H, W], if computed before; it must have gone through the same crops and
                flips. Floating point, or uint8 with 255 for 1, which loses nothing of a
                :class:`~longtail_mix.SaliencyMap`. Default: computed here.
            generator: where pairs and noise come from; on the same kind of device as `images`.

        Returns:
            Mixed images [B, C, H, W], and `labels` itself.
        """
        mixed, labels, _ = self.with_record(images, labels, maps, generator)
        return mixed, labels

    def with_record(
        self,
        images: Tensor,
        labels: Tensor,
        maps: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor, MixRecord]:
        """The same from the same draws, and the :class:`~longtail_mix.MixRecord` of what was mixed with whom."""
        if self.pairing is None:
            raise ValueError("class_counts: expected the images per class to tell tail from head, got None")
        check_labelled_images(images, labels, "images", "labels")
        if not self.training:
            alone = torch.arange(len(images), device=images.device)
            return images, labels, unmixed(images)._replace(partner=alone)
        partner, mixed = self.pairing.partners(labels, generator)
        if maps is not None:
            check_saliency(maps, images, "maps")
        only_some = values_are_readable(images) and len(images) > 0
        # On a CPU only what is mixed is made; elsewhere batches keep one shape, and nothing waits for the device.
        make = self._ratio_of_pairs if only_some else self._ratio_of_all
        ratio = make(images, maps, partner, mixed, generator)
        record = MixRecord(ratio, torch.ones(len(labels), device=labels.device), partner=partner)
        if not only_some or 2 * int(mixed.sum()) > len(mixed):
            return patch_mixup(images, images, ratio, head_index=partner), labels, record
        check_finite(images, "images")
        pairs = as_pairs(partner, mixed)
        some = patch_mixup(images, images, ratio[pairs[0]], 0, *pairs)
        return images.clone().index_copy_(0, pairs[0], some), labels, record

    def _ratio_of_all(
        self, images: Tensor, maps: Tensor | None, partner: Tensor, mixed: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """The ratio of every image [B, 1, h, w]; 1, which leaves it as it is, where it is not mixed."""
        maps = self.maps(images) if maps is None else _in_unit(maps)
        if images.device.type != "cpu":
            return torch.where(mixed[:, None, None, None], self.recipe(maps, maps[partner], generator), 1)
        # The pairs first, as where only they are made: a recipe whose noise follows the place in its batch gives both
        # the same.
        first = mixed.logical_not().to(torch.uint8).argsort(stable=True)
        of_first = self.recipe(maps[first], maps[partner[first]], generator)
        ratio = torch.empty_like(of_first).index_copy(0, first, of_first)
        return torch.where(mixed[:, None, None, None], ratio, 1)

    def _ratio_of_pairs(
        self, images: Tensor, maps: Tensor | None, partner: Tensor, mixed: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """The same from the maps of the pairs alone, where looking at which they are costs nothing."""
        index, partner = as_pairs(partner, mixed)
        if not len(index):  # one image still tells whether maps, recipe and patches fit, and draws what is drawn
            index = partner = mixed.new_zeros(1, dtype=torch.int64)
        if maps is None:
            needed, place = torch.cat([index, partner]).unique(return_inverse=True)
            maps = self.maps(images if len(needed) == len(images) else gather(images, needed))
            of_image, of_partner = place.chunk(2)
        else:
            of_image, of_partner = index, partner
        # In order where all are mixed: no copy is needed then.
        of_tail = maps if len(of_image) == len(maps) else gather(maps, of_image)
        of_pairs: Tensor = self.recipe(_in_unit(of_tail), _in_unit(gather(maps, of_partner)), generator)
        ratio = of_pairs.new_ones((len(images), *of_pairs.shape[1:]))
        return torch.where(mixed[:, None, None, None], ratio.index_copy(0, index, of_pairs), 1)

    def maps(self, images: Tensor) -> Tensor:
        """The saliency [B, 1, H, W] of images [B, C, H, W].

        One channel is shown to the detector as grey RGB. Other numbers of channels are up to it: those of this library
        want three, and :class:`~longtail_mix.SkinContrastSaliency` wants the colours of skin.

        Raises:
            ValueError: channels that the detector cannot look at.
        """
        channels = images.shape[1] if images.ndim == 4 else 3
        ours = self._detectors
        if ours and (channels not in (1, 3) or (channels == 1 and SkinContrastSaliency in ours)):
            raise ValueError(
                f"images: expected RGB images [B, 3, H, W] for {ours[-1].__name__}, "
                f"got shape {list(images.shape)}; give the maps, or a saliency for such images"
            )
        found: Tensor = self.saliency(images.expand(-1, 3, -1, -1) if ours and channels == 1 else images)
        return _in_unit(check_saliency(found, images))

    def ratio(self, tail: Tensor, head: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Share of the tail in each patch, [B, 1, h, w], for pairs of images [B, C, H, W]."""
        check_any_images(tail, "tail")
        check_any_images(head, "head")
        check_alike(tail, head, "tail", "head")
        ratio: Tensor = self.recipe(self.maps(tail), self.maps(head), generator)
        return ratio

    def mix(self, tail: Tensor, head: Tensor, ratio: Tensor, num_prefix_tokens: int = 0) -> Tensor:
        """Mix images, feature maps [B, C, H, W] or tokens [B, N, D] with a ratio: see :func:`patch_mixup`."""
        return patch_mixup(tail, head, ratio, num_prefix_tokens)

    def pair(self, tail: Tensor, head: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mix pairs from two streams, images [B, C, H, W] each; the result keeps the labels of `tail`."""
        if not self.training:
            check_any_images(tail, "tail")
            check_any_images(head, "head")
            return tail
        return self.mix(tail, head, self.ratio(tail, head, generator))


def _in_unit(maps: Tensor) -> Tensor:
    """Maps in [0, 1]: those of bytes divided by 255, as :class:`~longtail_mix.SaliencyMap` divides its own."""
    return maps.to(torch.float32).mul_(1 / 255) if maps.dtype == torch.uint8 else maps
