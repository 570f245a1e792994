"""The three ways in which a training loop sees an image and its saliency, and what is measured in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.crops import crop_images, crop_maps, crop_masks
from benchmarks.fidelity_data import Lesions
from longtail_mix.metrics import auroc_and_iou, mix_fidelity

__all__ = ["VIEWS", "Frames", "measure_images", "measure_pairs"]

VIEWS = ("whole frames", "crops, map of the crop", "crops, map carried")


@dataclass(frozen=True)
class Frames:
    """The images of a set, whole and cropped, kept on the host and measured batch by batch on a device."""

    data: Lesions
    crops: Tensor  # [N, 4]
    cropped_images: Tensor  # uint8 [N, 3, S, S]
    cropped_masks: Tensor  # bool [N, 1, S, S]
    device: torch.device
    batch: int

    @classmethod
    def crop(cls, data: Lesions, crops: Tensor, device: torch.device, batch: int) -> Frames:
        """Crop once what every detector looks at."""
        images = _in_batches(crop_images, (data.images, crops), device, batch)
        masks = _in_batches(crop_masks, (data.masks, crops), device, batch)
        return cls(data, crops, images, masks, device, batch)

    def views(self, detector: nn.Module | None) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Name, maps [N, 1, S, S] and masks [N, 1, S, S] of each view; None stands for the masks themselves."""
        if detector is None:
            own = self.cropped_masks.float()
            maps = (self.data.masks.float(), own, own)
        else:
            whole = self._maps(detector, self.data.images)
            carried = _in_batches(crop_maps, (whole, self.crops), self.device, self.batch).clamp_(0, 1)
            maps = (whole, self._maps(detector, self.cropped_images), carried)
        masks = (self.data.masks, self.cropped_masks, self.cropped_masks)
        return zip(VIEWS, maps, masks, strict=True)

    def _maps(self, detector: nn.Module, images: Tensor) -> Tensor:
        return _in_batches(detector, (images,), self.device, self.batch)


def measure_images(maps: Tensor, masks: Tensor, device: torch.device, batch: int) -> Tensor:
    """AUROC and best-threshold IoU of each image: [N, 2] float64, NaN where there is no lesion."""

    def quality(maps: Tensor, masks: Tensor) -> Tensor:
        return torch.stack(auroc_and_iou(maps, masks), 1)

    return _in_batches(quality, (maps, masks), device, batch)


def measure_pairs(
    recipe: nn.Module, maps: Tensor, masks: Tensor, data: Lesions, device: torch.device, batch: int, seed: int
) -> Tensor:
    """Retention, leak and background of each pair: [M, 3] float64, NaN where a pair has no such region."""
    generator = torch.Generator(device).manual_seed(seed)

    def fidelity(tail: Tensor, head: Tensor) -> Tensor:
        tail_maps, head_maps, tail_masks, head_masks = (x[at].to(device) for x in (maps, masks) for at in (tail, head))
        return mix_fidelity(recipe(tail_maps, head_maps, generator), tail_masks, head_masks)

    return _in_batches(fidelity, (data.tail, data.head), torch.device("cpu"), batch)


def _in_batches(function: object, tensors: tuple[Tensor, ...], device: torch.device, batch: int) -> Tensor:
    """`function` of some rows after the other, each batch on the device, the results together on the host."""
    assert callable(function)
    parts = zip(*(tensor.split(batch) for tensor in tensors), strict=True)
    return torch.cat([function(*(part.to(device) for part in some)).cpu() for some in parts])
