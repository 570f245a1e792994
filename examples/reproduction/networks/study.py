"""The two networks of the weighting study on any encoder: flat, and hierarchical with attention at each level."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, NamedTuple

import torch
from timm.layers.cbam import CbamModule
from torch import Tensor, nn

from reproduction.networks.network import normalise_for

# Of MEL, NV, BCC, AKIEC, BKL, DF, VASC (Sec. 4.2 of Barata and Santiago 2021).
MELANOCYTIC = (1, 1, 0, 0, 0, 0, 0)
MALIGNANT = (1, 0, 1, 1, 0, 0, 0)  # asked of the non-melanocytic only
DROPOUT = 0.5


class FeatureMaps(nn.Module):
    """The convolutional part of a timm model: images in [0, 1] -> its last feature map [B, C, h, w], VGG's pooled."""

    def __init__(self, encoder: Any, size: int) -> None:
        super().__init__()
        if hasattr(encoder, "pre_logits"):
            encoder.pre_logits = nn.Identity()  # VGG's two linear layers
        self.normalise = normalise_for(encoder)
        self.encoder = encoder
        empty: Any = deepcopy(encoder).to("meta")
        self.channels = int(empty.forward_features(torch.rand(2, 3, size, size, device="meta")).shape[1])

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.encoder.forward_features(self.normalise(images))
        return maps


class Attention(NamedTuple):
    """What CBAM multiplies feature maps [B, C, h, w] with: each channel, then each place."""

    channel: Tensor  # [B, C, 1, 1] in [0, 1]
    place: Tensor  # [B, 1, h, w] in [0, 1]

    def of(self, features: Tensor) -> Tensor:
        """The attended feature maps."""
        return features * self.channel * self.place


class FlatHead(nn.Module):
    """CBAM on the last feature map, then one linear layer; one level of logits."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.attention = CbamModule(channels, rd_ratio=1 / 8)
        self.classifier = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(channels, num_classes))

    def look(self, features: Tensor) -> tuple[tuple[Tensor, ...], Attention]:
        """The logits of each level, and the attention for the last."""
        attention = attention_of(self.attention, features)
        return (self.classifier(attention.of(features).mean((2, 3))),), attention

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return self.look(features)[0]


def attention_of(
    cbam: CbamModule, features: Tensor, channel: Tensor | None = None, query: Tensor | None = None
) -> Attention:
    """CBAM's own (Woo et al. 2018, Eqs. 2 and 3), with scores of channels [B, C] and a query of places [B, C] added."""
    mlp = cbam.channel
    pooled = features.mean((2, 3), keepdim=True), features.amax((2, 3), keepdim=True)
    score = sum(mlp.fc2(mlp.act(mlp.fc1(part))) for part in pooled)
    gate = (score if channel is None else score + channel[..., None, None]).sigmoid()
    seen = features * gate
    place = cbam.spatial.conv(torch.cat([seen.mean(1, keepdim=True), seen.amax(1, keepdim=True)], 1))
    if query is not None:
        place = place + (query[..., None, None] * seen).sum(1, keepdim=True) / seen.shape[1] ** 0.5
    return Attention(gate, place.sigmoid())


class DynamicAttention(nn.Module):
    """CBAM whose channels and places also depend on what is known so far::

        channel = sigmoid(MLP(mean) + MLP(max) + U context);  x' = channel x
        place = sigmoid(conv([mean_c x', max_c x']) + <V context, x'> / sqrt(C));  place x'

    The paper prints that both are dynamic, not how.
    """

    def __init__(self, channels: int, context: int) -> None:
        super().__init__()
        self.still = CbamModule(channels, rd_ratio=1 / 8)
        self.channel, self.place = nn.Linear(context, channels), nn.Linear(context, channels)

    def forward(self, features: Tensor, context: Tensor) -> Attention:
        return attention_of(self.still, features, self.channel(context), self.place(context))


class HierarchicalHead(nn.Module):
    """An LSTM that looks three times: melanocytic or not, benign or malignant, diagnosis. Where it looks follows its
    state and the probabilities of the decisions so far.

    Args:
        channels: of the feature map.
        num_classes: K.
        width: of the LSTM's state.
    """

    def __init__(self, channels: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        self.width = width
        self.attention = DynamicAttention(channels, width + 4)
        self.memory = nn.LSTMCell(channels, width)
        self.classifiers = nn.ModuleList(nn.Linear(width, k) for k in (2, 2, num_classes))
        self.dropout = nn.Dropout(DROPOUT)

    def look(self, features: Tensor) -> tuple[tuple[Tensor, ...], Attention]:
        """The logits of each level, and the attention for the last."""
        state = features.new_zeros(len(features), self.width)
        cell, known = state, features.new_zeros(len(features), 4)
        levels: list[Tensor] = []
        for level, classify in enumerate(self.classifiers):
            attention: Attention = self.attention(features, torch.cat([state, known], 1))
            seen = attention.of(features).mean((2, 3))
            state, cell = self.memory(self.dropout(seen), (state, cell))
            levels.append(classify(self.dropout(state)))
            if level < 2:
                decided = [part.softmax(1) for part in levels]
                known = torch.cat([*decided, known[:, 2 * len(decided) :]], 1)
        return tuple(levels), attention

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        return self.look(features)[0]


class StudyModel(nn.Module):
    """Feature maps and head: images -> logits of each level, the diagnosis last."""

    def __init__(self, backbone: nn.Module, head: FlatHead | HierarchicalHead) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        levels: tuple[Tensor, ...] = self.head(self.backbone(images))
        return levels

    def look(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """For the last decision: its logits [B, K], the spatial attention, and the feature map of the channel that
        the attention lets through most, both [B, 1, h, w].
        """
        features = self.backbone(images)
        levels, attention = self.head.look(features)
        best = attention.channel.flatten(1).argmax(1)
        return levels[-1], attention.place, features[torch.arange(len(best), device=best.device), best][:, None]


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
        self.register_buffer("melanocytic", torch.tensor(MELANOCYTIC), persistent=False)
        self.register_buffer("malignant", torch.tensor(MALIGNANT), persistent=False)

    def forward(self, levels: tuple[Tensor, ...], labels: Tensor) -> Tensor:
        losses: Tensor = self.per_image(levels[-1], labels)
        if len(levels) == 3:
            melanocytic = self.melanocytic[labels]
            losses = losses + self.per_image(levels[0], melanocytic)
            losses = losses + (1 - melanocytic) * self.per_image(levels[1], self.malignant[labels])
        if self.weighting is not None:
            losses = losses * self.weighting(losses.detach(), labels)
        return losses.mean()
