"""The parts of timm's training program with a sampler and a mix of ours: python examples/integrations/train_timm.py

Its prefetcher normalises and erases on the device; the mix stands where ``timm.data.Mixup`` does. docs/integrations.md
has the lines that put a mix into timm's own train.py, which stays as it is.
"""

from __future__ import annotations

from typing import Any

import torch
from made_up import CLASSES, Images, made_up
from timm import create_model
from timm.data.loader import PrefetchLoader
from timm.loss import SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from torch import Tensor, nn
from torch.utils.data import DataLoader, default_collate

from longtail_mix import ClampToRange, SaliencyMap, SoftTargetMix, SPMix
from longtail_mix.sampling import ClassSampler, dataset_labels

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def as_bytes(samples: list[tuple[Tensor, int]]) -> Any:
    """What ``timm.data.create_loader`` collates: uint8, which the prefetcher normalises."""
    images, labels = default_collate(samples)
    return (images * 255).to(torch.uint8), labels


def spmix(class_counts: Tensor) -> SPMix:
    """Erased pixels are noise beyond black and white, so the detector sees them clamped."""
    detector = nn.Sequential(ClampToRange(MEAN, STD), SaliencyMap(MEAN, STD))
    return SPMix(class_counts, patch_size=8, saliency=detector)


def train(data: Images, epochs: int = 2) -> list[float]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    labels = dataset_labels(data)
    sampler = ClassSampler.balanced(labels)
    loader = PrefetchLoader(
        DataLoader(data, 8, sampler=sampler, collate_fn=as_bytes, drop_last=True),
        mean=MEAN, std=STD, device=device, re_prob=0.5, re_mode="pixel",
    )  # fmt: skip
    mixup_fn = SoftTargetMix(spmix(torch.bincount(labels)), CLASSES, label_smoothing=0.1).to(device)
    model = create_model("test_resnet", num_classes=CLASSES).to(device)
    optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3)
    criterion = SoftTargetCrossEntropy()
    losses = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        mixup_fn.mixup_enabled = epoch < epochs - 1  # as --mixup-off-epoch
        for images, hard in loader:
            images, soft = mixup_fn(images, hard)
            loss = criterion(model(images), soft)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch}: loss {losses[-1]:.3f}")
    return losses


if __name__ == "__main__":
    torch.manual_seed(0)
    train(made_up())
