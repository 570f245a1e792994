"""The sizes, types and devices that the arguments of one call have in common, so that they fit each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

DrawFn = Callable[[Any], Any]


@dataclass
class Batch:
    """What a valid call is made of; `draw` gives more of hypothesis' choices."""

    draw: DrawFn
    size: int
    classes: int
    channels: int
    patch: int
    rows: int
    columns: int
    dim: int
    dtype: torch.dtype
    label_dtype: torch.dtype
    device: str

    @property
    def height(self) -> int:
        return self.patch * self.rows

    @property
    def width(self) -> int:
        return self.patch * self.columns

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def often(self) -> bool:
        return self.pick(True, True, True, False)

    def rarely(self) -> bool:
        return self.pick(False, False, False, False, True)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0, dtype: torch.dtype | None = None) -> Tensor:
        """Floating-point values, in one of the layouts that tensors come in."""
        values = torch.rand(shape, generator=self.generator(), dtype=torch.float64) * (high - low) + low
        return self.laid_out(values.to(dtype or self.dtype))

    def whole(self, *shape: int, high: int, dtype: torch.dtype | None = None) -> Tensor:
        """Integers from 0 to ``high - 1``."""
        values = torch.randint(max(high, 1), shape, generator=self.generator())
        return self.laid_out(values.to(dtype or self.label_dtype))

    def flags(self, *shape: int) -> Tensor:
        return self.laid_out(torch.rand(shape, generator=self.generator()) < 0.5)

    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.draw(st.integers(0, 99)))

    def laid_out(self, values: Tensor) -> Tensor:
        layout = self.pick("plain", "plain", "plain", "channels_last", "strided", "transposed", "repeated", "gradient")
        if layout == "channels_last" and values.ndim == 4:
            values = values.contiguous(memory_format=torch.channels_last)
        elif layout == "strided" and values.ndim:
            values = torch.stack([values, values], -1)[..., 0]
        elif layout == "transposed" and values.ndim > 1:
            values = values.transpose(0, -1).contiguous().transpose(0, -1)
        elif layout == "repeated" and len(values.shape) and len(values):
            values = values[:1].expand_as(values)
        elif layout == "gradient" and values.is_floating_point():
            values = values.clone().requires_grad_()
        return values.to(self.device)


def draw_batch(draw: DrawFn) -> Batch:
    """Small sizes, each class of them now and then degenerate."""

    def pick(*choices: Any) -> Any:
        return draw(st.sampled_from(choices))

    return Batch(
        draw=draw,
        size=pick(2, 3, 4, 1, 0),
        classes=pick(3, 2, 5, 1),
        channels=pick(3, 3, 3, 1, 4),
        patch=pick(2, 4, 1),
        rows=pick(2, 3, 1),
        columns=pick(2, 1, 4),
        dim=pick(4, 2, 1),
        dtype=pick(torch.float32, torch.float32, torch.float32, torch.float64, torch.float16, torch.bfloat16),
        label_dtype=pick(torch.int64, torch.int64, torch.int64, torch.int32, torch.int16, torch.uint8),
        device=pick(*["cpu"] * 19, "meta"),
    )
