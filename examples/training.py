"""A plain training loop over images that are tensors already, and what a method may change in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import kornia.augmentation as K
import timm
import torch
from images import Images, Task
from torch import Tensor, nn
from tqdm import tqdm

from longtail_mix import set_epoch

Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Method:
    """Which images a batch is drawn from, what is done to the batch, and the loss."""

    name: str
    balanced: bool  # every class equally likely, instead of every image
    mix: Mix | None = None
    criterion: nn.Module = field(default_factory=nn.CrossEntropyLoss)


@dataclass(frozen=True)
class Settings:
    """How long and how hard to train; the same for every method."""

    model: str
    size: int
    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float


def epochs_of(task: Task, settings: Settings) -> int:
    """How many times the training goes through as many images as there are, rounded up."""
    return -(-settings.steps * settings.batch_size // len(task.train.labels))


@dataclass
class Run:
    """What came out of one training."""

    method: str
    seed: int
    seconds: float
    losses: list[float] = field(repr=False)
    logits: Tensor = field(repr=False)  # of the test images, [N, K], on the CPU


def train(task: Task, method: Method, settings: Settings, seed: int) -> Run:
    """Train one network from scratch and let it judge the test images."""
    torch.manual_seed(seed)
    device = task.train.images.device
    model = nn.Sequential(Normalise(), timm.create_model(settings.model, num_classes=len(task.classes))).to(device)
    started = time.perf_counter()
    losses = fit(model, task, method, settings, f"{method.name}, seed {seed}")
    seconds = time.perf_counter() - started
    return Run(method.name, seed, seconds, losses, predict(model, task.test, settings.batch_size))


def fit(model: nn.Module, task: Task, method: Method, settings: Settings, title: str) -> list[float]:
    """Train `model` on the images of the task; the loss of each step."""
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, settings.steps, pct_start=0.1, cycle_momentum=False
    )
    augment = K.AugmentationSequential(
        K.RandomResizedCrop((settings.size, settings.size), scale=(0.7, 1.0), ratio=(0.9, 1.1)),
        K.RandomHorizontalFlip(),
        K.RandomVerticalFlip(),
    )
    rows = draw_rows(task, method.balanced, settings)
    losses = torch.zeros(settings.steps)
    criterion = method.criterion.to(task.train.images.device)
    model.train()
    with tqdm(rows, title, unit="step") as progress:
        for step, batch in enumerate(progress):
            set_epoch(criterion, step * settings.batch_size // len(task.train.labels))
            images, labels = augment(task.train.images[batch] / 255), task.train.labels[batch]
            if method.mix is not None:
                images, labels = method.mix(images, labels)
            loss = criterion(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses[step] = loss.detach()
            if step % 20 == 19:
                progress.set_postfix(loss=f"{losses[step - 19 : step + 1].mean():.3f}")
    return losses.tolist()


def draw_rows(task: Task, balanced: bool, settings: Settings) -> Tensor:
    """Which images each step sees, [steps, batch]: by epochs without replacement, or evenly over the classes."""
    images = settings.steps * settings.batch_size
    labels = task.train.labels
    if balanced:
        weights = 1 / torch.bincount(labels, minlength=len(task.classes))[labels]
        rows = torch.multinomial(weights, images, replacement=True)
    else:
        epochs = -(-images // len(labels))
        rows = torch.cat([torch.randperm(len(labels), device=labels.device) for _ in range(epochs)])[:images]
    return rows.view(settings.steps, settings.batch_size)


@torch.no_grad()
def predict(model: nn.Module, images: Images, batch_size: int) -> Tensor:
    """Logits [N, K] on the CPU."""
    model.eval()
    return torch.cat([model(batch / 255) for batch in images.images.split(batch_size)]).cpu()


class Normalise(nn.Module):
    """[0, 1] -> the range networks like, as part of the network: mixing and saliency see plain images."""

    def forward(self, images: Tensor) -> Tensor:
        return (images - 0.5) / 0.25
