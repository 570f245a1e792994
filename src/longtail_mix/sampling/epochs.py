"""What every sampler here has in common: epochs from a seed, ranks that share them out, resuming."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from hashlib import blake2b

import torch
from torch import Tensor
from torch.utils.data import Sampler

from longtail_mix._checks import check_whole

__all__ = ["EpochSampler", "ShuffledSampler"]


class EpochSampler(Sampler[int], ABC):
    """Base of the samplers: the rows of an epoch follow from the seed and the epoch's number alone.

    So every rank draws the same epoch and takes each ``num_replicas``-th draw of it, as :class:`ShuffledSampler` and
    :class:`~longtail_mix.sampling.ClassSampler` do. No draw goes to two ranks, all ranks have the same length, and the
    up to ``num_replicas - 1`` draws left over at the end go to none.

    Call :meth:`set_epoch` before each epoch; without it each has the order of the last. An interrupted epoch is taken
    up again by :meth:`state_dict` and :meth:`load_state_dict`, from a checkpoint that one rank wrote for all.

    There is no ``generator`` argument, as the other random draws of this library have: a generator's state would have
    to be the same on all ranks and could not be had back in the middle of an epoch.

    Args:
        num_samples: draws of an epoch, over all ranks together.
        seed: another seed gives other epochs.
        rank: this process, from 0. Default: that of ``torch.distributed``, or 0 where it is not initialised.
        num_replicas: how many processes share an epoch. Default: likewise.

    Raises:
        TypeError, ValueError: numbers out of range, one of `rank` and `num_replicas` without the other, fewer draws
            than processes.
    """

    def __init__(
        self, num_samples: int, seed: int = 0, rank: int | None = None, num_replicas: int | None = None
    ) -> None:
        check_whole(num_samples, "num_samples", 1)
        check_whole(seed, "seed", None)
        self.rank, self.num_replicas = _check_ranks(rank, num_replicas)
        if num_samples < self.num_replicas:
            raise ValueError(f"num_samples: expected one or more for each of {self.num_replicas} ranks: {num_samples}")
        self.num_samples = num_samples
        self.seed = seed
        self.epoch = 0
        self._start = 0  # where the next pass begins
        self._position = 0  # how many draws of this rank the current pass has handed out

    @abstractmethod
    def draw(self, generator: torch.Generator) -> Tensor:
        """The rows of epoch ``self.epoch`` for all ranks together, int64 [num_samples]."""

    def rows(self) -> Tensor:
        """The rows of the current epoch for this rank, int64 ``[len(self)]``."""
        # Hashed, so that epoch 1 of seed 0 is not epoch 0 of seed 1; a CPU generator uses 32 bits of its seed.
        digest = blake2b(f"{self.seed}:{self.epoch}".encode(), digest_size=4).digest()
        drawn = self.draw(torch.Generator().manual_seed(int.from_bytes(digest, "big")))
        return drawn[self.rank :: self.num_replicas][: len(self)]

    def __iter__(self) -> Iterator[int]:
        """Hand out the rows of the epoch, the first time after :meth:`seek` from the position given there."""
        self._position, self._start = self._start, 0
        for row in self.rows()[self._position :].tolist():
            self._position += 1
            yield row

    def __len__(self) -> int:
        """Draws of this rank in a whole epoch."""
        return self.num_samples // self.num_replicas

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch; in the epoch that was just loaded or sought, stay where you are."""
        check_whole(epoch, "epoch", 0)
        if epoch != self.epoch:
            self.seek(epoch, 0)

    def seek(self, epoch: int, position: int) -> None:
        """Let the next pass begin after `position` draws of this rank in `epoch`; the passes after it are whole."""
        check_whole(epoch, "epoch", 0)
        check_whole(position, "position", 0)
        if position > len(self):
            raise ValueError(f"position: expected at most {len(self)}, the draws of a rank, got {position}")
        self.epoch, self._start, self._position = epoch, position, position

    def state_dict(self, position: int | None = None) -> dict[str, int]:
        """What is needed to go on after `position` draws of this rank.

        Args:
            position: default: as many as were handed out. Give it where a ``DataLoader`` with workers stands between,
                which asks for images long before you get them: batches seen times batch size.
        """
        position = self._position if position is None else position
        return {**self._identity(), "epoch": self.epoch, "position": position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where :meth:`state_dict` was taken, with the same images in the same order.

        Raises:
            ValueError: a state of another seed, another number of draws or of ranks, which would not be the same order.
        """
        for name, value in self._identity().items():
            if state[name] != value:
                raise ValueError(f"state: expected {name} {value} like this sampler, got {state[name]}")
        self.seek(state["epoch"], state["position"])

    def _identity(self) -> dict[str, int]:
        return {"seed": self.seed, "num_samples": self.num_samples, "num_replicas": self.num_replicas}


class ShuffledSampler(EpochSampler):
    """The images as they come: each once an epoch, in random order.

    Beside ``torch.utils.data.DistributedSampler`` it never gives one image to two ranks (that one repeats images to
    make the ranks equal, this one leaves up to ``num_replicas - 1`` out), and it resumes.

    Args:
        size: images of the data set.
        seed: another seed gives other orders.
        rank: see :class:`EpochSampler`.
        num_replicas: likewise.

    Example:
        >>> sampler = ShuffledSampler(10, seed=3)
        >>> sorted(sampler)
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
        >>> rows = iter(sampler)
        >>> seen = [next(rows) for _ in range(4)]
        >>> resumed = ShuffledSampler(10, seed=3)
        >>> resumed.load_state_dict(sampler.state_dict())
        >>> list(resumed) == list(rows)
        True
    """

    def __init__(self, size: int, seed: int = 0, rank: int | None = None, num_replicas: int | None = None) -> None:
        super().__init__(size, seed, rank, num_replicas)

    def draw(self, generator: torch.Generator) -> Tensor:
        """A permutation of all rows."""
        return torch.randperm(self.num_samples, generator=generator)


def _check_ranks(rank: int | None, num_replicas: int | None) -> tuple[int, int]:
    if (rank is None) != (num_replicas is None):
        raise ValueError(f"rank, num_replicas: expected both or neither, got {rank} and {num_replicas}")
    if rank is None or num_replicas is None:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return torch.distributed.get_rank(), torch.distributed.get_world_size()
        return 0, 1
    check_whole(num_replicas, "num_replicas", 1)
    check_whole(rank, "rank", 0)
    if rank >= num_replicas:
        raise ValueError(f"rank: expected less than num_replicas = {num_replicas}, got {rank}")
    return rank, num_replicas
