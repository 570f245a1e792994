"""How every method of a study is trained: network, frames, views, budget, optimiser, schedule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from reproduction.data.frames import CentreCrop, ShortSide, Squash
from reproduction.networks.network import Backbone
from reproduction.training.optimisers import SGD, Adam, AdamW, Constant, Cosine, Steps
from reproduction.training.views import ViewSettings


@dataclass(frozen=True)
class Recipe:
    """How every method of a study is trained.

    Args:
        backbone: the network.
        frame: how whole images become squares; views are cut from them.
        views: how views are cut; their size is what the network sees.
        images: budget: training images that are shown, over all processes.
        batch_size: images of a step, over all processes.
        optimiser: and its rates.
        schedule: of the rate.
        ema: decay of a moving average of the weights, which is then what is judged; 0: none.
        precision: of the network's arithmetic.
        keep_best: judge the weights with the best validation; else the last.
    """

    backbone: Backbone = field(default_factory=Backbone)
    frame: Squash | CentreCrop | ShortSide = field(default_factory=Squash)
    views: ViewSettings = field(default_factory=ViewSettings)
    images: int = 64_000
    batch_size: int = 64
    optimiser: AdamW | Adam | SGD = field(default_factory=AdamW)
    schedule: Cosine | Steps | Constant = field(default_factory=Cosine)
    ema: float = 0.0
    precision: Literal["no", "bf16", "fp16"] = "no"
    keep_best: bool = True

    def check(self, processes: int = 1, device: str = "cpu") -> None:
        """Raise ``ValueError`` for what cannot be run, before any data is read."""
        if self.batch_size < 1 or self.batch_size % processes:
            raise ValueError(f"batch_size: expected a multiple of the {processes} processes, got {self.batch_size}")
        if self.images < self.batch_size:
            raise ValueError(f"images: expected at least a batch, {self.batch_size}, got {self.images}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema: expected a decay in [0, 1), got {self.ema}")
        if self.precision == "fp16" and device == "cpu":
            raise ValueError("precision: expected no or bf16 on a CPU, got 'fp16'")
        if self.views.size > 4 * self.frame.size:
            raise ValueError(
                f"frame.size: expected at least a quarter of a view, {self.views.size}, got {self.frame.size}"
            )
        self.backbone.check(self.views.size)
        if processes > 1 and device == "cpu" and self.backbone.has_batch_norm(self.views.size):
            raise ValueError(
                "backbone: expected a network without BatchNorm, which processes on a CPU cannot share, "
                f"got {self.backbone.name}"
            )
