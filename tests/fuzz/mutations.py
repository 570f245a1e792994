"""What users pass by mistake: one argument of a valid call becomes something odd or wrong."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from numbers import Number
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.fuzz.batch import Batch

NUMBERS: tuple[Any, ...] = (
    *(
        0,
        1,
        2,
        -1,
        3,
        0.5,
        0.0,
        -0.0,
        1.5,
        -0.5,
        1e-8,
        5e-324,
        1e38,
        1e308,
        -1e38,
        10**6,
        2**31,
        2**63 - 1,
        2**63,
        10**400,
    ),
    *(float("nan"), float("inf"), float("-inf")),
    *(np.float64(0.5), np.float32(0.5), np.float16(0.5), np.int64(2), np.int32(1), np.uint8(1), np.float32("nan")),
)
# Nothing here can be called: what a function of another signature raises is its own.
WRONG: tuple[Any, ...] = (
    *(None, "0.5", "abc", b"1", True, False, 1 + 1j, Fraction(1, 3), Decimal("0.5"), np.bool_(True), np.str_("a")),
    *((), [], {}, [0.5], (1, 2, 3), {"labels": 1}, {1, 2}, object(), range(3)),
    *(torch.tensor(1), torch.tensor(0.5), torch.tensor(True), torch.tensor([1, 2]), torch.zeros(0), torch.zeros(2, 2)),
    *(np.array(1), np.array(0.5), np.array([1, 2, 3]), np.zeros((2, 2))),
)
DTYPES = (
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.uint16, torch.uint32, torch.uint64),
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e4m3fn, torch.complex64),
)


def mutated(value: Any, batch: Batch) -> Any:
    """`value`, or most of it, with something odd about it."""
    if batch.rarely():
        return batch.pick(*WRONG)
    if isinstance(value, Tensor):
        return _mutated_tensor(value, batch) if value.layout is torch.strided else value
    if isinstance(value, Number) and not isinstance(value, bool):
        return batch.pick(*NUMBERS, *WRONG)
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple) and len(value):
        at = batch.pick(*range(len(value)))
        changed = batch.pick("member", "member", "shorter", "longer", "tensor", "wrong")
        if changed == "member":
            return type(value)([*value[:at], mutated(value[at], batch), *value[at + 1 :]])
        if changed == "shorter":
            return value[:at]
        if changed == "longer":
            return value + value
        if changed == "tensor" and all(isinstance(v, int | float) and abs(v) < 2**63 for v in value):
            return _mutated_tensor(torch.tensor(value, device=batch.device), batch)
    return batch.pick(*NUMBERS, *WRONG)


def _mutated_tensor(tensor: Tensor, batch: Batch) -> Any:
    how = batch.pick("dtype", "value", "value", "value", "shape", "shape", "meta", "container")
    if how == "dtype":
        return tensor.detach().to(batch.pick(*DTYPES))
    if how == "value":
        return _one_value_changed(tensor, batch)
    if how == "shape":
        return _reshaped(tensor, batch)
    if how == "meta":
        return tensor.to("meta")
    if tensor.device.type == "meta":
        return None
    kind = batch.pick("list", "array", "sparse", "subclass")
    if kind == "list":
        return tensor.tolist()
    if kind == "array":
        return tensor.detach().float().numpy() if tensor.dtype == torch.bfloat16 else tensor.detach().numpy()
    if kind == "sparse":
        unsigned = tensor.dtype in (torch.uint16, torch.uint32, torch.uint64)  # to_sparse does not know them
        return tensor.detach().to_sparse() if tensor.ndim and not unsigned else tensor
    return torch.nn.Parameter(tensor.detach(), requires_grad=tensor.is_floating_point())


def _one_value_changed(tensor: Tensor, batch: Batch) -> Tensor:
    if not tensor.numel() or tensor.device.type == "meta" or tensor.dtype == torch.bool or tensor.is_complex():
        return tensor
    if tensor.is_floating_point():
        info = torch.finfo(tensor.dtype)
        nan, inf = float("nan"), float("inf")
        value = batch.pick(nan, nan, inf, -inf, -1.0, 2.0, 300.0, 1e4, info.max, info.min, info.tiny, -info.tiny, 1e30)
        value = value if value != value or abs(value) == inf else max(min(value, info.max), info.min)
    else:
        info = torch.iinfo(tensor.dtype)
        value = max(min(batch.pick(-1, -2, 1, 7, 100, 10**6, 2**31, info.max, info.min), info.max), info.min)
    changed = tensor.detach().clone(memory_format=torch.contiguous_format)
    changed.view(-1)[batch.pick(*range(min(changed.numel(), 8)))] = value
    if batch.rarely():
        changed.fill_(value)
    return changed


def _reshaped(tensor: Tensor, batch: Batch) -> Tensor:
    how = batch.pick("more", "flat", "empty", "shorter", "longer", "scalar", "one", "transposed", "first")
    if how == "more" or tensor.ndim == 0:
        return tensor.unsqueeze(batch.pick(0, -1))
    dim = batch.pick(*range(tensor.ndim))
    if how == "flat":
        return tensor.flatten()
    if how == "empty":
        return tensor.narrow(dim, 0, 0)
    if how == "shorter":
        return tensor.narrow(dim, 0, max(tensor.shape[dim] - 1, 0))
    if how == "longer":
        return torch.cat([tensor, tensor], dim)
    if how == "scalar":
        return tensor.flatten()[0] if tensor.numel() else tensor
    if how == "one":
        return tensor.narrow(dim, 0, min(1, tensor.shape[dim]))
    if how == "transposed":
        return tensor.transpose(0, dim)
    return tensor[0] if len(tensor) else tensor
