"""AlignMix: the features of one image brought to the places where the other has its like, before both are mixed."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import check_alike, check_floating, check_positive, check_whole
from longtail_mix._module import Module
from longtail_mix._precision import without_autocast

__all__ = ["AlignFeatures", "align_features"]


def align_features(first: Tensor, second: Tensor, epsilon: float = 0.1, iterations: int = 20) -> Tensor:
    """The second image's features at the places of those of the first that they resemble: Venkataramanan et al. 2022.

    The plan P moves mass 1/N from each place to places of the other image at the cost of the squared distance of their
    features, smoothed by `epsilon` times its entropy, by Sinkhorn's algorithm. Each place of the result is the mean of
    the second image's features that are moved there. For one image, in plain PyTorch::

        cost = torch.cdist(first, second).square()
        plan = torch.exp(-cost / (epsilon * cost.mean()))
        for _ in range(iterations):
            plan = plan / plan.sum(0, keepdim=True)
            plan = plan / plan.sum(1, keepdim=True)
        aligned = plan @ second

    The cost is divided by its mean, so that `epsilon` does not depend on how large features are; in the paper it does.
    The plan is a constant to the gradient.

    Args:
        first: features that stay in their places, [B, N, D], floating point.
        second: features to bring there, the same shape.
        epsilon: above 0; the smaller, the fewer features each place is a mean of.
        iterations: of Sinkhorn's algorithm, at least 1.

    Returns:
        [B, N, D], in the dtype of `second`.

    Raises:
        TypeError, ValueError: features that do not fit each other, options out of range.

    Example:
        >>> first = torch.eye(3).unsqueeze(0)
        >>> align_features(first, first.flip(1), epsilon=0.01).round()
        tensor([[[1., 0., 0.],
                 [0., 1., 0.],
                 [0., 0., 1.]]])
    """
    check_floating(first, "first")
    check_floating(second, "second")
    check_alike(first, second, "first", "second")
    if first.ndim != 3:
        raise ValueError(f"first: expected features [B, N, D], got shape {list(first.shape)}")
    check_positive(epsilon, "epsilon")
    check_whole(iterations, "iterations", 1)
    return _aligned(first, second, epsilon, iterations)


def _aligned(first: Tensor, second: Tensor, epsilon: float, iterations: int) -> Tensor:
    dtype = torch.promote_types(first.dtype, torch.float32)
    with without_autocast(first):
        one, other = first.detach().to(dtype), second.detach().to(dtype)
        cost = torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist").square()
        mean = cost.mean((1, 2), keepdim=True)
        plan = -cost / (epsilon * torch.where(mean > 0, mean, 1))  # its logarithm, which does not underflow
        for _ in range(iterations):
            plan = plan - plan.logsumexp(1, keepdim=True)
            plan = plan - plan.logsumexp(2, keepdim=True)
        return (plan.exp() @ second.to(dtype)).to(second.dtype)


class AlignFeatures(Module):
    """:func:`align_features` of feature maps or tokens, for ``MixInside(model, layer, align=AlignFeatures())``.

    The paper mixes the aligned features by one share for each image, from Beta(2, 2), and aligns the first to the
    second in one half of the batches: give the images the other way round.

    Args:
        epsilon: see :func:`align_features`.
        iterations: likewise.

    Shape:
        tail and head, features [B, C, H, W] or tokens [B, N, D] without class token -> the head's in the tail's places.

    Example:
        >>> from torch import nn
        >>> from longtail_mix import MixInside
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
        >>> images, lam = torch.rand(2, 3, 16, 16), torch.tensor([0.3, 0.6])
        >>> with MixInside(model, "0", align=AlignFeatures()) as mix_inside:
        ...     logits = mix_inside.within(images, partner=torch.tensor([1, 0]), ratio=lam)
        >>> logits.shape
        torch.Size([2, 5])
    """

    def __init__(self, epsilon: float = 0.1, iterations: int = 20) -> None:
        super().__init__()
        check_positive(epsilon, "epsilon")
        check_whole(iterations, "iterations", 1)
        self.epsilon, self.iterations = epsilon, iterations

    def forward(self, tail: Tensor, head: Tensor) -> Tensor:
        """The head's features in the tail's places."""
        check_floating(tail, "tail")
        check_floating(head, "head")
        check_alike(tail, head, "tail", "head")
        if tail.ndim == 3:
            return _aligned(tail, head, self.epsilon, self.iterations)
        if tail.ndim != 4:
            raise ValueError(f"tail: expected features [B, C, H, W] or tokens [B, N, D], got shape {list(tail.shape)}")
        aligned = _aligned(tail.flatten(2).mT, head.flatten(2).mT, self.epsilon, self.iterations)
        return aligned.mT.reshape(head.shape)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"epsilon={self.epsilon}, iterations={self.iterations}"
