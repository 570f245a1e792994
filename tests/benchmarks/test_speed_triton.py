"""The benchmark's kernel variant runs the kernels, the others do not, and all agree: see `kernel_device`."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.speed.case import Problem
from benchmarks.speed.cases import CASES
from benchmarks.speed.check import compare_with_reference
from benchmarks.speed.contenders import draw
from benchmarks.speed.variants import EAGER, KERNEL, variants_on


class Operations(TorchDispatchMode):
    """Notes the operations of ours that are called."""

    def __init__(self):
        super().__init__()
        self.ours = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "longtail_mix":
            self.ours.add(func.__name__.removesuffix(".default"))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "backward", "expected"),
    [
        ("mix_batch", (3, 3, 16, 16), torch.float32, False, {"patch_mix"}),
        ("mix_batch", (3, 3, 16, 16), torch.float32, True, {"patch_mix", "patch_mix_backward"}),
        ("patch_mixup_tokens", (2, 196, 8), torch.bfloat16, False, {"patch_mix"}),
        ("paper_ratio", (2, 1, 16, 32), torch.float32, False, {"noisy_ratio"}),
        ("saliency", (1, 3, 2, 3), torch.uint8, False, {"fine_grained"}),
        ("spmix_cached_maps", (4, 3, 16, 16), torch.uint8, False, {"noisy_ratio", "patch_mix"}),
    ],
)
def test_the_kernel_variant_runs_the_kernels_and_agrees(name, shape, dtype, backward, expected, kernel_device):
    torch.use_deterministic_algorithms(False)  # plain saliency adds with cumsum, which a GPU does in any order
    (case,) = (case for case in CASES if case.name == name)
    problem = Problem(case, shape, dtype, backward)
    inputs = draw(problem, torch.Generator(kernel_device).manual_seed(0))
    eager, kernel = (variant.checked(problem, kernel_device) for variant in (EAGER, KERNEL))
    assert KERNEL in variants_on(kernel_device)
    compare_with_reference(kernel, eager, inputs)
    for operator, seen in ((eager, set()), (kernel, expected)):
        with Operations() as operations:
            operator(*inputs)
        assert operations.ours == seen
