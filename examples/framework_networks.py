"""The networks of the SPMix framework: a timm encoder, a classifier, and a projection head for contrastive losses."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any

import timm
import torch
from timm.layers.hybrid_embed import HybridEmbed
from timm.layers.norm import GroupNorm
from timm.models import is_model_in_modules
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from longtail_mix import MixInside

PAPER_HYBRID = "vit_small_resnet50d_s16_224"  # 768 wide, 8 blocks, 14 x 14 tokens at 224 pixels
TINY_HYBRID = "tiny_hybrid"  # ours, for a CPU: a token for each 8 x 8 pixels

# Hybrids that timm has no weights for, though it has them for the CNN inside.
CNN_WITH_WEIGHTS = {PAPER_HYBRID: "resnet50d"}
WITH_IMG_SIZE = ("vision_transformer", "vision_transformer_hybrid")


def build_encoder(backbone: str, size: int, pretrained: bool = False) -> nn.Module:
    """A network from images [B, 3, size, size] to features [B, D]: any timm model, or :func:`tiny_hybrid`.

    `pretrained` loads timm's weights. For the paper's hybrid there are none as a whole; its ResNet-50-D gets those of
    ImageNet and its transformer blocks start at random. The paper does not say what its own started from.
    """
    check_backbone(backbone, pretrained)
    if backbone == TINY_HYBRID:
        return tiny_hybrid(size)
    size_too: dict[str, Any] = {"img_size": size} if is_model_in_modules(backbone, WITH_IMG_SIZE) else {}
    cnn = CNN_WITH_WEIGHTS.get(backbone)
    encoder: Any = timm.create_model(backbone, pretrained=pretrained and cnn is None, num_classes=0, **size_too)
    if pretrained and cnn is not None:
        weights = timm.create_model(cnn, pretrained=True, features_only=True, out_indices=[3]).state_dict()
        encoder.patch_embed.backbone.load_state_dict(weights)
    built: nn.Module = encoder
    return built


def check_backbone(backbone: str, pretrained: bool) -> None:
    """Raise ``ValueError`` unless timm knows the model and, where they are asked for, has weights for it."""
    known = backbone == TINY_HYBRID or timm.is_model(backbone)
    if not known:
        near = ", ".join(get_close_matches(backbone, timm.list_models(), 3)) or PAPER_HYBRID
        raise ValueError(f"backbone: expected {TINY_HYBRID} or a timm model, as {near}; got {backbone!r}")
    has_weights = backbone in CNN_WITH_WEIGHTS or (backbone != TINY_HYBRID and timm.is_model_pretrained(backbone))
    if pretrained and not has_weights:
        raise ValueError(f"pretrained: expected False for {backbone}, which timm has no weights for, got True")


def tiny_hybrid(size: int) -> nn.Module:
    """A hybrid for two CPU cores, 0.3 million weights: two stages of a ResNet, then three transformer blocks 96 wide.

    With GroupNorm in the place of BatchNorm, so that what an image becomes does not depend on its batch and several
    processes are exactly one.
    """
    norm = partial(GroupNorm, num_groups=4)
    widths = (32, 64, 128, 256)  # the last two are not built
    cnn = timm.create_model(
        "resnet10t", features_only=True, out_indices=(2,), norm_layer=norm, stem_width=16, channels=widths
    )
    encoder: nn.Module = VisionTransformer(
        img_size=size,
        patch_size=1,
        embed_layer=partial(HybridEmbed, backbone=cnn),
        embed_dim=96,
        depth=3,
        num_heads=4,
        mlp_ratio=2,
        num_classes=0,
        class_token=False,
        global_pool="avg",
    )
    return encoder


def has_batch_norm(encoder: nn.Module) -> bool:
    """Whether what an image becomes in training depends on its batch."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in encoder.modules())


def check_encoder(backbone: str, size: int, layer: str | None, patch_size: int) -> nn.Module:
    """Run two images without values through the encoder, mixed at `layer` if one is given; raise where that fails.

    Nothing is computed (PyTorch's "meta" device), so it takes a second whatever the network.

    Returns:
        The encoder, without weights.

    Raises:
        ValueError: a size that the encoder does not take; a layer that is not there, or whose grid does not fit that of
            the ratio.
    """
    try:
        with torch.device("meta"):
            encoder = build_encoder(backbone, size)
            images, ratio = torch.rand(2, 3, size, size), torch.rand(2, 1, size // patch_size, size // patch_size)
            encoder(images)
    except (AssertionError, RuntimeError) as error:
        raise ValueError(f"size: expected one that {backbone} takes, got {size}: {error}") from error
    if layer is None:
        return encoder
    try:
        with mix_at(encoder, layer) as mix_inside:
            mix_inside(images, images, ratio)
    except (TypeError, RuntimeError) as error:  # as MixInside finds, or the model, past the layer
        raise ValueError(f"mix_layer: expected one that all after it depends on, got {layer!r}: {error}") from error
    return encoder


def mix_at(encoder: nn.Module, layer: str) -> MixInside:
    """MixInside at a layer; class and register tokens are there from the first transformer block on."""
    prefix: Any = getattr(encoder, "num_prefix_tokens", 0) if layer.startswith("blocks") else 0
    return MixInside(encoder, layer, prefix)


def projection_head(width: int, out: int) -> nn.Sequential:
    """Two linear layers with a ReLU, as SimCLR's and MoCo v2's; without BatchNorm."""
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out))


class Network(nn.Module):
    """Images in [0, 1] -> features -> logits; and a projection of the features for contrastive losses.

    Args:
        encoder: from normalised images [B, 3, S, S] to features [B, D]; it has ``num_features``, as timm's have.
        num_classes: K.
        projection: width of the projection, or None for a network without one.
        prototypes: whether it has prototypes of the classes in the space of the projection, as BCL wants them: a
            projection of the classifier's own rows.
    """

    projection: nn.Module | None
    prototype_projection: nn.Module | None

    def __init__(
        self, encoder: nn.Module, num_classes: int, projection: int | None = None, prototypes: bool = False
    ) -> None:
        super().__init__()
        width = int(getattr(encoder, "num_features", 0))
        settings: dict[str, Sequence[float]] = getattr(encoder, "pretrained_cfg", {})
        self.normalise = Normalise(settings.get("mean", (0.5, 0.5, 0.5)), settings.get("std", (0.25, 0.25, 0.25)))
        self.encoder = encoder
        self.classifier = nn.Linear(width, num_classes)
        self.projection = None if projection is None else projection_head(width, projection)
        self.prototype_projection = projection_head(width, projection) if prototypes and projection else None

    def features(self, images: Tensor) -> Tensor:
        """[B, D]."""
        features: Tensor = self.encoder(self.normalise(images))
        return features

    def mixed_features(self, tail: Tensor, head: Tensor, ratio: Tensor, layer: str) -> Tensor:
        """Features [B, D] of images that are mixed at `layer`, with `ratio` of the tail."""
        with mix_at(self.encoder, layer) as mix_inside:
            features: Tensor = mix_inside(self.normalise(tail), self.normalise(head), ratio)
        return features

    def project(self, features: Tensor) -> Tensor:
        """What contrastive losses compare, [B, projection]."""
        if self.projection is None:
            raise RuntimeError("projection: expected a network that has one, got one made for cross entropy")
        projected: Tensor = self.projection(features)
        return projected

    def prototypes(self) -> Tensor:
        """One point for each class in the space of the projection, [K, projection]."""
        if self.prototype_projection is None:
            raise RuntimeError("prototypes: expected a network that has them, got one made without")
        points: Tensor = self.prototype_projection(self.classifier.weight)
        return points

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, K]."""
        logits: Tensor = self.classifier(self.features(images))
        return logits


class Normalise(nn.Module):
    """[0, 1] -> the range the encoder likes, as part of the network: mixing and saliency see plain images."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std
