"""The plain PyTorch behind every operator, with the kernels left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch

__all__ = ["kernels_run_on", "reference_only"]

# The one place that knows whether Triton can run; `compare` also meets revisions that have no kernels yet.
_triton: Any = import_module("longtail_mix._triton") if find_spec("longtail_mix._triton") else None


def kernels_run_on(device: torch.device) -> bool:
    """Whether operators on `device` run kernels of ours."""
    return _triton is not None and bool(_triton.kernels_run_on(torch.empty(0, device=device)))


@contextmanager
def reference_only() -> Iterator[None]:
    """Within it, every operator is its plain PyTorch."""
    if _triton is None:
        yield
        return
    installed = _triton.INSTALLED
    _triton.INSTALLED = False
    try:
        yield
    finally:
        _triton.INSTALLED = installed
