"""Several networks that say together what an image is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reproduction.networks.network import Network


class Experts(nn.Module):
    """Networks whose logits are averaged; they may share layers.

    Shape:
        images [B, 3, S, S] in [0, 1] -> logits [B, K].
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def each(self, images: Tensor) -> Tensor:
        """The logits of each, [n, B, K]."""
        return torch.stack([network(images) for network in self.networks])

    def forward(self, images: Tensor) -> Tensor:
        return self.each(images).mean(0)
