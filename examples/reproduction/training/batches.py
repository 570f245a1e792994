"""From whole uint8 images to the batch of a step, all of it on the device.

Nothing but the seed and the number of the step decides what is in a batch: there is no generator that goes on from
step to step. So a training that was killed goes on exactly as it would have, and N processes see what one would: every
process draws for the whole global batch and takes each N-th row of it, as the samplers do.
"""

from __future__ import annotations

from hashlib import blake2b

import torch
from torch import Tensor

from reproduction.data.task import Images
from reproduction.training.batch import Batch, Needs, SamplerFactory, Stream
from reproduction.training.views import ViewSettings, apply_views, draw_views


def seed_of(*parts: int | str) -> int:
    """A seed that another combination of parts does not have; 32 bits, as many as a CPU generator uses."""
    return int.from_bytes(blake2b(":".join(map(str, parts)).encode(), digest_size=4).digest(), "big")


class Batches:
    """The batches of a training, by number.

    Where the frames are on the device, a batch never leaves it. Where they are on the host, the images of a batch
    are copied through pinned memory while the device works on the last one.

    Args:
        frames: the training images whole, before views are cut from them; where they are, they stay.
        num_classes: K.
        settings: how views are drawn.
        batch_size: images of a step, over all processes together.
        seed: another seed, other batches.
        device: where the batches are wanted.

    Raises:
        ValueError: a batch that the processes cannot share evenly, or more than there are images.
    """

    def __init__(
        self,
        frames: Images,
        num_classes: int,
        settings: ViewSettings,
        batch_size: int,
        seed: int,
        device: torch.device,
    ) -> None:
        if not 1 <= batch_size <= len(frames):
            raise ValueError(f"batch_size: expected 1 to {len(frames)}, the images there are, got {batch_size}")
        self.frames, self.num_classes, self.settings = frames, num_classes, settings
        self.batch_size, self.seed, self.device = batch_size, seed, device
        self.steps_per_epoch = len(frames) // batch_size
        self._labels = frames.labels.cpu()
        self._on_device = frames.labels.to(device)

    def set_epoch(self, needs: Needs, epoch: int) -> None:
        """Draw which images the steps of an epoch see."""
        if needs.maps and self.frames.maps is None:
            raise ValueError("frames: expected maps, which this method needs, got none")
        self._needs = needs
        self._maps = self.frames.maps if needs.maps else None
        self._rows = self._draw_rows(needs.labelled, "labelled", epoch)
        self._partner_rows = None if needs.partners is None else self._draw_rows(needs.partners, "partners", epoch)

    def draw(self, step: int) -> Batch:
        """Batch number `step`, counted from the beginning of the training; of the epoch that was set."""
        needs = self._needs
        generator = torch.Generator().manual_seed(seed_of(self.seed, "views", step))
        labelled = self._stream(self._rows, step, generator)
        partners = None if self._partner_rows is None else self._stream(self._partner_rows, step, generator)
        if needs.draw is None:
            return Batch(labelled, partners, ())
        on_device = torch.Generator(self.device).manual_seed(seed_of(self.seed, "noise", step))
        draws = needs.draw(self.batch_size, on_device)
        return Batch(labelled, partners, tuple(drawn[self._own] for drawn in draws))

    def _draw_rows(self, factory: SamplerFactory, name: str, epoch: int) -> Tensor:
        sampler = factory(self._labels, self.num_classes, seed_of(self.seed, name))
        if self.batch_size % sampler.num_replicas:
            raise ValueError(
                f"batch_size: expected one that {sampler.num_replicas} processes share evenly, got {self.batch_size}"
            )
        self._own = slice(sampler.rank, None, sampler.num_replicas)
        self._own_size = self.batch_size // sampler.num_replicas
        sampler.set_epoch(epoch)
        return sampler.rows().to(self.frames.images.device)

    def _stream(self, rows: Tensor, step: int, generator: torch.Generator) -> Stream:
        start = step % self.steps_per_epoch * self._own_size
        rows = rows[start : start + self._own_size]
        images = self._take(self.frames.images, rows)
        maps = None if self._maps is None else self._take(self._maps, rows) / 255
        views, view_maps = [], []
        for number in range(self._needs.views):
            settings = self.settings.of_view(number)
            everyone = draw_views(self.batch_size, settings, generator)
            own = everyone.of(self._own)
            view, view_map = apply_views(images, maps, own, settings)
            views.append(view)
            view_maps += [] if view_map is None else [view_map]
        return Stream(tuple(views), tuple(view_maps), self._on_device[rows.to(self.device, non_blocking=True)])

    def _take(self, images: Tensor, rows: Tensor) -> Tensor:
        taken = images[rows]
        if taken.device.type == "cpu" and self.device.type == "cuda":
            taken = taken.pin_memory()
        return taken.to(self.device, non_blocking=True)
