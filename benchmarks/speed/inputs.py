"""Made-up inputs, several sets of them, so that no call finds its input in the cache."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from pathlib import Path

import torch
from torch import Tensor

__all__ = [
    "CLASS_COUNTS",
    "PATCH",
    "batch",
    "batch_with_maps",
    "images",
    "labels",
    "maps",
    "mask_and_cam",
    "mix",
    "mix_batch",
    "mix_images",
    "natural_batch",
    "natural_batch_with_byte_maps",
    "natural_batch_with_lesions",
    "pairs",
    "pairs_with_cam",
    "rotation",
]

CLASS_COUNTS = (6705, 1113, 514, 327, 1099, 115, 142)  # ISIC 2018
PATCH = 16

Shape = tuple[int, ...]
Draw = Callable[[Shape, torch.dtype, torch.Generator], tuple[Tensor, ...]]


def images(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Images [B,3,H,W] in [0, 1], or uint8."""
    if dtype == torch.uint8:
        return (torch.randint(256, shape, dtype=dtype, device=generator.device, generator=generator),)
    return (torch.rand(shape, device=generator.device, generator=generator).to(dtype),)


def labels(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Labels [B] of seven classes, all equally likely."""
    return (torch.randint(len(CLASS_COUNTS), shape, dtype=dtype, device=generator.device, generator=generator),)


def maps(number: int) -> Draw:
    """`number` saliency maps [B,1,H,W]."""

    def draw(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
        return tuple(images(shape, dtype, generator)[0] for _ in range(number))

    return draw


def batch(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Images and labels."""
    return *images(shape, dtype, generator), *labels(shape[:1], torch.int64, generator)


def batch_with_maps(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Images, labels, and the images' saliency."""
    return *batch(shape, dtype, generator), *images((shape[0], 1, *shape[2:]), torch.float32, generator)


def natural_batch(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Images and labels as they come from ISIC 2018: some five in a hundred are of a tail class."""
    counts = torch.tensor(CLASS_COUNTS, dtype=torch.float32, device=generator.device)
    drawn = torch.multinomial(counts, shape[0], replacement=True, generator=generator)
    return *images(shape, dtype, generator), drawn


def natural_batch_with_byte_maps(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
    """The same, and the images' saliency as bytes."""
    return *natural_batch(shape, dtype, generator), *images((shape[0], 1, *shape[2:]), torch.uint8, generator)


def natural_batch_with_lesions(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
    """The same, and maps of a round lesion in the middle, a fifth of the image, with a soft rim."""
    y, x = (torch.linspace(-1, 1, side, device=generator.device) for side in shape[2:])
    lesion = ((0.6 - torch.hypot(y.unsqueeze(1), x)) * 20).sigmoid()
    return *natural_batch(shape, dtype, generator), lesion.expand(shape[0], 1, -1, -1).contiguous()


def mix(rows: int, columns: int, memory_format: torch.memory_format = torch.contiguous_format) -> Draw:
    """Tail, head and a ratio [B,1,rows,columns]."""

    def draw(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
        tail, head = (images(shape, dtype, generator)[0] for _ in range(2))
        if len(shape) == 4:
            tail, head = (x.to(memory_format=memory_format) for x in (tail, head))
        kind = dtype if dtype.is_floating_point else torch.float32
        return tail, head, images((shape[0], 1, rows, columns), kind, generator)[0]

    return draw


def mix_images(memory_format: torch.memory_format = torch.contiguous_format) -> Draw:
    """Tail, head and a ratio for patches of ``PATCH`` pixels."""

    def draw(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
        return mix(shape[-2] // PATCH, shape[-1] // PATCH, memory_format)(shape, dtype, generator)

    return draw


def mix_batch(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Images of a batch, the partner of each, a ratio for patches of ``PATCH`` pixels."""
    images, _, ratio = mix_images()(shape, dtype, generator)
    return images, torch.randperm(shape[0], device=generator.device, generator=generator), ratio


def mask_and_cam(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Masks [B,1,H,W] of a fifth of the image, and class activation maps [B,1,H/32,W/32] that are high in there.

    In and out of a mask that has nothing to do with the map, both means are 1/2: the loss, their difference, is then
    almost 0, and what is left of it is rounding.
    """
    (cam,) = images((*shape[:2], shape[2] // 32, shape[3] // 32), dtype, generator)
    return (cam > 0.8).to(dtype).repeat_interleave(32, 2).repeat_interleave(32, 3), cam


def pairs(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Tail images, their labels, head images, their labels."""
    return *batch(shape, dtype, generator), *batch(shape, dtype, generator)


def pairs_with_cam(shape: Shape, dtype: torch.dtype, generator: torch.Generator) -> tuple[Tensor, ...]:
    """The same, and a class activation map of each tail image [B,1,H/32,W/32]."""
    cam = images((shape[0], 1, shape[2] // 32, shape[3] // 32), torch.float32, generator)
    return *pairs(shape, dtype, generator), *cam


def rotation(bytes_of_a_set: int, device: torch.device, most: int = 64) -> int:
    """How many sets of inputs it takes to overflow the cache four times."""
    return min(max(ceil(4 * cache_bytes(device) / max(bytes_of_a_set, 1)), 1), most)


def cache_bytes(device: torch.device) -> int:
    """The last cache before the memory of a device."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).L2_cache_size)
    size = Path("/sys/devices/system/cpu/cpu0/cache/index3/size")
    if size.exists():
        return int(size.read_text().strip().removesuffix("K")) * 1024
    return 32 * 2**20  # what servers have, where the system does not say
