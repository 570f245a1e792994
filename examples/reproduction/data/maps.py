"""What is carried beside the images through crops and flips: saliency, ground truth, boxes; computed once a data set.

Maps of whole frames are kept in a cache that knows the source, its options and the pixels it saw.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from longtail_mix import SaliencyMap, SkinContrastSaliency
from reproduction.data.task import Images
from reproduction.training.atomic_files import save_tensors


class MapSource(ABC):
    """From the images of a side to a map each; a frozen dataclass, whose options are part of the cache's key.

    Attributes:
        is_cached: whether the maps follow from the pixels and take long.
    """

    is_cached = True

    @abstractmethod
    def maps(self, side: Images, device: torch.device) -> Tensor:
        """uint8 [N, 1, S, S], on the CPU; 255 is 1."""


@dataclass(frozen=True)
class FineGrained(MapSource):
    """The paper's detector, OpenCV's fine-grained saliency."""

    def maps(self, side: Images, device: torch.device) -> Tensor:
        """Of whole frames."""
        return by_module(SaliencyMap(), side.images, device)


@dataclass(frozen=True)
class SkinContrast(MapSource):
    """Distance from the skin's colour, for dermoscopy.

    Args:
        center_prior: how much the middle counts for more; 1 for whole frames, in which lesions are centred.
        margin: by which a lesion is widened, in sides of the image.
    """

    center_prior: float = 1.0
    margin: float = 1 / 28

    def maps(self, side: Images, device: torch.device) -> Tensor:
        """Of whole frames."""
        return by_module(SkinContrastSaliency(center_prior=self.center_prior, margin=self.margin), side.images, device)


@dataclass(frozen=True)
class GroundTruth(MapSource):
    """The ground-truth masks of the lesions: the upper bound of every detector."""

    is_cached = False

    def maps(self, side: Images, device: torch.device) -> Tensor:  # noqa: ARG002  nothing is computed
        """255 inside the lesion."""
        if side.masks is None:
            raise ValueError("masks: expected images with ground-truth masks (--data.with-masks), got none")
        return side.masks.to(torch.uint8) * 255


@torch.no_grad()
def by_module(module: nn.Module, images: Tensor, device: torch.device, batch_size: int = 256) -> Tensor:
    """The maps in [0, 1] of a module as bytes."""
    module = module.to(device)
    parts = tqdm(images.split(batch_size), "maps", leave=False)
    return torch.cat([module(part.to(device)).mul(255).round().to(torch.uint8).cpu() for part in parts])


def with_maps(side: Images, source: MapSource, device: torch.device, cache_dir: Path | None = None) -> Images:
    """The images with their maps, from the cache where they were computed before."""
    if not source.is_cached:
        return replace(side, maps=source.maps(side, device))
    folder = cache_dir or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "longtail_mix"
    key = blake2b(digest_size=16)
    for part in (repr(source), version("longtail-mix"), str(list(side.images.shape))):
        key.update(part.encode() + b"\0")
    for part in side.images.split(1024):
        key.update(part.contiguous().numpy().data)
    path = folder / f"maps-{key.hexdigest()}.pt"
    if path.exists():
        return replace(side, maps=torch.load(path, weights_only=True))
    maps = source.maps(side, device)
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(path, maps)
    return replace(side, maps=maps)
