"""What was built has what belongs in it and nothing else, and works in an environment of its own.

python tools/check_wheel.py dist
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

_NOT_OURS = (".pyc", ".pt", ".jpg", ".jpeg")
_USE = """
import importlib.util
import torch
import longtail_mix
from longtail_mix import SPMix
from longtail_mix.data import synthetic_dermoscopy

assert "site-packages" in longtail_mix.__file__, longtail_mix.__file__
extras = [name for name in ("timm", "torchvision", "cv2", "torchmetrics") if importlib.util.find_spec(name)]
assert not extras, extras
data = synthetic_dermoscopy([6, 2], size=32)
mixed, labels = SPMix([6, 2], patch_size=8)(data.images, data.labels)
changed = (mixed != data.images).flatten(1).any(1)
assert torch.equal(changed, labels == 1), (changed, labels)
print(f"wheel {longtail_mix.__version__}: imports and mixes")
"""


def main() -> None:
    """Look into both files, then install the wheel and use it."""
    folder = Path(sys.argv[1]).resolve()
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = archive.namelist()
    with tarfile.open(sdist) as archive:
        in_sdist = archive.getnames()
    strays = [name for name in (*in_wheel, *in_sdist) if name.endswith(_NOT_OURS)]
    strays += [name for name in in_wheel if not name.startswith(("longtail_mix/", "longtail_mix-"))]
    missing = [n for n in ("longtail_mix/py.typed", "longtail_mix/preview/page.html") if n not in in_wheel]
    if strays or missing:
        raise SystemExit(f"{folder}: does not belong: {strays}; missing: {missing}")
    with tempfile.TemporaryDirectory() as name:
        venv.create(name, with_pip=True)
        python = Path(name) / "bin" / "python"
        for command in (
            ["-m", "pip", "install", "--quiet", str(wheel)],
            ["-c", _USE],
            ["-m", "longtail_mix", "--version"],
        ):
            subprocess.run([python, *command], check=True, cwd=name)


if __name__ == "__main__":
    main()
