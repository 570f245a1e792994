"""The one place that knows whether Triton can run here.

What runs where:

* a CUDA tensor, with Triton installed (torch brings it on Linux): the kernels;
* any other tensor, or no Triton: plain PyTorch, the reference beside each kernel;
* with ``LONGTAIL_MIX_KERNELS=0`` in the environment before the first import: plain PyTorch everywhere;
* with ``TRITON_INTERPRET=1`` in the environment before the first import: the kernels on CPU tensors as well, run
  line by line in Python. That is slow, and it is how they are tested without a GPU.

The choice is made in Python, before the fused operation is called, and not inside it: an operation is a wall to
``torch.compile``, and on the CPU the compiler has to see plain PyTorch to fuse it. Where a kernel runs there is
nothing left to fuse. The kernels' files, and with them Triton, are imported when the first kernel runs.

There is no autotuning: it would time launches in the middle of somebody's training step, or of a graph capture.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

from torch import Tensor

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
SWITCHED_OFF = os.environ.get("LONGTAIL_MIX_KERNELS") == "0"
INSTALLED = find_spec("triton") is not None


def kernels_run_on(tensor: Tensor) -> bool:
    """Whether a kernel can work on `tensor`, and therefore does."""
    if SWITCHED_OFF or not INSTALLED:
        return False
    return tensor.device.type == "cuda" or (INTERPRETED and tensor.device.type == "cpu")
