"""What can be chosen on the page, and the lines of code that choose the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from longtail_mix.mixing import FidelityRatio, PaperRatio, ReleasedRatio
from longtail_mix.saliency import (
    BooleanMapSaliency,
    SaliencyMap,
    SkinContrastSaliency,
    SpectralResidualSaliency,
)

ALPHAS = (0.5, 0.65, 0.8, 1.0)
PATCHES = (8, 16, 28, 32, 56)


class Detector(NamedTuple):
    """A detector as the page names it, for images of bytes, and as code for normalised ones."""

    name: str
    module: nn.Module
    code: str


DETECTORS = (
    Detector("fine-grained (the paper's)", SaliencyMap(), "SaliencyMap(mean, std)"),
    Detector("spectral residual", SpectralResidualSaliency(), "SpectralResidualSaliency(mean, std)"),
    Detector("boolean map", BooleanMapSaliency(), "BooleanMapSaliency(mean, std)"),
    Detector("skin contrast", SkinContrastSaliency(), "SkinContrastSaliency(mean, std)"),
    Detector(
        "skin contrast, centred, margin",
        SkinContrastSaliency(center_prior=1.0, margin=1 / 28),
        "SkinContrastSaliency(mean, std, center_prior=1.0, margin=1 / 28)",
    ),
)

RECIPES: tuple[tuple[str, type[PaperRatio | ReleasedRatio | FidelityRatio]], ...] = (
    ("the paper's", PaperRatio),
    ("the released code's", ReleasedRatio),
    ("fidelity", FidelityRatio),
)


def patches_for(size: int) -> tuple[int, ...]:
    """The patch sizes that divide `size`, at least two patches a side."""
    return tuple(patch for patch in PATCHES if size % patch == 0 and size // patch >= 2)


def snippet(detector: Detector, recipe: type[nn.Module], alpha: float, patch_size: int, counts: Sequence[int]) -> str:
    """The lines to paste: names `mean`, `std`, `device` and `loader` are the reader's own."""
    ours = ["HeadTailPairing", "InBatch", "OtherSkin", "RandomPairing", "SPMix", "Sometimes"]
    names = sorted([*ours, recipe.__name__, detector.code.split("(")[0]])
    imported = "\n".join(f"    {name}," for name in names)
    return f"""\
from longtail_mix import (
{imported}
)

class_counts = {list(counts)}  # images per class, in the order of the labels
saliency = {detector.code}  # mean and std as you normalise
spmix = SPMix(
    pairing=HeadTailPairing(class_counts, probability=0.5),
    saliency=saliency,
    recipe={recipe.__name__}(patch_size={patch_size}, alpha={alpha}),
).to(device)
other_skin = InBatch(Sometimes(OtherSkin(saliency=saliency), probability=0.5), RandomPairing()).to(device)

for images, labels in loader:
    images, labels = spmix(images, labels)  # or other_skin(images, labels), for every class; then your step, as before
"""
