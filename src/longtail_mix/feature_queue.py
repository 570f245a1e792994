"""Features of past batches, for losses that compare with more images than one batch has."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from longtail_mix._checks import check_finite, check_floating, check_labels, check_same_device, check_whole
from longtail_mix._distributed import gather

__all__ = ["FeatureQueue"]


class FeatureQueue(nn.Module):
    """The last `size` features with their labels, oldest replaced first (the queue of MoCo, He et al. 2020).

    All of it is in buffers that are written in place, so it is saved and restored with the model and moves with it:
    `features` [size, dim], `labels` int64 [size], where -1 marks a slot that is still empty, and `position`, where the
    next feature goes.

    Under ``torch.distributed`` every rank pushes its own batch, of one length for all ranks, and every queue gets those
    of all ranks, rank 0 first. So the queues are the same everywhere, and the same as one process would have.

    Args:
        size: how many features are kept.
        dim: numbers in a feature.

    Raises:
        TypeError, ValueError: a size or dim that is not a whole number of at least 1; in :meth:`push`, features and
            labels that do not fit each other or the queue.

    Example:
        >>> queue = FeatureQueue(size=4, dim=2)
        >>> queue.push(torch.tensor([[0.6, 0.8], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([5, 6, 7]))
        >>> queue.labels
        tensor([ 5,  6,  7, -1])
        >>> queue.push(torch.zeros(2, 2), torch.tensor([8, 9]))
        >>> queue.labels
        tensor([9, 6, 7, 8])
    """

    features: Tensor
    labels: Tensor
    position: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        check_whole(size, "size", 1)
        check_whole(dim, "dim", 1)
        self.register_buffer("features", torch.zeros(size, dim))
        self.register_buffer("labels", torch.full((size,), -1))
        self.register_buffer("position", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def push(self, features: Tensor, labels: Tensor) -> None:
        """Put a batch in the place of the oldest one; of a batch larger than the queue, its last rows.

        Push after the backward pass: a loss on ``queue.features`` still needs the old ones for its gradient, and
        PyTorch raises a ``RuntimeError`` in ``backward()`` where they have been overwritten.

        Args:
            features: [B, dim], floating point; kept without their graph, in the dtype of the queue.
            labels: integers [B], at least 0.
        """
        check_floating(features, "features")
        check_finite(features, "features")
        check_labels(labels)
        size, dim = self.features.shape
        if features.ndim != 2 or features.shape[1] != dim or len(features) != len(labels):
            raise ValueError(
                f"features: expected [{len(labels)}, {dim}], one for each label, got shape {list(features.shape)}"
            )
        check_same_device(self.features, features, "the queue", "features")
        check_same_device(features, labels, "features", "labels")
        features, labels = gather(features), gather(labels.to(torch.int64))  # gloo has no int16
        count = len(labels)
        first = max(count - size, 0)
        slots = (self.position + torch.arange(first, count, device=labels.device)) % size
        self.features.index_copy_(0, slots, features[first:].to(self.features.dtype))
        self.labels.index_copy_(0, slots, labels[first:])
        self.position.copy_((self.position + count) % size)

    def extra_repr(self) -> str:
        """Show the shape."""
        size, dim = self.features.shape
        return f"size={size}, dim={dim}"
