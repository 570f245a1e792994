"""Views as the papers print them: random rotation and colours; photographs' crops; and CIFAR's shifts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reproduction.training.rand_augment import (
    BRIGHTNESS,
    COLOR,
    CONTRAST,
    MOST_COLOUR,
    MOST_DEGREES,
    MOST_SHIFT,
    ROTATE,
    TRANSLATE_X,
    TRANSLATE_Y,
)
from reproduction.training.views import ViewSettings


@dataclass(frozen=True)
class TurnedViews(ViewSettings):
    """Crops and flips that are turned and whose colours change, every one of them.

    Args:
        rotation: most degrees, each way.
        jitter: brightness, contrast and saturation are multiplied by 1 - jitter to 1 + jitter each.
    """

    rotation: float = 180.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.rotation <= 180:
            raise ValueError(f"rotation: expected 0 to 180, got {self.rotation}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter: expected 0 to 1, got {self.jitter}")

    def others(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """A rotation, then the colours."""
        most = torch.tensor([self.rotation / MOST_DEGREES, *[self.jitter / MOST_COLOUR] * 3], dtype=torch.float64)
        strength = most * (2 * torch.rand(count, 4, dtype=torch.float64, generator=generator) - 1)
        return torch.tensor([ROTATE, BRIGHTNESS, CONTRAST, COLOR]).expand(count, 4), strength


@dataclass(frozen=True)
class UprightViews(ViewSettings):
    """Crops of photographs, flipped left and right only."""

    def flips(self) -> tuple[float, float]:
        """None up and down."""
        return self.flip, 0.0


@dataclass(frozen=True)
class ShiftedViews(UprightViews):
    """CIFAR's: the whole image, shifted by whole pixels into a black border, flipped left and right only.

    Args:
        shift: most pixels, each way.
    """

    size: int = 32
    crop_scale: tuple[float, float] = (1.0, 1.0)
    crop_ratio: tuple[float, float] = (1.0, 1.0)
    shift: int = 4
    outside = "zeros"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.shift < self.size:
            raise ValueError(f"shift: expected 0 to {self.size - 1}, got {self.shift}")

    def others(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Two shifts."""
        pixels = torch.randint(-self.shift, self.shift + 1, (count, 2), generator=generator)
        strength = 2 * pixels.double() / self.size / MOST_SHIFT
        return torch.tensor([TRANSLATE_X, TRANSLATE_Y]).expand(count, 2), strength


AnyViews = ViewSettings | TurnedViews | UprightViews | ShiftedViews
