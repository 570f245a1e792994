"""What the tests share: devices, made-up images, the folder of the real ones."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings

from longtail_mix._triton import INTERPRETED

# A shared machine may pause a test for seconds; what is checked are values, not times.
settings.register_profile("longtail_mix", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("longtail_mix")

cuda = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"))


@pytest.fixture(params=["cpu", cuda])
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


@pytest.fixture
def kernel_device() -> Iterator[torch.device]:
    """Where a kernel can run, with every ``torch.empty`` full of NaN so that a forgotten element shows."""
    if INTERPRETED:
        device = torch.device("cpu")
    elif torch.cuda.is_available():
        device = torch.device("cuda")
    else:
        pytest.skip("needs a CUDA device, or TRITON_INTERPRET=1 as `make test` sets it for these files")
    pytest.importorskip("triton", reason="needs Triton")
    torch.use_deterministic_algorithms(True)
    yield device
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def hopper_compiler(monkeypatch: pytest.MonkeyPatch) -> list:
    """Kernels launched on CPU tensors are compiled for sm_90 instead, no GPU needed, and gathered in this list."""
    if INTERPRETED:
        pytest.skip("needs Triton's compiler, not its interpreter")
    pytest.importorskip("triton", reason="needs Triton")
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver
    from triton.runtime.jit import JITFunction

    monkeypatch.setattr(
        driver,
        "_active",
        SimpleNamespace(
            get_current_device=lambda: 0,
            get_current_target=lambda: GPUTarget("cuda", 90, 32),
            get_current_stream=lambda _: 0,
        ),
    )
    compiled: list = []

    def instead_of_launching(kernel: JITFunction, grid: tuple) -> Callable:
        return lambda *args, **options: compiled.append(kernel.run(*args, grid=grid, warmup=True, **options))

    monkeypatch.setattr(JITFunction, "__getitem__", instead_of_launching)
    return compiled


@pytest.fixture
def spilt_bytes(tmp_path: Path) -> Callable[..., int]:
    """How many bytes of each thread a compiled kernel keeps in memory because its registers do not suffice."""
    triton = pytest.importorskip("triton", reason="needs Triton")
    cuobjdump = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"

    def read(kernel: Any) -> int:
        binary = tmp_path / "kernel.cubin"
        binary.write_bytes(kernel.asm["cubin"])
        command = [cuobjdump, "--dump-resource-usage", binary]
        usage = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        (stack,) = re.findall(r"STACK:(\d+)", usage)
        return int(stack)

    return read


@pytest.fixture
def cpu_generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def isic2018_root() -> Path:
    root = os.environ.get("ISIC2018_ROOT")
    if root is None:
        pytest.skip("needs the real ISIC 2018 images: set ISIC2018_ROOT")
    return Path(root)
