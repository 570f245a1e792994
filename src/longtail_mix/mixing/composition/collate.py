"""Any mix as the ``collate_fn`` of a data loader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from torch.utils.data import default_collate

from longtail_mix.targets import MixedTarget

__all__ = ["MixCollate"]


class MixCollate:
    """Collate samples to a batch, then mix it: ``DataLoader(dataset, 64, collate_fn=MixCollate(mix))``.

    Mixing then runs in the workers of the loader, each with a random state of its own, which follows from that of the
    loader: ``torch.manual_seed`` or ``DataLoader(generator=...)`` makes it reproducible. On a GPU it is faster to mix
    in the loop, after the batch has been moved.

    Args:
        mix: ``(images, labels) -> (images, target)``: an :class:`~longtail_mix.InBatch`, or an
            :class:`~longtail_mix.SPMix`, whose labels come back as a :class:`~longtail_mix.MixedTarget` too.
        collate: makes ``(images, labels)`` of a list of samples. Default: what a loader does without `collate_fn`.

    Raises:
        ValueError: a batch that is not a pair of images and labels.

    Example:
        >>> import torch
        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> from longtail_mix import InBatch, MixUp, RandomPairing
        >>> dataset = TensorDataset(torch.rand(6, 3, 8, 8), torch.tensor([0, 0, 0, 1, 1, 2]))
        >>> loader = DataLoader(dataset, batch_size=4, collate_fn=MixCollate(InBatch(MixUp(), RandomPairing())))
        >>> [target.soft(3).shape for images, target in loader]
        [torch.Size([4, 3]), torch.Size([2, 3])]
    """

    def __init__(
        self,
        mix: Callable[[Tensor, Tensor], tuple[Tensor, Tensor | MixedTarget]],
        collate: Callable[[list[Any]], Any] = default_collate,
    ) -> None:
        self.mix = mix
        self.collate = collate

    def __call__(self, samples: list[Any]) -> tuple[Tensor, MixedTarget]:
        """The mixed batch of a list of samples ``(image, label)``."""
        batch = self.collate(samples)
        if not isinstance(batch, Sequence) or len(batch) != 2:
            got = f"{len(batch)} parts" if isinstance(batch, Sequence) else type(batch).__name__
            raise ValueError(f"samples: expected pairs of an image and a label, got {got}")
        images, target = self.mix(*batch)
        return images, target if isinstance(target, MixedTarget) else MixedTarget.hard(target)
