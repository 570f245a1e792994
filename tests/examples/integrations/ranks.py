"""One of two processes: a program runs whole, then stopped and resumed; which rows it mixed is noted."""

import importlib
import json
import sys
import warnings
from pathlib import Path

import torch
from torch import nn

INTEGRATIONS = Path(__file__).parents[3] / "examples" / "integrations"


class Noted(nn.Module):
    """A mix that notes which rows it was given in training, and how many images it left alone in evaluation."""

    def __init__(self, mix):
        super().__init__()
        self.mix = mix
        self.rows, self.evaluated = [], 0

    def forward(self, images, labels):
        if self.training:
            self.rows.append((images[:, 0, 0, 0] * 255).round().int().tolist())
        mixed, target = self.mix(images, labels)
        if not self.training:
            assert torch.equal(mixed, images)
            self.evaluated += len(images)
        return mixed, target


def numbered(images):
    """The images with their row in the first pixel."""
    images.images[:, :, 0, 0] = torch.arange(len(images))[:, None]
    return images


if __name__ == "__main__":
    program, folder = sys.argv[1], Path(sys.argv[2])
    sys.path.insert(0, str(INTEGRATIONS))
    warnings.filterwarnings("ignore")  # of the trainers
    module = importlib.import_module(program)
    if program == "train_torchrun":
        torch.distributed.init_process_group("gloo")
    noted = {}
    for name, where, options in (
        ("whole", "whole", {"epochs": 3}),
        ("stopped", "parts", {"epochs": 3, "max_steps": 6}),
        ("resumed", "parts", {"epochs": 3}),
    ):
        (folder / where).mkdir(exist_ok=True)
        mix = Noted(module.mixup())
        module.train(numbered(module.made_up()), mix, folder / where, **options)
        noted[name] = mix.rows
        noted[f"{name}, evaluated"] = mix.evaluated
    rank = torch.distributed.get_rank()
    (folder / f"rank{rank}.json").write_text(json.dumps(noted))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
