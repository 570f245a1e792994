"""What a detector has to beat: darkness, a centre prior, nothing at all."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["CentrePrior", "Constant", "ConstantRatio", "Darkness"]


class Darkness(nn.Module):
    """One minus the mean of the channels: pigment is dark, and so are hairs and corners. uint8 images."""

    def forward(self, images: Tensor) -> Tensor:
        return 1 - images.to(torch.float32).mean(1, keepdim=True) / 255


class CentrePrior(nn.Module):
    """A Gaussian around the middle, the same for every image; its deviation is half of the way to the border."""

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        x, y = (
            (torch.arange(size, device=images.device, dtype=torch.float32) + 0.5) * 2 / size - 1
            for size in (width, height)
        )
        one = torch.exp(-2 * (x.square() + y.square().unsqueeze(1)))
        return one.expand(len(images), 1, height, width)


class Constant(nn.Module):
    """A map that says nothing."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.full((len(images), 1, *images.shape[-2:]), 0.5, device=images.device)


class ConstantRatio(nn.Module):
    """Plain mixup: one ratio everywhere, whatever the maps are."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, tail: Tensor, head: Tensor, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002 a recipe's form
        return torch.full((len(tail), 1, 1, 1), self.value, device=tail.device)
