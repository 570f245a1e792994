"""Images as blocks, and back: the patch operator of LSM."""

from __future__ import annotations

from torch import Tensor

from longtail_mix._checks import check_divisible, check_has_pixels, check_tensor, check_whole

__all__ = ["from_blocks", "to_blocks"]


def to_blocks(images: Tensor, block_size: int) -> Tensor:
    """Cut images into blocks, row by row: [B, C, H, W] -> [B, N, C, p, p].

    The same in plain PyTorch: ``images.unfold(2, p, p).unfold(3, p, p)``, its two grid axes made one and put first.

    Args:
        images: images, maps or features [B, C, H, W] of any dtype; H and W are multiples of `block_size`.
        block_size: side p of a block in pixels.

    Returns:
        Blocks [B, H / p * W / p, C, p, p]; :func:`from_blocks` gives `images` back, value by value.

    Raises:
        TypeError, ValueError: another shape, or sizes that the block does not divide.

    Example:
        >>> import torch
        >>> images = torch.arange(8).view(1, 1, 2, 4)
        >>> to_blocks(images, 2)[0, :, 0]
        tensor([[[0, 1],
                 [4, 5]],
        <BLANKLINE>
                [[2, 3],
                 [6, 7]]])
    """
    check_tensor(images, "images")
    if images.ndim != 4:
        raise ValueError(f"images: expected [B, C, H, W], got shape {list(images.shape)}")
    check_has_pixels(images, "images")
    check_whole(block_size, "block_size", 1)
    check_divisible(images, block_size, "images")
    rows, columns = images.shape[-2] // block_size, images.shape[-1] // block_size
    grid = images.reshape(*images.shape[:2], rows, block_size, columns, block_size)
    return grid.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)


def from_blocks(blocks: Tensor, height: int, width: int) -> Tensor:
    """Put blocks together again, row by row: [B, N, C, p, p] -> [B, C, H, W], the inverse of :func:`to_blocks`.

    Args:
        blocks: [B, N, C, p, p] of any dtype.
        height: of the images, a multiple of p.
        width: of the images, a multiple of p; ``height / p * width / p == N``.

    Returns:
        Images [B, C, H, W].

    Raises:
        TypeError, ValueError: another shape, or a height and width that the blocks do not fill.

    Example:
        >>> import torch
        >>> images = torch.rand(2, 3, 8, 12)
        >>> torch.equal(from_blocks(to_blocks(images, 4), 8, 12), images)
        True
    """
    check_tensor(blocks, "blocks")
    if blocks.ndim != 5 or blocks.shape[-1] != blocks.shape[-2]:
        raise ValueError(f"blocks: expected [B, N, C, p, p], got shape {list(blocks.shape)}")
    check_has_pixels(blocks, "blocks")
    check_whole(height, "height", 1)
    check_whole(width, "width", 1)
    number, size = blocks.shape[1], blocks.shape[-1]
    if height % size or width % size or number * size * size != height * width:
        raise ValueError(f"blocks: expected as many of {size}x{size} as fill {height}x{width}, got {number}")
    grid = blocks.reshape(len(blocks), height // size, width // size, *blocks.shape[2:])  # [B, h, w, C, p, p]
    return grid.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
