"""MONAI's data sets and transforms with a sampler and a mix of ours: python examples/integrations/train_monai.py

Rows are dictionaries; their labels are read without loading an image. A mix takes plain tensors: EnsureTyped(d) with
``track_meta=False`` takes the meta data off.
"""

from __future__ import annotations

from typing import Any

import torch
from made_up import CLASSES, cross_entropy, made_up
from monai.data import Dataset
from monai.metrics import ConfusionMatrixMetric
from monai.networks.nets import DenseNet
from monai.transforms import Compose, EnsureTyped, RandFlipd
from torch import nn
from torch.utils.data import DataLoader

from longtail_mix import CutMix, HeadTailPairing, InBatch, MixCollate
from longtail_mix.sampling import ClassSampler, dataset_labels


def rows(counts: tuple[int, ...] = (44, 14, 6), seed: int = 0) -> list[dict[str, Any]]:
    """In a study of your own: paths, and LoadImaged before the other transforms."""
    data = made_up(counts, seed)
    return [{"image": image / 255, "label": int(label)} for image, label in zip(data.images, data.targets, strict=True)]


def train(train_rows: list[dict[str, Any]], val_rows: list[dict[str, Any]], epochs: int = 2) -> float:
    typed = EnsureTyped(keys=["image"], track_meta=False)
    data = Dataset(train_rows, Compose([RandFlipd(keys=["image"], prob=0.5), typed]))
    labels = dataset_labels(data)
    mix = InBatch(CutMix(), HeadTailPairing(torch.bincount(labels)))
    sampler = ClassSampler.balanced(labels)
    loader = DataLoader(data, 8, sampler=sampler, collate_fn=MixCollate(mix, keys=("image", "label")))
    model: nn.Module = DenseNet(2, 3, CLASSES, init_features=8, growth_rate=4, block_config=(2, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        model.train()
        for batch in loader:
            loss = cross_entropy(model(batch["image"]), batch["label"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: loss {loss.item():.3f}")
    metric = ConfusionMatrixMetric(include_background=True, metric_name="recall", reduction="mean_batch")
    model.eval()
    with torch.no_grad():
        for batch in DataLoader(Dataset(val_rows, typed), 8):
            predicted = model(batch["image"]).argmax(1)
            metric(*(nn.functional.one_hot(k, CLASSES) for k in (predicted, batch["label"])))
    recall = float(torch.as_tensor(metric.aggregate()[0]).mean())
    print(f"balanced accuracy {recall:.3f}")
    return recall


if __name__ == "__main__":
    torch.manual_seed(0)
    train(rows(), rows((6, 6, 4), seed=1))
