"""Any mix where a program expects timm's Mixup."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from longtail_mix._checks import MOST_CLASSES, check_callable, check_number, check_whole
from longtail_mix._module import Module
from longtail_mix.targets import MixedTarget

__all__ = ["SoftTargetMix"]


class SoftTargetMix(Module):
    """Any mix in the place of ``timm.data.Mixup``: ``images, target = mixup_fn(images, labels)`` with soft targets.

    The whole of it::

        images, target = mix(images, labels)
        soft = target.soft(num_classes) * (1 - label_smoothing) + label_smoothing / num_classes

    Args:
        mix: ``(images, labels) -> (images, target)``: an :class:`~longtail_mix.InBatch` or an
            :class:`~longtail_mix.SPMix`.
        num_classes: K.
        label_smoothing: how much of each target is spread over all classes, in [0, 1). Unlike timm's the default is
            none.

    Attributes:
        mixup_enabled: set to False, as timm's training program does towards the end, it returns the images as they are
            with their soft targets. In evaluation mode likewise.

    Shape:
        images [B, C, H, W] and labels [B] -> images [B, C, H, W] and targets [B, K] whose rows sum to 1; or labels
        [B, K] of several classes -> targets [B, K] of them.

    Raises:
        TypeError, ValueError: a smoothing out of range; and as `mix` and :meth:`MixedTarget.soft`.

    Example:
        >>> import torch
        >>> from longtail_mix import CutMix, InBatch, RandomPairing
        >>> mixup_fn = SoftTargetMix(InBatch(CutMix(), RandomPairing()), num_classes=3)
        >>> images, target = mixup_fn(torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2]))
        >>> target.shape
        torch.Size([4, 3])
    """

    def __init__(
        self,
        mix: Callable[[Tensor, Tensor], tuple[Tensor, Tensor | MixedTarget]],
        num_classes: int,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        check_callable(mix, "mix", "a mix of images and labels")
        check_whole(num_classes, "num_classes", 1, MOST_CLASSES)
        check_number(label_smoothing, "label_smoothing")
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(f"label_smoothing: expected a number from 0 to less than 1, got {label_smoothing}")
        self.mix = mix
        self.num_classes = num_classes
        self.label_smoothing = label_smoothing
        self.mixup_enabled = True

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mix a batch."""
        target: Tensor | MixedTarget = labels
        if self.mixup_enabled and self.training:
            images, target = self.mix(images, labels)
        target = target if isinstance(target, MixedTarget) else MixedTarget.hard(target)
        soft = target.soft(self.num_classes)
        return images, soft * (1 - self.label_smoothing) + self.label_smoothing / self.num_classes

    def extra_repr(self) -> str:
        """Show the classes and the smoothing."""
        return f"num_classes={self.num_classes}, label_smoothing={self.label_smoothing}"
