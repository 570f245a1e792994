"""Any mix as the ``collate_fn`` of a data loader."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils.data import default_collate

from longtail_mix._checks import check_callable
from longtail_mix.targets import MixedTarget

__all__ = ["MixCollate"]


class MixCollate:
    """Collate samples to a batch, then mix it: ``DataLoader(dataset, 64, collate_fn=MixCollate(mix))``.

    Mixing then runs in the workers of the loader, each with a random state of its own, which follows from that of the
    loader: ``torch.manual_seed`` or ``DataLoader(generator=...)`` makes it reproducible. On a GPU it is faster to mix
    in the loop, after the batch has been moved.

    Samples are pairs ``(image, label)``, or dictionaries as those of Hugging Face and MONAI, of which two entries are
    mixed and the others stay. In evaluation mode the batch comes as it was collated, with its own labels.

    Args:
        mix: ``(images, labels) -> (images, target)``: an :class:`~longtail_mix.InBatch`, or an
            :class:`~longtail_mix.SPMix`, whose labels come back as a :class:`~longtail_mix.MixedTarget` too.
        collate: makes a batch of a list of samples. Default: what a loader does without `collate_fn`.
        keys: where images and labels are in a batch that is a dictionary.
        follows: mixes while this module is in training mode. Default: `mix`, if it is a module. Give it the model
            where a trainer has one collator for training and evaluation, as that of Hugging Face has, which calls
            ``model.eval()`` before it reads the evaluation batches.

    Raises:
        ValueError: a batch that is not a pair of images and labels, or lacks a key.

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
        *,
        keys: tuple[str, str] = ("pixel_values", "labels"),
        follows: nn.Module | None = None,
    ) -> None:
        check_callable(mix, "mix", "a mix of images and labels")
        check_callable(collate, "collate", "a function of a list of samples")
        self.mix = mix
        self.collate = collate
        self.keys = keys
        self.follows = mix if follows is None else follows

    def __call__(self, samples: list[Any]) -> Any:
        """The batch of a list of samples: ``(images, MixedTarget)``, or a dictionary with both under their keys."""
        if not isinstance(samples, list | tuple):
            raise TypeError(f"samples: expected a list of samples, got {samples!r:.80}")
        try:
            batch = self.collate(samples)
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise TypeError(f"samples: expected what can be collated, got {type(error).__name__}: {error}") from error
        if isinstance(batch, Mapping):
            missing = [key for key in self.keys if key not in batch]
            if missing:
                raise ValueError(f"samples: expected {' and '.join(self.keys)}, got {', '.join(map(str, batch))}")
        elif not isinstance(batch, Sequence) or len(batch) != 2:
            got = f"{len(batch)} parts" if isinstance(batch, Sequence) else type(batch).__name__
            raise ValueError(f"samples: expected pairs of an image and a label, got {got}")
        if isinstance(self.follows, nn.Module) and not self.follows.training:
            return batch
        if not isinstance(batch, Mapping):
            return self._mixed(*batch)
        return {**batch, **dict(zip(self.keys, self._mixed(*(batch[key] for key in self.keys)), strict=True))}

    def _mixed(self, images: Tensor, labels: Tensor) -> tuple[Tensor, MixedTarget]:
        images, target = self.mix(images, labels)
        return images, target if isinstance(target, MixedTarget) else MixedTarget.hard(target)
