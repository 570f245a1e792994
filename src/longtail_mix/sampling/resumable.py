"""A loader that goes on in the middle of an epoch: what a trainer that asks its loaders for their state needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from torch.utils.data import DataLoader, Dataset

from longtail_mix._checks import check_state, check_whole
from longtail_mix.sampling.epochs import EpochSampler

__all__ = ["ResumableLoader"]

_Row = TypeVar("_Row")


class ResumableLoader(DataLoader[_Row]):
    """A ``DataLoader`` over a sampler of this package that counts the batches you got and can go on after them.

    Lightning keeps the state of such a loader in its checkpoints and gives it back. The number counts what was given
    out, however far ahead the workers are.

    Args:
        dataset: as for ``DataLoader``.
        batch_size: likewise.
        sampler: an :class:`~longtail_mix.sampling.EpochSampler`.
        **options: all other arguments of ``DataLoader``, but no ``batch_sampler``.

    Raises:
        TypeError: a sampler that is no :class:`~longtail_mix.sampling.EpochSampler`.
        ValueError: a `batch_size` below 1.

    Example:
        >>> import torch
        >>> from torch.utils.data import TensorDataset
        >>> from longtail_mix.sampling import ShuffledSampler
        >>> data = TensorDataset(torch.arange(10))
        >>> loader = ResumableLoader(data, 2, ShuffledSampler(10))
        >>> batches = iter(loader)
        >>> seen = [next(batches) for _ in range(2)]
        >>> resumed = ResumableLoader(data, 2, ShuffledSampler(10))
        >>> resumed.load_state_dict(loader.state_dict())
        >>> [rows.tolist() for (rows,) in resumed] == [rows.tolist() for (rows,) in batches]
        True
    """

    def __init__(self, dataset: Dataset[_Row], batch_size: int, sampler: EpochSampler, **options: Any) -> None:
        check_whole(batch_size, "batch_size", 1)
        if not isinstance(sampler, EpochSampler):
            raise TypeError(f"sampler: expected one of longtail_mix.sampling, got {type(sampler).__name__}")
        self._epoch: int | None = None  # that of the current pass
        self._given = 0  # how many draws of this rank the pass and the one it goes on from have given out
        super().__init__(dataset, int(batch_size), sampler=sampler, **options)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # DataLoader names its own iterator class
        """The batches of the epoch, the first time after loading a state from there on."""
        given = self._rows.start  # read before workers ask for rows
        for batch in super().__iter__():
            given = min(given + (self.batch_size or 1), len(self._rows))
            self._epoch, self._given = self._rows.epoch, given
            yield batch

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch; in the epoch that was just loaded, stay where you are."""
        self._rows.set_epoch(epoch)

    def state_dict(self) -> dict[str, int]:
        """What is needed to go on after the batches given out so far: :meth:`EpochSampler.state_dict`."""
        return self._rows.state_dict(self._given if self._epoch == self._rows.epoch else None)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where :meth:`state_dict` was taken: the same batches in the same order.

        Raises:
            ValueError: a state of another sampler or after batches of another size.
        """
        check_state(state, ("epoch", "position"))
        check_whole(state["position"], "state", 0)
        whole = state["position"] % (self.batch_size or 1) == 0 or state["position"] == len(self._rows)
        if not whole:
            raise ValueError(f"state: expected a position after batches of {self.batch_size}, got {state['position']}")
        self._rows.load_state_dict(state)
        self._epoch = None

    @property
    def _rows(self) -> EpochSampler:
        assert isinstance(self.sampler, EpochSampler)  # as __init__ has seen to
        return self.sampler
