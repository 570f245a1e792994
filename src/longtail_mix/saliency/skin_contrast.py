"""Skin contrast: a lesion is what differs from the skin around it, in one piece. Nothing is learned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix._checks import check_normalisation, check_not_negative, check_number, values_are_readable
from longtail_mix._images import as_levels, check_normalised
from longtail_mix._module import Module
from longtail_mix._precision import without_autocast
from longtail_mix.saliency._skin_model import (
    border_ring,
    close_hairs,
    grid_coordinates,
    otsu_threshold,
    outside_corners,
    skin_colour,
    smooth,
    widest,
)

__all__ = ["SkinContrastSaliency", "skin_contrast_saliency"]

# Pixels that a CPU looks at at once, and as how many a small image counts, because of the grids.
_CHUNK = 2**20
_LEAST = 2**15

# The numbers below were chosen by hill climbing on up to 500 whole frames, 500 random crops and 150 images of rare
# classes from one half of ISIC 2018, split by lesion; figures in the docs are from the other half. Most may be changed
# by a third for less than 0.002 of AUROC.

# Side of the grid, in cells, on which the lesion is looked for, whatever the image's size. Hairs are closed on
# twice as fine a grid, where they are about a pixel wide.
GRID = 56
HAIR = 2

# Weight of "darker than skin", in L*, beside the distance in Lab.
DARKER = 1.5
# Cells over which the contrast and the evidence are averaged, on each side.
CONTRAST_REACH = 3
EVIDENCE_REACH = 2
# The lesion begins below Otsu's threshold: its rim is paler than half way between skin and lesion, and people
# draw its outline outside the rim.
BELOW_OTSU = 0.56
# Spread, in Lab units, that is added to the spread of an image's contrast; an image with little contrast is then
# not stretched to noise. Below the second number, the least difference that an eye notices, there is no lesion.
CONTRAST_FLOOR = 3.0
NOTICEABLE = 2.3

# Rounds of the two-class model, and the variances (Lab units squared) by which its two colour classes are widened:
# mottled skin is common; a lesion's colours are known from its own pixels.
ROUNDS = 3
SKIN_VARIANCE = 15.0
LESION_VARIANCE = 4.0
# Log odds of contrast per spread, and of a cell as such. The second decides how large the lesion comes out: at 1.6 the
# overlap with the masks is best (0.82 instead of 0.80), at 1 mixes keep more skin of the partner.
CONTRAST_ODDS = 2.0
CELL_ODDS = 1.0
# Width of the lesion's ellipse in its own spread, squared, and the least it may be (half sides of the image).
ELLIPSE_WIDTH = 0.85
ELLIPSE_FLOOR = 0.015
# The centre prior is zero at this squared distance from the centre, in half sides.
PRIOR_RADIUS = 0.2
# Log odds times this are the map: people's outlines are sharp.
SHARPNESS = 3.0
# They are bent to stay below this, so that float32 tells apart what is certain and what is more certain.
CERTAIN = 8.0


@torch.no_grad()
def skin_contrast_saliency(
    images: Tensor,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    center_prior: float = 0.0,
    margin: float = 0.0,
) -> Tensor:
    """How likely each pixel is lesion rather than skin, from this image alone.

    1. On a grid of 112 x 112, hairs are closed; on one of 56 x 56, colours are taken to CIELAB.
    2. Dark corners (dark, colourless, connected with a corner of the image) are left out of everything; their
       saliency is 0.
    3. The skin's colour is a quadratic surface, robustly fitted to a ring along the border. A lesion that touches
       the border is an outlier there, and more so the darker it is.
    4. Contrast = distance from the skin in Lab + 1.5 x how much darker. Otsu's threshold of it, lowered, gives a
       first guess at the lesion.
    5. Three rounds of a two-class model, as in expectation-maximisation. From the guess so far: a Gaussian of the
       skin's colours around the surface, a Gaussian of the lesion's, and the ellipse in which the lesion lies. The
       log odds of a cell are those of its colour and of the lesion's share of the image, plus its contrast, minus
       half its squared distance from the ellipse's centre in units of the ellipse. The last term is what puts other
       spots, rulers and shadows behind the lesion, and unlike a centre prior it moves with the lesion.
    6. The log odds are brought to the image's size and squashed by a steep logistic, so that the map is nearly 0
       or 1: a mix with it keeps the lesion and changes the skin.

    The same in plain PyTorch is the body of this function and of ``_skin_model.py`` beside it.

    Args:
        images: RGB images [B, 3, H, W]; uint8, or floating point in [0, 1], or normalised with `mean` and `std`.
        mean: per-channel mean the images were normalised with, three numbers.
        std: per-channel standard deviation the images were normalised with, three positive numbers.
        center_prior: how much the middle of the image is preferred, at least 0, in log odds per squared half side.
            1 suits whole frames, where lesions are centred; 0 suits random crops.
        margin: by how much the found lesion is widened on each side, in sides of the image, from 0 to 0.25. Mixes by
            patch keep more of the lesion with a margin of about 0.035.

    Returns:
        Maps [B, 1, H, W], float32 in [0, 1], without gradient. Flat images give zeros. Floating-point images
        are rounded to 8 bits first, values a little outside [0, 1] clamped.

    Raises:
        TypeError: images that are neither uint8 nor floating point.
        ValueError: another shape; `mean` without `std`; `center_prior` or `margin` out of range; and, where reading
            the values stalls no device (on the CPU, outside ``torch.compile``), NaN, infinities or values far outside
            [0, 1]. Elsewhere an image with NaN or an infinity gives a map of NaN.

    Example:
        >>> images = torch.full((2, 3, 64, 64), 200, dtype=torch.uint8)
        >>> images[:, 1:, 20:44, 12:36] = 110
        >>> maps = skin_contrast_saliency(images)
        >>> maps.shape, bool(maps[0, 0, 32, 24] > 0.9), bool(maps[0, 0, 56, 56] < 0.1)
        (torch.Size([2, 1, 64, 64]), True, True)
    """
    _check_options(center_prior, margin)
    check_normalised(images, mean, std)
    with without_autocast(images):
        if not values_are_readable(images):
            return _maps(images, mean, std, float(center_prior), margin)
        # On a CPU some images at a time, which stay in the cache; of about equal number, because a matrix product of a
        # single image rounds in another order.
        at_once = max(_CHUNK // max(images.shape[-2] * images.shape[-1], _LEAST), 2)
        chunks = images.tensor_split(max(len(images) // at_once, 1))
        return torch.cat([_maps(chunk, mean, std, float(center_prior), margin) for chunk in chunks])


def _maps(
    images: Tensor, mean: Sequence[float] | None, std: Sequence[float] | None, center_prior: float, margin: float
) -> Tensor:
    levels, is_finite = as_levels(images, mean, std)
    log_odds, valid = _log_odds(_small_lab(levels), center_prior)
    reach = round(margin * GRID)
    if reach:
        log_odds = widest(log_odds, reach)
    return _full_size(torch.cat([log_odds, valid], 1), is_finite, *images.shape[-2:])


def _full_size(log_odds_and_valid: Tensor, is_finite: Tensor, height: int, width: int) -> Tensor:
    """The map at the image's size; NaN where the image held NaN or an infinity."""
    both = F.interpolate(log_odds_and_valid, (height, width), mode="bilinear", align_corners=False)
    sharp = SHARPNESS * both[:, :1]
    saliency = (sharp / (sharp.abs() / CERTAIN).add_(1)).sigmoid_() * both[:, 1:]
    return saliency.masked_fill_(~is_finite.unsqueeze(1), torch.nan)


def _small_lab(levels: Tensor) -> Tensor:
    """Whole numbers [B,3,H,W] from 0 to 255 -> L*, a*, b* without hairs [B,3,GRID,GRID]."""
    from kornia.color import rgb_to_lab

    fine = F.interpolate(
        levels.to(torch.float32) * (1 / 255),
        (2 * GRID, 2 * GRID),
        mode="bilinear",
        align_corners=False,
        antialias=True,
    )
    lab: Tensor = rgb_to_lab(F.avg_pool2d(close_hairs(fine, HAIR), 2))
    return lab


def _log_odds(lab: Tensor, center_prior: float) -> tuple[Tensor, Tensor]:
    """Log odds of lesion against skin, and 1 outside dark corners and in images with contrast: [B,1,GRID,GRID]."""
    valid_map = outside_corners(lab)
    valid = valid_map.flatten(2)
    xy = grid_coordinates(GRID, lab)
    colours = lab.flatten(2)
    residual = (colours - skin_colour(colours, border_ring(valid_map).flatten(2), xy)) * valid

    from_centre = xy.square().sum(0)
    distance = residual.square().sum(1, keepdim=True).sqrt() + DARKER * (-residual[:, :1]).clamp(min=0)
    contrast = _averaged(distance, CONTRAST_REACH) * valid * torch.exp(-center_prior / 2 * from_centre)
    threshold, spread = otsu_threshold(contrast)
    excess = (contrast - BELOW_OTSU * threshold) / (spread + CONTRAST_FLOOR)

    prior = CELL_ODDS + CONTRAST_ODDS * excess - center_prior * (from_centre - PRIOR_RADIUS)
    lesion = excess.sigmoid() * valid
    log_odds = excess
    for _ in range(ROUNDS):
        share = lesion.mean(-1, keepdim=True).clamp(0.02, 0.98)
        odds = (
            _surprise(residual, (1 - lesion) * valid, SKIN_VARIANCE, around_mean=False)
            - _surprise(residual, lesion, LESION_VARIANCE)
            - _ellipse(xy, lesion)
            + share.logit()
            + prior
        )
        log_odds = _averaged(odds, EVIDENCE_REACH)
        lesion = (SHARPNESS * log_odds).sigmoid() * valid
    shows_something = (contrast.amax(-1, keepdim=True) >= NOTICEABLE) * valid
    return log_odds.unflatten(-1, (GRID, GRID)), shows_something.unflatten(-1, (GRID, GRID))


def _averaged(rows: Tensor, reach: int) -> Tensor:
    return smooth(rows.unflatten(-1, (GRID, GRID)), reach).flatten(2)


def _surprise(points: Tensor, weights: Tensor, variance: float, around_mean: bool = True) -> Tensor:
    """Minus the log density, but for a constant, under a Gaussian fitted to weighted points: [B,1,N]."""
    weights = weights + 1e-6
    weights = weights / weights.sum(-1, keepdim=True)
    if around_mean:
        points = points - (points * weights).sum(-1, keepdim=True)
    widened = variance * torch.eye(points.shape[1], device=points.device, dtype=points.dtype)
    root = torch.linalg.cholesky_ex((points * weights) @ points.transpose(1, 2) + widened)[0]
    whitened = torch.linalg.solve_triangular(root, points, upper=False)
    log_root = root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    surprise: Tensor = whitened.square().sum(1, keepdim=True) / 2 + log_root.view(-1, 1, 1)
    return surprise


def _ellipse(xy: Tensor, lesion: Tensor) -> Tensor:
    """Half the squared distance from the lesion's centre, in units of the ellipse it fills: [B,1,N]."""
    weights = lesion + 1e-6
    weights = weights / weights.sum(-1, keepdim=True)
    from_middle = xy - (xy * weights).sum(-1, keepdim=True)
    spread = (from_middle * weights) @ from_middle.transpose(1, 2)
    spread = ELLIPSE_WIDTH * spread + ELLIPSE_FLOOR * torch.eye(2, device=xy.device, dtype=xy.dtype)
    squared: Tensor = (from_middle * torch.linalg.solve_ex(spread, from_middle)[0]).sum(1, keepdim=True)
    return squared / 2


def _check_options(center_prior: float, margin: float) -> None:
    check_number(margin, "margin")
    check_not_negative(center_prior, "center_prior")
    if not 0.0 <= margin <= 0.25:
        raise ValueError(f"margin: expected a number from 0 to 0.25, got {margin}")


class SkinContrastSaliency(Module):
    """Skin contrast as a module: :func:`skin_contrast_saliency` with its options stored.

    Args:
        mean: per-channel mean of the normalised images, or None for uint8 and [0, 1] images.
        std: per-channel standard deviation of the normalised images, or None.
        center_prior: how much the middle of the image is preferred, at least 0; 1 suits whole frames, 0 crops.
        margin: by how much the found lesion is widened, in sides of the image.

    Shape:
        images [B, 3, H, W] -> [B, 1, H, W], float32 in [0, 1], without gradient.

    Example:
        >>> SkinContrastSaliency(center_prior=1.0)(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 1, 32, 32])
    """

    def __init__(
        self,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        center_prior: float = 0.0,
        margin: float = 0.0,
    ) -> None:
        super().__init__()
        self.mean, self.std = check_normalisation(mean, std)
        _check_options(center_prior, margin)
        self.center_prior, self.margin = center_prior, margin

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to saliency [B, 1, H, W]."""
        return skin_contrast_saliency(images, self.mean, self.std, self.center_prior, self.margin)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"mean={self.mean}, std={self.std}, center_prior={self.center_prior}, margin={self.margin}"
