"""Class activation maps in closed form, and what every such map shares: the weighted sum and its stretch to [0, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import check_floating, check_has_pixels, check_labels, check_same_device, values_are_readable

__all__ = ["class_activation_map"]


def class_activation_map(features: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """Grad-CAM of a linear head on mean-pooled features, in closed form: the class's own weights.

    For ``logits = features.mean((2, 3)) @ weight.T + bias`` the gradient of class c is ``weight[c] / (h * w)`` at every
    place, and the stretch to [0, 1] removes the factor. So no backward pass is needed (Zhou et al. 2016; Eq. 1 of the
    CARE paper). The same in plain PyTorch, before the stretch::

        cam = torch.einsum("bc,bchw->bhw", weight[labels], features).unsqueeze(1)

    Args:
        features: [B, C, h, w], floating point.
        weight: of the linear layer [K, C].
        labels: the class to look for in each image [B], integers.

    Returns:
        Maps [B, 1, h, w] as :func:`~longtail_mix.functional.grad_cam` gives with ``create_graph=True``.

    Raises:
        TypeError, ValueError: tensors that do not fit, or labels out of range (read on the CPU, uncompiled).

    Example:
        >>> head = torch.nn.Linear(8, 5)
        >>> class_activation_map(torch.rand(2, 8, 7, 7), head.weight, torch.tensor([0, 3])).shape
        torch.Size([2, 1, 7, 7])
    """
    check_features(features)
    check_floating(weight, "weight")
    if weight.ndim != 2 or weight.shape[1] != features.shape[1]:
        raise ValueError(f"weight: expected [K, {features.shape[1]}] like features, got shape {list(weight.shape)}")
    check_same_device(features, weight, "features", "weight")
    check_one_each(labels, features, len(weight))
    check_no_infinity(features, "features")
    check_no_infinity(weight, "weight")
    return weighted_map(features, weight[labels.long()])


def weighted_map(features: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum of the channels of [B, C, h, w] by [B, C], stretched to [0, 1] per image: [B, 1, h, w]."""
    dtype = precise(features)
    cam = (weights[..., None, None].to(dtype) * features.to(dtype)).sum(1, keepdim=True)
    low, high = cam.amin((2, 3), keepdim=True), cam.amax((2, 3), keepdim=True)
    extent = high - low
    # What is left of a constant map is rounding; stretched, it would pass for attention, and its gradient explode.
    rounding = 4 * torch.finfo(dtype).eps * torch.maximum(low.abs(), high.abs())
    is_finite = extent.isfinite()
    flat = ((extent <= rounding) & is_finite).detach()
    stretched = torch.where(flat, 0, cam - low) / torch.where(flat, 1, extent)
    return torch.where(is_finite, stretched, torch.nan)  # dividing by infinity would leave an empty map


def check_no_infinity(tensor: Tensor, name: str) -> None:
    """Raise ``ValueError`` where a readable `tensor` holds an infinity, which would empty the map; NaN stays NaN."""
    if values_are_readable(tensor) and tensor.isinf().any():
        raise ValueError(f"{name}: expected finite values, got infinity")


def check_features(features: Tensor, name: str = "features") -> None:
    """Feature maps [B, C, h, w], floating point, at least one place each."""
    check_floating(features, name)
    if features.ndim != 4 or features.shape[1] == 0:
        raise ValueError(f"{name}: expected feature maps [B, C, h, w], got shape {list(features.shape)}")
    check_has_pixels(features, name)


def check_one_each(labels: Tensor, of: Tensor, num_classes: int) -> None:
    """One label below `num_classes` for each of the images."""
    check_labels(labels, num_classes)
    if len(labels) != len(of):
        raise ValueError(f"labels: expected one for each of {len(of)} images, got {len(labels)}")
    check_same_device(of, labels, "features", "labels")


def precise(tensor: Tensor) -> torch.dtype:
    """float32 at least."""
    return torch.promote_types(tensor.dtype, torch.float32)
