"""A moving average of the weights."""

from __future__ import annotations

from copy import deepcopy

import torch

from reproduction.methods.learner import Learner


class Average:
    """A moving average of a learner's parameters and buffers; what else it keeps, as the epoch, stays out of it.

    timm's own averages the whole state dict, in which weightings that change with the epoch have what is no tensor.

    Args:
        learner: the average starts from it.
        decay: how much of the average stays in each step.
    """

    def __init__(self, learner: Learner, decay: float) -> None:
        self.learner, self.decay = deepcopy(learner).eval().requires_grad_(False), decay

    @torch.no_grad()
    def update(self, learner: Learner) -> None:
        """After a step."""
        pairs = ((self.learner.parameters(), learner.parameters()), (self.learner.buffers(), learner.buffers()))
        for averages, values in pairs:
            for average, value in zip(averages, values, strict=True):
                if average.is_floating_point():
                    average.lerp_(value, 1 - self.decay)
                else:
                    average.copy_(value)
