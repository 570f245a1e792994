"""How the tokens of timm's and Hugging Face's vision transformers lie in an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import nn

Size = tuple[int, int]


class KnownTokens(NamedTuple):
    """What a vision transformer tells of its tokens."""

    grid: Callable[[Size], Size]  # from height and width of the images to rows and columns of patches
    prefix: int  # class and register tokens in front

    def laid_out(self, size: Sequence[int], tokens: int) -> tuple[int, int, int] | None:
        """Rows, columns and tokens in front of them, of a layer's tokens for images of a size; None where unknown.

        A layer has the tokens in front, or, as the patch embedding, none yet. Merged or dropped patches are not known.
        """
        if len(size) != 2:
            return None
        rows, columns = self.grid((size[0], size[1]))
        in_front = tokens - rows * columns
        return (rows, columns, in_front) if in_front in (0, self.prefix) else None


def known_tokens(model: nn.Module) -> KnownTokens | None:
    """Those of the first vision transformer among the modules that is timm's or Hugging Face's."""
    for module in model.modules():
        known = _of_timm(module) or _of_hugging_face(module)
        if known is not None:
            return known
    return None


def _of_timm(module: nn.Module) -> KnownTokens | None:
    grid = getattr(getattr(module, "patch_embed", None), "dynamic_feat_size", None)
    prefix = getattr(module, "num_prefix_tokens", None)
    return None if grid is None or not isinstance(prefix, int) else KnownTokens(grid, prefix)


def _of_hugging_face(module: nn.Module) -> KnownTokens | None:
    """An embedding module, which holds the patches and the tokens that are put in front of them."""
    side = getattr(getattr(module, "patch_embeddings", None), "patch_size", None)
    if side is None:
        return None
    height, width = (side, side) if isinstance(side, int) else side
    names = ("cls_token", "distillation_token", "register_tokens")
    prefix = sum(token.shape[1] for name, token in module.named_parameters(recurse=False) if name in names)
    return KnownTokens(lambda size: (size[0] // height, size[1] // width), prefix)
