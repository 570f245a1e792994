"""Random views of images, with their saliency carried through the same crops, flips and RandAugment, on the device.

What happens to an image is drawn apart from doing it, on the CPU. So every process of a distributed training can draw
for the whole batch from one seed and take its own rows, and a training that goes on after a stop needs no state of a
generator but the number of the step.

Crop, flips and the geometry of RandAugment are one matrix an image, and one grid samples the image and its map. So
the order is always crop, flips, geometry, colours; geometry and colours each in the order drawn. Where RandAugment
turns or shifts a crop, what comes into view is the rest of the image and no border. Only points outside of the whole
image have no source: there the image is reflected at its edge, which leaves its colours alone, and the map is 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from reproduction.training.rand_augment import NUM_OPERATIONS, change_colours, geometry_of


@dataclass(frozen=True)
class ViewSettings:
    """How views are drawn.

    Args:
        size: pixels a side.
        crop_scale: least and most area of the image in a crop.
        crop_ratio: least and most width over height of a crop.
        flip: probability, each way by itself: skin has no upper side.
        operations: RandAugment's N; 0 leaves it out.
        magnitude: RandAugment's M, of 30; timm counts to 10.
        first_view_only: where a method wants several views of an image, RandAugment the first alone.
    """

    size: int = 96
    crop_scale: tuple[float, float] = (0.4, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    operations: int = 0
    magnitude: float = 9.0
    first_view_only: bool = False

    def __post_init__(self) -> None:
        least, most = self.crop_scale
        narrow, wide = self.crop_ratio
        for fits, expected in (
            (self.size >= 1, f"size: expected at least 1, got {self.size}"),
            (0 < least <= most <= 1, f"crop_scale: expected 0 < least <= most <= 1, got {self.crop_scale}"),
            (0 < narrow <= wide, f"crop_ratio: expected 0 < least <= most, got {self.crop_ratio}"),
            (0 <= self.flip <= 1, f"flip: expected 0 to 1, got {self.flip}"),
            (self.operations >= 0, f"operations: expected at least 0, got {self.operations}"),
            (0 <= self.magnitude <= 30, f"magnitude: expected 0 to 30, got {self.magnitude}"),
        ):
            if not fits:
                raise ValueError(expected)

    outside = "reflection"  # what is seen outside of the whole image, as grid_sample calls it

    def flips(self) -> tuple[float, float]:
        """Probability of a flip left and right, and of one up and down."""
        return self.flip, self.flip

    def others(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Operations of rand_augment that follow RandAugment's own, int64 [B, K], and their strengths [B, K]."""
        del generator
        return torch.empty(count, 0, dtype=torch.int64), torch.empty(count, 0, dtype=torch.float64)

    def of_view(self, number: int) -> ViewSettings:
        """Those of the first view of an image, number 0, or of another one."""
        return replace(self, operations=0) if self.first_view_only and number else self


class ViewDraws(NamedTuple):
    """One view of each of B images, on the CPU; ``draws.of(rows)`` are those of some of them."""

    area: Tensor  # [B], share of the image
    log_ratio: Tensor  # [B], of width over height
    place: Tensor  # [B, 2], x and y: 0 as far left or up as the crop can be, 1 as far right or down
    flip: Tensor  # [B, 2], -1 where x or y is flipped, else 1
    operation: Tensor  # int64 [B, K], as in rand_augment
    strength: Tensor  # [B, K] in [-1, 1]

    def of(self, rows: Tensor | slice) -> ViewDraws:
        return ViewDraws(*(drawn[rows] for drawn in self))


def draw_views(count: int, settings: ViewSettings, generator: torch.Generator | None = None) -> ViewDraws:
    """What happens to `count` images; the same for the same state of the generator, which is one on the CPU."""

    def uniform(*shape: int) -> Tensor:
        return torch.rand(count, *shape, dtype=torch.float64, generator=generator)

    def between(ends: tuple[float, float]) -> Tensor:
        return ends[0] + (ends[1] - ends[0]) * uniform()

    narrow, wide = settings.crop_ratio
    slots = settings.operations
    draws = ViewDraws(
        area=between(settings.crop_scale),
        log_ratio=between((log(narrow), log(wide))),
        place=uniform(2),
        flip=1 - 2 * (uniform(2) < torch.tensor(settings.flips(), dtype=torch.float64)).double(),
        operation=torch.randint(NUM_OPERATIONS, (count, slots), generator=generator),
        strength=settings.magnitude / 30 * (1 - 2 * (uniform(slots) < 0.5).double()),
    )
    operation, strength = settings.others(count, generator)
    return draws._replace(
        operation=torch.cat([draws.operation, operation], 1), strength=torch.cat([draws.strength, strength], 1)
    )


def apply_views(
    images: Tensor, maps: Tensor | None, draws: ViewDraws, settings: ViewSettings
) -> tuple[Tensor, Tensor | None]:
    """The views that were drawn; each depends on its own image and row of the draws alone.

    Args:
        images: uint8 [B, 3, H, W], on any device.
        maps: their saliency, floating point [B, 1, H, W], or None.
        draws: of B images.
        settings: the ones they were drawn with.

    Returns:
        Images [B, 3, S, S] in [0, 1] and maps [B, 1, S, S], both float32 and on the device of the images.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images: expected uint8 [B, 3, H, W], got {images.dtype} {list(images.shape)}")
    if len(draws.area) != len(images):
        raise ValueError(f"draws: expected those of {len(images)} images, got {len(draws.area)}")
    if maps is not None and (not maps.is_floating_point() or maps.shape != (len(images), 1, *images.shape[2:])):
        raise ValueError(f"maps: expected a floating-point map for each image, got {maps.dtype} {list(maps.shape)}")
    height, width = images.shape[2:]
    matrices = source_matrices(draws, height, width)
    views = images.new_empty(len(images), 3, settings.size, settings.size, dtype=torch.float32)
    view_maps = None if maps is None else views.new_empty(len(maps), 1, settings.size, settings.size)
    halvings = halvings_of(matrices, height, width, settings.size)
    for times in halvings.unique().tolist():
        rows = (halvings == times).nonzero().flatten()
        here = rows.to(images.device, non_blocking=True)
        grid = source_grid(matrices[rows].to(images.device, torch.float32, non_blocking=True), settings.size)
        views[here] = _sample(images[here].float().div_(255), grid, times, settings.outside)
        if maps is not None and view_maps is not None:
            view_maps[here] = _sample(maps[here].float(), grid, times, "zeros")
    change_colours(views, draws.operation, draws.strength)
    return views, view_maps


def source_matrices(draws: ViewDraws, height: int, width: int) -> Tensor:
    """Where in the image each point of a view comes from: [B, 2, 3], both in coordinates from -1 to 1 (edges).

    ``source = crop @ flips @ geometry_1 @ ... @ geometry_K @ (x, y, 1)``. A crop is drawn as torchvision's
    RandomResizedCrop does, but one that is wider or higher than the image ends at the edge; theirs is drawn again.
    """
    shape = torch.stack([draws.log_ratio, -draws.log_ratio], -1).exp()  # of the crop: width/height, height/width
    against = torch.tensor([height / width, width / height], dtype=torch.float64)  # of the image
    extent = (draws.area[:, None] * shape * against).sqrt().clamp(max=1)  # shares of width and height
    centre = (2 * draws.place - 1) * (1 - extent)
    matrices = torch.cat([torch.diag_embed(extent * draws.flip), centre[..., None]], -1)
    for operation, strength in zip(draws.operation.unbind(-1), draws.strength.unbind(-1), strict=True):
        matrices = matrices @ geometry_of(operation, strength)
    return matrices


def halvings_of(matrices: Tensor, height: int, width: int, size: int) -> Tensor:
    """How often an image is to be halved before it is sampled, int64 [B]: until a step is less than two of its pixels.

    Bilinear sampling looks at the four nearest pixels only. With larger steps it would leave out most of an image.
    """
    step: Tensor = torch.linalg.det(matrices[..., :2]).abs().mul(height * width).sqrt() / size
    most = min(height, width).bit_length() - 1
    return step.clamp(min=1).log2().floor().clamp(max=most).long()


def source_grid(matrices: Tensor, size: int) -> Tensor:
    """The points of the views in the images, [B, S, S, 2]; written out, as a matrix product may run in TF32."""
    x = (2 * torch.arange(size, device=matrices.device) + 1) / size - 1  # the middles of the pixels
    parts = matrices[..., None, None]  # [B, 2, 3, 1, 1]
    return torch.stack([part[:, 0] * x + part[:, 1] * x[:, None] + part[:, 2] for part in parts.unbind(1)], -1)


def _sample(images: Tensor, grid: Tensor, halvings: int, outside: str) -> Tensor:
    if halvings:
        height, width = images.shape[-2:]  # the coordinates stay, as they go from edge to edge
        images = F.adaptive_avg_pool2d(images, (height >> halvings, width >> halvings))
    sampled = F.grid_sample(images, grid, mode="bilinear", padding_mode=outside, align_corners=False)
    return sampled.clamp_(0, 1)  # the four weights may add up to a little more than 1
