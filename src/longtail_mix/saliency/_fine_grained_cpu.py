"""Fine-grained saliency on a CPU: the reference's passes over a few images at a time, in memory that is used again.

Memory that is new at every pass may cost more than the passes do: the system maps it and clears its pages, or not, as
other memory of the process has been given back before. So all of it is made once a call, small enough for the cache.
An operation on two dtypes makes new memory too, unseen: here only copies change the dtype.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from longtail_mix._images import write_levels
from longtail_mix.saliency.fine_grained import reach_of, windows_of, write_integral

# Pixels of the images that are looked at together.
_CHUNK = 160_000


def maps_of(images: Tensor, mean: Sequence[float] | None, std: Sequence[float] | None) -> Tensor:
    """The maps [B,1,H,W] of images [B,3,H,W] that have been checked; equal to the reference's on every bit."""
    height, width = images.shape[-2:]
    maps = torch.empty((len(images), 1, height, width), dtype=torch.float32, device="cpu")
    number = max(min(_CHUNK // (height * width), len(images)), 1)
    room = _Room(number, height, width)
    for some_images, some_maps in zip(images.split(number), maps.split(number), strict=True):
        # Where fewer images are left, the rest of the room holds others, whose maps nobody takes.
        room.look_at(some_images, mean, std)
        room.subtract_surround()
        room.write_maps(some_maps.squeeze(1))
    return maps


class _Room:
    """Memory for the passes over n images of one size, and the views of it that the windows need."""

    def __init__(self, number: int, height: int, width: int) -> None:
        shape = (number, height, width)
        self.levels = torch.zeros((number, 3, height, width), dtype=torch.float32, device="cpu")
        # With a border around every image, all neighbours lie at fixed distances in one long row of memory.
        self.bordered, self.of_rows = torch.zeros((2, number, height + 2, width + 2), dtype=torch.int16, device="cpu")
        self.grey = self.bordered[:, 1:-1, 1:-1]
        self.centre, self.minus_centre, self.others = torch.empty((3, *shape), dtype=torch.float32, device="cpu")
        self.excess = torch.empty(shape, dtype=torch.int16, device="cpu")
        self.both = torch.empty((2, *shape), dtype=torch.int16, device="cpu")  # on and off
        self.both_as_float = torch.empty((2, *shape), dtype=torch.float32, device="cpu")
        self.reach = reach = reach_of(height, width)
        self.sums = torch.zeros((number, height + 2 * reach, width + 2 * reach), dtype=torch.float32, device="cpu")
        self.windows = []
        for n, times, pixels in windows_of(height, width, self.sums.device) if height * width > 1 else ():
            top, bottom = self.sums[:, reach - n :][:, :height], self.sums[:, reach + n :][:, :height]
            left, right = slice(reach - n, reach - n + width), slice(reach + n, reach + n + width)
            corners = bottom[..., right], top[..., left], bottom[..., left], top[..., right]
            self.windows.append((times, pixels, corners))

    def look_at(self, images: Tensor, mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
        """Grey, smoothed twice."""
        write_levels(self.levels[: len(images)], images, mean, std)
        red, green, blue = self.levels.unbind(1)
        # 15-bit fixed point, exact in float32; what follows the point is cut by the copy.
        luma = torch.mul(red, 9798 / 2**15, out=self.others)
        self.grey.copy_(luma.add_(green, alpha=19235 / 2**15).add_(blue, alpha=3735 / 2**15).add_(0.5))
        _smooth(self.bordered, self.of_rows)
        _smooth(self.bordered, self.of_rows)

    def subtract_surround(self) -> None:
        """Positive parts of centre - surround and surround - centre, truncated, summed over the windows."""
        difference, off = self.both.zero_()
        self.centre.copy_(self.grey)
        write_integral(self.sums, self.centre, self.reach, rows=self.others, columns=self.minus_centre)
        torch.neg(self.centre, out=self.minus_centre)
        for times, pixels, (bottom_right, top_left, bottom_left, top_right) in self.windows:
            others = torch.add(bottom_right, top_left, out=self.others)
            others.sub_(bottom_left).sub_(top_right).sub_(self.centre)
            self.excess.copy_(torch.addcdiv(self.minus_centre, others, pixels, out=others))
            difference.add_(self.excess, alpha=times)
            off.add_(self.excess.clamp_(min=0), alpha=times)
        torch.sub(off, difference, out=difference)

    def write_maps(self, maps: Tensor) -> None:
        """Both sums at full range, added modulo 256, in [0, 1]; maps [B,H,W] of the first images."""
        largest = self.both.amax((-2, -1), keepdim=True).clamp(min=1).to(torch.float32)
        on, off = self.both.copy_(self.both_as_float.copy_(self.both).div_(largest).mul_(255))
        total = on.add_(off).bitwise_and_(255)
        maps.copy_(total[: len(maps)]).mul_(1 / 255)


def _smooth(bordered: Tensor, of_rows: Tensor) -> None:
    """The 3x3 binomial filter in place, whatever comes of the border; `of_rows` is overwritten."""
    for dim in (1, 2):
        last = bordered.shape[dim] - 1
        inner = min(2, last - 1)  # an only pixel is its own neighbour
        bordered.select(dim, 0).copy_(bordered.select(dim, inner))
        bordered.select(dim, last).copy_(bordered.select(dim, last - inner))
    step = bordered.shape[-1]
    flat, rows = bordered.view(-1), of_rows.view(-1)
    torch.add(flat[: -2 * step], flat[step:-step], alpha=2, out=rows[step:-step]).add_(flat[2 * step :])
    torch.add(rows[:-2], rows[1:-1], alpha=2, out=flat[1:-1]).add_(rows[2:])
    flat.add_(8).bitwise_right_shift_(4)
