"""Grad-CAM of any layer of any model, on the model's device, with a gradient of its own where one is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.hooks import RemovableHandle

from longtail_mix._checks import check_callable, check_floating, check_tensor
from longtail_mix._layers import find_layer
from longtail_mix.saliency._known_tokens import known_tokens
from longtail_mix.saliency.cam import check_features, check_no_infinity, check_one_each, precise, weighted_map
from longtail_mix.saliency.token_grid import TokenGrid

__all__ = ["GradCAM", "grad_cam"]


def grad_cam(features: Tensor, logits: Tensor, labels: Tensor | None, create_graph: bool = False) -> Tensor:
    """Where a network sees the class of `labels`: Eqs. 2 and 3 of the CARE paper, stretched to [0, 1].

    The same in plain PyTorch, for a loop that holds the features and the logits it made of them::

        score = logits.gather(1, labels[:, None]).sum()
        (gradient,) = torch.autograd.grad(score, features, create_graph=create_graph, retain_graph=True)
        cam = (gradient.mean((2, 3), keepdim=True) * features).sum(1, keepdim=True)
        low, high = cam.amin((2, 3), keepdim=True), cam.amax((2, 3), keepdim=True)
        cam = (cam - low) / (high - low)

    There is no ReLU (that of Selvaraju et al. 2017 is not part of CARE), and the backward pass goes from the logits to
    `features` and no further. The graph is kept, so that the loss can be taken from the same logits afterwards. With
    BatchNorm in training mode above the features, the images of a batch depend on each other, and so do their maps.

    Args:
        features: a layer's output [B, C, h, w], floating point, as it went into the logits.
        logits: scores [B, K] made of `features`.
        labels: the class to look for in each image [B], integers; None takes the class of the highest score.
        create_graph: whether the map has a gradient, to the weights above `features` and to all below, the
            second-order part included. Without it, a map to look at.

    Returns:
        Maps [B, 1, h, w] in [0, 1], float32 (float64 for float64), at the features' own size. A map without contrast
        is zero, and so is its gradient.

    Raises:
        TypeError: features or logits that are not floating point, labels that are not integers.
        ValueError: shapes or devices that do not fit, labels out of range (read on the CPU, uncompiled), or logits that
            were not made of `features`.

    Example:
        >>> features = torch.rand(2, 8, 7, 7, requires_grad=True)
        >>> head = torch.nn.Linear(8, 5)
        >>> logits = head(features.mean((2, 3)))
        >>> grad_cam(features, logits, torch.tensor([0, 3])).shape
        torch.Size([2, 1, 7, 7])
    """
    check_features(features)
    (gradient,) = _gradients(logits, labels, [features], create_graph)
    if not create_graph:
        features = features.detach()
    return weighted_map(features, gradient.mean((2, 3), dtype=precise(gradient)))


class GradCAM:
    """Where a model sees a class: :func:`~longtail_mix.functional.grad_cam` of a layer that the model keeps to itself.

    A context manager: the hooks are there inside ``with`` and gone after it, also after an exception. The backbone
    below the layer runs forward without a graph and is not run backward. The model stays as it is: its mode, its
    ``requires_grad``, its ``.grad`` and the statistics of its BatchNorm (in training mode images are normalised by
    their own batch, as always, but not counted). It works inside a training step, under autocast, ``no_grad`` and
    ``inference_mode``, with ``DistributedDataParallel``, gradient checkpointing that is not reentrant, and
    ``torch.compile``d models (whose plain code is run). Where a loop holds features and logits already, the function
    needs no forward pass at all.

    Args:
        model: images -> logits [B, K].
        target_layer: a module of the model whose output is a feature map [B, C, h, w], usually the last with a spatial
            extent, or its name in ``model.named_modules()``; or several of them. Where a layer runs more than once, its
            last run counts.
        reshape: turns a layer's output, and its gradient, into [B, C, h, w]: :class:`~longtail_mix.saliency.TokenGrid`
            for the tokens of a ViT, :func:`~longtail_mix.saliency.channels_to_front` for [B, h, w, C]. It may only
            move and drop entries. The tokens of timm's and Hugging Face's ViTs are known without it.
        create_graph: whether a loss on the map reaches every weight, the second-order part included. The whole model
            then runs with a graph, and attention in its plain form, as the fused ones have no second derivative.

    Shape:
        images, labels [B] (None: the class of the highest score) -> [B, 1, h, w] in [0, 1], at the layer's own size; of
        several layers, the mean of their maps at the size of the largest.

    Raises:
        TypeError: no model, no layer, or an output that is not a floating-point tensor.
        ValueError: a layer that is not in the model or not reached by the forward, an output without spatial extent,
            labels out of range.
        RuntimeError: a call outside of ``with``.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
        >>> with GradCAM(model, target_layer=model[1]) as grad_cam:
        ...     cam = grad_cam(torch.rand(2, 3, 16, 16), torch.tensor([0, 3]))
        >>> cam.shape
        torch.Size([2, 1, 14, 14])
    """

    def __init__(
        self,
        model: nn.Module,
        target_layer: str | nn.Module | Sequence[str | nn.Module],
        reshape: Callable[[Tensor], Tensor] | None = None,
        create_graph: bool = False,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
        if reshape is not None:
            check_callable(reshape, "reshape", "a function of a layer's output")
        layers = target_layer if isinstance(target_layer, list | tuple) else (target_layer,)
        self.layers = tuple(find_layer(model, layer, "target_layer") for layer in layers)
        if not self.layers:
            raise ValueError("target_layer: expected at least one layer, got none")
        self.model, self.reshape, self.create_graph = model, reshape, create_graph
        self._tokens = known_tokens(model)
        self._handles: list[RemovableHandle] = []
        self._outputs: dict[nn.Module, Tensor] | None = None  # None: not recording

    def __enter__(self) -> GradCAM:
        if self._handles:
            raise RuntimeError("GradCAM: expected to be entered once at a time")
        self._handles = [layer.register_forward_hook(self._record) for layer in self.layers]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def __call__(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """The map of each image [B, 1, h, w]."""
        return _mean_at_largest(self.maps(images, labels))

    def maps(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, ...]:
        """The maps of each layer, at that layer's own size."""
        check_tensor(images, "images")
        with ExitStack() as stack:
            stack.enter_context(_statistics_kept(self.model))
            stack.enter_context(torch.inference_mode(False))
            # Older PyTorch keeps what autocast casts here, without a graph, for the training step around this.
            stack.enter_context(_autocast_without_cache(images))
            stack.enter_context(torch.set_grad_enabled(self.create_graph))  # _record turns it on at the layer
            # Autograd saves no tensor that was made in inference mode; a copy of it is an ordinary one.
            images = images.clone() if images.is_inference() else images
            if isinstance(labels, Tensor) and labels.is_inference():
                labels = labels.clone()
            return self._logits_and_maps(images, labels)[1]

    def logits_and_cam(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The logits and the map of one forward pass, for a training step.

        The forward pass is an ordinary one: it has a graph, and BatchNorm counts the images. The map has a gradient
        if ``create_graph`` is set.

        Example:
            >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
            >>> labels = torch.tensor([0, 3])
            >>> with GradCAM(model, model[0], create_graph=True) as grad_cam:
            ...     logits, cam = grad_cam.logits_and_cam(torch.rand(2, 3, 16, 16), labels)
            >>> (F.cross_entropy(logits, labels) + cam.mean()).backward()
        """
        check_tensor(images, "images")
        with torch.enable_grad():
            logits, maps = self._logits_and_maps(images, labels)
        return logits, _mean_at_largest(maps)

    def _logits_and_maps(self, images: Tensor, labels: Tensor | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        if not self._handles:
            raise RuntimeError("GradCAM: expected to be called inside `with GradCAM(...) as grad_cam:`")
        self._outputs = {}
        try:
            with ExitStack() as stack:
                # Compiled code neither runs the hooks nor lets a graph be cut in its middle.
                stack.enter_context(torch.compiler.set_stance("force_eager"))
                if self.create_graph:
                    stack.enter_context(sdpa_kernel(SDPBackend.MATH))
                output = self.model(images)
            logits: Tensor = getattr(output, "logits", output)  # a model of Hugging Face returns a record
            outputs = self._outputs
        finally:
            self._outputs = None
        for layer in self.layers:
            if layer not in outputs:
                raise ValueError(
                    f"target_layer: expected a layer that the forward reaches, got a {type(layer).__name__} it does not"
                )
        raw = [outputs[layer] for layer in self.layers]
        features = [self._feature_map(output, images) for output in raw]
        gradients = _gradients(logits, labels, raw, self.create_graph)
        for values in (*features, *gradients):
            check_no_infinity(values, "target_layer")
        maps = []
        for feature, gradient in zip(features, gradients, strict=True):
            weights = self._feature_map(gradient, images).mean((2, 3), dtype=precise(gradient))
            maps.append(weighted_map(feature if self.create_graph else feature.detach(), weights))
        return logits, tuple(maps)

    def _record(self, layer: nn.Module, _: object, output: object) -> Tensor | None:
        """Keep a layer's output; outside of our own forward passes (checkpoints run layers again) do nothing."""
        if self._outputs is None:
            return None
        if not isinstance(output, Tensor) or not output.is_floating_point():
            got = output.dtype if isinstance(output, Tensor) else type(output).__name__
            raise TypeError(f"target_layer: expected a layer that returns a floating-point tensor, got {got}")
        torch.set_grad_enabled(True)
        kept = output if output.requires_grad else output.detach().requires_grad_()
        self._outputs[layer] = kept
        return kept.clone()  # the next layer may work in place

    def _feature_map(self, output: Tensor, images: Tensor) -> Tensor:
        reshape = self.reshape
        if reshape is None and output.ndim == 3:
            laid_out = self._tokens and self._tokens.laid_out(images.shape[2:], output.shape[1])
            if laid_out is None:
                raise ValueError(
                    "reshape: expected TokenGrid(height, width, num_prefix_tokens), as these tokens are not known, "
                    f"got None and an output {list(output.shape)}"
                )
            reshape = TokenGrid(*laid_out)
        features = output if reshape is None else reshape(output)
        check_features(features, "the output of target_layer" if reshape is None else "the result of reshape")
        return features


def _gradients(
    logits: Tensor, labels: Tensor | None, features: Sequence[Tensor], create_graph: bool
) -> tuple[Tensor, ...]:
    """Gradient of each image's score for its class with respect to each of `features`."""
    check_floating(logits, "logits")
    if logits.ndim != 2 or logits.shape[1] == 0 or len(logits) != len(features[0]):
        raise ValueError(f"logits: expected [{len(features[0])}, K] like features, got shape {list(logits.shape)}")
    if labels is None:
        labels = logits.detach().argmax(1)
    check_one_each(labels, logits, logits.shape[1])
    if not logits.requires_grad or not all(feature.requires_grad for feature in features):
        raise ValueError("features, logits: expected tensors of one graph, got tensors without gradient")
    scores = logits.gather(1, labels.long().unsqueeze(1)).sum()
    try:
        return torch.autograd.grad(scores, features, retain_graph=True, create_graph=create_graph)
    except RuntimeError as error:
        if "appears to not have been used in the graph" not in str(error):
            raise
        raise ValueError("logits: expected scores made of features, got scores that do not depend on them") from error


def _mean_at_largest(maps: tuple[Tensor, ...]) -> Tensor:
    if len(maps) == 1:
        return maps[0]
    size = max((m.shape[-2:] for m in maps), key=lambda shape: shape.numel())
    return torch.stack([F.interpolate(m, size, mode="bilinear", align_corners=False) for m in maps]).mean(0)


@contextmanager
def _statistics_kept(model: nn.Module) -> Iterator[None]:
    """BatchNorm and its like use the batch as their mode says, but do not count it."""
    counting = [m for m in model.modules() if isinstance(m, _NormBase) and m.training and m.track_running_stats]
    for module in counting:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in counting:
            module.track_running_stats = True


def _autocast_without_cache(images: Tensor) -> torch.autocast:
    kind = images.device.type
    return torch.autocast(
        kind, torch.get_autocast_dtype(kind), enabled=torch.is_autocast_enabled(kind), cache_enabled=False
    )
