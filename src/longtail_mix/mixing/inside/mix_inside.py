"""Mix two images inside any model: at the output of a layer that has a name, without a model of our own."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from longtail_mix._checks import (
    check_alike,
    check_floating,
    check_index,
    check_same_device,
    check_tensor,
    check_whole,
)
from longtail_mix.mixing.inside._grid import fit_ratio, fit_ratio_to_tokens
from longtail_mix.mixing.patch.patch_mixup import patch_mixup

__all__ = ["MixInside"]


class MixInside:
    """Run tail and head through a model up to a layer, mix there, and run the mix through the rest.

    A context manager over a forward hook: the hook is there inside ``with`` and gone after it, also after an exception.
    For a model that is ``upper(lower(images))`` with `layer` the last one of ``lower``, it is the same as::

        tail_features, head_features = lower(torch.cat([tail, head])).chunk(2)
        output = upper(patch_mixup(tail_features, head_features, ratio))

    So SPMix (with a ratio for each patch) and manifold mixup (Verma et al. 2019, with one for each image) need no
    model of ours. Gradients reach `upper`, and through tail and head `lower`, and `ratio`.

    Tail and head go through the lower part as one batch. Where it has BatchNorm in training mode, both are normalised
    by the same statistics, and the running ones are those of both together, which is what the model will be tested
    with. In evaluation mode, and with other norms, two batches would give the same.

    The ratio's grid is brought to that of the features, as both cover the same image: where it is finer, to the mean
    of each block (adaptive average pooling); where it is coarser, each ratio is spread over its block.

    Args:
        model: takes images, with the batch first.
        layer: a module of the model, or its name in ``model.named_modules()``; its output is mixed. It runs once in a
            forward and returns feature maps [B, C, H, W] or tokens [B, N, D] in row-major order, and all that comes
            after depends on that output alone: the end of a stage or block, not the inside of a shortcut.
        num_prefix_tokens: class and register tokens in front of the patch tokens at this layer; they stay the tail's.
            For a timm ViT that is ``model.num_prefix_tokens`` at a block and 0 at ``"patch_embed"``.

    Raises:
        TypeError: no model, no layer, an output that is not a tensor.
        ValueError: a layer that the model does not have; images, ratio and features that do not fit.
        RuntimeError: a call outside of ``with``; a layer that does not run, or runs more than once, or runs under
            ``no_grad`` with weights to be trained; on two streams, a model that brings the images past the layer.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
        >>> tail, head = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
        >>> with MixInside(model, "0") as mix_inside:
        ...     logits = mix_inside(tail, head, ratio=torch.rand(2, 1, 4, 4))
        >>> logits.shape
        torch.Size([2, 5])

        Manifold mixup, each image with another one of its batch:

        >>> lam = torch.distributions.Beta(1.0, 1.0).sample([2])
        >>> with MixInside(model, "0") as mix_inside:
        ...     logits = mix_inside.within(tail, partner=torch.tensor([1, 0]), ratio=lam)
    """

    def __init__(self, model: nn.Module, layer: str | nn.Module, num_prefix_tokens: int = 0) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
        check_whole(num_prefix_tokens, "num_prefix_tokens", 0)
        self.model = model
        self.layer = _find(model, layer)
        self.num_prefix_tokens = num_prefix_tokens
        self._handle: RemovableHandle | None = None
        self._entered = False  # beside the handle, which torch.compile cannot look at
        self._mix: tuple[Tensor | None, Tensor] | None = None  # partner and ratio of the call that runs
        self._times = 0  # how often the layer ran in it
        self._with_gradients = False  # whether it was called with gradients on

    def __enter__(self) -> MixInside:
        if self._entered:
            raise RuntimeError("MixInside: expected to be entered once at a time")
        self._handle, self._entered = self.layer.register_forward_hook(self._after_layer), True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.remove()
        self._handle, self._entered = None, False

    def __call__(self, tail: Tensor, head: Tensor, ratio: Tensor) -> Any:
        """What the model makes of the mix of two streams.

        Args:
            tail: the images that keep their label, [B, ...].
            head: their partners, the same shape.
            ratio: share of the tail in [0, 1]: [B, 1, h, w], one a patch, or [B], one an image.

        Returns:
            The output of the model for B mixed images.
        """
        check_tensor(tail, "tail")
        check_tensor(head, "head")
        check_alike(tail, head, "tail", "head")
        return self._run(torch.cat([tail, head]), None, ratio, len(tail))

    def within(self, images: Tensor, partner: Tensor, ratio: Tensor) -> Any:
        """What the model makes of a batch in which each image is mixed with another one of it.

        The lower part runs once for each image, not twice: the pairs of a pairing's
        ``partners(labels)``, with a ratio of 1 for an image that is to stay as it is; or of ``torch.randperm(B)``.

        Args:
            images: [B, ...]; each keeps its label.
            partner: index of each image's partner, int64 [B].
            ratio: share of the image itself: [B, 1, h, w] or [B].
        """
        check_tensor(images, "images")
        check_tensor(partner, "partner")
        if partner.dtype != torch.int64 or partner.shape != images.shape[:1]:
            raise ValueError(
                f"partner: expected int64 indices, one for each of {len(images)} images, "
                f"got {partner.dtype} {list(partner.shape)}"
            )
        check_index(partner, len(images), len(images), "partner")
        return self._run(images, partner, ratio, len(images))

    def _run(self, images: Tensor, partner: Tensor | None, ratio: Tensor, pairs: int) -> Any:
        if not self._entered:
            raise RuntimeError("MixInside: expected to be called inside `with MixInside(...) as mix_inside:`")
        check_floating(ratio, "ratio")
        check_same_device(images, ratio, "images", "ratio")
        if ratio.ndim not in (1, 4) or len(ratio) != pairs:
            raise ValueError(
                f"ratio: expected [{pairs}] or [{pairs}, 1, h, w], one for each pair, got {list(ratio.shape)}"
            )
        self._mix, self._times = (partner, ratio.view(-1, 1, 1, 1) if ratio.ndim == 1 else ratio), 0
        self._with_gradients = torch.is_grad_enabled()
        try:
            output = self.model(images)
        finally:
            self._mix = None
        if self._times == 0:
            raise RuntimeError(
                f"layer: expected one that the forward reaches, got a {type(self.layer).__name__}; a compiled model "
                "that ran before does not see it: enter MixInside before its first run, or compile the step around it"
            )
        if isinstance(output, Tensor) and (output.ndim == 0 or len(output) != pairs):
            raise RuntimeError(
                f"layer: expected all that comes after to depend on it alone, with one output for each of {pairs} "
                f"pairs, got shape {list(output.shape)}"
            )
        return output

    def _after_layer(self, layer: nn.Module, _: object, output: object) -> Tensor | None:
        """Put the mix in the place of the layer's output; outside of our own calls do nothing."""
        if self._mix is None:
            return None
        self._times += 1
        if self._times > 1:
            raise RuntimeError(f"layer: expected one that runs once in a forward, got a {type(layer).__name__}")
        if self._with_gradients and not torch.is_grad_enabled() and any(p.requires_grad for p in layer.parameters()):
            # Reentrant checkpointing: the backward would run the layer once more, without the mix, and nobody notice.
            raise RuntimeError(
                "layer: expected one that runs with gradients on, as the call does, or whose weights are frozen; "
                f"got a {type(layer).__name__} under no_grad or checkpoint(use_reentrant=True)"
            )
        partner, ratio = self._mix
        images = 2 * len(ratio) if partner is None else len(ratio)
        if not isinstance(output, Tensor):
            raise TypeError(f"layer: expected one that returns a tensor, got {type(output).__name__}")
        if output.ndim not in (3, 4) or len(output) != images:
            raise ValueError(
                f"layer: expected features [B, C, H, W] or tokens [B, N, D] of {images} images, "
                f"got shape {list(output.shape)}"
            )
        tail, head = output.chunk(2) if partner is None else (output, output[partner])
        if output.ndim == 4:
            return patch_mixup(tail, head, fit_ratio(ratio, *output.shape[-2:]))
        prefix = self.num_prefix_tokens
        return patch_mixup(tail, head, fit_ratio_to_tokens(ratio, output.shape[1] - prefix), prefix)


def _find(model: nn.Module, layer: str | nn.Module) -> nn.Module:
    if isinstance(layer, nn.Module):
        if layer not in set(model.modules()):
            raise ValueError(f"layer: expected a layer of the model, got another {type(layer).__name__}")
        return layer
    if not isinstance(layer, str):
        raise TypeError(f"layer: expected a torch.nn.Module or its name, got {type(layer).__name__}")
    modules: dict[str, nn.Module] = dict(model.named_modules())
    if layer not in modules:
        inside = layer.rpartition(".")[0]
        while inside not in modules:  # the deepest part of the name that the model has
            inside = inside.rpartition(".")[0]
        near = [name for name in modules if name and name.rpartition(".")[0] == inside]
        raise ValueError(f"layer: expected the name of a layer of the model, as {', '.join(near)}; got {layer!r}")
    return modules[layer]
