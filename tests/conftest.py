"""What the tests share: devices, made-up pictures, the folder of the real ones."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

# A shared machine may pause a test for seconds; what is checked are values, not times.
settings.register_profile("longtail_mix", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("longtail_mix")

cuda = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"))


@pytest.fixture(params=["cpu", cuda])
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


@pytest.fixture
def cpu_generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def isic2018_root() -> Path:
    root = os.environ.get("ISIC2018_ROOT")
    if root is None:
        pytest.skip("needs the real ISIC 2018 pictures: set ISIC2018_ROOT")
    return Path(root)
