"""Where kernels run, and how they are switched off."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("setting", "expected"), [("0", False), ("1", True), (None, True)])
def test_one_variable_switches_every_kernel_off(setting, expected):
    pytest.importorskip("triton")
    environment = {**os.environ, "TRITON_INTERPRET": "1", "LONGTAIL_MIX_KERNELS": setting or ""}
    program = "import torch; from longtail_mix._triton import kernels_run_on; print(kernels_run_on(torch.empty(0)))"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(expected)
