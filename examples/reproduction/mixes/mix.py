"""What a mix is in these programs: who the partners are, what is drawn at random, and what becomes of a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from longtail_mix import MixedTarget
from longtail_mix.functional import draw_lam
from reproduction.data.maps import MapSource
from reproduction.methods.sampling import Sampling
from reproduction.training.batch import Stream

Counts = Sequence[int]  # training images of each class
Draws = tuple[Tensor, ...]  # all that is random, with a row for each image
Mixed = tuple[Tensor, MixedTarget]  # images and what they show


class Mix(ABC):
    """A mix of two streams by its options; a frozen dataclass.

    Attributes:
        partners: who the other images are.
        maps: what is to be carried along beside the images; None: nothing.
    """

    partners: Sampling
    maps: MapSource | None = None

    @abstractmethod
    def draw(self, count: int, size: int, generator: torch.Generator) -> Draws:
        """All that is random about the mix of `count` images of side `size`: tensors with a row for each image."""

    @abstractmethod
    def __call__(self, labelled: Stream, partners: Stream, draws: Draws, class_counts: Counts) -> Mixed:
        """Images [B, 3, S, S] and their target, of the first view of both streams; nothing is drawn in here."""


def uniform(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """In [0, 1), on the generator's device."""
    return torch.empty(tuple(shape), device=generator.device).uniform_(generator=generator)


def beta(count: int, alpha: float, generator: torch.Generator) -> Tensor:
    """Shares from Beta(alpha, alpha), [count]."""
    return draw_lam(torch.zeros(count, dtype=torch.int64, device=generator.device), alpha, generator)


def kept(chosen: Tensor, labelled: Stream, mixed: Tensor, target: MixedTarget) -> tuple[Tensor, MixedTarget]:
    """The mix where `chosen` [B] says so; elsewhere the image as it is, with its label."""
    images = torch.where(chosen.view(-1, 1, 1, 1), mixed, labelled.views[0])
    return images, MixedTarget(labelled.labels, target.other, torch.where(chosen, target.lam, 1.0))


def rolled(maps: Tensor, offset: Tensor) -> Tensor:
    """Maps [B, 1, H, W] moved down and right by shares [B, 2] of the sides; the edges are joined."""
    height, width = maps.shape[-2:]
    down, right = (offset * offset.new_tensor([height, width])).long().unbind(1)
    rows = (torch.arange(height, device=maps.device) - down[:, None]) % height
    columns = (torch.arange(width, device=maps.device) - right[:, None]) % width
    images = torch.arange(len(maps), device=maps.device)[:, None, None]
    return maps[images, 0, rows[:, :, None], columns[:, None, :]][:, None]
