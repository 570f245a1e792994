"""Training as the long-tailed literature does it: SGD, two streams of images, a loss, a mix; resumed by epochs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import kornia.augmentation as K
import timm
import torch
from atomic_files import save_tensors
from images import Task
from resnet_cifar import ResNetCifar
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from longtail_mix import CosineClassifier, MixedTarget
from longtail_mix.sampling import ClassSampler, ShuffledSampler, TwoStreamLoader, balanced_probabilities
from longtail_mix.weighting import set_epoch
from training import Normalise, Run, predict

Batch = tuple[Tensor, Tensor]

# What is trained on: from the model, a batch as it comes, and a function that gives one with balanced classes.
Mix = Callable[[nn.Sequential, Batch, Callable[[], Batch]], tuple[Tensor, MixedTarget]]


@dataclass(frozen=True)
class Settings:
    """How long and how hard to train; the same for every method."""

    model: str  # "resnet32" or any timm model
    size: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    block_size: int
    cam_layer: str

    def milestones(self) -> tuple[int, int]:
        """The epochs in which the learning rate falls to a hundredth; DRW begins with the first. 160 and 180 of 200."""
        return self.epochs * 4 // 5, self.epochs * 9 // 10


@dataclass(frozen=True)
class Method:
    """A loss and a mix, each made for the images of each class and the settings."""

    name: str
    criterion: Callable[[list[int], Settings], nn.Module]
    mix: Callable[[list[int], Settings], Mix]
    cosine: bool = False  # a cosine classifier, as LDAM wants one


def build(settings: Settings, num_classes: int, cosine: bool) -> nn.Sequential:
    """Normalise, backbone, classifier."""
    backbone: Any = (
        ResNetCifar(32) if settings.model == "resnet32" else timm.create_model(settings.model, num_classes=0)
    )
    classifier = CosineClassifier if cosine else nn.Linear
    return nn.Sequential(Normalise(), backbone, classifier(backbone.num_features, num_classes))


def two_streams(task: Task, batch_size: int, seed: int) -> TwoStreamLoader:
    """The training images as they come, and with balanced classes."""
    labels = task.train.labels
    data = TensorDataset(task.train.images, labels)
    shuffled = ShuffledSampler(len(labels), seed)
    balanced = ClassSampler(labels, balanced_probabilities(task.class_counts()), seed=seed)
    return TwoStreamLoader(
        *(DataLoader(data, batch_size, sampler=sampler, drop_last=True) for sampler in (shuffled, balanced))
    )


class Training:
    """One network on its way; :meth:`save` and :meth:`load` between two epochs change nothing in what comes out."""

    def __init__(self, task: Task, method: Method, settings: Settings, seed: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        counts = task.class_counts()
        self.settings, self.device = settings, device
        self.model = build(settings, len(task.classes), method.cosine).to(device)
        self.criterion = method.criterion(counts, settings).to(device)
        self.mix = method.mix(counts, settings)
        self.loader = two_streams(task, settings.batch_size, seed)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), settings.learning_rate, momentum=0.9, weight_decay=settings.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.MultiStepLR(self.optimizer, settings.milestones(), gamma=0.01)
        self.augment = K.AugmentationSequential(
            K.RandomCrop((settings.size, settings.size), padding=settings.size // 8), K.RandomHorizontalFlip()
        )
        self.epoch = 0
        self.losses: list[float] = []
        self.seconds = 0.0

    def run_epoch(self) -> None:
        """Every image once, beside as many with balanced classes."""
        started = time.perf_counter()
        self.model.train()
        self.loader.set_epoch(self.epoch)
        set_epoch(self.criterion, self.epoch)
        losses = []
        for first, second in self.loader:
            images, target = self.mix(self.model, self.prepare(first), partial(self.prepare, second))
            loss = self.criterion(self.model(images), target)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        self.schedule.step()
        self.losses += torch.stack(losses).tolist()
        self.epoch += 1
        self.seconds += time.perf_counter() - started

    def prepare(self, batch: Batch) -> Batch:
        """To the device, to [0, 1], cropped and flipped."""
        images, labels = (part.to(self.device, non_blocking=True) for part in batch)
        return self.augment(images / 255), labels

    def save(self, path: Path) -> None:
        """All that the next epoch depends on, in one file that is never half written."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        state |= {"epoch": self.epoch, "losses": self.losses, "seconds": self.seconds}
        state["settings"] = asdict(self.settings)
        state["random"] = [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
        path.parent.mkdir(parents=True, exist_ok=True)
        save_tensors(path, state)

    def load(self, path: Path) -> None:
        """Go on where :meth:`save` was called."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["settings"] != asdict(self.settings):
            raise ValueError(f"{path}: expected a checkpoint of {asdict(self.settings)}, got {state['settings']}")
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.epoch, self.losses, self.seconds = state["epoch"], state["losses"], state["seconds"]
        torch.set_rng_state(state["random"][0])
        torch.cuda.set_rng_state_all(state["random"][1:])

    def _parts(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "loader": self.loader,
            "criterion": self.criterion,
        }


def train(
    task: Task, method: Method, settings: Settings, seed: int, device: torch.device, checkpoint: Path | None = None
) -> Run:
    """Train one network from scratch, or from where `checkpoint` is, and let it judge the test images."""
    training = Training(task, method, settings, seed, device)
    if checkpoint is not None and checkpoint.exists():
        training.load(checkpoint)
    epochs = range(training.epoch, settings.epochs)
    with tqdm(epochs, f"{method.name}, seed {seed}", settings.epochs, initial=training.epoch, unit="epoch") as progress:
        for _ in progress:
            training.run_epoch()
            progress.set_postfix(loss=f"{training.losses[-1]:.3f}")
            if checkpoint is not None:
                training.save(checkpoint)
    logits = predict(training.model, task.test.to(device), settings.batch_size)
    return Run(method.name, seed, training.seconds, training.losses, logits)
