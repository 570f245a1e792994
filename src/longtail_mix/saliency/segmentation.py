"""Saliency from a segmentation network: how likely each pixel shows the lesion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longtail_mix._checks import check_floating, check_has_pixels, check_normalisation, check_tensor, check_whole
from longtail_mix._images import as_unit
from longtail_mix._module import Module

__all__ = ["SegmentationSaliency", "lesion_probability"]


def lesion_probability(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Turn a segmentation network's logits into probabilities of the lesion at the size of the images.

    The same in plain PyTorch::

        p = logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)[:, 1:]
        p = F.interpolate(p, size, mode="bilinear", align_corners=False)

    Args:
        logits: [B, 1, h, w], or [B, 2, h, w] with background first.
        size: height and width of the result.

    Returns:
        [B, 1, H, W], float32 in [0, 1].

    Raises:
        TypeError: no tensor.
        ValueError: another shape.

    Example:
        >>> lesion_probability(torch.zeros(1, 2, 4, 4), (8, 8)).unique()
        tensor([0.5000])
    """
    check_floating(logits, "logits")
    if not isinstance(size, Sequence) or len(size) != 2:
        raise TypeError(f"size: expected a height and a width, got {size!r}")
    height, width = size
    check_whole(height, "size", 1)
    check_whole(width, "size", 1)
    if logits.ndim != 4 or logits.shape[1] not in (1, 2):
        raise ValueError(f"logits: expected [B, 1, h, w] or [B, 2, h, w], got shape {list(logits.shape)}")
    check_has_pixels(logits, "logits")
    logits = logits.float()
    probability = logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)[:, 1:]
    return F.interpolate(probability, (int(height), int(width)), mode="bilinear", align_corners=False).clamp(0, 1)


class SegmentationSaliency(Module):
    """The lesion probability of a segmentation network as saliency.

    The network stays in eval mode whatever is done to the module around it, and gets no gradient: it judges images,
    it does not learn here. Its weights, their ``requires_grad`` and its buffers are not touched.

    Args:
        model: images [B, 3, H, W] in [0, 1] -> logits [B, 1, h, w] or [B, 2, h, w] (background first), or a mapping
            that holds them under ``"out"``, as torchvision's networks return. Normalisation is a part of the network.
        mean: per-channel mean the incoming images were normalised with, or None for uint8 and [0, 1] images.
        std: per-channel standard deviation, likewise.

    Shape:
        images [B, 3, H, W] -> [B, 1, H, W], float32 in [0, 1], without gradient.

    Raises:
        TypeError, ValueError: images as for :class:`~longtail_mix.SaliencyMap`; logits of another shape.

    Example:
        >>> network = nn.Conv2d(3, 1, 3, padding=1)
        >>> SegmentationSaliency(network)(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 1, 32, 32])
    """

    def __init__(
        self, model: nn.Module, mean: Sequence[float] | None = None, std: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        if not isinstance(model, nn.Module):
            raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
        self.mean, self.std = check_normalisation(mean, std)
        self.model = model.eval()

    def train(self, mode: bool = True) -> SegmentationSaliency:
        """Set the mode of this module; the network stays in eval mode."""
        super().train(mode)
        self.model.eval()
        return self

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to lesion probabilities [B, 1, H, W]."""
        unit, is_finite = as_unit(images, self.mean, self.std)
        weight = next((p for p in self.model.parameters() if p.is_floating_point()), unit)
        output = self.model(unit.to(weight.dtype))
        logits = output["out"] if isinstance(output, Mapping) else output
        check_tensor(logits, "model")
        if len(logits) != len(images):
            raise ValueError(f"model: expected logits for each of {len(images)} images, got shape {list(logits.shape)}")
        probability = lesion_probability(logits, (images.shape[2], images.shape[3]))
        return torch.where(is_finite.unsqueeze(1), probability, torch.nan)
