"""Mix two images inside any model: at the output of a layer that has a name, without a model of our own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from longtail_mix._checks import (
    check_alike,
    check_callable,
    check_floating,
    check_index,
    check_same_device,
    check_tensor,
    check_whole,
)
from longtail_mix._layers import find_layer
from longtail_mix.mixing._pairs import of_each
from longtail_mix.mixing.inside._grid import fit_ratio, fit_ratio_to_tokens
from longtail_mix.mixing.mix import Mix, mix_with_record
from longtail_mix.mixing.patch.patch_mixup import patch_mixup
from longtail_mix.saliency._known_tokens import known_tokens
from longtail_mix.targets import MixedTarget

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
    of each block (average pooling); where it is coarser, each ratio is spread over its block.

    Args:
        model: takes images, with the batch first.
        layer: a module of the model, or its name in ``model.named_modules()``; its output is mixed. It runs once in a
            forward and returns feature maps [B, C, H, W], of volumes [B, C, D, H, W], or tokens [B, N, D] in row-major
            order, and all that comes after depends on that output alone: the end of a stage or block, not the inside of
            a shortcut.
        num_prefix_tokens: class and register tokens in front of the patch tokens at this layer; they stay the tail's.
            Default: known for the ViTs of timm and Hugging Face, 0 for other models.
        align: ``(tail, head) -> head``, what brings the head's features to the tail's places before they are mixed:
            :class:`~longtail_mix.AlignFeatures`. Prefix tokens are left out.

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

        SPMix in one batch, its tail images with its head images:

        >>> from longtail_mix import SPMix
        >>> images, labels = torch.rand(4, 3, 16, 16), torch.tensor([0, 0, 0, 1])
        >>> with MixInside(model, "0") as mix_inside:
        ...     logits, labels = mix_inside.in_batch(SPMix([900, 5], patch_size=4), images, labels)
    """

    def __init__(
        self,
        model: nn.Module,
        layer: str | nn.Module,
        num_prefix_tokens: int | None = None,
        align: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
        if num_prefix_tokens is not None:
            check_whole(num_prefix_tokens, "num_prefix_tokens", 0)
        self.model = model
        self.layer = find_layer(model, layer)
        self._tokens = known_tokens(model)
        if align is not None:
            check_callable(align, "align", "a module that brings the head's features to the tail's places")
        self.num_prefix_tokens, self.align = num_prefix_tokens, align
        self._handle: RemovableHandle | None = None
        self._entered = False  # beside the handle, which torch.compile cannot look at
        self._mix: tuple[Tensor | None, Tensor] | None = None  # partner and ratio of the call that runs
        self._size: Sequence[int] = ()  # of its images
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
            ratio: share of the tail in [0, 1]: [B, 1, h, w], one a patch (of volumes [B, 1, d, h, w]), or [B], one an
                image.

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

    def in_batch(
        self,
        mix: nn.Module,
        images: Tensor,
        labels: Tensor,
        maps: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Any, Tensor | MixedTarget]:
        """What the model makes of a batch that is mixed as `mix` says, but here instead of in the image.

        The mix decides by the images who is mixed with whom and how much of each place stays, and says what the target
        is. The whole of it::

            _, target, record = mix.with_record(images, labels, maps, generator)
            output = mix_inside.within(images, record.partner, record.mask)

        A mask of pixels, as CutMix has it, becomes a share for each place of the features. In evaluation mode of the
        mix, the model gets the images as they are.

        Args:
            mix: an :class:`~longtail_mix.SPMix`, or an :class:`~longtail_mix.InBatch` around a mix that leaves images
                where they are and as they are: not ResizeMix, CopyPaste, SnapMix, OtherSkin.
            images: [B, C, H, W].
            labels: as `mix` takes them.
            maps: likewise.
            generator: likewise.

        Returns:
            The output of the model for B images, and the target: of SPMix the labels, of others a
            :class:`~longtail_mix.MixedTarget`.

        Raises:
            TypeError, ValueError: a mix of another kind; and as the mix.
        """
        for part in mix.modules() if isinstance(mix, nn.Module) else ():
            if isinstance(part, Mix) and type(part).prepare is not Mix.prepare:
                raise TypeError(f"mix: expected one that mixes images as they are, got {type(part).__name__}")
        _, target, record = mix_with_record(mix, images, labels, maps, generator=generator)
        if record.partner is None:
            raise TypeError(f"mix: expected one of a batch, as SPMix or InBatch, got {type(mix).__name__}")
        if record.first_grid is not None or record.second_grid is not None:
            raise TypeError(f"mix: expected one that leaves images where they are, got {mix}")
        mask = record.mask if record.mask.is_floating_point() else record.mask.to(torch.float32)
        return self.within(images, record.partner, mask), target

    def _run(self, images: Tensor, partner: Tensor | None, ratio: Tensor, pairs: int) -> Any:
        if not self._entered:
            raise RuntimeError("MixInside: expected to be called inside `with MixInside(...) as mix_inside:`")
        check_floating(ratio, "ratio")
        check_same_device(images, ratio, "images", "ratio")
        if ratio.ndim not in (1, 4, 5) or len(ratio) != pairs:
            raise ValueError(
                f"ratio: expected [{pairs}] or [{pairs}, 1, h, w], one for each pair, got {list(ratio.shape)}"
            )
        self._mix, self._size, self._times = (partner, ratio), images.shape[2:], 0
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
        if output.ndim not in (3, 4, 5) or len(output) != images:
            raise ValueError(
                f"layer: expected features [B, C, H, W], [B, C, D, H, W] or tokens [B, N, D] of {images} images, "
                f"got shape {list(output.shape)}"
            )
        tail, head = output.chunk(2) if partner is None else (output, output[partner])
        fitted, prefix = self._fitted(ratio, output)
        if self.align is not None:
            head = torch.cat([head[:, :prefix], self.align(tail[:, prefix:], head[:, prefix:])], 1)
        return patch_mixup(tail, head, fitted, prefix)

    def _fitted(self, ratio: Tensor, output: Tensor) -> tuple[Tensor, int]:
        """The ratio on the grid of the layer's output, and how many tokens are in front of it."""
        if output.ndim != 3:
            return fit_ratio(of_each(ratio, output) if ratio.ndim == 1 else ratio, *output.shape[2:]), 0
        ratio = ratio.view(-1, 1, 1, 1) if ratio.ndim == 1 else ratio
        tokens, prefix = output.shape[1], self.num_prefix_tokens
        laid_out = self._tokens.laid_out(self._size, tokens) if self._tokens is not None and prefix is None else None
        if laid_out is not None:
            rows, columns, prefix = laid_out
            return fit_ratio(ratio, rows, columns), prefix
        prefix = prefix or 0
        return fit_ratio_to_tokens(ratio, tokens - prefix), prefix
