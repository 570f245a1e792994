"""Deferred re-weighting: learn from every image alike first, switch the weights on later."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from longtail_mix._checks import check_whole
from longtail_mix.schedule import EpochSchedule

__all__ = ["DeferredWeighting"]


class DeferredWeighting(EpochSchedule):
    """DRW (Cao et al. 2019): weights of 1 before `start_epoch`, those of `weighting` from then on.

    In the paper the weights are those of the effective number with beta 0.9999, scaled to a mean of 1 over the classes,
    and they start at four fifths of the training, where the learning rate falls.

    Args:
        weighting: what is switched on: any module of this package, or one of your own.
        start_epoch: the first epoch with weights, counted from 0.

    Shape:
        losses [B], labels [B] or class shares [B, K] -> what `weighting` returns, or ones of its shape.

    Raises:
        TypeError, ValueError: a `weighting` that is not a module, a `start_epoch` that is not a whole number of at
            least 0.

    Example:
        >>> from longtail_mix import ClassBalancedWeights, LDAMLoss
        >>> drw = DeferredWeighting(ClassBalancedWeights([80, 15, 5]), start_epoch=160)
        >>> criterion = LDAMLoss([80, 15, 5], weighting=drw)
        >>> drw(torch.rand(2), torch.tensor([0, 2]))
        tensor([1., 1.])
        >>> drw.set_epoch(160)
        >>> drw(torch.rand(2), torch.tensor([0, 2]))
        tensor([ 1.2500, 20.0000])
    """

    active: Tensor

    def __init__(self, weighting: nn.Module, start_epoch: int) -> None:
        super().__init__()
        if not isinstance(weighting, nn.Module):
            raise TypeError(f"weighting: expected an nn.Module, got {type(weighting).__name__}")
        check_whole(start_epoch, "start_epoch", 0)
        self.weighting, self.start_epoch = weighting, start_epoch
        # A tensor, so that a compiled step is not compiled again when the weights start.
        self.register_buffer("active", torch.tensor(start_epoch == 0), persistent=False)

    def epoch_changed(self) -> None:
        """Switch on or off without waiting for the device."""
        self.active.fill_(self.epoch >= self.start_epoch)

    def forward(self, losses: Tensor, target: Tensor) -> Tensor:
        """Ones before the start, the weights of `weighting` from then on."""
        weights: Tensor = self.weighting(losses, target)
        return torch.where(self.active, weights, torch.ones_like(weights))

    def extra_repr(self) -> str:
        """Show when it starts."""
        return f"start_epoch={self.start_epoch}"
