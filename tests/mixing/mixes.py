"""Every mix of pairs, ready to be called: the tests of what all of them have in common go through this table."""

from collections.abc import Callable

import torch
from torch import nn

from longtail_mix import (
    CMO,
    LSM,
    AttentiveMix,
    BalancedMixUp,
    CopyPaste,
    CutMix,
    FMix,
    GridMix,
    GuidedMixup,
    KeepLabels,
    MixUp,
    OneOf,
    OtherSkin,
    PuzzleMix,
    Remix,
    ResizeMix,
    SaliencyMix,
    Scheduled,
    SkinSwap,
    SmoothMix,
    SnapMix,
    Sometimes,
    SPMix,
    TokenMix,
    UniMix,
)

COUNTS = [100, 30, 2]


class Brightness(nn.Module):
    """A saliency that costs nothing."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.detach().float().mean(1, keepdim=True) / (255 if images.dtype == torch.uint8 else 1)


# Mixes that draw; those that draw nothing are among WITH_MAPS.
MIXES: dict[str, Callable[[], nn.Module]] = {
    "MixUp": MixUp,
    "CutMix": CutMix,
    "Remix": lambda: Remix(COUNTS),
    "CMO": CMO,
    "SaliencyMix": lambda: SaliencyMix(saliency=Brightness()),
    "SPMix": lambda: KeepLabels(SPMix(patch_size=4, noise=0.3, saliency=Brightness())),
    "BalancedMixUp": BalancedMixUp,
    "UniMix": lambda: UniMix(COUNTS),
    "OneOf": lambda: OneOf([MixUp(0.5), CutMix(), ResizeMix()], [1, 2, 1]),
    "Scheduled": lambda: Scheduled(MixUp(0.5), lambda epoch: 0.7 - epoch / 10),
    "FMix": FMix,
    "ResizeMix": ResizeMix,
    "GridMix": GridMix,
    "SmoothMix": SmoothMix,
    "SnapMix": lambda: SnapMix(1.0, saliency=Brightness()),
    "CopyPaste": lambda: CopyPaste(saliency=Brightness()),
    "TokenMix": lambda: TokenMix(4, saliency=Brightness()),
    "PuzzleMix": lambda: PuzzleMix(4, beta=0.1, saliency=Brightness()),
    "Sometimes": lambda: Sometimes(MixUp(0.5), 0.7),
}
WITH_MAPS: dict[str, Callable[[], nn.Module]] = {
    "LSM": lambda: LSM(block_size=4),
    "Sometimes LSM": lambda: Sometimes(LSM(block_size=4), 0.7),
    "SaliencyMix": SaliencyMix,
    "SPMix": lambda: KeepLabels(SPMix(patch_size=4)),
    "SkinSwap": SkinSwap,
    "OtherSkin": OtherSkin,
    "AttentiveMix": lambda: AttentiveMix(cells=3, paste=2),
    "GuidedMixup": GuidedMixup,
    "SnapMix": SnapMix,
    "CopyPaste": CopyPaste,
    "PuzzleMix": lambda: PuzzleMix(4),
    "TokenMix": lambda: TokenMix(tokens=3, stays=0.6),
}


def seeded(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)


def some_pairs(number: int = 5, dtype: torch.dtype = torch.float32, size: tuple[int, int] = (8, 12)):
    generator = seeded(0)
    images = torch.rand(2, number, 3, *size, generator=generator)
    images = (images * 255).to(dtype) if dtype == torch.uint8 else images.to(dtype)
    labels = torch.randint(3, (2, number), generator=generator)
    return images[0], labels[0], images[1], labels[1]
