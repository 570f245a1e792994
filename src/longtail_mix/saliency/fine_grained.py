"""Fine-grained static saliency (Montabone & Soto 2010), equal to OpenCV's on every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from longtail_mix._checks import check_normalisation
from longtail_mix._images import as_levels, check_normalised
from longtail_mix._module import Module
from longtail_mix._triton import kernels_run_on
from longtail_mix.saliency._grey import grey_of_levels

__all__ = ["SaliencyMap", "saliency_map"]

# Half widths of the six surrounds, in pixels: three sizes at two scales.
WINDOWS = (12, 24, 48, 28, 56, 112)


@torch.no_grad()
def saliency_map(images: Tensor, mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> Tensor:
    """How much each pixel differs from its surroundings, at six sizes of surroundings.

    The detector of Montabone & Soto (2010) that SPMix uses. Grey images are smoothed twice; the centre of a
    window is compared with the mean of the rest of it, brighter ("on") and darker ("off") apart; both are summed
    over the six windows, scaled to a maximum of 255 and added. The result equals
    ``cv2.saliency.StaticSaliencyFineGrained`` of OpenCV contrib on every pixel, its 8-bit wrap-around included.

    The same in plain PyTorch follows this function in its file: it is the reference. On a GPU with Triton, kernels
    that equal it on every bit take its place.

    Args:
        images: RGB images [B, 3, H, W]; uint8, or floating point in [0, 1], or normalised with `mean` and `std`.
        mean: per-channel mean the images were normalised with, three numbers.
        std: per-channel standard deviation the images were normalised with, three positive numbers.

    Returns:
        Maps [B, 1, H, W], float32 in [0, 1], without gradient. Flat images give zeros. Floating-point images
        are rounded to 8 bits first, values a little outside [0, 1] clamped.

    Raises:
        TypeError: images that are neither uint8 nor floating point.
        ValueError: another shape; `mean` without `std`; and, where reading the values stalls no device (on the CPU,
            outside ``torch.compile``), NaN, infinities or values far outside [0, 1]. Elsewhere an image with NaN or
            an infinity gives a map of NaN.

    Example:
        >>> images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
        >>> images[:, :, 24:40, 24:40] = 255
        >>> maps = saliency_map(images)
        >>> maps.shape, bool(maps[0, 0, 32, 32] > maps[0, 0, 4, 4])
        (torch.Size([2, 1, 64, 64]), True)
    """
    mean, std = check_normalised(images, mean, std)
    if kernels_run_on(images):
        maps: Tensor = fine_grained(images, mean, std)
        return maps
    if images.device.type != "cpu" or torch.compiler.is_compiling():
        return reference(images, mean, std)
    from longtail_mix.saliency._fine_grained_cpu import maps_of

    return maps_of(images, mean, std)


def reference(images: Tensor, mean: Sequence[float] | None, std: Sequence[float] | None) -> Tensor:
    """The maps in plain PyTorch."""
    levels, is_finite = as_levels(images, mean, std)
    # Whole numbers that fit 16 bits take half of the memory traffic of float32.
    grey = _smooth(_smooth(grey_of_levels(levels).to(torch.int16)))
    on, off = _centre_surround(grey)
    # Both are uint8 and their sum wraps at 256, as in OpenCV. Its last step divides by the larger of the two
    # maxima, which is 255 already unless the image is flat, so nothing is left to divide.
    saliency = (_to_full_range(on) + _to_full_range(off)).to(torch.float32)
    scale = torch.full_like(is_finite, 1 / 255, dtype=torch.float32).masked_fill(~is_finite, torch.nan)
    return (saliency * scale).unsqueeze(1)


@torch.library.custom_op(
    "longtail_mix::fine_grained",
    mutates_args=(),
    schema="(Tensor images, float[]? mean, float[]? std) -> Tensor",
)
def fine_grained(images: Tensor, mean: list[float] | None, std: list[float] | None) -> Tensor:
    """The maps as one operation of PyTorch's: five kernels where Triton runs, the reference elsewhere."""
    if not kernels_run_on(images):
        return reference(images, mean, std)
    from longtail_mix.saliency._fine_grained_triton import maps_of

    return maps_of(images, mean, std)


@fine_grained.register_fake
def _(images: Tensor, _mean: list[float] | None, _std: list[float] | None) -> Tensor:
    size, _, height, width = images.shape
    return torch.empty((size, 1, height, width), dtype=torch.float32, device=images.device)


def _smooth(grey: Tensor) -> Tensor:
    """3x3 binomial filter (1/4, 1/2, 1/4 both ways), borders reflected without the edge, rounded to 8 bits."""
    return _sum_121(_sum_121(grey, -2), -1).add_(8).bitwise_right_shift_(4)


def _sum_121(grey: Tensor, dim: int) -> Tensor:
    size = grey.shape[dim]
    if size == 1:
        return grey * 4
    total = grey * 2
    total.narrow(dim, 1, size - 1).add_(grey.narrow(dim, 0, size - 1))
    total.narrow(dim, 0, size - 1).add_(grey.narrow(dim, 1, size - 1))
    # Each end has its one neighbour on both sides.
    total.narrow(dim, 0, 1).add_(grey.narrow(dim, 1, 1))
    total.narrow(dim, size - 1, 1).add_(grey.narrow(dim, size - 2, 1))
    return total


def reach_of(height: int, width: int) -> int:
    """How far the largest window reaches from its pixel; none has to reach further than across the image."""
    return min(max(WINDOWS), max(height, width))


def write_integral(
    room: Tensor, grey: Tensor, reach: int, rows: Tensor | None = None, columns: Tensor | None = None
) -> Tensor:
    """Sums over all pixels above and left of float32 `grey`, written into zeros `room` [B,H+2r,W+2r].

    Beyond the image nothing is added: zeros above and left of it, the last row and column repeated below and right.
    `rows` and `columns` [B,H,W] are memory for what comes in between, if there is some.
    """
    height, width = grey.shape[-2:]
    rows = torch.cumsum(grey, -1, out=rows)
    sums = room[:, reach:-reach, reach:-reach]
    if height * width * 255 < 2**24:
        sums.copy_(torch.cumsum(rows, -2, out=columns))
    else:
        # Above 2^24 float32 rounds, so the order of additions shows: OpenCV adds row after row.
        sums[:, 0] = rows[:, 0]
        for y in range(1, height):
            sums[:, y] = sums[:, y - 1] + rows[:, y]
    room[:, reach:-reach, -reach:] = sums[..., -1:]
    room[:, -reach:] = room[:, -reach - 1 : -reach]
    return room


class Window(NamedTuple):
    reach: int  # half its width
    times: int  # how many of the six are this one
    others: Tensor  # its pixels inside the image without the centre, [H,W] float32


def windows_of(height: int, width: int, device: torch.device) -> list[Window]:
    """The six windows; those that hold the whole image wherever they are, are all the same."""

    def extent(size: int, n: int) -> Tensor:
        at = torch.arange(size, device=device)
        return ((at + n + 1).clamp(max=size) - (at - n + 1).clamp(min=0)).to(torch.float32)

    def window(n: int, times: int) -> Window:
        return Window(n, times, extent(height, n).unsqueeze(1) * extent(width, n) - 1)

    whole = max(height, width)
    smaller = [n for n in WINDOWS if n < whole]
    windows = [window(n, 1) for n in smaller]
    return windows if len(smaller) == len(WINDOWS) else [*windows, window(whole, len(WINDOWS) - len(smaller))]


def _centre_surround(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Positive parts of centre - surround and surround - centre, truncated, summed over the windows."""
    height, width = grey.shape[-2:]
    # The sums of off - on and of off: a difference that is truncated towards zero is one or the other.
    difference, off = torch.zeros_like(grey), torch.zeros_like(grey)
    if height == width == 1:  # a single pixel has no surroundings
        return difference, off
    reach = reach_of(height, width)
    # With room around it, the integral image has each clamped corner at a fixed offset: a view, no gather.
    room = torch.zeros((len(grey), height + 2 * reach, width + 2 * reach), dtype=torch.float32, device=grey.device)
    centre = grey.to(torch.float32)
    sums = write_integral(room, centre, reach)
    minus_centre = -centre
    for n, times, pixels in windows_of(height, width, grey.device):
        top, bottom = sums[:, reach - n :][:, :height], sums[:, reach + n :][:, :height]
        left, right = slice(reach - n, reach - n + width), slice(reach + n, reach + n + width)
        others = bottom[..., right] + top[..., left]
        others -= bottom[..., left]
        others -= top[..., right]
        others -= centre
        excess = torch.addcdiv(minus_centre, others, pixels).to(torch.int16)
        difference.add_(excess, alpha=times)
        off.add_(excess.clamp_(min=0), alpha=times)
    return off - difference, off


def _to_full_range(sums: Tensor) -> Tensor:
    """Scale each image's maximum to 255, truncated to uint8.

    OpenCV multiplies in double. For all whole numbers that occur, sums of six bytes, float32 gives the same.
    """
    largest = sums.amax((-2, -1), keepdim=True).clamp(min=1)
    return (sums / largest).mul_(255).to(torch.uint8)


class SaliencyMap(Module):
    """Fine-grained static saliency as a module: :func:`saliency_map` with the normalisation stored.

    Args:
        mean: per-channel mean of the normalised images, or None for uint8 and [0, 1] images.
        std: per-channel standard deviation of the normalised images, or None.

    Shape:
        images [B, 3, H, W] -> [B, 1, H, W], float32 in [0, 1], without gradient.

    Example:
        >>> SaliencyMap()(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 1, 32, 32])
    """

    def __init__(self, mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> None:
        super().__init__()
        self.mean, self.std = check_normalisation(mean, std)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to saliency [B, 1, H, W]."""
        return saliency_map(images, self.mean, self.std)

    def extra_repr(self) -> str:
        """Show the stored normalisation."""
        return f"mean={self.mean}, std={self.std}"
