"""The programs that have no processes of their own, run as they are."""

import importlib.util
import re
import subprocess
import sys
from math import isfinite
from pathlib import Path

import pytest

INTEGRATIONS = Path(__file__).parents[3] / "examples" / "integrations"


@pytest.mark.parametrize(("program", "package"), [("train_timm", "timm"), ("train_monai", "monai")])
def test_program(program, package, tmp_path):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"needs {package}: pip install 'longtail-mix[integrations]'")
    done = subprocess.run(
        [sys.executable, INTEGRATIONS / f"{program}.py"], capture_output=True, text=True, timeout=240, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    losses = re.findall(r"epoch (\d): loss (\S+)", done.stdout)
    assert [epoch for epoch, _ in losses] == ["0", "1"]
    assert all(isfinite(float(loss)) for _, loss in losses)


@pytest.mark.parametrize("path", sorted(INTEGRATIONS.glob("*.py")), ids=lambda path: path.stem)
def test_each_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 80
