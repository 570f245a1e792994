"""What CARE costs: a training step with and without it, and Grad-CAM beside another library's.

A plain step, one with CARE (the map from the step's own features), and one in the released way, which keeps the graph
and goes back through the whole network a second time; then the maps of a batch by GradCAM and, where installed, by
pytorch-grad-cam. Medians of interleaved repeats. Writes care.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.metadata import describe_run
from longtail_mix import CARELoss, GradCAM
from longtail_mix.functional import class_activation_map, grad_cam

SUMMARY = "a training step with CARE, and Grad-CAM beside pytorch-grad-cam"


class Step:
    """One training step on fixed images: forward, loss, backward, AdamW."""

    def __init__(self, options: argparse.Namespace) -> None:
        torch.manual_seed(options.seed)
        size, batch = options.size, options.batch
        self.model: Any = timm.create_model(options.model, num_classes=7).to(options.device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 1e-4)
        self.images = torch.rand(batch, 3, size, size, device=options.device)
        self.labels = torch.arange(batch, device=options.device) % 7
        self.mask = torch.zeros(batch, 1, size, size, dtype=torch.bool, device=options.device)
        self.mask[..., size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = True
        self.objective = CARELoss()

    def forward(self) -> tuple[Tensor, Tensor]:
        features = self.model.forward_features(self.images)
        return features, self.model.forward_head(features)

    def plain(self) -> None:
        """Cross entropy."""
        self.update(F.cross_entropy(self.forward()[1], self.labels))

    def care(self) -> None:
        """Eq. 4, the gradient of the map from the logits to the features only."""
        features, logits = self.forward()
        cam = grad_cam(features, logits, self.labels, create_graph=True)
        self.update(self.objective(logits, self.labels, cam, self.mask))

    def care_closed_form(self) -> None:
        """The same with the map of a pooled linear head."""
        features, logits = self.forward()
        cam = class_activation_map(features, self.model.get_classifier().weight, self.labels)
        self.update(self.objective(logits, self.labels, cam, self.mask))

    def released_way(self) -> None:
        """The scores back through the whole network for the map, an image-sized map, then the loss back again."""
        features, logits = self.forward()
        features.retain_grad()
        logits.gather(1, self.labels[:, None]).sum().backward(retain_graph=True)
        assert features.grad is not None
        raw = (features.grad.mean((2, 3), keepdim=True) * features).sum(1, keepdim=True)
        low, high = raw.amin((2, 3), keepdim=True), raw.amax((2, 3), keepdim=True)
        cam = F.interpolate((raw - low) / (high - low), self.mask.shape[-2:], mode="bilinear", align_corners=False)
        inner = (cam * self.mask).sum((1, 2, 3)) / self.mask.sum((1, 2, 3))
        outer = (cam * ~self.mask).sum((1, 2, 3)) / (~self.mask).sum((1, 2, 3))
        self.optimizer.zero_grad()
        loss = 0.5 * F.cross_entropy(logits, self.labels) + 0.5 * (outer - inner.clamp(max=0.7)).mean()
        self.update(loss)

    def update(self, loss: Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def cams(step: Step) -> dict[str, Callable[[], object]]:
    """Maps of the batch, of a network in eval mode, by this library and by the other."""
    model: nn.Module = step.model.eval()
    layer = model.get_submodule("layer4")

    def ours() -> object:
        with GradCAM(model, layer) as looking:
            return looking(step.images, step.labels)

    calls: dict[str, Callable[[], object]] = {"GradCAM": ours}
    if importlib.util.find_spec("pytorch_grad_cam"):
        from pytorch_grad_cam import GradCAM as Other
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        targets = [ClassifierOutputTarget(label) for label in step.labels.tolist()]

        def other() -> object:
            with Other(model=model, target_layers=[layer]) as looking:
                return looking(input_tensor=step.images, targets=targets)

        calls["pytorch-grad-cam"] = other
    return calls


def milliseconds(calls: dict[str, Callable[[], object]], repeats: int, device: torch.device) -> dict[str, list[float]]:
    """Times of each call, taken in turns, after one round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats + 1):
        for name, call in calls.items():
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            start = time.perf_counter()
            call()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: of_call[1:] for name, of_call in times.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="resnet18", help="a timm ResNet (%(default)s)")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/care_benchmark"))


def run(options: argparse.Namespace) -> None:
    """Measure, print, write."""
    device = torch.device(options.device)
    step = Step(options)
    steps: dict[str, Callable[[], object]] = {
        "plain step": step.plain,
        "with CARE": step.care,
        "with CARE, closed form": step.care_closed_form,
        "released way": step.released_way,
    }
    report: dict[str, object] = {**describe_run(device), "model": options.model, "batch": options.batch}
    for title in ("step", "maps"):
        times = milliseconds(steps if title == "step" else cams(step), options.repeats, device)
        first = statistics.median(next(iter(times.values())))
        print(f"| {title} | median ms | least ms | times the first |\n|---|---|---|---|")
        for name, of_call in times.items():
            median = statistics.median(of_call)
            print(f"| {name} | {median:.0f} | {min(of_call):.0f} | {median / first:.2f} |")
        report[title] = times
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "care.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
