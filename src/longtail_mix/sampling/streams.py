"""Two streams of batches side by side: the images as they come, and the same images by class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader

from longtail_mix._checks import check_whole
from longtail_mix.sampling.class_sampler import ClassSampler
from longtail_mix.sampling.epochs import EpochSampler

__all__ = ["TwoStreamLoader"]


class TwoStreamLoader:
    """Pairs of batches, one of each of two loaders: the dual sampling of LSM, CMO and BBN.

    An epoch is that of the first loader. The second must have at least as many batches, so it never runs dry in the
    middle: a class sampler gets them by its `num_samples`. Both are ordinary ``DataLoader``\\ s with all their options,
    over samplers of this package; ``drop_last=True`` keeps all batches of one size.

    Args:
        first: mostly the images as they come, over a :class:`~longtail_mix.sampling.ShuffledSampler`.
        second: mostly the class-balanced ones, over a :class:`~longtail_mix.sampling.ClassSampler`.

    Raises:
        TypeError: not a ``DataLoader`` with a batch size over an :class:`~longtail_mix.sampling.EpochSampler`.
        ValueError: a first loader without a batch, a second one with fewer batches, or one sampler for both.

    Example:
        >>> import torch
        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> from longtail_mix.sampling import ClassSampler, ShuffledSampler, balanced_probabilities
        >>> labels = torch.tensor([0] * 900 + [1] * 100)
        >>> train = TensorDataset(torch.rand(1000, 3, 8, 8), labels)
        >>> by_class = ClassSampler(labels, balanced_probabilities(labels.bincount()))
        >>> loader = TwoStreamLoader(
        ...     DataLoader(train, 200, sampler=ShuffledSampler(1000), drop_last=True),
        ...     DataLoader(train, 200, sampler=by_class, drop_last=True),
        ... )
        >>> loader.set_epoch(0)
        >>> for (head, head_labels), (tail, tail_labels) in loader:
        ...     assert head_labels.sum() < tail_labels.sum()  # more of the rare class 1
        >>> loader.state_dict()["batches"]
        5
    """

    def __init__(self, first: DataLoader[Any], second: DataLoader[Any]) -> None:
        self._samplers = _sampler(first, "first"), _sampler(second, "second")
        if self._samplers[0] is self._samplers[1]:
            raise ValueError("second: expected a sampler of its own, got that of first")
        if len(first) < 1:
            raise ValueError("first: expected one batch or more, got a sampler with less than a batch")
        if len(second) < len(first):
            raise ValueError(
                f"second: expected at least as many batches as first, {len(first)}, got {len(second)}; "
                "a ClassSampler draws more with a larger num_samples"
            )
        for sampler in self._samplers:
            if isinstance(sampler, ClassSampler):
                sampler.warns = False
        self.first, self.second = first, second
        self._start = 0  # where the next pass begins
        self._batches = 0  # how many pairs the current pass has given out
        self._ended = False  # whether a state of a finished epoch was loaded and no epoch set since

    @property
    def sampler(self) -> TwoStreamLoader:
        """The loader itself: trainers call ``set_epoch`` of what they find under this name."""
        return self

    def __len__(self) -> int:
        """Pairs of batches in a whole epoch."""
        return len(self.first)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Pairs ``(batch of first, batch of second)``, the first time after loading a state from there on."""
        if self._ended:
            self.set_epoch(self._samplers[0].epoch + 1)
        self._batches, self._start = self._start, 0
        for pair in zip(self.first, self.second, strict=False):
            self._batches += 1
            yield pair
        if self._batches < len(self):
            raise RuntimeError(f"a stream ran dry after {self._batches} of {len(self)} batches")

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch; in the epoch that was just loaded, stay where you are."""
        check_whole(epoch, "epoch", 0)
        self._ended = False
        if epoch != self._samplers[0].epoch:
            self._start = self._batches = 0
        for sampler in self._samplers:
            sampler.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on after the pairs given out so far, however far ahead the workers are."""
        first, second = (
            sampler.state_dict(position) for sampler, position in zip(self._samplers, self._drawn(), strict=True)
        )
        return {"batches": self._batches, "first": first, "second": second}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken: the same batches in the same order.

        After the state of a finished epoch comes the next one, as with a sampler.

        Raises:
            ValueError: a state of other samplers or other batch sizes.
        """
        for sampler, name in zip(self._samplers, ("first", "second"), strict=True):
            sampler.load_state_dict(state[name])
        self._start = self._batches = state["batches"]
        self._ended = self._batches == len(self)
        positions = state["first"]["position"], state["second"]["position"]
        if positions != self._drawn():
            raise ValueError(
                f"state: expected positions {self._drawn()} after {self._batches} batches of this size, got {positions}"
            )

    def _drawn(self) -> tuple[int, int]:
        """How many draws of each sampler the pairs given out so far have used; the last batch may be a short one."""
        first, second = (
            min(self._batches * (loader.batch_size or 0), len(sampler))
            for sampler, loader in zip(self._samplers, (self.first, self.second), strict=True)
        )
        return first, second


def _sampler(loader: DataLoader[Any], name: str) -> EpochSampler:
    if not isinstance(loader, DataLoader):
        raise TypeError(f"{name}: expected a DataLoader, got {type(loader).__name__}")
    if not isinstance(loader.sampler, EpochSampler) or loader.batch_size is None:
        raise TypeError(
            f"{name}: expected a DataLoader with a batch_size over a sampler of longtail_mix.sampling, "
            f"got batch_size {loader.batch_size} over {type(loader.sampler).__name__}"
        )
    return loader.sampler
