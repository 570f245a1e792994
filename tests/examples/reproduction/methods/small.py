"""A setting small enough for a test, batches of noise, and a short training by the real loop."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reproduction.data.task import Images, Task
from reproduction.methods.learner import Learner, Method, Setting
from reproduction.networks.network import Backbone
from reproduction.training.batch import Batch, Needs, Stream

COUNTS = (90, 700, 50, 30, 80, 10, 15)  # many: 1; medium: 0, 4, 2; few: 3, 6, 5
TAIL, HEAD = (3, 5, 6), (1, 0, 4, 2)
SIZE = 32
HYBRID, CNN = Backbone("tiny_hybrid", "none"), Backbone("test_resnet", "none")  # GroupNorm; BatchNorm


def setting(backbone: Backbone = HYBRID, epochs: int = 4) -> Setting:
    return Setting(COUNTS, backbone, SIZE, epochs, batch_size=8)


def built(method: Method, backbone: Backbone = HYBRID, seed: int = 0, epochs: int = 4) -> Learner:
    torch.manual_seed(seed)
    return method.build(setting(backbone, epochs))


def batch_for(needs: Needs, labels: list[int] | None = None, seed: int = 0) -> Batch:
    """Large patches of colour and a little noise: two views of an image are more alike than two images."""
    generator = torch.Generator().manual_seed(seed)
    labels = [3, 1, 5, 0, 6, 3, 2, 4] if labels is None else labels
    count = len(labels)

    def stream(labels: list[int]) -> Stream:
        coarse = F.interpolate(torch.rand(count, 3, 2, 2, generator=generator), (SIZE, SIZE))
        fine = torch.rand(needs.views, count, 3, SIZE, SIZE, generator=generator)
        maps = tuple(torch.rand(needs.views, count, 1, SIZE, SIZE, generator=generator)) if needs.maps else ()
        return Stream(tuple(0.9 * coarse + 0.1 * fine), maps, torch.tensor(labels))

    labelled = stream(labels)
    partners = None if needs.partners is None else stream([HEAD[i % 4] for i in range(count)])
    return Batch(labelled, partners, () if needs.draw is None else needs.draw(count, generator))


def half(batch: Batch, rank: int) -> Batch:
    """The rows that one of two processes sees."""

    def rows(stream: Stream) -> Stream:
        parts = (tuple(part[rank::2] for part in parts) for parts in stream[:2])
        return Stream(*parts, stream.labels[rank::2])

    partners = None if batch.partners is None else rows(batch.partners)
    return Batch(rows(batch.labelled), partners, tuple(drawn[rank::2] for drawn in batch.draws))


def small_task() -> Task:
    """Few images of noise, each class of another brightness."""

    def side(counts: list[int], seed: int) -> Images:
        labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
        generator = torch.Generator().manual_seed(seed)
        images = torch.randint(0, 120, (len(labels), 3, SIZE, SIZE), generator=generator) + 15 * labels.view(
            -1, 1, 1, 1
        )
        return Images(images.to(torch.uint8), labels, tuple(map(str, range(len(labels)))))

    return Task("small", tuple("abcdefg"), side([9, 16, 6, 3, 7, 2, 3], 0), lambda: side([2] * 7, 1), side([2] * 7, 2))


def weights(learner: Learner) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in learner.state_dict().items()}


def step(learner: Learner, batch: Batch, rate: float = 0.1) -> Tensor:
    """A step of SGD on a batch."""
    trained = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, rate)
    loss = learner(batch)
    loss.backward()
    optimizer.step()
    learner.after_step()
    detached: Tensor = loss.detach()
    return detached
