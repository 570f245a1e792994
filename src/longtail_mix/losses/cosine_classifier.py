"""A last layer whose logits are cosines, as LDAM expects them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longtail_mix._checks import MOST_CLASSES, check_floating, check_same_device, check_whole
from longtail_mix._module import Module

__all__ = ["CosineClassifier"]


class CosineClassifier(Module):
    """Logits = cosines of the angles between the features and one direction for each class, in [-1, 1].

    The same in plain PyTorch: ``F.normalize(features, dim=-1) @ F.normalize(weight, dim=-1).T``. In a timm model:
    ``model.fc = CosineClassifier(model.num_features, num_classes)``.

    Args:
        in_features: width of the features.
        num_classes: K.

    Shape:
        features [..., in_features] -> cosines [..., K].

    Raises:
        TypeError, ValueError: sizes below 1, features that are not floating point or of another width.

    Example:
        >>> CosineClassifier(8, 3)(torch.rand(2, 8)).shape
        torch.Size([2, 3])
    """

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__()
        check_whole(in_features, "in_features", 1, MOST_CLASSES)
        check_whole(num_classes, "num_classes", 1, MOST_CLASSES)
        self.weight = nn.Parameter(F.normalize(torch.randn(num_classes, in_features), dim=1))

    def forward(self, features: Tensor) -> Tensor:
        """Cosines [..., K] of features [..., in_features]."""
        check_floating(features, "features")
        check_same_device(self.weight, features, "this module", "features")
        autocast = features.device.type != "meta" and torch.is_autocast_enabled(features.device.type)
        if features.dtype != self.weight.dtype and not autocast:
            raise TypeError(f"features: expected {self.weight.dtype} like the weight, got {features.dtype}")
        if features.shape[-1:] != self.weight.shape[1:]:
            raise ValueError(f"features: expected [..., {self.weight.shape[1]}], got shape {list(features.shape)}")
        return F.linear(F.normalize(features, dim=-1), F.normalize(self.weight, dim=1))

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"in_features={self.weight.shape[1]}, num_classes={self.weight.shape[0]}"
