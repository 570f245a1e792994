"""The weighting study of Barata and Santiago 2021: losses x weights x networks x optimisers, two splits by lesion.

    python examples/train_weighting.py                      the short form on made-up images
    python examples/train_weighting.py --data isic2018      the short form on the real ones, under ISIC2018_ROOT
    python examples/train_weighting.py --data isic2018 --form paper --pretrained --device cuda      the paper's settings

The paper trains VGG16 end to end. The short form, for two cores, trains one small backbone for each split with cross
entropy, freezes it, and gives every cell of the grid the same features: what differs is the attention, the LSTM and the
classifier. Every cell is kept under --out as soon as it is done; the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import kornia.augmentation as K
import torch
from atomic_files import save_tensors
from images import Images, Task, isic2018_task, synthetic_task
from study_models import Backbone, FlatHead, HierarchicalHead, LevelLoss, StudyModel
from study_report import Result, write_study
from torch import Tensor, nn
from tqdm import tqdm

from criteria import build_weighting
from longtail_mix import FocalLoss, ShadesOfGray, WeightedCrossEntropy, set_epoch
from longtail_mix.data import stratified_split
from training import Method, Settings, fit


class Cell(NamedTuple):
    """One training of the grid."""

    model: str
    optimizer: str
    loss: str
    weights: str
    split: int


@dataclass(frozen=True)
class Form:
    """How the study is run."""

    backbone: str
    size: int
    batch_size: int
    epochs_flat: int
    epochs_hierarchical: int
    adam: float
    sgd: float
    pretrained: bool = False
    frozen_after: int | None = None  # steps the backbone learns for, then it is frozen; None: trained end to end


FORMS = {
    "short": Form("test_resnet", 64, 256, 10, 10, adam=5e-3, sgd=1e-1, frozen_after=600),
    "paper": Form("vgg16", 299, 20, 150, 250, adam=1e-5, sgd=1e-4),
}
MODELS = ["flat", "hierarchical"]
OPTIMIZERS = ["adam", "sgd"]
LOSSES = ["ce", "focal"]
WEIGHTS = ["none", "cb", "es", "spl", "ohem", "class-ohem"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=["synthetic", "isic2018"], default="synthetic")
    parser.add_argument("--form", choices=FORMS, default="short")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--optimizers", nargs="+", choices=OPTIMIZERS, default=OPTIMIZERS)
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=LOSSES)
    parser.add_argument("--weights", nargs="+", choices=WEIGHTS, default=WEIGHTS)
    parser.add_argument("--splits", nargs="+", type=int, default=[0, 1], help="seeds of the splits by lesion, 80/20")
    parser.add_argument("--backbone", help="any timm model in place of the form's")
    parser.add_argument("--size", type=int, help="side of the images in pixels in place of the form's")
    parser.add_argument("--epochs", type=int, help="of both networks in place of the form's")
    parser.add_argument("--frozen-after", type=int, help="steps the backbone learns for before it is frozen")
    parser.add_argument("--pretrained", action="store_true", help="start from timm's weights; they are downloaded")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--cache-dir", type=Path, help="where decoded images are kept")
    parser.add_argument("--out", type=Path, default=Path("runs/train_weighting"))
    return parser.parse_args()


def main() -> None:
    options = arguments()
    form = replace(FORMS[options.form], pretrained=options.pretrained)
    given = {"backbone": options.backbone, "size": options.size, "frozen_after": options.frozen_after}
    given |= {"epochs_flat": options.epochs, "epochs_hierarchical": options.epochs}
    form = replace(form, **{name: value for name, value in given.items() if value is not None})
    chosen = (options.models, options.optimizers, options.losses, options.weights)
    results: list[Result] = []
    for split in options.splits:
        task = load_task(options.data, form.size, split, options.cache_dir).to(torch.device(options.device))
        cells = [Cell(*names, split) for names in itertools.product(*chosen)]
        results += run_split(task, cells, form, options.out)
    print(write_study(options.out, results, form))


def load_task(data: str, size: int, split: int, cache_dir: Path | None) -> Task:
    """The images of one split, under white light."""
    if data == "isic2018":
        task = isic2018_task(size, split, stratified_split, cache_dir=cache_dir)
    else:
        task = synthetic_task(size, split)
    correct = ShadesOfGray()

    def under_white_light(side: Images) -> Images:
        return replace(side, images=torch.cat([correct(some) for some in side.images.split(256)]))

    return replace(task, train=under_white_light(task.train), test=under_white_light(task.test))


def run_split(task: Task, cells: list[Cell], form: Form, out: Path) -> Iterator[Result]:
    """Every cell of a split: from the disk if it was trained before, else trained and kept."""
    labels, lesions = task.test.labels.cpu(), task.test.lesions
    frozen: tuple[Tensor, Tensor] | None = None
    for cell in cells:
        path = out / "cells" / f"{'-'.join(map(str, cell))}.pt"
        identity = {"form": asdict(form), "task": task.name, "images": task.class_counts()}
        kept = load_kept(path, identity)
        if kept is None:
            if form.frozen_after is not None and frozen is None:
                frozen = frozen_features(task, form, out / "cells" / f"backbone-{cell.split}.pt")
            started = time.perf_counter()
            logits = train_cell(task, cell, form, frozen)
            kept = {"identity": identity, "logits": logits, "seconds": time.perf_counter() - started}
            keep(path, kept)
        yield Result(cell._asdict(), task.name, task.classes, kept["logits"], labels, lesions, kept["seconds"])


def frozen_features(task: Task, form: Form, path: Path) -> tuple[Tensor, Tensor]:
    """Feature maps of a backbone that learnt from this split: of the training images in their four flips
    [4, N, C, h, w], and of the test images [N, C, h, w].
    """
    identity = {"model": form.backbone, "size": form.size, "steps": form.frozen_after, "pretrained": form.pretrained}
    identity |= {"task": task.name, "images": task.class_counts()}
    kept = load_kept(path, identity)
    if kept is not None:
        return kept["train"], kept["test"]
    torch.manual_seed(0)
    device = task.train.images.device
    backbone = Backbone(form.backbone, form.pretrained)
    classifier = nn.Linear(backbone.channels, len(task.classes))
    model = nn.Sequential(backbone, nn.AdaptiveAvgPool2d(1), nn.Flatten(), classifier).to(device)
    assert form.frozen_after is not None
    settings = Settings(form.backbone, form.size, form.frozen_after, 64, 2e-3, 0.05)
    fit(model, task, Method("backbone", balanced=False), settings, "backbone")
    backbone.eval()

    def features(images: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([backbone(some / 255) for some in images.split(256)])

    flips: list[list[int]] = [[], [-1], [-2], [-1, -2]]
    train = torch.stack([features(task.train.images.flip(dims)) for dims in flips])
    test = features(task.test.images)
    keep(path, {"identity": identity, "train": train, "test": test})
    return train, test


def load_kept(path: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """What an earlier run left, None if there is nothing; an error if it was made in another way."""
    if not path.exists():
        return None
    kept: dict[str, Any] = torch.load(path, weights_only=True)
    if kept["identity"] != identity:
        raise ValueError(f"{path}: expected {identity}, got {kept['identity']}; choose another --out")
    return kept


def keep(path: Path, result: dict[str, Any]) -> None:
    """Write a whole file or none: a run may be stopped at any time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(path, result)


def train_cell(task: Task, cell: Cell, form: Form, frozen: tuple[Tensor, Tensor] | None) -> Tensor:
    """Train one network of the grid; its logits of the test images [N, K] on the CPU."""
    torch.manual_seed(cell.split)
    device, labels, num_classes = task.train.images.device, task.train.labels, len(task.classes)
    backbone = None if frozen else Backbone(form.backbone, form.pretrained)
    channels = backbone.channels if backbone else frozen[1].shape[1] if frozen else 0
    head = {"flat": FlatHead, "hierarchical": HierarchicalHead}[cell.model](channels, num_classes)
    model = StudyModel(backbone or nn.Identity(), head).to(device)
    epochs = form.epochs_flat if cell.model == "flat" else form.epochs_hierarchical
    counts = task.class_counts()
    per_image = {"ce": WeightedCrossEntropy(reduction="none"), "focal": FocalLoss(1.0, reduction="none")}[cell.loss]
    weighting = build_weighting(cell.weights, counts, epochs, form.batch_size)
    criterion = LevelLoss(per_image, weighting).to(device)
    optimizer: torch.optim.Optimizer = torch.optim.Adam(model.parameters(), form.adam)
    if cell.optimizer == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), form.sgd, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [epochs // 2, epochs * 3 // 4], 0.1)
    augment = K.AugmentationSequential(
        K.RandomResizedCrop((form.size, form.size), scale=(0.7, 1.0), ratio=(0.9, 1.1)),
        K.RandomHorizontalFlip(),
        K.RandomVerticalFlip(),
        K.ColorJitter(0.1, 0.1, 0.1, 0.02),
    )
    model.train()
    for epoch in tqdm(range(epochs), " ".join(map(str, cell)), unit="epoch"):
        set_epoch(criterion, epoch)
        for rows in torch.randperm(len(labels), device=device).split(form.batch_size):
            if frozen:
                inputs = frozen[0][torch.randint(4, (len(rows),), device=device), rows]
            else:
                inputs = augment(task.train.images[rows] / 255)
            loss = criterion(model(inputs), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        tests = frozen[1].split(256) if frozen else (some / 255 for some in task.test.images.split(256))
        return torch.cat([model(some)[-1] for some in tests]).cpu()


if __name__ == "__main__":
    main()
