"""Weights by class: the rarer the class, the more each of its images counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from longtail_mix._checks import (
    LABEL_DTYPES,
    check_callable,
    check_counts_of_all,
    check_floating,
    check_has_values,
    check_labels,
    check_number,
    check_same_device,
    check_tensor,
    is_finite,
    values_are_readable,
)
from longtail_mix._module import Module

__all__ = [
    "ClassBalancedWeights",
    "ClassWeights",
    "EffectiveNumberWeights",
    "Normalise",
    "class_balanced_weights",
    "effective_number_weights",
    "mean_one_over_classes",
    "mean_one_over_images",
]

Normalise = Callable[[Tensor, Tensor], Tensor]
"""(weights [K], images of each class [K]) -> weights [K]."""


def mean_one_over_classes(weights: Tensor, class_counts: Tensor) -> Tensor:
    """Scale the weights so that they sum to K, as Cui et al. 2019 and Cao et al. 2019 do.

    Example:
        >>> mean_one_over_classes(torch.tensor([1.0, 3.0]), torch.tensor([30.0, 10.0]))
        tensor([0.5000, 1.5000])
    """
    _check_weights(weights, class_counts)  # every class counts once
    return weights / weights.mean()


def mean_one_over_images(weights: Tensor, class_counts: Tensor) -> Tensor:
    """Scale the weights so that a training image weighs 1 on average: the learning rate keeps its meaning.

    Example:
        >>> mean_one_over_images(torch.tensor([1.0, 3.0]), torch.tensor([30.0, 10.0]))
        tensor([0.6667, 2.0000])
    """
    _check_weights(weights, class_counts)
    # Half precision holds no sum of counts.
    exact = weights.to(torch.promote_types(weights.dtype, torch.float32))
    return (exact * (class_counts.sum() / (exact * class_counts).sum())).to(weights.dtype)


def _check_weights(weights: Tensor, class_counts: Tensor) -> None:
    check_floating(weights, "weights")
    check_tensor(class_counts, "class_counts")
    check_same_device(weights, class_counts, "weights", "class_counts")
    for values, name in ((weights, "weights"), (class_counts, "class_counts")):
        if (
            values.ndim != 1
            or len(values) != len(weights)
            or not (values.is_floating_point() or values.dtype in LABEL_DTYPES)
        ):
            raise ValueError(f"{name}: expected one number for each class, got {values.dtype} {list(values.shape)}")
        if values_are_readable(values) and not ((values >= 0) & values.double().isfinite()).all():
            raise ValueError(f"{name}: expected finite numbers of at least 0, got {values.tolist()}")
    if values_are_readable(weights) and not (weights.double() * class_counts).sum() > 0:
        raise ValueError(f"weights: expected one above 0 for a class with images, got {weights.tolist()}")


def class_balanced_weights(class_counts: Sequence[int] | Tensor, normalise: Normalise | None = None) -> Tensor:
    """``N / N_c``: every class weighs the same in an epoch (Eq. 7 of Barata and Santiago 2021).

    Args:
        class_counts: training images of each class, K of them, none zero.
        normalise: scales the weights: :func:`mean_one_over_classes`, :func:`mean_one_over_images`, a function of
            your own, or None for the equation as it stands.

    Returns:
        Weights [K] in torch's default dtype, computed in float64.

    Raises:
        TypeError, ValueError: counts that are not whole numbers, or a class without images.

    Example:
        >>> class_balanced_weights([80, 15, 5])
        tensor([ 1.2500,  6.6667, 20.0000])
    """
    counts = check_counts_of_all(class_counts)
    total = sum(counts)
    return _finish([total / count for count in counts], counts, normalise)


def effective_number_weights(
    class_counts: Sequence[int] | Tensor, beta: float | None = None, normalise: Normalise | None = None
) -> Tensor:
    """``(1 - beta) / (1 - beta ** N_c)``: one over the effective number of images (Cui et al. 2019, Eq. 8 of Barata
    and Santiago 2021).

    With beta 0 every class weighs 1; as beta goes to 1 the weights go to ``1 / N_c``. As printed, the default's weights
    lie between ``1 / N_c`` and ``1.6 / N``: under SGD that asks for a normalisation or for another learning rate.

    Args:
        class_counts: training images of each class, K of them, none zero.
        beta: in [0, 1); None is the paper's ``(N - 1) / N`` with N images in all.
        normalise: as in :func:`class_balanced_weights`.

    Returns:
        Weights [K] in torch's default dtype, computed in float64.

    Raises:
        TypeError, ValueError: as :func:`class_balanced_weights`; `beta` out of range.

    Example:
        >>> effective_number_weights([80, 15, 5], beta=0.9, normalise=mean_one_over_classes)
        tensor([0.6382, 0.8035, 1.5582])
    """
    counts = check_counts_of_all(class_counts)
    # What is left to 1 is the exact number: 1 - (N - 1) / N loses digits where N is large.
    rest = 1 / sum(counts) if beta is None else _rest_of(beta)
    if rest == 1:
        return _finish([1.0 for _ in counts], counts, normalise)
    return _finish([rest / -math.expm1(count * math.log1p(-rest)) for count in counts], counts, normalise)


def _rest_of(beta: float) -> float:
    check_number(beta, "beta")
    if not 0.0 <= beta < 1.0:
        raise ValueError(f"beta: expected 0 <= beta < 1, got {beta}")
    return 1 - float(beta)


def _finish(weights: list[float], counts: tuple[int, ...], normalise: Normalise | None) -> Tensor:
    result = torch.tensor(weights, dtype=torch.float64)
    if normalise is not None:
        check_callable(normalise, "normalise", "None or a function of weights and counts")
        result = normalise(result, torch.tensor(counts, dtype=torch.float64))
        check_floating(result, "normalise")
    return result.to(torch.get_default_dtype())


class ClassWeights(Module):
    """Any weight per class, in the form losses take: ``weighting=ClassWeights(weights)``.

    Args:
        weights: one for each class, [K], floating point, finite, at least 0.

    Shape:
        losses [B], labels [B] -> the weights of the labels [B];
        losses [B], class shares [B, K] -> weights [B, K], one for each image and class.

    Raises:
        TypeError, ValueError: weights that are not so.

    Example:
        >>> ClassWeights(torch.tensor([1.0, 5.0]))(torch.rand(3), torch.tensor([1, 0, 1]))
        tensor([5., 1., 5.])
    """

    weights: Tensor

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        check_floating(weights, "weights")
        if weights.ndim != 1 or not len(weights):
            raise ValueError(f"weights: expected one for each class [K], got shape {list(weights.shape)}")
        check_has_values(weights, "weights")
        if not is_finite(weights) or bool((weights < 0).any()):
            raise ValueError(f"weights: expected finite numbers of at least 0, got {weights.tolist()}")
        self.register_buffer("weights", weights.detach().clone())

    def forward(self, losses: Tensor, target: Tensor) -> Tensor:
        """Weights of labels [B], or of each image and class where `target` is [B, K]; `losses` play no part."""
        del losses
        check_tensor(target, "target")
        if target.ndim == 1:
            check_labels(target, len(self.weights), "target")
            return self.weights[target.long()]  # bytes would be taken for a mask
        if target.ndim != 2 or target.shape[1] != len(self.weights):
            raise ValueError(
                f"target: expected labels [B] or shares [B, {len(self.weights)}], got {list(target.shape)}"
            )
        return self.weights.expand_as(target)

    def extra_repr(self) -> str:
        """Show how many classes there are."""
        return f"num_classes={len(self.weights)}"


class ClassBalancedWeights(ClassWeights):
    """``N / N_c`` in the form losses take: see :func:`class_balanced_weights`.

    Example:
        >>> ClassBalancedWeights([80, 15, 5])(torch.rand(2), torch.tensor([0, 2]))
        tensor([ 1.2500, 20.0000])
    """

    def __init__(self, class_counts: Sequence[int] | Tensor, normalise: Normalise | None = None) -> None:
        super().__init__(class_balanced_weights(class_counts, normalise))


class EffectiveNumberWeights(ClassWeights):
    """``(1 - beta) / (1 - beta ** N_c)`` in the form losses take: see :func:`effective_number_weights`.

    Example:
        >>> weights = EffectiveNumberWeights([80, 15, 5], beta=0.9, normalise=mean_one_over_classes)
        >>> weights(torch.rand(2), torch.tensor([0, 2]))
        tensor([0.6382, 1.5582])
    """

    def __init__(
        self, class_counts: Sequence[int] | Tensor, beta: float | None = None, normalise: Normalise | None = None
    ) -> None:
        super().__init__(effective_number_weights(class_counts, beta, normalise))
