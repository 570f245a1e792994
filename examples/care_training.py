"""The two stages of CARE: a plain training, then a fine-tuning that also says where to look."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import kornia.augmentation as K
import timm
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from atomic_files import save_tensors
from images import Images, Task
from torch import Tensor, nn
from tqdm import tqdm

from longtail_mix import CAREAttentionLoss, CARELoss
from longtail_mix.functional import grad_cam
from training import Normalise


@dataclass(frozen=True)
class Settings:
    """How to train; the same for every method."""

    model: str
    output_stride: int | None  # of timm's networks that have it: pixels per cell of the map
    pretrained: bool
    size: int
    steps: int
    finetune_steps: int
    batch_size: int
    learning_rate: float
    finetune_learning_rate: float
    weight_decay: float
    mixed_precision: str


@dataclass(frozen=True)
class Attention:
    """CARE's own numbers."""

    alpha: float
    tau: float
    lam: float


@dataclass(frozen=True)
class Guide:
    """Where the lesions of the training images are, of those for which it is known."""

    masks: Tensor  # bool [N, 1, S, S]
    has_mask: Tensor  # bool [N]


@dataclass
class Outcome:
    """A trained network, and what it says of the test images."""

    method: str
    seed: int
    losses: list[float] = field(repr=False)
    logits: Tensor = field(repr=False)  # [N, K]
    attention: Tensor = field(repr=False)  # mean of the map inside and outside the lesion [N, 2]
    weights: dict[str, Tensor] = field(repr=False)


class Classifier(nn.Module):
    """Images in [0, 1] -> logits, and the map of the labels where there are labels.

    The map is made inside the forward pass, so that it goes through DistributedDataParallel and autocast with it.
    """

    backbone: Any  # timm's networks have methods that nn.Module does not name

    def __init__(self, settings: Settings, classes: int) -> None:
        super().__init__()
        options: dict[str, Any] = {} if settings.output_stride is None else {"output_stride": settings.output_stride}
        self.normalise = Normalise()
        self.backbone = timm.create_model(
            settings.model, pretrained=settings.pretrained, num_classes=classes, **options
        )

    def forward(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        features = self.backbone.forward_features(self.normalise(images))
        logits = self.backbone.forward_head(features)
        return logits, None if labels is None else grad_cam(features, logits, labels, create_graph=self.training)


class Progress:
    """How far a training has come, in the form accelerate writes into its checkpoints."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def state_dict(self) -> dict[str, Any]:
        return {"losses": self.losses}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.losses = list(state["losses"])


@dataclass(frozen=True)
class Trainer:
    """Both stages on one task. Whatever is finished lies under `folder` and is not done again."""

    task: Task
    settings: Settings
    folder: Path
    checkpoint_every: int

    def accelerator(self) -> Accelerator:
        device = self.task.train.images.device
        return Accelerator(mixed_precision=self.settings.mixed_precision, cpu=device.type == "cpu")

    def first_stage(self, name: str, criterion: nn.Module, strong: bool, seed: int) -> Outcome:
        """Plain training from the start."""
        torch.manual_seed(seed)
        network = Classifier(self.settings, len(self.task.classes))
        steps, rate = self.settings.steps, self.settings.learning_rate
        return self._outcome(name, seed, network, criterion, None, None, strong, steps, rate, {"stage": 1})

    def second_stage(
        self,
        name: str,
        first: Outcome,
        criterion: nn.Module,
        strong: bool,
        attention: Attention | None = None,
        guide: Guide | None = None,
        source: str = "",
    ) -> Outcome:
        """Fine-tuning of the first stage's network, with the attention loss or, to compare, without it."""
        torch.manual_seed(1000 + first.seed)
        network = Classifier(self.settings, len(self.task.classes))
        network.load_state_dict(first.weights)
        steps, rate = self.settings.finetune_steps, self.settings.finetune_learning_rate
        about = {"stage": 2, "attention": None if attention is None else asdict(attention), "source": source}
        return self._outcome(name, first.seed, network, criterion, attention, guide, strong, steps, rate, about)

    def _outcome(
        self,
        name: str,
        seed: int,
        network: Classifier,
        criterion: nn.Module,
        attention: Attention | None,
        guide: Guide | None,
        strong: bool,
        steps: int,
        rate: float,
        about: dict[str, Any],
    ) -> Outcome:
        folder = self.folder / f"{name.replace(' ', '_').replace(',', '')}_seed{seed}"
        about = about | {"settings": asdict(self.settings), "task": self.task.name, "seed": seed}
        finished = folder / "finished.pt"
        accelerator = self.accelerator()
        network.to(accelerator.device)
        if finished.exists():
            saved = torch.load(finished, map_location="cpu", weights_only=True)
            if saved["about"] != about:
                raise ValueError(f"{finished}: was made with other options; choose another --out or remove it")
            losses = saved["losses"]
            network.load_state_dict(saved["weights"])
        else:
            objective = None if attention is None else objective_of(criterion, attention)
            losses = self._fit(accelerator, network, criterion, objective, guide, strong, steps, rate, folder, name)
            if accelerator.is_main_process:
                folder.mkdir(parents=True, exist_ok=True)
                weights = {key: value.cpu() for key, value in network.state_dict().items()}
                save_tensors(finished, {"about": about, "losses": losses, "weights": weights})
            accelerator.wait_for_everyone()
        logits, inside = judge(network, self.task.test, self.settings.batch_size)
        weights = {key: value.cpu() for key, value in network.state_dict().items()}
        return Outcome(name, seed, losses, logits, inside, weights)

    def _fit(
        self,
        accelerator: Accelerator,
        network: Classifier,
        criterion: nn.Module,
        objective: CARELoss | None,
        guide: Guide | None,
        strong: bool,
        steps: int,
        rate: float,
        folder: Path,
        name: str,
    ) -> list[float]:
        """AdamW with one cycle, as training.py; each process takes its share of every batch."""
        settings, frames = self.settings, self.task.train
        optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=settings.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.1, cycle_momentum=False)
        augment = augmentation(settings.size, strong)
        rows = draw_rows(len(frames.labels), steps, settings.batch_size).to(frames.labels.device)
        progress = Progress()
        model, optimizer = accelerator.prepare(network, optimizer)
        accelerator.register_for_checkpointing(schedule, progress)
        checkpoint = folder / "checkpoint"
        if checkpoint.exists():
            accelerator.load_state(str(checkpoint))
        model.train()
        bar = tqdm(range(len(progress.losses), steps), name, unit="step", disable=not accelerator.is_main_process)
        for step in bar:
            batch = rows[step][accelerator.process_index :: accelerator.num_processes]
            images, labels = frames.images[batch] / 255, frames.labels[batch]
            if objective is None or guide is None:
                masks = images.new_zeros(len(batch), 1, settings.size, settings.size)
                images, _ = augment(images, masks)
                loss = criterion(model(images)[0], labels)
            else:
                images, masks = augment(images, guide.masks[batch].float())
                logits, cam = model(images, labels)
                loss = objective(logits, labels, cam, masks.clamp(0, 1), guide.has_mask[batch])
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
            schedule.step()
            progress.losses.append(accelerator.reduce(loss.detach(), "mean").item())
            if step % 20 == 19:
                bar.set_postfix(loss=f"{sum(progress.losses[-20:]) / 20:.3f}")
            if (step + 1) % self.checkpoint_every == 0:
                accelerator.save_state(str(checkpoint))
        return progress.losses


def objective_of(criterion: nn.Module, attention: Attention) -> CARELoss:
    """Eq. 4 with this criterion."""
    return CARELoss(criterion, CAREAttentionLoss(attention.tau, attention.lam), attention.alpha)


def augmentation(size: int, strong: bool) -> nn.Module:
    """Crops and flips; rotation and colours as well if `strong`. A mask goes through what its image goes through."""
    colours = [K.RandomRotation(180.0, p=1.0), K.ColorJitter(0.2, 0.2, 0.2, 0.03, p=0.8)] if strong else []
    return K.AugmentationSequential(
        K.RandomResizedCrop((size, size), scale=(0.7, 1.0), ratio=(0.9, 1.1)),
        K.RandomHorizontalFlip(),
        K.RandomVerticalFlip(),
        *colours,
        data_keys=["input", "mask"],
    )


def draw_rows(images: int, steps: int, batch_size: int) -> Tensor:
    """Which images each step sees [steps, batch]: epoch after epoch, none twice in one."""
    epochs = -(-steps * batch_size // images)
    rows = torch.cat([torch.randperm(images) for _ in range(epochs)])
    return rows[: steps * batch_size].view(steps, batch_size)


@torch.no_grad()
def judge(network: Classifier, images: Images, batch_size: int) -> tuple[Tensor, Tensor]:
    """Logits [N, K], and the map's mean inside and outside the lesion [N, 2], NaN without one; on the CPU."""
    network.eval()
    logits, attention = [], []
    for rows in torch.arange(len(images.labels)).split(batch_size):
        scores, cam = maps_of(network, images.images[rows], images.labels[rows])
        logits.append(scores.cpu())
        if images.masks is None:
            attention.append(torch.full((len(rows), 2), torch.nan))
            continue
        mask = images.masks[rows].float()
        full = F.interpolate(cam, mask.shape[-2:], mode="bilinear", align_corners=False)
        means = [(full * m).sum((1, 2, 3)) / m.sum((1, 2, 3)) for m in (mask, 1 - mask)]
        attention.append(torch.stack(means, 1).cpu())
    return torch.cat(logits), torch.cat(attention)


def maps_of(network: Classifier, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and maps of the labels of uint8 images, to look at."""
    with torch.enable_grad():
        logits, cam = network.eval()(images / 255, labels)
    assert cam is not None
    return logits.detach(), cam
