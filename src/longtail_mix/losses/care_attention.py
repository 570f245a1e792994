"""The attention loss of CARE: a class activation map belongs inside the lesion and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix._checks import (
    check_callable,
    check_map,
    check_not_negative,
    check_number,
    check_same_device,
    check_tensor,
    values_are_readable,
)
from longtail_mix._module import Module
from longtail_mix._precision import without_autocast

__all__ = ["CAREAttentionLoss", "care_attention_loss"]


def care_attention_loss(
    cam: Tensor,
    mask: Tensor,
    has_mask: Tensor | None = None,
    tau: float = 0.7,
    lam: float = 1.0,
    outside: Tensor | None = None,
) -> Tensor:
    """``-min(mean of the map inside, tau) + lam * mean of it outside``: Eqs. 5 to 7 of the CARE paper.

    The same in plain PyTorch, for one image with a mask::

        F_c = F.interpolate(cam, mask.shape[-2:], mode="bilinear", align_corners=False)
        inside = (mask * F_c).sum() / mask.sum()
        out = (outside * F_c).sum() / outside.sum()          # outside = 1 - mask, unless given
        loss = -inside.clamp(max=tau) + lam * out

    and the mean of that over the images that have a mask. No map of the image's size is made: interpolation is
    linear, so both means are dot products of the small map with masks brought to its grid by the adjoint, that is, the
    transpose, of the interpolation.

    Args:
        cam: maps of the true class [B, 1, h, w] in [0, 1]: :func:`~longtail_mix.functional.grad_cam` with
            ``create_graph=True``.
        mask: M_in [B, 1, H, W], bool, or floating point in [0, 1]: 1 inside the lesion or its box. H and W are the
            image's, whatever h and w are.
        has_mask: which images have a mask [B], bool; None: all. A mask without a pixel never counts, whatever
            is said here.
        tau: how much attention inside is enough, in (0, 1].
        lam: weight of the attention outside, at least 0.
        outside: M_out [B, 1, H, W], at least 0: how much each pixel outside counts, such as
            :func:`~longtail_mix.functional.distance_weighted_outside` of the mask. None: ``1 - mask``, as in the paper.

    Returns:
        A scalar from ``-tau`` to ``lam``, float32 at least; zero, with a graph, when no image has a mask. A mask that
        fills its image has nothing outside.

    Raises:
        TypeError: maps that are not floating point, masks that are neither that nor bool, options that are no numbers.
        ValueError: shapes or devices that do not fit, options out of range; and (on the CPU, uncompiled) maps or masks
            outside [0, 1].

    Example:
        >>> cam = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]], requires_grad=True)
        >>> mask = torch.tensor([[[[True, False], [True, False]]]])
        >>> care_attention_loss(cam, mask)
        tensor(-0.5000, grad_fn=<DivBackward0>)
    """
    check_map(cam, "cam")
    _check_unit(cam, "cam")
    check_mask(mask, "mask", cam)
    if outside is None:
        outside = (~mask if mask.dtype == torch.bool else 1 - mask).detach()
    else:
        check_mask(outside, "outside", cam, highest=float("inf"))
        if outside.shape != mask.shape:
            raise ValueError(f"outside: expected shape {list(mask.shape)} like mask, got {list(outside.shape)}")
    check_attention_options(tau, lam)
    inner, inner_area = _mean_under(cam, mask)
    outer, _ = _mean_under(cam, outside)
    counted = inner_area > 0
    if has_mask is not None:
        _check_has_mask(has_mask, cam)
        counted = counted & has_mask
    losses = torch.where(counted, lam * outer - inner.clamp(max=tau), 0)
    return losses.sum() / counted.sum().clamp(min=1)


class CAREAttentionLoss(Module):
    """The attention loss of CARE, as a module: see :func:`~longtail_mix.functional.care_attention_loss`.

    Args:
        tau: how much attention inside is enough, in (0, 1]; the paper takes 0.7 for skin.
        lam: weight of the attention outside, at least 0.
        outside: from masks to how much each pixel outside counts, both [B, 1, H, W];
            None: ``1 - mask``, the paper's choice.

    Shape:
        cam [B, 1, h, w], mask [B, 1, H, W], has_mask [B] or None -> scalar.

    Example:
        >>> attention = CAREAttentionLoss(tau=0.7)
        >>> cam, mask = torch.rand(2, 1, 7, 7), torch.rand(2, 1, 224, 224) > 0.9
        >>> attention(cam, mask, has_mask=torch.tensor([True, False])).shape
        torch.Size([])
    """

    def __init__(self, tau: float = 0.7, lam: float = 1.0, outside: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        check_attention_options(tau, lam)
        if outside is not None:
            check_callable(outside, "outside", "None or a function of masks")
        self.tau, self.lam, self.outside = tau, lam, outside

    def forward(self, cam: Tensor, mask: Tensor, has_mask: Tensor | None = None) -> Tensor:
        """The loss of maps [B, 1, h, w] against masks [B, 1, H, W]."""
        outside = None if self.outside is None else self.outside(mask)
        return care_attention_loss(cam, mask, has_mask, self.tau, self.lam, outside)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"tau={self.tau}, lam={self.lam}"


def check_attention_options(tau: float, lam: float) -> None:
    """Raise unless 0 < tau <= 1 and lam is finite and at least 0."""
    check_number(tau, "tau")
    check_number(lam, "lam")
    if not 0.0 < tau <= 1.0:
        raise ValueError(f"tau: expected 0 < tau <= 1, got {tau}")
    check_not_negative(lam, "lam")


def check_mask(mask: Tensor, name: str, like: Tensor | None = None, highest: float = 1.0) -> None:
    """Masks [B, 1, H, W], bool or floating point in [0, highest], one for each of the maps."""
    check_tensor(mask, name)
    if mask.dtype != torch.bool and not mask.is_floating_point():
        raise TypeError(f"{name}: expected bool or floating point, got {mask.dtype}")
    if mask.ndim != 4 or mask.shape[1] != 1 or 0 in mask.shape[2:] or (like is not None and len(mask) != len(like)):
        number = "B" if like is None else len(like)
        raise ValueError(f"{name}: expected [{number}, 1, H, W], got shape {list(mask.shape)}")
    if like is not None:
        check_same_device(like, mask, "cam", name)
    if mask.dtype != torch.bool:
        _check_unit(mask, name, highest)


def _check_unit(values: Tensor, name: str, highest: float = 1.0) -> None:
    if values_are_readable(values) and values.numel():
        low, high = torch.aminmax(values.detach())
        if not (low >= 0 and high <= highest and high < float("inf")):
            raise ValueError(f"{name}: expected values from 0 to {highest}, got {low:.3g} to {high:.3g}")


def _check_has_mask(has_mask: Tensor, cam: Tensor) -> None:
    check_tensor(has_mask, "has_mask")
    if has_mask.dtype != torch.bool:
        raise TypeError(f"has_mask: expected a bool tensor, got {has_mask.dtype}")
    if has_mask.shape != cam.shape[:1]:
        raise ValueError(f"has_mask: expected shape [{len(cam)}] like cam, got {list(has_mask.shape)}")
    check_same_device(cam, has_mask, "cam", "has_mask")


def _mean_under(cam: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of the interpolated map under a mask, zero where there is none, and the mask's area: [B] each."""
    dtype = torch.promote_types(cam.dtype, torch.float32)
    mask = mask.detach().to(dtype)
    area = mask.sum((1, 2, 3))
    total = (_to_grid(mask, cam.shape[2], cam.shape[3]) * cam.to(dtype)).sum((1, 2, 3))
    return total / torch.where(area > 0, area, 1), area


def _to_grid(mask: Tensor, height: int, width: int) -> Tensor:
    """The adjoint of bilinear interpolation: [B, 1, H, W] -> [B, 1, height, width], with the same sum."""
    with without_autocast(mask):
        return _weights(height, mask.shape[2], mask) @ mask @ _weights(width, mask.shape[3], mask).mT


def _weights(small: int, large: int, like: Tensor) -> Tensor:
    """What each of `small` cells gives to each of `large` pixels, [small, large]: interpolation of unit vectors."""
    units = torch.eye(small, dtype=like.dtype, device=like.device)
    return F.interpolate(units.unsqueeze(0), large, mode="linear", align_corners=False).squeeze(0)
