"""Which image of a batch is mixed with which: tail classes with head classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from longtail_mix._checks import (
    check_class_counts,
    check_generator,
    check_has_values,
    check_labels,
    check_probability,
    check_same_device,
    check_tensor,
    check_whole_numbers,
)
from longtail_mix._module import Module
from longtail_mix.class_groups import many_medium_few

__all__ = ["HeadTailPairing", "Pairing", "head_tail_pairing", "head_tail_partners"]


class Pairing(Protocol):
    """What SPMix asks of a pairing: a partner for each image of a batch, in a result of fixed size."""

    def partners(self, labels: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """For labels [B] a partner's index [B], and [B] bool: false for an image that is not mixed."""
        ...


def head_tail_partners(
    labels: Tensor,
    is_tail: Tensor,
    is_head: Tensor,
    generator: torch.Generator | None = None,
    probability: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """For each image of a tail class an image of a head class, drawn evenly from the batch.

    The result has a fixed size, so nothing waits for the device: see :func:`head_tail_pairing` for the short form. Time
    and memory grow with the size of the batch, but for a sort, and not with its square.

    Args:
        labels: [B], integers.
        is_tail: [K] bool, which classes are mixed and keep their label.
        is_head: [K] bool, which classes partners come from. A class may be both; no image gets its own class.
        generator: on the same kind of device as `labels`.
        probability: with which an image that could be mixed is mixed, in [0, 1].

    Returns:
        ``partner`` [B], int64, each image's own index where it has none, and ``mixed`` [B] bool, where it has one.

    Raises:
        TypeError, ValueError: labels that are not integers [B] or (on the CPU, uncompiled) outside the classes;
            masks that are not bool [K] or on another device; a generator on another device; `probability` out of
            range.

    Example:
        >>> tail, head = torch.tensor([False, True]), torch.tensor([True, False])
        >>> head_tail_partners(torch.tensor([0, 1]), tail, head)
        (tensor([0, 0]), tensor([False,  True]))
    """
    _check_classes(is_tail, is_head)
    check_probability(probability)
    check_labels(labels, len(is_tail))
    check_same_device(is_tail, labels, "is_tail", "labels")
    check_generator(generator, labels.device)
    labels = labels.long().contiguous()
    # uniform_ and not rand, which does not compile for a changing batch size with a generator argument
    draw = torch.empty((2, len(labels)), device=labels.device).uniform_(generator=generator)
    rows = torch.arange(len(labels), device=labels.device)
    if not len(labels):
        return rows, rows.bool()
    # The head images of the batch class after class, then all others; each class is one run of them.
    heads = torch.where(is_head[labels], labels, len(is_head))
    in_order, order = heads.sort(stable=True)
    number = is_head[labels].sum()
    first, after = torch.searchsorted(in_order, labels), torch.searchsorted(in_order, labels, right=True)
    allowed = number - torch.where(is_head[labels], after - first, 0)
    mixed = is_tail[labels] & (draw[0] < probability) & (allowed > 0)
    # One of the allowed places, past the run of the image's own class.
    place = torch.minimum((draw[1] * allowed).long(), (allowed - 1).clamp(min=0))
    place = torch.where(is_head[labels] & (place >= first), place + after - first, place)
    return torch.where(mixed, order[place.clamp(max=len(labels) - 1)], rows), mixed


def head_tail_pairing(
    labels: Tensor,
    is_tail: Tensor,
    is_head: Tensor,
    generator: torch.Generator | None = None,
    probability: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Pairs of batch indices, each a tail image and a head image drawn for it.

    The same in plain PyTorch::

        for i in range(B):
            heads = [j for j in range(B) if is_head[labels[j]] and labels[j] != labels[i]]
            if is_tail[labels[i]] and heads:
                pairs.append((i, random.choice(heads)))

    Its length depends on the labels, so on a GPU it waits for them; :func:`head_tail_partners` does not.

    Args:
        labels: [B], integers.
        is_tail: [K] bool, which classes are mixed and keep their label.
        is_head: [K] bool, which classes partners come from.
        generator: on the same kind of device as `labels`.
        probability: with which an image that could be mixed is mixed, in [0, 1].

    Returns:
        ``tail_index`` [M] and ``head_index`` [M], int64; both empty when the batch has no tail or no head.

    Raises:
        TypeError, ValueError: as :func:`head_tail_partners`.

    Example:
        >>> tail, head = torch.tensor([False, True]), torch.tensor([True, False])
        >>> head_tail_pairing(torch.tensor([1, 0, 1]), tail, head)
        (tensor([0, 2]), tensor([1, 1]))
    """
    partner, mixed = head_tail_partners(labels, is_tail, is_head, generator, probability)
    check_has_values(labels, "labels")
    tail_index = mixed.nonzero().squeeze(1)
    return tail_index, partner[tail_index]


def _check_classes(is_tail: Tensor, is_head: Tensor) -> None:
    check_tensor(is_tail, "is_tail")
    check_tensor(is_head, "is_head")
    check_same_device(is_tail, is_head, "is_tail", "is_head")
    for mask, name in ((is_tail, "is_tail"), (is_head, "is_head")):
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
            raise TypeError(f"{name}: expected a bool tensor, got {getattr(mask, 'dtype', type(mask).__name__)}")
        if mask.ndim != 1 or len(mask) != len(is_tail):
            raise ValueError(f"{name}: expected one entry a class, got shape {list(mask.shape)}")


class HeadTailPairing(Module):
    """Pair the tail images of a batch with head images, as a module: see :func:`head_tail_pairing`.

    Args:
        class_counts: training images per class, [K]; position k counts label k.
        tail_classes: the classes that are mixed and keep their label. Default: `few` of
            :func:`~longtail_mix.many_medium_few`, the cut of the SPMix paper.
        head_classes: the classes that partners come from. Default: every class that is not tail.
        probability: with which a tail image is mixed, in [0, 1]. The paper mixes every one; below 1 a network also
            sees tail images as they are, as it will in the test.

    The choice is kept in two buffers; ``.to(device)`` once saves copying them for every batch.

    Shape:
        labels [B] -> tail_index [M], head_index [M]; never two images of one class, empty without tail or head.

    Raises:
        TypeError: counts or classes that are not whole numbers, counts without an order (a set or a mapping).
        ValueError: bad counts, classes outside them, or an empty choice.

    Example:
        >>> pairing = HeadTailPairing([6705, 1113, 115])
        >>> pairing
        HeadTailPairing(tail_classes=(2,), head_classes=(0, 1), probability=1.0)
        >>> pairing(torch.tensor([0, 2]))
        (tensor([1]), tensor([0]))
    """

    is_tail: Tensor
    is_head: Tensor

    def __init__(
        self,
        class_counts: Sequence[int] | Tensor,
        tail_classes: Iterable[int] | None = None,
        head_classes: Iterable[int] | None = None,
        probability: float = 1.0,
    ) -> None:
        super().__init__()
        check_probability(probability)
        self.probability = probability
        num_classes = len(check_class_counts(class_counts))
        if tail_classes is None:
            tail_classes = many_medium_few(class_counts).few
        self.tail_classes = _check_choice(tail_classes, num_classes, "tail_classes")
        if head_classes is None:
            head_classes = set(range(num_classes)) - set(self.tail_classes)
        self.head_classes = _check_choice(head_classes, num_classes, "head_classes")
        # Not in the state dict: they follow from the arguments, and a model's checkpoint should not depend on them.
        self.register_buffer("is_tail", _mask(self.tail_classes, num_classes), persistent=False)
        self.register_buffer("is_head", _mask(self.head_classes, num_classes), persistent=False)

    def partners(self, labels: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """A partner for each image, [B], and which images have one, [B]: see :func:`head_tail_partners`."""
        check_labels(labels)
        is_tail, is_head = self.is_tail.to(labels.device), self.is_head.to(labels.device)
        return head_tail_partners(labels, is_tail, is_head, generator, self.probability)

    def forward(self, labels: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Indices of tail images [M] and of the head images drawn for them [M]."""
        check_labels(labels)
        is_tail, is_head = self.is_tail.to(labels.device), self.is_head.to(labels.device)
        return head_tail_pairing(labels, is_tail, is_head, generator, self.probability)

    def extra_repr(self) -> str:
        """Show which classes are tail and head, and how often they are mixed."""
        return f"tail_classes={self.tail_classes}, head_classes={self.head_classes}, probability={self.probability}"


def _check_choice(classes: Iterable[int], num_classes: int, name: str) -> tuple[int, ...]:
    chosen = tuple(sorted(set(check_whole_numbers(classes, name))))
    if not chosen:
        raise ValueError(f"{name}: expected at least one class, got none")
    if not all(0 <= c < num_classes for c in chosen):
        raise ValueError(f"{name}: expected classes from 0 to {num_classes - 1}, got {chosen}")
    return chosen


def _mask(classes: tuple[int, ...], num_classes: int) -> Tensor:
    return torch.tensor([c in classes for c in range(num_classes)])
