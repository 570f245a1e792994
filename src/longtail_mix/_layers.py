"""A layer of a model, from its name or itself."""

from __future__ import annotations

from torch import nn


def find_layer(model: nn.Module, layer: str | nn.Module, name: str = "layer") -> nn.Module:
    """The layer of the model, given itself or by its name in ``model.named_modules()``."""
    if isinstance(layer, nn.Module):
        if layer not in set(model.modules()):
            raise ValueError(f"{name}: expected a layer of the model, got another {type(layer).__name__}")
        return layer
    if not isinstance(layer, str):
        raise TypeError(f"{name}: expected a torch.nn.Module or its name, got {type(layer).__name__}")
    modules: dict[str, nn.Module] = dict(model.named_modules())
    if layer not in modules:
        inside = layer.rpartition(".")[0]
        while inside not in modules:  # the deepest part of the name that the model has
            inside = inside.rpartition(".")[0]
        near = [path for path in modules if path and path.rpartition(".")[0] == inside]
        raise ValueError(f"{name}: expected the name of a layer of the model, as {', '.join(near)}; got {layer!r}")
    return modules[layer]
