"""The mixing ratio of two streams: from the saliency and the noise that come with the batch, nothing is drawn here."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from framework_batch import Batch
from torch import Tensor, nn

from longtail_mix import FidelityRatio, LesionAwareRatio, MergedSaliency, ReleasedRatio

Recipe = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(saliency of the labelled [B,1,S,S], of the partners, noise [B,2,S,S] in [-1, 1)) -> ratio [B,1,h,w]."""


class PaperRecipe:
    """``PaperRatio`` with noise from outside: one for each pixel of the merged map, channel 0."""

    def __init__(self, patch_size: int, alpha: float, noise: float) -> None:
        self.merge, self.ratio, self.noise = MergedSaliency(), LesionAwareRatio(patch_size, alpha, noise=0.0), noise

    def __call__(self, tail: Tensor, head: Tensor, noise: Tensor) -> Tensor:
        ratio: Tensor = self.ratio(_noisy(self.merge(tail, head), self.noise * noise[:, :1]))
        return ratio


class ReleasedRecipe:
    """``ReleasedRatio`` with noise from outside: a channel for each map."""

    def __init__(self, patch_size: int, alpha: float, noise: float) -> None:
        self.ratio, self.noise = ReleasedRatio(patch_size, alpha, noise=0.0), noise

    def __call__(self, tail: Tensor, head: Tensor, noise: Tensor) -> Tensor:
        own, other = (self.noise * noise).split(1, 1)
        ratio: Tensor = self.ratio(_noisy(tail, own), _noisy(head, other))
        return ratio


class FidelityRecipe:
    """``FidelityRatio``, which has no noise."""

    def __init__(self, patch_size: int, alpha: float) -> None:
        self.ratio = FidelityRatio(patch_size, alpha)

    def __call__(self, tail: Tensor, head: Tensor, noise: Tensor) -> Tensor:  # noqa: ARG002  a recipe's form
        # A warped map may be a rounding error outside of [0, 1].
        ratio: Tensor = self.ratio(tail.clamp(0, 1), head.clamp(0, 1))
        return ratio


class RandomRecipe:
    """No saliency: each patch has a ratio of its own, uniform from `low` to `alpha`, whatever the images show."""

    def __init__(self, patch_size: int, alpha: float, low: float = 0.0) -> None:
        self.patch_size, self.alpha, self.low = patch_size, alpha, low

    def __call__(self, tail: Tensor, head: Tensor, noise: Tensor) -> Tensor:  # noqa: ARG002  a recipe's form
        uniform = (noise[:, :1, :: self.patch_size, :: self.patch_size] + 1) / 2
        return self.low + (self.alpha - self.low) * uniform


class OnePerImage:
    """Ordinary mixup's form: the ratio of an image is the mean of what `recipe` gives its patches."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def __call__(self, tail: Tensor, head: Tensor, noise: Tensor) -> Tensor:
        return self.recipe(tail, head, noise).mean((-2, -1), keepdim=True)


def _noisy(maps: Tensor, noise: Tensor) -> Tensor:
    """As the library's ratios do it, a map without any contrast gets none."""
    has_contrast = maps.amax((-2, -1), keepdim=True) > maps.amin((-2, -1), keepdim=True)
    return maps + noise * has_contrast


class StreamRatio(nn.Module):
    """The ratios of a batch, one for each view: 1 for the images that are not to be mixed.

    Args:
        recipe: from maps and noise to ratios.
        mixed_classes: the classes whose images are mixed.
        num_classes: K.
        probability: with which a view of such an image is mixed. A corner of the partners' noise decides, each view
            for itself.
    """

    is_mixed: Tensor

    def __init__(
        self, recipe: Recipe, mixed_classes: Iterable[int], num_classes: int, probability: float = 1.0
    ) -> None:
        super().__init__()
        self.recipe, self.probability = recipe, probability
        chosen = set(mixed_classes)
        mask = torch.tensor([label in chosen for label in range(num_classes)])
        self.register_buffer("is_mixed", mask, persistent=False)

    def forward(self, batch: Batch, view: int) -> Tensor:
        """The share of the labelled image in each patch, [B, 1, h, w]."""
        noise, partners = batch.noise[view], batch.partners
        if partners is None:
            raise ValueError("partners: expected a second stream of images, got None")
        # Maps that a recipe does not look at are not carried; it gets the noise in their place.
        tail, head = (part.maps[view] if part.maps else noise[:, :1] for part in (batch.labelled, partners))
        ratio = self.recipe(tail, head, noise)
        mixed = self.is_mixed[batch.labelled.labels] & ((noise[:, 1, 0, 0] + 1) / 2 < self.probability)
        return torch.where(mixed[:, None, None, None], ratio, 1)
