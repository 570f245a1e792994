"""The benchmark of CARE's step runs, and its steps train the same network."""

import argparse
import json

import torch

from benchmarks import care
from benchmarks.__main__ import main


def test_runs_and_writes_its_times(tmp_path, capsys):
    arguments = ["--model", "test_resnet", "--size", "64", "--batch", "2", "--repeats", "1", "--out", str(tmp_path)]
    main(["care", *arguments])
    assert "| released way |" in capsys.readouterr().out
    report = json.loads((tmp_path / "care.json").read_text())
    assert list(report["step"]) == ["plain step", "with CARE", "with CARE, closed form", "released way"]
    assert all(len(times) == 1 for times in report["step"].values())
    assert "GradCAM" in report["maps"]


def test_the_closed_form_takes_the_same_step():
    parser = argparse.ArgumentParser()
    care.add_arguments(parser)
    options = parser.parse_args(["--model", "test_resnet", "--size", "96", "--batch", "3"])
    weights = []
    for name in ("care", "care_closed_form"):
        step = care.Step(options)
        getattr(step, name)()
        weights.append(step.model.state_dict())
    torch.testing.assert_close(weights[0], weights[1], atol=1e-4, rtol=1e-3)
