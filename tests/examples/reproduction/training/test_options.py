"""Optimisers, schedules, recipes; and what a run folder says of them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from reproduction.data.frames import Squash
from reproduction.data.isic2018 import ISIC2018, Official
from reproduction.methods.sampling import ByClass
from reproduction.methods.supervised import Supervised
from reproduction.mixes.mixup import MixUp
from reproduction.networks.network import Backbone
from reproduction.training.describe import describe
from reproduction.training.optimisers import SGD, Adam, AdamW, Constant, Cosine, Schedule, Steps
from reproduction.training.recipe import Recipe
from reproduction.training.views import ViewSettings


def network() -> nn.Module:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2), nn.Linear(2, 2))
    module[-1].requires_grad_(False)
    return module


def test_adamw_decays_matrices_and_leaves_biases_and_norms():
    module = network()
    optimizer = AdamW(0.01, 0.3).build(module)
    assert isinstance(optimizer, torch.optim.AdamW)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    assert len(decay) == len(trained)
    assert {group["lr"] for group in optimizer.param_groups} == {0.01}
    for parameter in trained:
        assert decay[id(parameter)] == (0.3 if parameter.ndim > 1 else 0.0)


def test_the_others_take_whatever_is_trained():
    module = network()
    trained = {id(parameter) for parameter in module.parameters() if parameter.requires_grad}
    for option, kind, values in (
        (Adam(0.02), torch.optim.Adam, {"lr": 0.02, "weight_decay": 0}),
        (SGD(0.03, 0.1, True), torch.optim.SGD, {"lr": 0.03, "weight_decay": 0.1, "nesterov": True, "momentum": 0.9}),
    ):
        optimizer = option.build(module)
        (group,) = optimizer.param_groups
        assert type(optimizer) is kind
        assert {id(parameter) for parameter in group["params"]} == trained
        assert {name: group[name] for name in values} == values


def rates(schedule: Schedule, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    by_step = schedule.build(optimizer, steps)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        by_step.step()
    return seen


def test_warm_up_then_half_a_cosine_down_to_nothing():
    seen = rates(Cosine(warmup=0.2), 100)
    assert seen[:20] == pytest.approx([0.02 + 0.98 * step / 20 for step in range(20)])
    assert seen[20] == 1
    assert seen[60] == pytest.approx(0.5)
    assert seen[20:] == sorted(seen[20:], reverse=True)
    assert seen[-1] < 1e-3
    assert rates(Cosine(warmup=0.0), 10)[0] == 1


def test_steps_fall_when_and_as_they_say():
    seen = rates(Steps((0.5, 0.75), 0.1), 8)
    assert seen == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    assert rates(Constant(), 5) == [1.0] * 5


SMALL = Recipe(Backbone("tiny_hybrid", "none"), Squash(32), ViewSettings(32), images=160, batch_size=16)


def test_a_recipe_that_can_be_run_passes():
    SMALL.check(processes=4)
    Recipe().check()
    replace(SMALL, precision="fp16").check(device="cuda")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "batch_size: expected a multiple of the 1 processes, got 0"),
        ({"images": 15}, "images: expected at least a batch, 16, got 15"),
        ({"ema": 1.0}, r"ema: expected a decay in \[0, 1\), got 1.0"),
        ({"ema": -0.1}, r"ema: expected a decay in \[0, 1\), got -0.1"),
        ({"precision": "fp16"}, "precision: expected no or bf16 on a CPU, got 'fp16'"),
        ({"views": ViewSettings(160)}, "frame.size: expected at least a quarter of a view, 160, got 32"),
        ({"backbone": Backbone("resnet51")}, "backbone: expected tiny_hybrid, .*; got 'resnet51'"),
        ({"backbone": Backbone("tiny_hybrid")}, "weights: expected none or a file for tiny_hybrid, got package"),
    ],
)
def test_one_that_cannot_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change).check()


def test_several_processes_have_to_share_the_batch_and_on_a_cpu_do_without_batch_norm():
    with pytest.raises(ValueError, match="batch_size: expected a multiple of the 3 processes, got 16"):
        SMALL.check(processes=3)
    resnet = replace(SMALL, backbone=Backbone("test_resnet", "none"))
    with pytest.raises(ValueError, match="backbone: expected a network without BatchNorm, .* got test_resnet"):
        resnet.check(processes=2)
    resnet.check(processes=2, device="cuda")
    resnet.check()


def test_options_become_json_without_places():
    source = ISIC2018(Official(0.2), Path("/here"), Path("/there"))
    assert describe(source) == {
        "is": "ISIC2018",
        "split": {"is": "Official", "val_fraction": 0.2, "seed": 0},
        "with_masks": False,
    }
    assert describe(source) == describe(ISIC2018(Official(0.2)))
    assert describe(Squash(64, Path("cache"))) == {"is": "Squash", "size": 64}


def test_two_methods_that_differ_are_told_apart():
    plain, mixed = (describe(Supervised(mix=mix)) for mix in (None, MixUp(0.3)))
    assert plain["mix"] is None
    assert mixed["mix"] == {"is": "MixUp", "alpha": 0.3, "partners": {"is": "Natural"}}
    assert describe(Supervised(ByClass(0.5)))["sampling"] == {"is": "ByClass", "power": 0.5}
    assert describe(ViewSettings())["crop_scale"] == [0.4, 1.0]
