"""From the saliency of two images to the share of the first in each patch: recipes whose noise comes from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from longtail_mix.functional import fidelity_ratio, lesion_aware_ratio, merged_saliency, released_ratio
from longtail_mix.mixing.ratio.paper import NOISE
from reproduction.mixes.mix import rolled


class Ratio(ABC):
    """A recipe by its options.

    ``ratio(own, other, noise)`` takes maps [B, 1, S, S] in [0, 1] and noise [B, 2, S, S] in [-1, 1).

    Attributes:
        patch_size: side of a patch in pixels.
        looks: whether it looks at the maps.
    """

    patch_size: int
    looks = True

    @abstractmethod
    def __call__(self, own: Tensor, other: Tensor, noise: Tensor) -> Tensor:
        """Ratios [B, 1, S/p, S/p]."""


@dataclass(frozen=True)
class Paper(Ratio):
    """The paper's: maximum of both maps, noise, min-max, cut at alpha, mean of each patch.

    Args:
        patch_size: side of a patch in pixels.
        alpha: largest share.
        noise: largest noise, in units of the map; not printed, the released code's.
    """

    patch_size: int = 16
    alpha: float = 0.8
    noise: float = NOISE

    def __call__(self, own: Tensor, other: Tensor, noise: Tensor) -> Tensor:
        """One noise for each pixel of the merged map, channel 0."""
        merged = _noisy(merged_saliency(own, other), self.noise * noise[:, :1])
        return lesion_aware_ratio(merged, self.patch_size, self.alpha, noise=0.0)


@dataclass(frozen=True)
class Released(Ratio):
    """The released code's: between 0.5 and 0.8.

    Args:
        patch_size: side of a patch in pixels.
        alpha: largest share.
        noise: largest noise, in units of the map.
    """

    patch_size: int = 16
    alpha: float = 0.8
    noise: float = NOISE

    def __call__(self, own: Tensor, other: Tensor, noise: Tensor) -> Tensor:
        """A channel of the noise for each map."""
        first, second = (self.noise * noise).split(1, 1)
        return released_ratio(_noisy(own, first), _noisy(other, second), self.patch_size, self.alpha, noise=0.0)


@dataclass(frozen=True)
class Fidelity(Ratio):
    """Ours: `alpha` where keeping the image is worth more than the partner's skin, else nothing; no noise.

    Args:
        patch_size: side of a patch in pixels.
        alpha: largest share.
    """

    patch_size: int = 2
    alpha: float = 0.8

    def __call__(self, own: Tensor, other: Tensor, noise: Tensor) -> Tensor:  # noqa: ARG002  a recipe's form
        """A warped map may be a rounding error outside of [0, 1]."""
        return fidelity_ratio(own.clamp(0, 1), other.clamp(0, 1), self.patch_size, self.alpha)


@dataclass(frozen=True)
class Random(Ratio):
    """No saliency: each patch has a share of its own, uniform from `low` to `alpha`, whatever the images show.

    Args:
        patch_size: side of a patch in pixels.
        alpha: largest share.
        low: smallest share; 0.5 is the least of the released code.
    """

    patch_size: int = 16
    alpha: float = 0.8
    low: float = 0.0
    looks = False

    def __call__(self, own: Tensor, other: Tensor, noise: Tensor) -> Tensor:  # noqa: ARG002  a recipe's form
        """From a corner of each patch's noise."""
        share = (noise[:, :1, :: self.patch_size, :: self.patch_size] + 1) / 2
        return self.low + (self.alpha - self.low) * share


@dataclass(frozen=True)
class OnePerImage(Ratio):
    """Ordinary mixup's form: the ratio of an image is the mean of what another recipe gives its patches.

    Args:
        of: that recipe.
    """

    of: Paper | Released | Fidelity | Random

    @property
    def patch_size(self) -> int:  # type: ignore[override]  # the other recipe's
        """That of the other recipe."""
        return self.of.patch_size

    @property
    def looks(self) -> bool:  # type: ignore[override]  # the other recipe's
        """Whether the other recipe does."""
        return self.of.looks

    def __call__(self, own: Tensor, other: Tensor, noise: Tensor) -> Tensor:
        """[B, 1, 1, 1]."""
        return self.of(own, other, noise).mean((-2, -1), keepdim=True)


@dataclass(frozen=True)
class Displaced(Ratio):
    """A control: the ratio of another recipe, moved round the image by a random offset, the edges joined.

    As much is mixed and in the same shapes, and where they lie says nothing of the lesions.

    Args:
        of: that recipe.
    """

    of: Paper | Released | Fidelity

    @property
    def patch_size(self) -> int:  # type: ignore[override]  # the other recipe's
        """That of the other recipe."""
        return self.of.patch_size

    def __call__(self, own: Tensor, other: Tensor, noise: Tensor) -> Tensor:
        """The offset, in patches, is from the corners of both channels of the noise."""
        return rolled(self.of(own, other, noise), (noise[:, :, 0, 0] + 1) / 2)


def _noisy(maps: Tensor, noise: Tensor) -> Tensor:
    """As the library's ratios do it, a map without any contrast gets none."""
    has_contrast = maps.amax((-2, -1), keepdim=True) > maps.amin((-2, -1), keepdim=True)
    return maps + noise * has_contrast
