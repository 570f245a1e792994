"""A loop of one's own on many processes: torchrun --nproc-per-node 2 examples/integrations/train_torchrun.py

Run it again after a kill: it goes on in the middle of the epoch, from the checkpoint that rank 0 wrote for all.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from made_up import Images, cross_entropy, made_up, mixup, small_net
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from longtail_mix.sampling import ResumableLoader, ShuffledSampler


def train(data: Images, mix: nn.Module, folder: Path, epochs: int = 2, max_steps: int | None = None) -> None:
    """Train in a process group that is already there."""
    sampler = ShuffledSampler(len(data))  # shares out the rows by itself
    loader = ResumableLoader(data, batch_size=8, sampler=sampler)
    model = DistributedDataParallel(small_net())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    steps = 0
    checkpoint = folder / "last.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.module.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        loader.load_state_dict(state["loader"])
        steps = state["steps"]
    for epoch in range(sampler.epoch, epochs):
        sampler.set_epoch(epoch)
        for images, labels in loader:
            images, target = mix(images, labels)
            loss = cross_entropy(model(images), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
            if dist.get_rank() == 0:
                state = {"model": model.module.state_dict(), "optimizer": optimizer.state_dict(), "steps": steps}
                torch.save({**state, "loader": loader.state_dict()}, checkpoint)
            if steps == max_steps:
                dist.barrier()  # nobody reads the checkpoint before it is written
                return
        if dist.get_rank() == 0:
            print(f"epoch {epoch}: loss {loss.item():.3f}")


if __name__ == "__main__":
    dist.init_process_group("gloo")  # "nccl" on GPUs
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/torchrun")
    folder.mkdir(parents=True, exist_ok=True)
    train(made_up(), mixup(), folder)
    dist.destroy_process_group()
