"""Losses with their gradient, beside the same losses of pytorch-metric-learning and timm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.speed.case import Case, Operator, Peer
from benchmarks.speed.inputs import CLASS_COUNTS, Shape
from longtail_mix import SupervisedContrastiveLoss, WeightedCrossEntropy

__all__ = ["LOSS_CASES"]

Loss = Callable[..., Tensor]
TEMPERATURE, SMOOTHING = 0.2, 0.1


def _gradient_of(build: Callable[[], Loss]) -> Callable[[], Operator]:
    """The gradient of a loss with regard to its first argument: what a training step wants of it."""

    def made() -> Operator:
        loss = build()

        def gradient(values: Tensor, target: Tensor) -> Tensor:
            leaf = values.detach().requires_grad_()
            return torch.autograd.grad(loss(leaf, target), leaf)[0]

        return gradient

    return made


def _with_labels(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Features or logits [B, D] and labels [B]."""
    values = torch.randn(shape, generator=generator, device=generator.device).to(dtype)
    # In order, so that every class has two images at least, without which a contrast has no positive.
    return values, torch.arange(shape[0], device=generator.device) // 2 % len(CLASS_COUNTS)


def _with_shares(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Logits [B, K] and shares [B, K]."""
    values, labels = _with_labels(shape, dtype, generator)
    return values, torch.nn.functional.one_hot(labels, shape[1]).to(dtype) * 0.7 + 0.3 / shape[1]


def _metric_learning() -> Loss:
    from pytorch_metric_learning.losses import SupConLoss

    loss: Loss = SupConLoss(temperature=TEMPERATURE)
    return loss


def _timm(name: str, **options: Any) -> Callable[[], Loss]:
    def build() -> Loss:
        from timm import loss

        made: Loss = getattr(loss, name)(**options)
        return made

    return build


def _same(name: str, build: Callable[[], Loss]) -> tuple[Peer, ...]:
    """A peer whose gradient is ours."""
    return (Peer(name, _gradient_of(build), same=lambda gradient: gradient, tolerance=1e-5),)


FLOAT = (torch.float32,)
LOSS_CASES = (
    Case(
        "supervised_contrastive",
        _gradient_of(lambda: SupervisedContrastiveLoss(temperature=TEMPERATURE)),
        _with_labels,
        ((256, 128), (1024, 128)),
        FLOAT,
        _same("pytorch-metric-learning SupConLoss", _metric_learning),
        compiles=False,
    ),
    Case(
        "cross_entropy_of_shares",
        _gradient_of(WeightedCrossEntropy),
        _with_shares,
        ((256, len(CLASS_COUNTS)), (1024, 1000)),
        FLOAT,
        _same("timm SoftTargetCrossEntropy", _timm("SoftTargetCrossEntropy")),
        compiles=False,
    ),
    Case(
        "label_smoothing",
        _gradient_of(lambda: WeightedCrossEntropy(label_smoothing=SMOOTHING)),
        _with_labels,
        ((256, len(CLASS_COUNTS)), (1024, 1000)),
        FLOAT,
        _same("timm LabelSmoothingCrossEntropy", _timm("LabelSmoothingCrossEntropy", smoothing=SMOOTHING)),
        compiles=False,
    ),
)
