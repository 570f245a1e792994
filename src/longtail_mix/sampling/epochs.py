"""What every sampler here has in common: epochs from a seed, ranks that share them out, resuming."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from hashlib import blake2b

import torch
from torch import Tensor
from torch.utils.data import DistributedSampler

from longtail_mix import _distributed
from longtail_mix._checks import check_state, check_whole

__all__ = ["EpochSampler", "ShuffledSampler"]


class EpochSampler(DistributedSampler[int], ABC):
    """Base of the samplers: the rows of an epoch follow from the seed and the epoch's number alone.

    So every rank draws the same epoch and takes each ``num_replicas``-th draw of it, as :class:`ShuffledSampler` and
    :class:`~longtail_mix.sampling.ClassSampler` do. No draw goes to two ranks, all ranks have the same length, and the
    up to ``num_replicas - 1`` draws left over at the end go to none.

    An epoch is shared out once, whoever trains:

    - Under plain ``torch.distributed`` the sampler does it, with the ranks as they are when it is asked, so it may be
      made before the processes find each other.
    - Lightning leaves samplers alone that are a ``DistributedSampler``, as this one is.
    - accelerate, and with it the Trainer of Hugging Face, share out the batches of every loader they prepare. A
      sampler that is read by their ``BatchSamplerShard`` or ``DataLoaderDispatcher`` hands out the whole epoch; one
      that was told its rank is refused there, because rows would be lost.

    Call :meth:`set_epoch` before each epoch, as those trainers do; without it each has the order of the last. An
    interrupted epoch is taken up again by :meth:`state_dict` and :meth:`load_state_dict`, from a checkpoint that one
    rank wrote for all, or by skipping batches, as accelerate does.

    There is no ``generator`` argument, as the other random draws of this library have: a generator's state would have
    to be the same on all ranks and could not be had back in the middle of an epoch.

    Args:
        num_samples: draws of an epoch, over all ranks together.
        seed: another seed gives other epochs.
        rank: this process, from 0. Default: that of ``torch.distributed``, or 0 where it is not initialised.
        num_replicas: how many processes share an epoch. Default: likewise. ``rank=0, num_replicas=1`` gives each
            process the whole epoch.

    Raises:
        TypeError, ValueError: numbers out of range, one of `rank` and `num_replicas` without the other, fewer draws
            than processes.
    """

    def __init__(  # that of DistributedSampler wants a data set and fixes the ranks
        self, num_samples: int, seed: int = 0, rank: int | None = None, num_replicas: int | None = None
    ) -> None:
        check_whole(num_samples, "num_samples", 1)
        check_whole(seed, "seed", None)
        self._ranks = _check_ranks(rank, num_replicas)
        # NumPy's numbers would be saved as such, and torch.load refuses them.
        self.num_samples, self.seed = int(num_samples), int(seed)
        self.epoch = 0
        self._start = 0  # where the next pass begins
        self._position = 0  # how many draws of this rank the current pass has handed out
        self._ended = False  # whether a state of a finished epoch was loaded and no epoch set since
        self._shared_elsewhere = False  # whether the last pass was shared out by accelerate
        len(self)  # raises where there are more ranks than draws

    @property
    def rank(self) -> int:  # type: ignore[override]  # the base class fixes it, here it may change
        """Which process this one is, from 0."""
        return self._share()[0]

    @property
    def num_replicas(self) -> int:  # type: ignore[override]  # likewise
        """How many processes share an epoch."""
        return self._share()[1]

    def _share(self) -> tuple[int, int]:
        if not _accelerate_shares():
            return self._ranks or (_distributed.rank(), _distributed.world_size())
        if self._ranks and self._ranks[1] > 1:
            raise RuntimeError(
                f"rank, num_replicas: expected neither where accelerate shares out the batches, got {self._ranks}: "
                "rows would be lost"
            )
        return 0, 1

    @abstractmethod
    def draw(self, generator: torch.Generator) -> Tensor:
        """The rows of epoch ``self.epoch`` for all ranks together, int64 [num_samples]."""

    def rows(self) -> Tensor:
        """The rows of the current epoch for this rank, int64 ``[len(self)]``."""
        # Hashed, so that epoch 1 of seed 0 is not epoch 0 of seed 1; a CPU generator uses 32 bits of its seed.
        digest = blake2b(f"{self.seed}:{self.epoch}".encode(), digest_size=4).digest()
        drawn = self.draw(torch.Generator().manual_seed(int.from_bytes(digest, "big")))
        rank, replicas = self._share()
        return drawn[rank::replicas][: self.num_samples // replicas]

    def __iter__(self) -> Iterator[int]:
        """Hand out the rows of the epoch, the first time after :meth:`seek` from the position given there."""
        if self._ended:
            self.set_epoch(self.epoch + 1)
        self._shared_elsewhere = _accelerate_shares()
        self._position, self._start = self._start, 0
        for row in self.rows()[self._position :].tolist():
            self._position += 1
            yield row

    def __len__(self) -> int:
        """Draws of this rank in a whole epoch."""
        replicas = self.num_replicas
        if self.num_samples < replicas:
            raise ValueError(f"num_samples: expected one or more for each of {replicas} ranks: {self.num_samples}")
        return self.num_samples // replicas

    @property
    def start(self) -> int:
        """How many draws of this rank the next pass leaves out, because they were handed out before."""
        return 0 if self._ended else self._start

    def set_epoch(self, epoch: int) -> None:
        """Go to the beginning of an epoch; in the epoch that was just loaded or sought, stay where you are."""
        check_whole(epoch, "epoch", 0)
        self._ended = False
        if epoch != self.epoch:
            self.seek(epoch, 0)

    def seek(self, epoch: int, position: int) -> None:
        """Let the next pass begin after `position` draws of this rank in `epoch`; the passes after it are whole."""
        check_whole(epoch, "epoch", 0)
        check_whole(position, "position", 0)
        if position > len(self):
            raise ValueError(f"position: expected at most {len(self)}, the draws of a rank, got {position}")
        self.epoch, self._start, self._position, self._ended = int(epoch), int(position), int(position), False

    def state_dict(self, position: int | None = None) -> dict[str, int]:
        """What is needed to go on after `position` draws of this rank.

        Args:
            position: default: as many as were handed out. Give it where a ``DataLoader`` with workers stands between,
                which asks for images long before you get them: batches seen times batch size.

        Raises:
            RuntimeError: a pass that accelerate shares out; it skips batches instead (``skip_first_batches``).
        """
        if self._shared_elsewhere:
            raise RuntimeError(
                "state: expected draws of this rank, but accelerate shares out the batches; set the epoch and use its "
                "skip_first_batches"
            )
        if position is None:
            position = self._position
        check_whole(position, "position", 0)
        position = int(position)
        return {**self._identity(), "epoch": self.epoch, "position": position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where :meth:`state_dict` was taken, with the same images in the same order.

        After the state of a finished epoch comes the next one; nothing, where :meth:`set_epoch` asks for the finished
        one by its number.

        Raises:
            ValueError: a state of another seed, another number of draws or of ranks, which would not be the same order.
        """
        check_state(state, (*self._identity(), "epoch", "position"))
        check_whole(state["epoch"], "state", 0)
        check_whole(state["position"], "state", 0, len(self))
        for name, value in self._identity().items():
            if state[name] != value:
                raise ValueError(f"state: expected {name} {value} like this sampler, got {state[name]}")
        self.seek(state["epoch"], state["position"])
        self._ended = state["position"] == len(self)

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
        check_whole(size, "size", 1)
        super().__init__(size, seed, rank, num_replicas)

    def draw(self, generator: torch.Generator) -> Tensor:
        """A permutation of all rows."""
        return torch.randperm(self.num_samples, generator=generator)


def _check_ranks(rank: int | None, num_replicas: int | None) -> tuple[int, int] | None:
    if (rank is None) != (num_replicas is None):
        raise ValueError(f"rank, num_replicas: expected both or neither, got {rank} and {num_replicas}")
    if rank is None or num_replicas is None:
        return None
    check_whole(num_replicas, "num_replicas", 1)
    check_whole(rank, "rank", 0)
    if rank >= num_replicas:
        raise ValueError(f"rank: expected less than num_replicas = {num_replicas}, got {rank}")
    return int(rank), int(num_replicas)


def _accelerate_shares() -> bool:
    """Whether a loader of accelerate that shares out batches is asking.

    It wraps every loader it prepares, whatever the sampler, and tells the sampler nothing: only the call itself shows
    who reads. Both ways of asking, for the rows and for their number, pass through one of its two classes.
    """
    accelerate = sys.modules.get("accelerate.data_loader")
    if accelerate is None:
        return False
    sharing = (accelerate.BatchSamplerShard, accelerate.DataLoaderDispatcher)
    frame = sys._getframe(1)
    while frame is not None:
        if isinstance(frame.f_locals.get("self"), sharing):
            return True
        frame = frame.f_back  # type: ignore[assignment]  # None at the bottom
    return False
