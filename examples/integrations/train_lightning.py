"""A Lightning module and data module: torchrun --nproc-per-node 2 examples/integrations/train_lightning.py

Lightning leaves the sampler alone, tells it the epoch, and keeps the loader's state in its checkpoints. The mix is part
of the module, so it rests while Lightning validates.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from made_up import Images, cross_entropy, made_up, mixup, small_net
from torch import Tensor, nn
from torch.utils.data import DataLoader

from longtail_mix.sampling import ResumableLoader, ShuffledSampler

Batch = tuple[Tensor, Tensor]


class Data(lightning.LightningDataModule):
    def __init__(self, train: Images, val: Images) -> None:
        super().__init__()
        self.train, self.val = train, val

    def train_dataloader(self) -> ResumableLoader[tuple[Tensor, int]]:
        return ResumableLoader(self.train, batch_size=8, sampler=ShuffledSampler(len(self.train)))

    def val_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        return DataLoader(self.val, batch_size=8)


class Classifier(lightning.LightningModule):
    def __init__(self, mix: nn.Module) -> None:
        super().__init__()
        self.network, self.mix = small_net(), mix

    def _loss(self, batch: Batch) -> Tensor:
        images, target = self.mix(*batch)  # in validation: the images as they are
        return cross_entropy(self.network(images), target)

    def training_step(self, batch: Batch) -> Tensor:
        return self._loss(batch)

    def validation_step(self, batch: Batch) -> None:
        self.log("val_loss", self._loss(batch), sync_dist=True, prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


def train(data: Images, mix: nn.Module, folder: Path, epochs: int = 2, max_steps: int = -1) -> None:
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        max_epochs=epochs,
        max_steps=max_steps,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[ModelCheckpoint(folder, filename="last", every_n_train_steps=1, enable_version_counter=False)],
    )
    last = folder / "last.ckpt"
    trainer.fit(Classifier(mix), Data(data, made_up((6, 6, 4), seed=1)), ckpt_path=last if last.exists() else None)


if __name__ == "__main__":
    train(made_up(), mixup(), Path(sys.argv[1] if len(sys.argv) > 1 else "runs/lightning"))
