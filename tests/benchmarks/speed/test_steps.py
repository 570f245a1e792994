"""Training steps of two small models with every method."""

import json

import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.speed.training import Training, methods


def test_the_command_times_every_method(tmp_path, capsys):
    options = ["--device", "cpu", "--model", "test_resnet", "--batch", "2", "4", "--pixels", "32", "--repeats", "2"]
    main(["steps", *options, "--out", str(tmp_path / "steps.json")])
    report = json.loads((tmp_path / "steps.json").read_text())
    assert [record["batch"] for record in report["records"]] == [2, 4]
    for record in report["records"]:
        assert list(record["methods"]) == list(methods(torch.device("cpu")))
        bare = record["methods"]["nothing"]["seconds"]["median"]
        for row in record["methods"].values():
            assert row["added"] == pytest.approx(row["seconds"]["median"] / bare - 1)
    assert "test_resnet  batch 4  32 pixels" in capsys.readouterr().out


@pytest.mark.parametrize("method", methods(torch.device("cpu")))
@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_every_method_trains_every_weight(name, method, device):
    training = Training(name, 32 if name == "test_resnet" else 160, device)
    generator = torch.Generator(device).manual_seed(0)
    size = 32 if name == "test_resnet" else 160
    images = torch.rand(4, 3, size, size, device=device, generator=generator) * 2 - 1
    before = {n: p.detach().clone() for n, p in training.model.named_parameters()}
    training.step(
        methods(device)[method],
        images,
        torch.tensor([0, 0, 5, 6], device=device),
        torch.rand(4, 1, size, size, device=device, generator=generator),
    )
    assert all(p.grad is not None and p.grad.isfinite().all() for p in training.model.parameters())
    assert any(not torch.equal(before[n], p) for n, p in training.model.named_parameters())
