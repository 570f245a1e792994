"""Who corrects the class frequencies: a loss and a sampler that both do correct them twice."""

from __future__ import annotations

import warnings
from weakref import WeakKeyDictionary

from torch import Tensor, nn

_LOSSES: WeakKeyDictionary[nn.Module, tuple[int, ...]] = WeakKeyDictionary()


def corrects_frequencies(loss: nn.Module, class_counts: Tensor) -> None:
    """Note a loss that corrects these class counts, as long as it lives."""
    _LOSSES[loss] = tuple(class_counts.tolist())


def warn_where_both_do(class_counts: Tensor, probabilities: Tensor) -> None:
    """Warn where a sampler draws classes (nearly) evenly that a living loss corrects too."""
    counts = class_counts.double()
    if len(counts) < 2 or counts.min() == 0:
        return
    drawn = probabilities[: len(counts)]
    imbalance, left = counts.max() / counts.min(), drawn.max() / drawn.min()
    if imbalance <= 1 or left >= imbalance.sqrt():
        return
    for loss, corrected in list(_LOSSES.items()):
        if corrected == tuple(class_counts.tolist()):
            warnings.warn(
                f"{type(loss).__name__} corrects class counts of {list(corrected)}, and the sampler draws these "
                "classes (nearly) evenly: one of both is enough. Draw the images as they come, or take a loss without "
                "class counts",
                UserWarning,
                stacklevel=4,
            )
            return
