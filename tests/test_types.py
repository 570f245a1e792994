"""What a type checker tells a user: what each module takes and returns. Read by mypy, not run."""

import importlib
import re
from pathlib import Path

import pytest
from torch import nn

from tools.api_pages import public_modules

ROOT = Path(__file__).parents[1]
RIGHT = """
import torch
from torch import Tensor, nn
from typing_extensions import assert_type
import longtail_mix as lm
from longtail_mix.functional import carry_boxes, carry_masks

images, labels = torch.rand(4, 3, 32, 32), torch.tensor([0, 0, 1, 2])
assert_type(lm.SPMix([9, 3, 1])(images, labels), tuple[Tensor, Tensor])
mix = lm.InBatch(lm.Sometimes(lm.CutMix(), 0.5), lm.HeadTailPairing([9, 3, 1]))
mixed, target = mix(images, labels, generator=torch.Generator())
assert_type(target, lm.MixedTarget)
assert_type(mix.with_record(images, labels)[2], lm.MixRecord)
assert_type(lm.CutMix()(images, labels, second=images, second_labels=labels), tuple[Tensor, lm.MixedTarget])
assert_type(lm.LSM()(images, labels, images, labels, tail_cam=images), tuple[Tensor, lm.MixedTarget])
assert_type(lm.SoftTargetMix(mix, 3)(images, labels), tuple[Tensor, Tensor])
assert_type(lm.SaliencyMap()(images), Tensor)
assert_type(lm.HeadTailPairing([9, 1])(labels), tuple[Tensor, Tensor])
assert_type(lm.BalancedSoftmaxLoss([9, 3, 1])(images, target), Tensor)
assert_type(lm.LesionRegions(lm.SkinContrastSaliency())(images).has_mask, Tensor)
assert_type(carry_masks(mix.with_record(images, labels)[2], images), Tensor)
assert_type(carry_boxes(mix.with_record(images, labels)[2], [], [], size=(8, 8))[0].visible, Tensor)
model: nn.Module = nn.Sequential(lm.ClampToRange(), lm.SaliencyMap())
detectors: list[nn.Module] = [lm.SaliencyMap(), lm.SkinContrastSaliency()]


class OwnMix(lm.Mix):
    def rule(self, pairs: lm.Pairs, generator: torch.Generator | None = None) -> lm.MixRecord:
        return lm.MixRecord(images[:, :1], target.lam)


assert_type(OwnMix()(images, labels, images, labels), tuple[Tensor, lm.MixedTarget])
"""
WRONG = """
import torch
import longtail_mix as lm

images, labels = torch.rand(4, 3, 32, 32), torch.tensor([0, 0, 1, 2])
spmix = lm.SPMix([9, 1])
spmix(images)  # Missing positional argument "labels"
spmix(images, lables=labels)  # Unexpected keyword argument "lables"
spmix(images, [0, 0, 1, 2])  # incompatible type "list[int]"; expected "Tensor"
spmix(images, labels).mean()  # has no attribute "mean"
"""


def modules_by_name() -> dict[str, str]:
    """Every public module that can be called, and where it is imported from."""
    found = {}
    for place in public_modules():
        module = importlib.import_module(place)
        for name in module.__all__:
            value = getattr(module, name)
            is_ours = isinstance(value, type) and issubclass(value, nn.Module) and value.__module__.startswith("long")
            if is_ours and value.forward is not nn.Module.forward and place != "longtail_mix.metrics":
                found.setdefault(name, place)  # metrics are torchmetrics', whose calls have no types
    return found


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> list[tuple[str, int, str]]:
    """What mypy says of the three programs: file, line, message."""
    api = pytest.importorskip("mypy.api")
    folder = tmp_path_factory.mktemp("programs")
    found = modules_by_name()
    asked = [f"def of_{name}(it: {place}.{name}) -> None: reveal_type(it.__call__)" for name, place in found.items()]
    imports = [f"import {place}" for place in sorted(set(found.values()))]
    (folder / "right.py").write_text(RIGHT)
    (folder / "wrong.py").write_text(WRONG)
    (folder / "every.py").write_text("\n".join([*imports, *asked]))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)  # where its cache is, and what its configuration is relative to
        out, errors, _ = api.run([*map(str, sorted(folder.glob("*.py"))), "--no-error-summary", "--hide-error-codes"])
    assert not errors
    lines = [re.fullmatch(r".*?(\w+)\.py:(\d+): \w+: (.*)", line) for line in out.splitlines()]
    return [(line[1], int(line[2]), line[3]) for line in lines if line]


def test_a_program_is_told_what_modules_return(said):
    assert [entry for entry in said if entry[0] == "right"] == []


def test_mistakes_are_seen(said):
    seen = [(line, message) for file, line, message in said if file == "wrong" and "defined in" not in message]
    expected = [(i, line.split("# ")[1]) for i, line in enumerate(WRONG.splitlines(), 1) if "# " in line]
    assert len(seen) == len(expected) == 4
    for (line, message), (place, words) in zip(seen, expected, strict=True):
        assert line == place
        assert words in message


def test_every_public_module_has_types(said):
    names = list(modules_by_name())
    revealed = [message for file, _, message in said if file == "every"]
    assert len(revealed) == len(names) > 50
    for name, message in zip(names, revealed, strict=True):
        assert re.match(r'Revealed type is "def \(', message), f"{name}: {message}"
        assert "Any" not in message, f"{name}: {message}"
