"""A balanced sampler, made and gone through once, beside torch's and torchsampler's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.utils.data import TensorDataset, WeightedRandomSampler

from benchmarks.speed.case import Case, Operator, Peer
from benchmarks.speed.inputs import CLASS_COUNTS, Shape
from longtail_mix.sampling import ClassSampler, balanced_probabilities

__all__ = ["SAMPLER_CASES"]


def _gone_through(sampler_of: Callable[[Tensor], Iterable[int]]) -> Operator:
    return lambda labels: torch.tensor(list(sampler_of(labels)))


def _ours() -> Operator:
    return _gone_through(lambda labels: ClassSampler(labels, balanced_probabilities(labels.bincount())))


def _torch() -> Operator:
    def sampler(labels: Tensor) -> Iterable[int]:
        weights = 1 / labels.bincount()[labels].double()
        return WeightedRandomSampler(weights.tolist(), len(labels))

    return _gone_through(sampler)


def _torchsampler() -> Operator:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its own import
        from torchsampler import ImbalancedDatasetSampler

    def sampler(labels: Tensor) -> Iterable[int]:
        found: Iterable[int] = ImbalancedDatasetSampler(TensorDataset(labels), labels=labels.tolist())
        return found

    return _gone_through(sampler)


def _labels(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
    """As frequent as in ISIC 2018, every class at least once; on the host, where samplers are."""
    shares = torch.tensor(CLASS_COUNTS).cumsum(0) / sum(CLASS_COUNTS)
    drawn = torch.bucketize(torch.rand(shape, generator=generator, device=generator.device).cpu(), shares)
    drawn[: len(CLASS_COUNTS)] = torch.arange(len(CLASS_COUNTS))
    return (drawn.to(dtype),)


SAMPLER_CASES = (
    Case(
        "balanced_sampler",
        _ours,
        _labels,
        ((10_015,), (100_000,)),
        (torch.int64,),
        (
            Peer("torch WeightedRandomSampler", _torch, on_host=True),
            Peer("torchsampler ImbalancedDatasetSampler", _torchsampler, on_host=True),
        ),
        draws=True,
        compiles=False,
    ),
)
