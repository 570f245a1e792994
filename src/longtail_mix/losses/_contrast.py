"""What the contrastive losses share: who is compared with whom, and the mean over the anchors.

Anchors are the queries of this rank. Contrasts are the queries and keys of all ranks and the queue, in this order, less
the anchor itself and the empty places of the queue. Features have length 1, so a similarity is a cosine over the
temperature.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from longtail_mix._checks import LARGEST_OPTION, check_floating, check_number, check_positive, check_same_device
from longtail_mix._distributed import gather_with_gradient, rank, total, world_size
from longtail_mix.losses._contrast_labels import affinity, check_queue_labels, check_target, gather_target
from longtail_mix.targets import Target

__all__ = [
    "Compared",
    "check_temperature",
    "compare",
    "log_sum",
    "mean_over_anchors",
    "mean_similarity",
    "unit",
]


class Compared(NamedTuple):
    """B anchors beside C contrasts."""

    anchors: Tensor
    """The queries of this rank, of length 1, [B, D]."""
    similarity: Tensor
    """Cosines over the temperature, [B, C]."""
    positive: Tensor
    """How much the two belong together, the inner product of their labels, [B, C]; 0 where not taken."""
    taken: Tensor
    """False where a contrast is the anchor itself or an empty place of the queue, [B, C]."""
    labels: tuple[Target, ...]
    """The labels of the contrasts: of all queries, all keys, the queue."""


def compare(
    queries: Tensor,
    target: Target,
    keys: Tensor | None,
    key_labels: Target | None,
    queue: Tensor | None,
    queue_labels: Tensor | None,
    temperature: float,
) -> Compared:
    """Check the arguments that all contrastive losses take, gather over the ranks, and compare."""
    check_temperature(temperature)
    anchors = unit(queries, "queries")
    check_target(target, anchors, "queries", "target")
    contrasts, labels = [gather_with_gradient(anchors)], [gather_target(target)]
    if keys is not None:
        own = _features_beside(keys, anchors, "keys")
        key_labels = target if key_labels is None else key_labels
        check_target(key_labels, own, "keys", "key_labels")
        contrasts.append(gather_with_gradient(own))
        labels.append(gather_target(key_labels))
    elif key_labels is not None:
        raise ValueError("key_labels: expected None without keys")
    here = torch.arange(len(anchors), device=anchors.device) + rank() * len(anchors)
    taken = here.unsqueeze(1) != torch.arange(sum(map(len, contrasts)), device=anchors.device)
    if queue is not None and queue_labels is not None:
        contrasts.append(_features_beside(queue, anchors, "queue"))
        check_queue_labels(queue_labels, contrasts[-1])
        labels.append(queue_labels)
        taken = torch.cat([taken, (queue_labels >= 0).expand(len(anchors), -1)], 1)
    elif queue is not None or queue_labels is not None:
        raise ValueError("queue, queue_labels: expected both or neither")
    similarity = anchors @ torch.cat(contrasts).t() / temperature
    positive = torch.cat([affinity(target, others, anchors.dtype) for others in labels], 1)
    return Compared(anchors, similarity, positive * taken, taken, tuple(labels))


def check_temperature(temperature: float) -> None:
    """Raise unless the temperature is a finite number above 0."""
    check_number(temperature, "temperature")
    check_positive(temperature, "temperature")
    if not 1 / LARGEST_OPTION <= temperature <= LARGEST_OPTION:
        raise ValueError(f"temperature: expected {1 / LARGEST_OPTION:g} to {LARGEST_OPTION:g}, got {temperature}")


def unit(features: Tensor, name: str) -> Tensor:
    """Features [N, D] at length 1, in float32 at least; a feature of zeros stays zeros, with a gradient of modest size.

    ``F.normalize`` divides zeros by 1e-12, and so multiplies their gradient by 1e12.
    """
    check_floating(features, name)
    if features.ndim != 2 or features.shape[1] == 0:
        raise ValueError(f"{name}: expected features [N, D], got shape {list(features.shape)}")
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    # Their squares would overflow from 1e19 on.
    features = features / features.detach().abs().amax(1, keepdim=True).clamp(min=1)
    length = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    return features / torch.where(length > 0, length, 1.0)


def log_sum(scores: Tensor, taken: Tensor) -> Tensor:
    """``log(sum(exp(scores)))`` of each row over what is taken; finite, and without a gradient, where nothing is."""
    return scores.masked_fill(~taken, torch.finfo(scores.dtype).min / 4).logsumexp(1)


def mean_similarity(scores: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of the positives' scores by their weights, [B], and whether there are any, [B]."""
    weight = weights.sum(1)
    any_positive = weight > 0
    scores = scores.masked_fill(weights == 0, 0.0)  # a class that is ruled out has a score of -inf
    return (weights * scores).sum(1) / torch.where(any_positive, weight, 1.0), any_positive


def mean_over_anchors(losses: Tensor, counts: Tensor) -> Tensor:
    """The mean of the losses [B] that count, over all ranks: the mean of what the ranks return is exactly that."""
    number = total(counts.sum()).clamp(min=1)
    return torch.where(counts, losses, 0.0).sum() * world_size() / number


def _features_beside(features: Tensor, anchors: Tensor, name: str) -> Tensor:
    features = unit(features, name).to(anchors.dtype)
    check_same_device(anchors, features, "queries", name)
    if features.shape[1] != anchors.shape[1]:
        raise ValueError(f"{name}: expected features [N, {anchors.shape[1]}], got shape {list(features.shape)}")
    return features
