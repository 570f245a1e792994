"""The step's size and direction: optimisers and schedules by their options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import cos, pi

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR


class Optimiser(ABC):
    """Options of an optimiser."""

    @abstractmethod
    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        """Of what asks for gradients."""


@dataclass(frozen=True)
class AdamW(Optimiser):
    """AdamW; biases, norms and scales are not decayed.

    Args:
        learning_rate: the largest.
        weight_decay: of matrices and kernels.
    """

    learning_rate: float = 5e-4
    weight_decay: float = 0.05

    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        """Two groups."""
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW([group for group in groups if group["params"]], lr=self.learning_rate)


@dataclass(frozen=True)
class Adam(Optimiser):
    """Adam without decay.

    Args:
        learning_rate: the largest.
    """

    learning_rate: float = 1e-5

    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        """One group."""
        return torch.optim.Adam([p for p in module.parameters() if p.requires_grad], self.learning_rate)


@dataclass(frozen=True)
class SGD(Optimiser):
    """SGD with momentum 0.9.

    Args:
        learning_rate: the largest.
        weight_decay: of everything.
        nesterov: Nesterov's momentum.
    """

    learning_rate: float = 0.01
    weight_decay: float = 2e-4
    nesterov: bool = False

    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        """One group."""
        trained = [p for p in module.parameters() if p.requires_grad]
        return torch.optim.SGD(trained, self.learning_rate, 0.9, weight_decay=self.weight_decay, nesterov=self.nesterov)


class Schedule(ABC):
    """Options of a schedule."""

    @abstractmethod
    def factor(self, done: float) -> float:
        """The share of the learning rate when a share `done` of the steps, in [0, 1), is done."""

    def build(self, optimizer: torch.optim.Optimizer, steps: int) -> LambdaLR:
        """Call ``schedule.step()`` after each step of the optimiser."""
        return LambdaLR(optimizer, lambda step: self.factor(step / steps))


@dataclass(frozen=True)
class Cosine(Schedule):
    """Linear warm-up, then half a cosine to zero.

    Args:
        warmup: share of the steps.
    """

    warmup: float = 0.05

    def factor(self, done: float) -> float:
        """From a fiftieth of the rate."""
        if done < self.warmup:
            return 0.02 + 0.98 * done / self.warmup
        return (1 + cos(pi * min((done - self.warmup) / (1 - self.warmup), 1))) / 2


@dataclass(frozen=True)
class Steps(Schedule):
    """The rate falls at some moments.

    Args:
        at: when, as shares of the steps.
        to: by how much each time.
    """

    at: tuple[float, ...] = (0.8, 0.9)
    to: float = 0.01

    def factor(self, done: float) -> float:
        """A power of `to`."""
        return float(self.to ** sum(done >= moment for moment in self.at))


@dataclass(frozen=True)
class Constant(Schedule):
    """The rate stays."""

    def factor(self, done: float) -> float:  # noqa: ARG002  a schedule's form
        """One."""
        return 1.0
