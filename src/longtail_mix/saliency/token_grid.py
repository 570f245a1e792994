"""From the tokens of a vision transformer to the feature map that Grad-CAM looks at."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from longtail_mix._checks import check_whole

__all__ = ["TokenGrid", "channels_to_front"]


@dataclass(frozen=True)
class TokenGrid:
    """Tokens [B, N, C] -> feature map [B, C, height, width]: what :class:`~longtail_mix.GradCAM` needs for a ViT.

    Args:
        height: patches in a column.
        width: patches in a row; patches lie row by row.
        num_prefix_tokens: class and register tokens in front, which have no place and are left out.

    Raises:
        TypeError, ValueError: sizes that are not whole numbers of at least 1 (prefix tokens: 0); another number of
            tokens.

    Example:
        >>> import torch
        >>> TokenGrid(14, 14)(torch.rand(2, 1 + 14 * 14, 384)).shape
        torch.Size([2, 384, 14, 14])
    """

    height: int
    width: int
    num_prefix_tokens: int = 1

    def __post_init__(self) -> None:
        """Check the sizes."""
        check_whole(self.height, "height", 1)
        check_whole(self.width, "width", 1)
        check_whole(self.num_prefix_tokens, "num_prefix_tokens", 0)

    def __call__(self, tokens: Tensor) -> Tensor:
        """Lay the tokens out."""
        expected = self.num_prefix_tokens + self.height * self.width
        if tokens.ndim != 3 or tokens.shape[1] != expected:
            raise ValueError(f"tokens: expected [B, {expected}, C] for {self}, got shape {list(tokens.shape)}")
        patches = tokens[:, self.num_prefix_tokens :].transpose(1, 2)
        return patches.reshape(*patches.shape[:2], self.height, self.width)


def channels_to_front(features: Tensor) -> Tensor:
    """[B, h, w, C], as Swin and ConvNeXt stages of some libraries return it -> [B, C, h, w].

    Raises:
        ValueError: another number of dimensions.

    Example:
        >>> import torch
        >>> channels_to_front(torch.rand(2, 7, 7, 768)).shape
        torch.Size([2, 768, 7, 7])
    """
    if features.ndim != 4:
        raise ValueError(f"features: expected [B, h, w, C], got shape {list(features.shape)}")
    return features.permute(0, 3, 1, 2)
