"""Intervals by resampling lesions: the images of one lesion are drawn together, because they are alike."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["bootstrap_means", "bootstrap_quantiles", "interval", "lesion_draws"]


def lesion_draws(lesions: Sequence[str], replicates: int, seed: int) -> Tensor:
    """How often each image is in each resample of the lesions, with replacement: [replicates, N] float32."""
    number_of = {lesion: i for i, lesion in enumerate(dict.fromkeys(lesions))}
    lesion_of = torch.tensor([number_of[lesion] for lesion in lesions], dtype=torch.int64)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(number_of), (replicates, len(number_of)), generator=generator)
    times = torch.zeros(replicates, len(number_of)).scatter_add_(1, drawn, torch.ones(drawn.shape))
    return times[:, lesion_of]


def bootstrap_means(values: Tensor, draws: Tensor) -> Tensor:
    """Means over the images for which a value is defined: values [N, M] with NaN, draws [R, N] -> [R, M]."""
    defined = ~values.isnan()
    weights = draws.to(torch.float64)
    return (weights @ values.nan_to_num(0.0).double()) / (weights @ defined.double())


def bootstrap_quantiles(values: Tensor, draws: Tensor, share: float) -> Tensor:
    """The smallest value that at least `share` of the resample does not exceed: values [N] with NaN -> [R]."""
    order = values.argsort()[: int((~values.isnan()).sum())]  # NaN comes last
    if not len(order):
        return values.new_full((len(draws),), torch.nan)
    reached = draws[:, order].double().cumsum(1)
    at = torch.searchsorted(reached, share * reached[:, -1:]).clamp(max=len(order) - 1)
    return values[order][at.squeeze(1)]


def interval(replicates: Tensor) -> tuple[float, float]:
    """The middle 95 % of the replicates [R]; NaN when a resample had no value."""
    low, high = torch.quantile(replicates.double(), torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high
