"""A loop with accelerate: accelerate launch --num-processes 2 examples/integrations/train_accelerate.py

`prepare` shares out the batches of the loader; the sampler sees that and hands out the whole epoch. To go on in the
middle of an epoch, both the loader and the sampler are told the epoch, and accelerate skips the batches.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from accelerate import Accelerator, skip_first_batches
from made_up import Images, cross_entropy, made_up, mixup, small_net
from torch import nn
from torch.utils.data import DataLoader

from longtail_mix.sampling import ShuffledSampler


class Progress:
    """The steps made so far, as accelerate saves them."""

    steps = 0

    def state_dict(self) -> dict[str, int]:
        return {"steps": self.steps}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.steps = state["steps"]


def train(data: Images, mix: nn.Module, folder: Path, epochs: int = 2, max_steps: int | None = None) -> None:
    accelerator = Accelerator(cpu=True)
    sampler = ShuffledSampler(len(data))
    network = small_net()
    model, optimizer, loader = accelerator.prepare(
        network, torch.optim.AdamW(network.parameters(), lr=1e-2), DataLoader(data, batch_size=8, sampler=sampler)
    )
    progress = Progress()
    accelerator.register_for_checkpointing(progress)
    if (folder / "last").exists():
        accelerator.load_state(str(folder / "last"))
    start, done = divmod(progress.steps, len(loader))
    for epoch in range(start, epochs):
        loader.set_epoch(epoch)
        sampler.set_epoch(epoch)  # a loader that skips batches does not pass it on to the sampler of many processes
        for images, labels in skip_first_batches(loader, done) if epoch == start and done else loader:
            images, target = mix(images, labels)
            loss = cross_entropy(model(images), target)
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            progress.steps += 1
            if progress.steps == max_steps:
                accelerator.save_state(str(folder / "last"))
                return
        accelerator.print(f"epoch {epoch}: loss {loss.item():.3f}")


if __name__ == "__main__":
    train(made_up(), mixup(), Path(sys.argv[1] if len(sys.argv) > 1 else "runs/accelerate"))
