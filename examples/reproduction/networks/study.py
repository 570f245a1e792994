"""The two networks of the weighting study on any timm backbone: flat, and hierarchical with attention at each level."""

from __future__ import annotations

from typing import Any

import timm
import torch
from timm.layers.cbam import CbamModule
from torch import Tensor, nn

from training import Normalise

# Of MEL, NV, BCC, AKIEC, BKL, DF, VASC (Sec. 4.2 of Barata and Santiago 2021).
MELANOCYTIC = (1, 1, 0, 0, 0, 0, 0)
MALIGNANT = (1, 0, 1, 1, 0, 0, 0)  # asked of the non-melanocytic only
DROPOUT = 0.5


class Backbone(nn.Module):
    """The convolutional part of a timm model: images in [0, 1] -> its last feature map [B, C, h, w]."""

    body: Any

    def __init__(self, model: str, pretrained: bool = False) -> None:
        super().__init__()
        self.normalise = Normalise()
        self.body = timm.create_model(model, pretrained=pretrained, features_only=True, out_indices=(-1,))
        self.channels: int = self.body.feature_info.channels()[-1]

    def forward(self, images: Tensor) -> Tensor:
        maps: list[Tensor] = self.body(self.normalise(images))
        return maps[0]


class FlatHead(nn.Module):
    """CBAM on the last feature map, then one linear layer; one level of logits."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.attention = CbamModule(channels, rd_ratio=1 / 8)
        self.classifier = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(channels, num_classes))

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return (self.classifier(self.attention(features).mean((2, 3))),)


class HierarchicalHead(nn.Module):
    """An LSTM that looks three times, each time with a CBAM of its own: melanocytic or not, benign or malignant,
    diagnosis.
    """

    def __init__(self, channels: int, num_classes: int, hidden: int = 64) -> None:
        super().__init__()
        self.attention = nn.ModuleList(CbamModule(channels, rd_ratio=1 / 8) for _ in range(3))
        self.memory = nn.LSTM(channels, hidden, batch_first=True)
        self.classifiers = nn.ModuleList(nn.Linear(hidden, k) for k in (2, 2, num_classes))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        seen = torch.stack([look(features).mean((2, 3)) for look in self.attention], 1)  # [B, 3, C]
        states, _ = self.memory(self.dropout(seen))
        levels = zip(self.classifiers, self.dropout(states).unbind(1), strict=True)
        return tuple(classify(state) for classify, state in levels)


class StudyModel(nn.Module):
    """Backbone and head: images -> logits of each level, the diagnosis last."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        levels: tuple[Tensor, ...] = self.head(self.backbone(images))
        return levels


class LevelLoss(nn.Module):
    """Eqs. 3 and 10: the losses of an image summed over its levels, weighted, averaged over the batch.

    The weight belongs to the image, by its diagnosis or by its summed loss. A melanocytic lesion has two levels.

    Args:
        per_image: logits and labels [B] to losses [B].
        weighting: losses [B] and labels [B] to weights [B], or None.
    """

    melanocytic: Tensor
    malignant: Tensor

    def __init__(self, per_image: nn.Module, weighting: nn.Module | None) -> None:
        super().__init__()
        self.per_image, self.weighting = per_image, weighting
        self.register_buffer("melanocytic", torch.tensor(MELANOCYTIC))
        self.register_buffer("malignant", torch.tensor(MALIGNANT))

    def forward(self, levels: tuple[Tensor, ...], labels: Tensor) -> Tensor:
        losses: Tensor = self.per_image(levels[-1], labels)
        if len(levels) == 3:
            melanocytic = self.melanocytic[labels]
            losses = losses + self.per_image(levels[0], melanocytic)
            losses = losses + (1 - melanocytic) * self.per_image(levels[1], self.malignant[labels])
        if self.weighting is not None:
            losses = losses * self.weighting(losses.detach(), labels)
        return losses.mean()
