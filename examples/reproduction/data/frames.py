"""From files to squares: the whole frame, or the square in its middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from longtail_mix.data import center_crop_square, load_images, load_masks, squash
from reproduction.data.task import Frame
from reproduction.training.describe import PLACE


@dataclass(frozen=True)
class Squash(Frame):
    """The whole frame, its shape changed: nothing is cut off.

    Args:
        size: pixels a side.
        cache_dir: where decoded images are kept; default: the user's cache folder.
    """

    size: int = 128
    cache_dir: Path | None = field(default=None, metadata=PLACE)

    def images(self, paths: Sequence[Path]) -> Tensor:
        """uint8 [N, 3, size, size]."""
        return load_images(paths, self.size, squash, self.cache_dir)

    def masks(self, paths: Sequence[Path]) -> Tensor:
        """Bool [N, 1, size, size]."""
        return load_masks(paths, self.size, squash, self.cache_dir)


@dataclass(frozen=True)
class CentreCrop(Frame):
    """The largest square in the middle. On ISIC 2018 it cuts into 21 % of the lesions, of AKIEC into 45 %.

    Args:
        size: pixels a side.
        cache_dir: where decoded images are kept; default: the user's cache folder.
    """

    size: int = 128
    cache_dir: Path | None = field(default=None, metadata=PLACE)

    def images(self, paths: Sequence[Path]) -> Tensor:
        """uint8 [N, 3, size, size]."""
        return load_images(paths, self.size, center_crop_square, self.cache_dir)

    def masks(self, paths: Sequence[Path]) -> Tensor:
        """Bool [N, 1, size, size]."""
        return load_masks(paths, self.size, center_crop_square, self.cache_dir)
