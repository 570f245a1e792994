"""How many images of a batch count in which epoch: the schedule of Eq. 9 of Barata and Santiago 2021."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from longtail_mix._checks import check_integers, check_number, check_same_device, check_whole, values_are_readable
from longtail_mix.schedule import EpochSchedule

__all__ = ["Pace"]

LARGEST_BATCH = 2**20  # one number is kept for each size


class Pace(EpochSchedule):
    """``m = M e^{alpha e} / (1 + e^{alpha e})`` images of M in epoch e: from half of them to all (Eq. 9).

    The paper asks for an alpha with which all count in the second half of training. m is rounded to the nearest whole
    number, halves up, so the smallest such alpha is ``2 ln(2 M - 1) / epochs``: at ``e = epochs / 2`` it gives
    ``M - 1/2``. That is the default; a smaller batch, the last one of an epoch or the images of one class, has its
    own M and so its own alpha, and an empty one keeps none.

    Args:
        epochs: how many epochs the training has, at least 1.
        batch_size: the largest M that will be asked for, at least 1.
        alpha: one number for every M in place of the default, more than 0; then Eq. 9 alone says how many count.

    Raises:
        TypeError, ValueError: options out of range.

    Example:
        >>> pace = Pace(epochs=10, batch_size=20)
        >>> pace.count(20)
        10
        >>> pace.set_epoch(5)
        >>> pace.count(20)
        20
    """

    kept: Tensor

    def __init__(self, epochs: int, batch_size: int, alpha: float | None = None) -> None:
        super().__init__()
        check_whole(epochs, "epochs", 1)
        check_whole(batch_size, "batch_size", 1, LARGEST_BATCH)
        if alpha is not None:
            check_number(alpha, "alpha")
            if not 0.0 < alpha < math.inf:
                raise ValueError(f"alpha: expected a finite number of more than 0, or None, got {alpha}")
        self.epochs, self.batch_size, self.alpha = epochs, batch_size, alpha
        # One m for each M: a batch looks its own up on the device, and a class that is counted there can as well.
        self.register_buffer("kept", torch.zeros(batch_size + 1, dtype=torch.int64), persistent=False)
        self.epoch_changed()

    def count(self, batch_size: int) -> int:
        """How many of `batch_size` images count in this epoch."""
        check_whole(batch_size, "batch_size", 0, LARGEST_BATCH)
        if batch_size == 0:
            return 0
        if self.alpha is not None:
            share = 1 / (1 + math.exp(-self.alpha * self.epoch))
        elif 2 * self.epoch >= self.epochs:
            return batch_size  # what the default alpha is made for, whatever the last bit of the logarithm
        else:
            # e^{-alpha e} with alpha = 2 ln(2 M - 1) / epochs
            share = 1 / (1 + (2 * batch_size - 1) ** (-2 * self.epoch / self.epochs))
        return math.floor(batch_size * share + 0.5)

    def epoch_changed(self) -> None:
        """Look up every m on the host once, and send them to the device without waiting for it."""
        self.kept.copy_(torch.tensor([self.count(size) for size in range(self.batch_size + 1)]))

    def forward(self, batch_size: int | Tensor) -> Tensor:
        """M as an integer tensor on the device of the module, for one M or for a tensor of them.

        Raises:
            TypeError, ValueError: numbers that are not whole, below 0 or beyond ``batch_size``.
        """
        if isinstance(batch_size, Tensor):
            check_integers(batch_size, "batch_size")
            check_same_device(self.kept, batch_size, "this module", "batch_size")
            if values_are_readable(batch_size) and ((batch_size < 0) | (batch_size > self.batch_size)).any():
                raise ValueError(f"batch_size: expected 0 to {self.batch_size}, got {batch_size.tolist()}")
            return self.kept[batch_size.long()]
        if not torch.compiler.is_compiling():  # there it may be a symbol
            check_whole(batch_size, "batch_size", 0)
        if batch_size > self.batch_size:
            raise ValueError(f"batch_size: expected at most {self.batch_size} losses, got {batch_size}")
        return self.kept[batch_size]

    def extra_repr(self) -> str:
        """Show the options."""
        return f"epochs={self.epochs}, batch_size={self.batch_size}, alpha={self.alpha}"
