"""BatchNorm whose statistics are those of all processes."""

from __future__ import annotations

from typing import Any

from accelerate import Accelerator
from timm.layers.norm_act import convert_sync_batchnorm
from torch.nn.modules.batchnorm import _BatchNorm

from reproduction.methods.learner import Learner


def synchronised(learner: Learner, accelerator: Accelerator) -> Learner:
    """The learner with batch statistics over all processes, where they have GPUs; PyTorch does it on those alone.

    Raises:
        ValueError: several processes on a CPU, and BatchNorm in the learner.
    """
    if accelerator.num_processes == 1:
        return learner
    if accelerator.device.type != "cuda":
        own = next((name for name, part in learner.named_modules() if isinstance(part, _BatchNorm)), None)
        if own is not None:
            raise ValueError(f"method: expected no BatchNorm, which processes on a CPU cannot share, got one at {own}")
        return learner
    return converted(learner)


def converted(learner: Learner) -> Learner:
    """The learner with SyncBatchNorm; where two branches hold the same norm, they do so afterwards."""
    names: dict[int, list[str]] = {}
    for name, part in learner.named_modules(remove_duplicate=False):
        if isinstance(part, _BatchNorm):
            names.setdefault(id(part), []).append(name)
    # timm's own, as it knows its norms with a built-in activation. It makes a new norm for each parent that has one.
    convert: Any = convert_sync_batchnorm
    made: Learner = convert(learner)
    for first, *others in names.values():
        for name in others:
            made.set_submodule(name, made.get_submodule(first))
    return made
