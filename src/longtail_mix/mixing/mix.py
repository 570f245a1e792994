"""What all mixes of pairs share: a mix is a rule for a mask and a label's weight."""

from __future__ import annotations

import inspect
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from longtail_mix._checks import check_generator
from longtail_mix._module import Module
from longtail_mix.mixing._pairs import check_maps, check_mixed, check_pairs
from longtail_mix.mixing.record import MixRecord, unmixed
from longtail_mix.targets import MixedTarget, as_target

__all__ = ["Mix", "Pairs"]


class Pairs(NamedTuple):
    """What a rule may look at: two batches of images, their labels, and a map for each image if there is one.

    Example:
        >>> images, labels = torch.rand(2, 3, 8, 8), torch.tensor([0, 1])
        >>> Pairs(images, labels, images.flip(0), labels.flip(0)).second_map is None
        True
    """

    first: Tensor
    first_labels: Tensor
    second: Tensor
    second_labels: Tensor
    first_map: Tensor | None = None
    second_map: Tensor | None = None


class Mix(Module):
    """A mix of pairs. A subclass writes :meth:`rule`; checks, blending, labels and the record are here.

    The whole of it::

        record = self.rule(pairs, generator)                # a mask and the first label's weight
        images = record.blend(first, second)                # mask * first + (1 - mask) * second
        target = MixedTarget(first_labels, second_labels, record.lam)     # classes as int64

    In evaluation mode the first images come back as they are, with their labels whole, as from dropout.

    A label is a class, or a row with a share of each class: 0.0 and 1.0 where an image has several. Rules that look at
    class counts take classes alone.

    Attributes:
        draws: whether the rule draws random numbers. One that draws none says False: on a CPU
            :class:`~longtail_mix.InBatch` then looks at the pairs that are mixed and at no others.
        takes_volumes: whether :meth:`rule` makes masks for volumes too, [B, 1, d, h, w]. Default: no.

    Shape:
        first [B, C, H, W], first_labels [B] or [B, K], second [B, C, H, W], second_labels likewise, and maps
        [B, 1, h, w] of both for a mix that looks at maps -> images [B, C, H, W], :class:`~longtail_mix.MixedTarget`.

    Raises:
        TypeError, ValueError: images, labels or maps that do not fit each other, NaN or infinity (values are read on
            the CPU outside ``torch.compile`` only); a generator on another device.

    Example:
        >>> class Halves(Mix):  # a mix of one's own: the left half of one image, the right half of another
        ...     def rule(self, pairs, generator=None):
        ...         left = torch.arange(pairs.first.shape[-1]) < pairs.first.shape[-1] // 2
        ...         mask = left.expand(len(pairs.first), 1, pairs.first.shape[-2], -1)
        ...         return MixRecord(mask, mask.float().mean((1, 2, 3)))
        >>> black, white = torch.zeros(1, 1, 2, 4), torch.ones(1, 1, 2, 4)
        >>> mixed, target = Halves()(black, torch.tensor([0]), white, torch.tensor([1]))
        >>> mixed[0, 0], target.lam
        (tensor([[0., 0., 1., 1.],
                [0., 0., 1., 1.]]), tensor([0.5000]))
    """

    draws: ClassVar[bool] = True
    takes_volumes: bool = False

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """The mask, the label's weight, and how images are moved if they are; all random draws are made here."""
        raise NotImplementedError

    def prepare(self, pairs: Pairs) -> Pairs:
        """What the rule sees and what is blended: the pairs, unless a mix changes an image before it mixes."""
        return pairs

    def forward(
        self,
        first: Tensor,
        first_labels: Tensor,
        second: Tensor,
        second_labels: Tensor,
        first_map: Tensor | None = None,
        second_map: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, MixedTarget]:
        """Mix pairs; everything random is drawn from `generator`."""
        pairs = Pairs(first, first_labels, second, second_labels, first_map, second_map)
        return self._mix(pairs, generator)[:2]

    def with_record(
        self,
        first: Tensor,
        first_labels: Tensor,
        second: Tensor,
        second_labels: Tensor,
        first_map: Tensor | None = None,
        second_map: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, MixedTarget, MixRecord]:
        """The same mix from the same draws, and the :class:`~longtail_mix.MixRecord` of it."""
        return self._mix(Pairs(first, first_labels, second, second_labels, first_map, second_map), generator)

    def _mix(self, pairs: Pairs, generator: torch.Generator | None) -> tuple[Tensor, MixedTarget, MixRecord]:
        check_pairs(*pairs[:4], volumes=self.takes_volumes)
        for maps, name in ((pairs.first_map, "first_map"), (pairs.second_map, "second_map")):
            if maps is not None:
                check_maps(maps, pairs.first, name)
        check_generator(generator, pairs.first.device)
        if not self.training:
            return pairs.first, MixedTarget.hard(pairs.first_labels), unmixed(pairs.first)
        pairs = self.prepare(pairs)
        record = self.rule(pairs, generator)
        return (*blend_pairs(*pairs[:4], record), record)

    def extra_repr(self) -> str:
        """The options that are numbers."""
        names = inspect.signature(type(self).__init__).parameters
        options = {name: getattr(self, name, None) for name in names}
        return ", ".join(f"{name}={value}" for name, value in options.items() if isinstance(value, int | float))


def blend_pairs(
    first: Tensor, first_labels: Tensor, second: Tensor, second_labels: Tensor, record: MixRecord
) -> tuple[Tensor, MixedTarget]:
    """Images and labels as a record says; the pairs have been checked."""
    mixed = record.blend(first, second)
    check_mixed(mixed, first, second)
    return mixed, MixedTarget(as_target(first_labels), as_target(second_labels), record.lam)


def mix_with_record(
    mix: nn.Module, *pairs: Tensor | None, generator: torch.Generator | None
) -> tuple[Tensor, MixedTarget, MixRecord]:
    """Call a mix for its record too; only mixes of :class:`Mix` keep one."""
    with_record = getattr(mix, "with_record", None)
    if with_record is None:
        raise TypeError(f"mix: expected one that keeps a record (with_record), got {type(mix).__name__}")
    images, target, record = with_record(*pairs, generator=generator)
    return images, target, record
