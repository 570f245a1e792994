"""What changes with the epoch, and one call that tells all of it which epoch it is."""

from __future__ import annotations

from torch import nn

from longtail_mix._checks import check_whole
from longtail_mix._module import Module

__all__ = ["EpochSchedule", "set_epoch"]


class EpochSchedule(Module):
    """Something that knows the epoch and keeps it in its ``state_dict``; subclasses say what follows from it.

    Example:
        >>> schedule = EpochSchedule()
        >>> schedule.set_epoch(3)
        >>> other = EpochSchedule()
        >>> _ = other.load_state_dict(schedule.state_dict())
        >>> other.epoch
        3
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch begins; 0 is the first."""
        check_whole(epoch, "epoch", 0)
        self.epoch = int(epoch)
        self.epoch_changed()

    def epoch_changed(self) -> None:
        """What follows from a new epoch; called once an epoch, outside the compiled part."""

    def get_extra_state(self) -> dict[str, int]:
        """What the ``state_dict`` holds."""
        return {"epoch": self.epoch}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Go on from a ``state_dict``."""
        self.set_epoch(state["epoch"])


def set_epoch(module: nn.Module, epoch: int) -> None:
    """Tell every schedule inside `module`, such as a loss with its weighting, which epoch begins.

    Args:
        module: a loss, a weighting, or anything that holds some.
        epoch: 0 for the first.

    Raises:
        TypeError, ValueError: an epoch that is not a whole number of at least 0.

    Example:
        >>> from longtail_mix import FocalLoss, HardExamples, Pace
        >>> criterion = FocalLoss(weighting=HardExamples(Pace(epochs=10, batch_size=20)))
        >>> set_epoch(criterion, 5)
        >>> criterion.weighting.pace.count(20)
        20
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module: expected a torch.nn.Module, got {type(module).__name__}")
    check_whole(epoch, "epoch", 0)
    for part in module.modules():
        if isinstance(part, EpochSchedule):
            part.set_epoch(epoch)
