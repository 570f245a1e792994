"""Encoders that share their first layers, each with last ones of its own."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from torch import nn


def branch(encoder: nn.Module, start: str) -> nn.Module:
    """A copy of an encoder that shares what is defined before the module `start`, its weights and its statistics.

    What is shared belongs to both: a step of one is a step of the other. The rest begins with the same weights.

    Raises:
        ValueError: no such module.
    """
    before = modules_before(encoder, start)
    around = {name for name in before if not name or start.startswith(f"{name}.")}
    kept: list[Any] = [module for name, module in before.items() if name not in around]
    for name in around:
        kept += [*before[name].parameters(recurse=False), *before[name].buffers(recurse=False)]
    return deepcopy(encoder, {id(part): part for part in kept})


def freeze_before(encoder: nn.Module, start: str) -> None:
    """Ask for no gradient of the weights that are defined before the module `start`.

    Raises:
        ValueError: no such module.
    """
    for module in modules_before(encoder, start).values():
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)


def modules_before(encoder: nn.Module, start: str) -> dict[str, nn.Module]:
    """The modules that are defined before one, those that hold it too."""
    modules = dict(encoder.named_modules())
    names = [*modules]
    if start not in names[1:]:
        raise ValueError(f"layer: expected a part of the network, as {', '.join(names[-3:])}; got {start!r}")
    return {name: modules[name] for name in names[: names.index(start)]}


def last_stages(encoder: nn.Module, count: int) -> str:
    """The module with which the last stages begin, as the encoder itself lists them in ``feature_info``.

    Raises:
        ValueError: an encoder without such a list, or with fewer stages, or whose list names where stages end, as VGG's
            names its poolings.
    """
    stages: Any = getattr(encoder, "feature_info", ())
    if len(stages) < count:
        raise ValueError(f"backbone: expected one that lists {count} stages, got {type(encoder).__name__}")
    start = str(stages[-count]["module"])
    if not any(True for _ in encoder.get_submodule(start).parameters()):
        raise ValueError(f"backbone: expected one whose stages are modules, got {type(encoder).__name__} with {start}")
    return start


def last_block(encoder: nn.Module) -> str:
    """The last block of the last stage; the stage itself where it is one block."""
    stage = last_stages(encoder, 1)
    module = encoder.get_submodule(stage)
    blocks = [name for name, _ in module.named_children()] if isinstance(module, nn.Sequential) else []
    return f"{stage}.{blocks[-1]}" if blocks else stage
