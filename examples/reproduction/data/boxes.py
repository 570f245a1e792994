"""Boxes around the lesions of the rarest classes: what CARE is told of where to look."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from longtail_mix import BooleanMapSaliency, SegmentationSaliency
from longtail_mix.regions import lesion_regions, otsu_threshold
from reproduction.data.maps import FineGrained, GroundTruth, MapSource, SkinContrast, by_module
from reproduction.data.task import Images
from reproduction.networks.segmenters import load_segmenter


@dataclass(frozen=True)
class BooleanMap(MapSource):
    """Boolean map saliency (Zhang and Sclaroff 2013)."""

    def maps(self, side: Images, device: torch.device) -> Tensor:
        """Of whole frames."""
        return by_module(BooleanMapSaliency(), side.images, device)


@dataclass(frozen=True)
class Segmented(MapSource):
    """The lesion's probability by a segmenter that examples/segmenter.py trained.

    Args:
        path: its checkpoint.
    """

    path: Path = Path("runs/segmenter/isic2017/lraspp.pt")

    def check(self) -> None:
        """Raise ``ValueError`` where there is none."""
        if not self.path.is_file():
            raise ValueError(f"path: expected a checkpoint of examples/segmenter.py, got none at {self.path}")

    def maps(self, side: Images, device: torch.device) -> Tensor:
        """Of whole frames."""
        return by_module(SegmentationSaliency(load_segmenter(self.path)), side.images, device)


AnyMap = GroundTruth | SkinContrast | FineGrained | BooleanMap | Segmented


@dataclass(frozen=True)
class Boxes(MapSource):
    """255 inside the box of the lesion, for the images of the rarest classes; 0 all over every other image.

    Args:
        source: where lesions are found: by people, by a detector, by a segmenter.
        masked_classes: of how many of the rarest classes; nobody has to draw more.
        otsu: Otsu's threshold instead of 0.5.
        scale: how many times as wide and high the boxes are made.
    """

    source: AnyMap = field(default_factory=GroundTruth)
    masked_classes: int = 1
    otsu: bool = False
    scale: float = 1.0
    is_cached = False  # few images, and the boxes depend on the labels too

    def __post_init__(self) -> None:
        if self.masked_classes < 1:
            raise ValueError(f"masked_classes: expected 1 or more, got {self.masked_classes}")

    def maps(self, side: Images, device: torch.device) -> Tensor:
        """The boxes."""
        counts = torch.bincount(side.labels)
        rare = counts.argsort(stable=True)[: self.masked_classes]
        rows = torch.isin(side.labels, rare).nonzero().flatten()
        found = self.source.maps(side.rows(rows), device).float() / 255
        regions = lesion_regions(found, otsu_threshold if self.otsu else 0.5, scale=self.scale)
        boxes = torch.zeros(len(side), 1, *side.images.shape[2:], dtype=torch.uint8)
        boxes[rows] = 255 * regions.mask.to(torch.uint8)
        return boxes
