"""Trainings in processes of their own, killed and not, on one and two ranks: run by test_training_program.py.

python framework_runs.py FOLDER imports everything once and forks a process for each training.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

import torch
import train_spmix_framework
from atomic_files import write_json
from framework_batch import Batch, Needs, balanced, natural
from framework_data import Batches, Frames
from framework_methods import Method
from framework_recipes import PAPER, build_method
from images import Images, Task
from run_folder import RunFolder
from torch import Tensor, nn
from training_program import Plan, Progress, Training, accelerator_for, judge, synchronised
from views import ViewSettings

from longtail_mix.data import synthetic_dermoscopy

SIZE, CLASSES, BATCH = 32, 3, 8
CONFIG = {"name": "tiny", "seed": 3}


class Tiny(Method):
    """All that a checkpoint has to carry: dropout, a buffer that goes on after each step, a change between epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.needs = Needs(natural, balanced, views=2, maps=True)
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.GELU(), nn.Flatten(), nn.Dropout(0.3))
        self.head = nn.LazyLinear(CLASSES)
        self.register_buffer("slow", torch.zeros(CLASSES))
        self.register_buffer("scale", torch.ones(()))
        self.predict(torch.zeros(1, 3, SIZE, SIZE))

    def forward(self, batch: Batch) -> Tensor:
        assert batch.partners is not None
        loss = torch.zeros(())
        for view, map_, partner, noise in zip(
            batch.labelled.views, batch.labelled.maps, batch.partners.views, batch.noise, strict=True
        ):
            ratio = (map_ + 0.1 * noise[:, :1]).clamp(0, 1)
            logits = self.predict(ratio * view + (1 - ratio) * partner) + self.slow * self.scale
            loss = loss + nn.functional.cross_entropy(logits, batch.labelled.labels)
        return loss

    def after_step(self) -> None:
        self.slow.mul_(0.9).add_(self.head.bias.detach())

    def set_epoch(self, epoch: int, epochs: int) -> None:
        self.scale.fill_(1 - epoch / epochs)

    def predict(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(images))
        return logits


def frames() -> Frames:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(CLASSES).repeat_interleave(torch.tensor([40, 15, 6]))
    images = torch.randint(0, 200, (len(labels), 3, SIZE, SIZE), generator=generator) + 20 * labels.view(-1, 1, 1, 1)
    maps = torch.randint(0, 256, (len(labels), 1, SIZE, SIZE), generator=generator)
    return Frames(images.to(torch.uint8), labels, maps.to(torch.uint8))


def train(folder: Path, method: Callable[[], Method] = Tiny, steps: int = 40, precision: str = "no") -> Progress:
    """A short training, from the folder's checkpoint or from the beginning."""
    torch.manual_seed(3)
    built = method()
    accelerator = accelerator_for(built, precision, cpu=True)
    built = synchronised(built, accelerator)
    optimizer = torch.optim.AdamW(built.parameters(), 1e-2)
    if method is spmix:  # Adam makes whole steps of gradients that differ by a rounding error from zero
        optimizer = torch.optim.SGD(built.parameters(), 1e-2, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    data = frames()
    run_folder = RunFolder(folder, CONFIG)
    if accelerator.is_main_process:
        run_folder.open()
    accelerator.wait_for_everyone()
    batches = Batches(data, CLASSES, ViewSettings(SIZE), BATCH, 3, accelerator.device)

    def validate() -> float:
        return (judge(accelerator, built, data.images, 16).argmax(1) == data.labels).float().mean().item()

    plan = Plan(steps, -(-steps // batches.steps_per_epoch), 3, checkpoint_every=3, report_every=2)
    training = Training(accelerator, built, optimizer, schedule, batches, plan, run_folder, validate)
    return training.run()


def forked(work: Callable[[], object]) -> int:
    """The id of a new process that does `work` and ends."""
    process = os.fork()
    if process == 0:
        status = 1
        signal.alarm(200)  # who waits for a process that never comes does not wait for ever
        try:
            work()
            status = 0
        except SystemExit as end:
            status = int(str(end.code))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return process


def wait(process: int) -> int:
    """How it ended: its status, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def wait_for_steps(folder: Path, steps: int, delay: float) -> None:
    """Until the history has so many losses, and then so many seconds more."""
    history = folder / "history.jsonl"
    deadline = time.perf_counter() + 60
    while not history.exists() or history.read_text().count("loss") < steps:
        if time.perf_counter() > deadline:
            raise TimeoutError(f"{folder}: expected {steps} steps within a minute")
        time.sleep(0.001)
    time.sleep(delay)


def killed(folder: Path, moments: list[tuple[int, float]]) -> list[int]:
    """Train on and on, each time killed so many seconds after so many steps, and at last left alone."""
    ends = []
    for steps, delay in moments:
        process = forked(lambda: train(folder))
        wait_for_steps(folder, steps, delay)
        os.kill(process, signal.SIGKILL)
        ends.append(wait(process))
    return [*ends, wait(forked(lambda: train(folder)))]


def killed_in_the_writer(folder: Path, call: int, share: float) -> list[int]:
    """Killed when this share of the checkpoint's file number `call` is written, then trained to the end."""

    def work() -> None:
        whole, calls = torch.save, 0

        def partly(value: object, file: IO[bytes]) -> None:
            nonlocal calls
            calls += 1
            whole(value, file)
            if calls == call:
                file.flush()
                file.truncate(int(share * file.tell()))
                os.kill(os.getpid(), signal.SIGKILL)

        torch.save = partly
        train(folder)

    end = wait(forked(work))
    assert len(list(folder.glob("*.pt.part"))) == 1
    return [end, wait(forked(lambda: train(folder)))]


def spmix() -> Method:
    """The method itself, on a small hybrid with GroupNorm: both networks, the queue, the mix inside."""
    config = replace(PAPER, backbone="tiny_hybrid", size=SIZE, patch_size=8, queue_size=4 * BATCH)
    return build_method(config, frames().labels.bincount().tolist())


def on_two_ranks(work: Callable[[], object]) -> list[int]:
    """The ids of two processes, started over gloo as torchrun and accelerate launch start them."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    ranks = []
    for rank in range(2):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
        os.environ |= {name: str(value) for name, value in place.items()}
        ranks.append(forked(work))
    for name in place:
        del os.environ[name]
    return ranks


def moved(folder: Path) -> list[int]:
    """Two ranks of which the second is asked to end; one process goes on alone."""
    ranks = on_two_ranks(lambda: train(folder, spmix, steps=16))
    wait_for_steps(folder, 4, 0.0)
    os.kill(ranks[1], signal.SIGTERM)
    return [*map(wait, ranks), wait(forked(lambda: train(folder, spmix, steps=16)))]


def command(folder: Path) -> None:
    """The whole command on few images."""
    sides = [synthetic_dermoscopy(counts, SIZE, seed=seed) for seed, counts in enumerate(([9] * 7, [3] * 7, [2] * 7))]
    task = Task("small", tuple("abcdefg"), *(Images(side.images, side.labels, side.lesions) for side in sides))
    train_spmix_framework.synthetic_task = lambda *_: task
    words = [
        "--backbone",
        "tiny_hybrid",
        "--size",
        str(SIZE),
        "--patch-size",
        "8",
        "--batch-size",
        "16",
        "--device",
        "cpu",
    ]
    train_spmix_framework.main([*words, "--queue-size", "64", "--steps", "4", "--out", str(folder)])


def asked_to_end(folder: Path) -> list[int]:
    """SIGTERM in the middle, then trained to the end."""
    process = forked(lambda: train(folder))
    wait_for_steps(folder, 16, 0.0)
    os.kill(process, signal.SIGTERM)
    return [wait(process), wait(forked(lambda: train(folder)))]


def main(folder: Path) -> None:
    ends: dict[str, list[int]] = {}
    ends["whole"] = [wait(forked(lambda: train(folder / "whole")))]
    ends["killed"] = killed(folder / "killed", [(2, 0.0), (9, 0.007), (16, 0.019), (24, 0.002), (32, 0.013)])
    # The very first, a best one, the last one after it, and one that only lacks its name.
    for call, share in ((1, 0.1), (3, 0.0), (4, 0.5), (10, 1.0)):
        ends[f"writer_{call}"] = killed_in_the_writer(folder / f"writer_{call}", call, share)
    ends["asked"] = asked_to_end(folder / "asked")
    ends["one"] = [wait(forked(lambda: train(folder / "one", spmix, steps=16)))]
    ends["two"] = [*map(wait, on_two_ranks(lambda: train(folder / "two", spmix, steps=16)))]
    ends["moved"] = moved(folder / "moved")
    ends["bf16"] = [*map(wait, on_two_ranks(lambda: train(folder / "bf16", spmix, steps=4, precision="bf16")))]
    ends["command"] = [wait(forked(lambda: command(folder / "command" / "one")))]
    ends["command"] += map(wait, on_two_ranks(lambda: command(folder / "command" / "two")))
    write_json(folder / "ends.json", ends)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
