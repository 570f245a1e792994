"""CopyPaste: the lesion of a labelled image, moved, turned and scaled, on the skin of another image."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, pi

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longtail_mix._checks import (
    check_finite,
    check_floating,
    check_number,
    check_positive,
    check_probability,
    check_same_device,
)
from longtail_mix._precision import without_autocast
from longtail_mix.mixing._moves import grid_of_places, identity_affine, pixel_grid, places_read
from longtail_mix.mixing.guided._guide import GuidedMix
from longtail_mix.mixing.guided.soft_edges import check_mask, soft_edges
from longtail_mix.mixing.mix import Pairs
from longtail_mix.mixing.record import MixRecord
from longtail_mix.saliency import SkinContrastSaliency

__all__ = ["CopyPaste", "placed_grid"]


def placed_grid(lesion: Tensor, angle: Tensor, scale: Tensor, place: Tensor, move: float = 1.0) -> Tensor:
    """Where each pixel of the result is taken from, when a lesion is turned, scaled and put somewhere in the image.

    The lesion turns about its middle c. With t the place its middle goes to, in pixels, and R the turn by `angle`,
    the pixel q of the result is that at ``c + R^T (q - t) / scale``. The places t lie between those where the turned
    lesion touches one edge of the image and the other; one that is larger than the image has its middle there.

    Args:
        lesion: [B, 1, H, W], bool.
        angle: in radians, clockwise on the screen, [B].
        scale: above 0, [B].
        place: from 0 to 1 between the edges, (x, y), [B, 2].
        move: how far it goes to that place: 0 leaves the lesion's middle where it is, as far as it then fits.

    Returns:
        Grid (x, y) [B, H, W, 2] for ``F.grid_sample(align_corners=False)``, float32; for an image without lesion, of
        the image as it is.

    Raises:
        TypeError, ValueError: a lesion that is not bool [B, 1, H, W], numbers that are not one for each, `move` out of
            [0, 1].

    Example:
        >>> lesion = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
        >>> lesion[..., 0, 0] = True
        >>> grid = placed_grid(lesion, torch.zeros(1), torch.ones(1), torch.tensor([[1.0, 1.0]]))
        >>> F.grid_sample(lesion.float(), grid, align_corners=False)[0, 0].nonzero()
        tensor([[3, 3]])
    """
    check_mask(lesion, "lesion")
    check_probability(move, "move")
    for values, name, shape in ((angle, "angle", []), (scale, "scale", []), (place, "place", [2])):
        check_floating(values, name)
        check_finite(values, name)
        check_same_device(lesion, values, "lesion", name)
        if list(values.shape) != [len(lesion), *shape]:
            raise ValueError(f"{name}: expected shape {[len(lesion), *shape]}, got {list(values.shape)}")
    return grid_of_places(places_read(_placed(lesion, angle, scale, place, move), *lesion.shape[-2:]))


def _placed(lesion: Tensor, angle: Tensor, scale: Tensor, place: Tensor, move: float) -> Tensor:
    """Where each place goes to, in pixels [B, 2, 3]; see :func:`placed_grid`."""
    height, width = lesion.shape[-2:]
    size = torch.tensor([width, height], device=lesion.device, dtype=torch.float32)
    middles = (pixel_grid(height, width, size) + 1) / 2 * size  # of pixels, in pixels from the upper left corner
    shown = lesion.squeeze(1).unsqueeze(-1)  # [B, H, W, 1]
    number = shown.sum((1, 2)).clamp(min=1)
    centre = (middles * shown).sum((1, 2)) / number  # [B, 2]
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)

    def turn(vectors: Tensor) -> Tensor:  # and not a matrix product, which autocast would round
        x, y = vectors.unbind(-1)
        of_image = [-1, *[1] * (x.ndim - 1)]
        c, s = cos.view(of_image), sin.view(of_image)
        return torch.stack([c * x - s * y, s * x + c * y], -1)

    turned = turn(middles - centre[:, None, None])
    reach = ((cos.abs() + sin.abs()) / 2).unsqueeze(1)  # from the middle of a turned pixel to its corner
    low = reach - turned.masked_fill(~shown, torch.inf).amin((1, 2))
    high = size - reach - turned.masked_fill(~shown, -torch.inf).amax((1, 2))
    fits = high >= low
    goal = torch.where(fits, low + place * (high - low), (low + high) / 2)
    near = torch.where(fits, torch.minimum(torch.maximum(centre, low), high), goal)
    target = near + move * (goal - near)
    rows = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    affine = torch.cat([rows, (target - turn(centre)).unsqueeze(2)], 2)
    return torch.where(lesion.flatten(1).any(1).view(-1, 1, 1), affine, identity_affine(affine))


class CopyPaste(GuidedMix):
    """The first image's lesion, moved, turned and scaled, on the second image's skin; the first label stays whole.

    After copy-paste for segmentation (Ghiasi et al. 2021; Dwibedi et al. 2017), here for classification. A mask says
    what is cut out: a map of saliency above a threshold, or a true mask handed over as the map. The lesion is placed
    inside the image. Where the second image shows its own lesion, the first image's surroundings lie over it, so that
    the label is right::

        moved = lesion of the first image, turned, scaled, placed
        mask = soft_edges(moved | (second_map > threshold), edge)
        mixed = mask * moved first + (1 - mask) * second    # and lam = 1

    An image in whose map nothing is above the threshold comes back as it was.

    Args:
        degrees: lesions are turned by up to so much to either side, from 0 to 180.
        scale: the smallest and largest factor of their size, above 0; drawn evenly in its logarithm.
        move: how far they go: 1 anywhere in the image, 0 where they were, as far as they then fit.
        threshold: above it a pixel of a map belongs to the lesion, in [0, 1].
        edge: width of the edges, as a share of the shorter side: see :func:`~longtail_mix.functional.soft_edges`.
        hide: whether the second image's own lesion is covered. Without it both are to see.
        saliency: a module from images to maps in [0, 1]. Default: :class:`~longtail_mix.SkinContrastSaliency`.
        mean: per-channel mean the images were normalised with, for the default saliency.
        std: per-channel standard deviation, likewise.

    Shape:
        first [B, 3, H, W], first_labels [B], second [B, 3, H, W], second_labels [B], and maps or masks [B, 1, h, w] of
        both, floating point, if there are any -> images [B, 3, H, W], :class:`~longtail_mix.MixedTarget`, `lam` 1.

    Raises:
        TypeError, ValueError: options out of range; images, labels or maps that do not fit each other.

    Example:
        >>> first, second = torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)
        >>> lesion = torch.zeros(2, 1, 1, 32, 32)
        >>> lesion[0, ..., 2:10, 2:10] = 1  # of the first image; the second has none
        >>> images, target = CopyPaste(edge=0)(first, torch.tensor([2]), second, torch.tensor([0]), *lesion)
        >>> images.shape, target.lam
        (torch.Size([1, 3, 32, 32]), tensor([1.]))
    """

    detector = SkinContrastSaliency

    def __init__(
        self,
        degrees: float = 180.0,
        scale: tuple[float, float] = (0.8, 1.25),
        move: float = 1.0,
        threshold: float = 0.5,
        edge: float = 0.05,
        hide: bool = True,
        saliency: nn.Module | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(saliency, mean, std)
        check_number(degrees, "degrees")
        if not 0 <= degrees <= 180:
            raise ValueError(f"degrees: expected a number from 0 to 180, got {degrees}")
        if len(scale) != 2:
            raise ValueError(f"scale: expected a smallest and a largest factor, got {scale}")
        for factor in scale:
            check_positive(factor, "scale")
        if scale[0] > scale[1]:
            raise ValueError(f"scale: expected the smaller factor first, got {scale}")
        for value, name in ((move, "move"), (threshold, "threshold"), (edge, "edge")):
            check_probability(value, name)
        self.degrees, self.scale, self.move = degrees, scale, move
        self.threshold, self.edge, self.hide = threshold, edge, hide

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """The moved lesion and the place of the other one, with soft edges."""
        lesion = self.first_map(pairs) > self.threshold
        draw = torch.empty((len(lesion), 4), device=lesion.device).uniform_(generator=generator)
        smallest, largest = (log(factor) for factor in self.scale)
        angle = (2 * draw[:, 0] - 1) * (self.degrees * pi / 180)
        scale = torch.exp(smallest + draw[:, 1] * (largest - smallest))
        affine = _placed(lesion, angle, scale, draw[:, 2:], self.move)
        grid = grid_of_places(places_read(affine, *lesion.shape[-2:]))
        with without_autocast(lesion):
            shown = F.grid_sample(lesion.to(torch.float32), grid, align_corners=False) >= 0.5
        if self.hide:
            shown = shown | (self.second_map(pairs) > self.threshold)
        is_known = lesion.flatten(1).any(1).view(-1, 1, 1, 1)
        mask = torch.where(is_known, soft_edges(shown, self.edge), 1.0)
        return MixRecord(mask, torch.ones(len(mask), device=mask.device), first_grid=grid, first_affine=affine)

    def extra_repr(self) -> str:
        """Show the options."""
        return (
            f"degrees={self.degrees}, scale={self.scale}, move={self.move}, threshold={self.threshold}, "
            f"edge={self.edge}, hide={self.hide}"
        )
