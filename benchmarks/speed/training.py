"""A training step of a timm model, with any way to mix its batch or to look at its attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.speed.inputs import CLASS_COUNTS
from benchmarks.speed.peers import timm_cutmix, timm_mixup
from longtail_mix import LSM, CARELoss, GradCAM, InBatch, MixedTarget, OtherSkin, RandomPairing, Sometimes, SPMix
from longtail_mix.saliency.token_grid import TokenGrid

__all__ = ["Method", "Training", "methods"]

MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)

# The model, normalised images, labels, the images' maps in [0, 1] -> the loss.
Method = Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]


def methods(device: torch.device) -> dict[str, Method]:
    """What is compared: add a method here."""
    mixup, cutmix = timm_mixup(), timm_cutmix()
    spmix = SPMix(CLASS_COUNTS, mean=MEAN, std=STD).to(device)
    other_skin = InBatch(Sometimes(OtherSkin(mean=MEAN, std=STD), 0.5), RandomPairing()).to(device)
    return {
        "nothing": mixed_by(lambda images, labels, _: (images, labels)),
        "timm mixup": mixed_by(lambda images, labels, _: mixup(images, labels)),
        "timm CutMix": mixed_by(lambda images, labels, _: cutmix(images, labels)),
        "SPMix, online": mixed_by(lambda images, labels, _: spmix(images, labels)),
        "SPMix, cached maps": mixed_by(lambda images, labels, maps: spmix(images, labels, maps)),
        "OtherSkin, cached maps": lambda model, images, labels, maps: loss_of(model, *other_skin(images, labels, maps)),
        "CARE": care,
        "LSM": lsm,
    }


def loss_of(model: nn.Module, mixed: Tensor, target: MixedTarget) -> Tensor:
    """Cross entropy of mixed images under the labels of both."""
    return target.loss(nn.CrossEntropyLoss(reduction="none"), model(mixed))


def mixed_by(mix: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> Method:
    """Cross entropy on mixed images; the labels stay, or become shares of the classes."""

    def loss(model: nn.Module, images: Tensor, labels: Tensor, maps: Tensor) -> Tensor:
        mixed, targets = mix(images, labels, maps)
        return F.cross_entropy(model(mixed), targets)

    return loss


def care(model: nn.Module, images: Tensor, labels: Tensor, maps: Tensor) -> Tensor:
    """Cross entropy and the attention loss, on masks as large as lesions are: a fifth of the image."""
    layer, grid = where_to_look(model)
    with GradCAM(model, layer, grid, create_graph=True) as grad_cam:
        logits, cam = grad_cam.logits_and_cam(images, labels)
    loss: Tensor = CARELoss()(logits, labels, cam, maps > 0.8)
    return loss


def lsm(model: nn.Module, images: Tensor, labels: Tensor, maps: Tensor) -> Tensor:  # noqa: ARG001 it makes its own
    """Where the model looks, by a forward pass of its own; blocks of an eighth of the image, as published."""
    layer, grid = where_to_look(model)
    with GradCAM(model, layer, grid) as grad_cam:
        cam = grad_cam(images, labels)
    mixed, target = LSM(images.shape[-1] // 8)(images, labels, images.flip(0), labels.flip(0), cam)
    return loss_of(model, mixed, target)


def where_to_look(model: Any) -> tuple[nn.Module, Callable[[Tensor], Tensor] | None]:
    """The last layer with a place for each patch, and how its tokens lie."""
    if hasattr(model, "patch_embed"):
        # In the last block: of its result only the class token is read.
        height, width = model.patch_embed.grid_size
        return model.blocks[-1].norm1, TokenGrid(height, width, model.num_prefix_tokens)
    return model.layer4 if hasattr(model, "layer4") else model.bn2, None  # the last map of a ResNet, an EfficientNet


class Training:
    """A model and its optimiser, one step at a time."""

    def __init__(self, name: str, pixels: int, device: torch.device) -> None:
        torch.manual_seed(0)
        sized: dict[str, Any] = {"img_size": pixels} if "vit" in name else {}
        model: nn.Module = timm.create_model(name, num_classes=len(CLASS_COUNTS), **sized)
        self.model = model.to(device).to(memory_format=torch.channels_last).train()
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9)
        self.device = device

    def step(self, method: Method, images: Tensor, labels: Tensor, maps: Tensor) -> None:
        with torch.autocast(self.device.type, torch.bfloat16):
            loss = method(self.model, images, labels, maps)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
