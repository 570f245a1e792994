"""The Trainer of Hugging Face: torchrun --nproc-per-node 2 examples/integrations/train_hugging_face.py

The collator mixes while the model is in training mode, so evaluation batches come as they are. The Trainer shares out
the loader's batches, and the sampler sees that. The callback is for a run that goes on in the middle of an epoch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from made_up import Images, cross_entropy, made_up, mixup, small_net
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, default_collate
from transformers import Trainer, TrainerCallback, TrainingArguments

from longtail_mix import MixCollate, MixedTarget
from longtail_mix.sampling import EpochSampler, ShuffledSampler


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = small_net()

    def forward(self, pixel_values: Tensor) -> dict[str, Tensor]:
        return {"logits": self.network(pixel_values)}


class SamplingTrainer(Trainer):
    sampler: EpochSampler

    def get_train_dataloader(self) -> DataLoader[Any]:
        assert isinstance(self.train_dataset, Dataset)
        size = self.args.per_device_train_batch_size
        loader = DataLoader(self.train_dataset, size, sampler=self.sampler, collate_fn=self.data_collator)
        prepared: DataLoader[Any] = self.accelerator.prepare(loader)
        return prepared


class SetEpoch(TrainerCallback):
    def __init__(self, sampler: EpochSampler) -> None:
        self.sampler = sampler

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - as it is called
        self.sampler.set_epoch(int(state.epoch))


def as_dictionary(samples: list[tuple[Tensor, int]]) -> dict[str, Tensor]:
    """Not needed where the samples are dictionaries, as those of datasets are."""
    return dict(zip(("pixel_values", "labels"), default_collate(samples), strict=True))


def loss(outputs: dict[str, Tensor], labels: Tensor | MixedTarget, **_: Any) -> Tensor:
    return cross_entropy(outputs["logits"], labels)


def train(data: Images, mix: nn.Module, folder: Path, epochs: int = 2, max_steps: int = -1) -> dict[str, float]:
    options = TrainingArguments(
        str(folder), num_train_epochs=epochs, per_device_train_batch_size=8, learning_rate=1e-2, save_steps=1,
        max_steps=max_steps, use_cpu=True, report_to="none", remove_unused_columns=False, label_names=["labels"],
        disable_tqdm=True,
    )  # fmt: skip
    model = Network()
    collate = MixCollate(mix, as_dictionary, follows=model)
    trainer = SamplingTrainer(model, options, collate, data, made_up((6, 6, 4), 1), compute_loss_func=loss)
    trainer.sampler = ShuffledSampler(len(data))
    trainer.add_callback(SetEpoch(trainer.sampler))
    trainer.train(resume_from_checkpoint=any(folder.glob("checkpoint-*")))
    return trainer.evaluate()


if __name__ == "__main__":
    train(made_up(), mixup(), Path(sys.argv[1] if len(sys.argv) > 1 else "runs/hugging_face"))
