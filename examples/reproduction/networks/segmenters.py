"""Segmentation networks by name, and their checkpoints."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.segmentation import deeplabv3_resnet50, lraspp_mobilenet_v3_large

from reproduction.training.atomic_files import save_tensors

NETWORKS = {
    # 3.2 million weights, fit for a CPU.
    "lraspp": lambda: lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=2),
    # The CARE paper's segmenter.
    "deeplabv3": lambda: deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=2),
}


class Prepare(nn.Module):
    """Images in [0, 1] -> the size the network was trained at, ImageNet's mean 0 and standard deviation 1."""

    mean: Tensor
    std: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[-2:] != (self.size, self.size):
            images = F.interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
        return (images - self.mean) / self.std


def build_segmenter(name: str, size: int) -> nn.Sequential:
    """Images [B, 3, H, W] in [0, 1] -> {"out": logits [B, 2, size, size]}, background first; fresh weights."""
    return nn.Sequential(Prepare(size), NETWORKS[name]())


def save_segmenter(path: Path, name: str, size: int, model: nn.Module) -> None:
    """Write the checkpoint under another name first, so that nobody finds half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(path, {"network": name, "size": size, "weights": model.state_dict()})


def load_segmenter(path: Path) -> nn.Sequential:
    """The network of a checkpoint, on the CPU. Only weights are unpickled.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another kind of file.
    """
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(checkpoint, dict) or checkpoint.keys() != {"network", "size", "weights"}:
        raise ValueError(f"{path}: expected a segmenter's checkpoint with 'network', 'size' and 'weights'")
    if checkpoint["network"] not in NETWORKS:
        raise ValueError(f"{path}: expected one of {sorted(NETWORKS)}, got {checkpoint['network']!r}")
    model = build_segmenter(checkpoint["network"], checkpoint["size"])
    model.load_state_dict(checkpoint["weights"])
    return model
