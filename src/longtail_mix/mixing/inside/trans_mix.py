"""TransMix: a mixed image's label by where the class token of a vision transformer looks."""

from __future__ import annotations

from math import sqrt
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from longtail_mix._checks import check_finite, check_floating, check_probability, check_same_device, check_whole
from longtail_mix._layers import find_layer
from longtail_mix._precision import without_autocast
from longtail_mix.mixing.inside._grid import fit_ratio_to_tokens
from longtail_mix.mixing.record import MixRecord
from longtail_mix.targets import MixedTarget

__all__ = ["ClassAttention", "transmix"]


def transmix(target: MixedTarget, attention: Tensor, record: MixRecord, area: float = 0.5) -> MixedTarget:
    """Weigh the labels of mixed images by the attention on the patches of each: Chen et al. 2022.

    The same in plain PyTorch, for a mask with one value for each patch::

        by_attention = (attention * mask).sum(1) / attention.sum(1)
        lam = area * target.lam + (1 - area) * by_attention

    Args:
        target: what a mix returned; CutMix in the paper.
        attention: of the class token on each patch of the mixed image, [B, N], at least 0: see
            :class:`ClassAttention`. It is a constant to the loss.
        record: of the mix, from its ``with_record``.
        area: how much the old weight counts, in [0, 1]: 0 is the paper's equation, 1/2 the authors' code.

    Returns:
        The target with new weights. Where there is no attention at all they are the old ones.

    Raises:
        TypeError, ValueError: shapes that do not fit each other, `area` out of range.

    Example:
        >>> record = MixRecord(torch.tensor([[[[True, False], [True, False]]]]), torch.tensor([0.5]))
        >>> target = MixedTarget(torch.tensor([0]), torch.tensor([1]), record.lam)
        >>> transmix(target, torch.tensor([[0.75, 0.25, 0.0, 0.0]]), record, area=0.0).lam
        tensor([0.7500])
    """
    if not isinstance(target, MixedTarget):
        raise TypeError(f"target: expected a MixedTarget, got {type(target).__name__}")
    if not isinstance(record, MixRecord):
        raise TypeError(f"record: expected a MixRecord, as with_record returns it, got {type(record).__name__}")
    check_floating(attention, "attention")
    check_finite(attention, "attention")
    check_probability(area, "area")
    check_same_device(target.lam, attention, "target", "attention")
    if attention.ndim != 2 or len(attention) != len(target.lam):
        raise ValueError(f"attention: expected [{len(target.lam)}, N], got shape {list(attention.shape)}")
    if len(record.mask) != len(target.lam):
        raise ValueError(f"record: expected one of {len(target.lam)} images, got {len(record.mask)}")
    mask = record.mask.to(torch.promote_types(attention.dtype, torch.float32))
    try:
        on_patches = fit_ratio_to_tokens(mask, attention.shape[1]).flatten(1).expand_as(attention)
    except ValueError as error:
        rows, columns = mask.shape[-2:]
        raise ValueError(
            f"attention: expected a number of patches that the record's mask of {rows}x{columns} fits, "
            f"got {attention.shape[1]} (is num_prefix_tokens right?)"
        ) from error
    attention = attention.detach().to(mask.dtype)
    total = attention.sum(1)
    seen = (attention * on_patches).sum(1) / torch.where(total > 0, total, 1)
    lam = torch.where(total > 0, area * target.lam + (1 - area) * seen, target.lam)
    return MixedTarget(target.labels, target.other, lam.clamp(0, 1).to(target.lam.dtype))


class ClassAttention:
    """Run a vision transformer and see where its class token looks: the mean over heads of one layer's attention.

    A context manager over two forward hooks, on the layers that make queries and keys; fused attention stays as fast as
    it is, because the class token's row is computed once more here. With q and k of head h, and the class token first::

        attention = mean over h of softmax(q[h, 0] @ k[h].T / sqrt(d))[patches]

    Where queries and keys are made:

    - timm: ``"blocks.11.attn.q_norm"`` and ``"blocks.11.attn.k_norm"``, which are there in every ``Attention``;
    - Hugging Face's ViT: ``"vit.layers.11.attention.q_proj"`` and ``"k_proj"`` beside it, with `num_heads` (in versions
      before 5 ``"vit.encoder.layer.11.attention.attention.query"`` and ``"key"``).

    Models that turn queries and keys after these layers (rotary embeddings) do not fit.

    Args:
        model: images -> output, with a class token in front.
        query: the name of a layer that returns queries, [B, heads, N, d] or [B, N, heads * d]; or the layer.
        key: likewise for keys.
        num_heads: of queries and keys [B, N, heads * d]; 1 for none.
        num_prefix_tokens: class and register tokens in front of the patches, at least 1.

    Raises:
        TypeError, ValueError: layers that the model does not have, or whose outputs do not fit.
        RuntimeError: a call outside of ``with``, layers that do not run or run more than once.

    Example:
        >>> import timm
        >>> from longtail_mix import CutMix, InBatch, RandomPairing
        >>> model = timm.create_model("vit_tiny_patch16_224", img_size=32, num_classes=3)
        >>> images, labels = torch.rand(4, 3, 32, 32), torch.tensor([0, 0, 1, 2])
        >>> images, target, record = InBatch(CutMix(), RandomPairing()).with_record(images, labels)
        >>> with ClassAttention(model, "blocks.11.attn.q_norm", "blocks.11.attn.k_norm") as class_attention:
        ...     logits, attention = class_attention(images)
        >>> loss = transmix(target, attention, record).loss(nn.CrossEntropyLoss(reduction="none"), logits)
        >>> attention.shape
        torch.Size([4, 4])
    """

    def __init__(
        self,
        model: nn.Module,
        query: str | nn.Module,
        key: str | nn.Module,
        num_heads: int = 1,
        num_prefix_tokens: int = 1,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
        check_whole(num_heads, "num_heads", 1)
        check_whole(num_prefix_tokens, "num_prefix_tokens", 1)
        self.model, self.num_heads, self.num_prefix_tokens = model, num_heads, num_prefix_tokens
        self.layers = find_layer(model, query, "query"), find_layer(model, key, "key")
        self._handles: list[RemovableHandle] = []
        self._outputs: list[list[Tensor]] = [[], []]
        self._is_called = False

    def __enter__(self) -> ClassAttention:
        if self._handles:
            raise RuntimeError("ClassAttention: expected to be entered once at a time")
        for layer, outputs in zip(self.layers, self._outputs, strict=True):
            self._handles.append(layer.register_forward_hook(lambda _, __, output, to=outputs: self._keep(output, to)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        for outputs in self._outputs:
            outputs.clear()

    def _keep(self, output: Tensor, outputs: list[Tensor]) -> None:
        """Of our own calls; the model's others leave nothing behind."""
        if self._is_called:
            outputs.append(output)

    def __call__(self, images: Tensor) -> tuple[Any, Tensor]:
        """What the model makes of images, and the attention [B, patches], float32 and without gradient."""
        if not self._handles:
            raise RuntimeError("ClassAttention: expected to be called inside `with ClassAttention(...) as attention:`")
        for outputs in self._outputs:
            outputs.clear()
        self._is_called = True
        try:
            output = self.model(images)
        finally:
            self._is_called = False
        if any(len(outputs) != 1 for outputs in self._outputs):
            raise RuntimeError(
                f"query, key: expected layers that run once in a forward, got {[len(o) for o in self._outputs]} runs"
            )
        (query,), (key,) = self._outputs
        query, key = self._heads(query, "query"), self._heads(key, "key")
        for outputs in self._outputs:
            outputs.clear()
        if query.shape != key.shape:
            raise ValueError(f"key: expected keys {list(query.shape)} like the queries, got {list(key.shape)}")
        with without_autocast(query):
            scores = query[:, :, :1] @ key.mT / sqrt(query.shape[-1])  # [B, heads, 1, N]
            attention = scores.softmax(-1).mean(1).squeeze(1)
        return output, attention[:, self.num_prefix_tokens :]

    def _heads(self, output: object, name: str) -> Tensor:
        """Queries or keys [B, heads, N, d]."""
        if not isinstance(output, Tensor) or output.ndim not in (3, 4):
            what = f"shape {list(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(f"{name}: expected a layer that returns [B, heads, N, d] or [B, N, heads * d], got {what}")
        heads: Tensor = output.detach()
        if heads.ndim == 3:
            if heads.shape[2] % self.num_heads:
                raise ValueError(f"num_heads: expected a divisor of {heads.shape[2]}, got {self.num_heads}")
            heads = heads.unflatten(2, (self.num_heads, -1)).transpose(1, 2)
        if heads.shape[2] <= self.num_prefix_tokens:
            raise ValueError(f"{name}: expected more than {self.num_prefix_tokens} tokens, got {heads.shape[2]}")
        return heads.to(torch.promote_types(heads.dtype, torch.float32))
