"""MixedTarget against loops, and what it refuses."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, default_collate
from torch.utils.data._utils.pin_memory import pin_memory

from longtail_mix import MixedTarget


def some_target(number=6, classes=4):
    generator = torch.Generator().manual_seed(0)
    labels, other = torch.randint(classes, (2, number), generator=generator)
    lam = torch.rand(number, generator=generator, dtype=torch.float64)
    lam[0], lam[1] = 0, 1
    other[2] = labels[2]
    return MixedTarget(labels, other, lam), torch.randn(number, classes, generator=generator, dtype=torch.float64)


def test_soft_labels_equal_a_loop():
    target, _ = some_target()
    expected = torch.zeros(6, 4, dtype=torch.float64)
    for i in range(6):
        expected[i, target.labels[i]] += target.lam[i]
        expected[i, target.other[i]] += 1 - target.lam[i]
    torch.testing.assert_close(target.soft(4), expected, rtol=0, atol=0)


def test_lam_belongs_to_the_first_label():
    target = MixedTarget(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.75]))
    assert target.soft(2).tolist() == [[0.75, 0.25]]


def test_the_loss_is_the_cross_entropy_with_soft_labels():
    target, logits = some_target()
    per_sample = nn.CrossEntropyLoss(reduction="none")
    torch.testing.assert_close(target.loss(per_sample, logits), F.cross_entropy(logits, target.soft(4)))
    expected = torch.stack(
        [
            target.lam[i] * F.cross_entropy(logits[i], target.labels[i])
            + (1 - target.lam[i]) * F.cross_entropy(logits[i], target.other[i])
            for i in range(6)
        ]
    )
    torch.testing.assert_close(target.losses(per_sample, logits), expected)


def test_gradients_reach_logits_and_lam():
    target, logits = some_target()
    per_sample = nn.CrossEntropyLoss(reduction="none")

    def loss(logits, lam):
        return target._replace(lam=lam).loss(per_sample, logits)

    inside = target.lam.clamp(0.1, 0.9).requires_grad_()  # the differences must not leave [0, 1]
    assert torch.autograd.gradcheck(loss, (logits.requires_grad_(), inside))


def test_hard_labels_are_a_target():
    labels = torch.tensor([2, 0])
    target = MixedTarget.hard(labels)
    assert torch.equal(target.soft(3), F.one_hot(labels, 3).float())


def test_an_empty_batch():
    target = MixedTarget.hard(torch.zeros(0, dtype=torch.long))
    assert target.soft(3).shape == (0, 3)
    logits = torch.zeros(0, 3, requires_grad=True)
    loss = target.loss(nn.CrossEntropyLoss(reduction="none"), logits)
    loss.backward()
    assert loss == 0


def test_it_compiles_as_one_graph_and_goes_in_and_out_of_it():
    target, logits = some_target()

    @torch.compile(fullgraph=True, backend="eager")
    def step(logits, target):
        swapped = MixedTarget(target.other, target.labels, 1 - target.lam)
        return swapped, swapped.loss(nn.CrossEntropyLoss(reduction="none"), logits)

    swapped, loss = step(logits, target)
    assert isinstance(swapped, MixedTarget)
    torch.testing.assert_close(loss, target.loss(nn.CrossEntropyLoss(reduction="none"), logits))


def test_a_loader_collates_it():
    one = MixedTarget(torch.tensor(1), torch.tensor(0), torch.tensor(0.5))
    batch = default_collate([one, one])
    assert isinstance(batch, MixedTarget)
    assert batch.labels.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"lam": torch.tensor([1.5, 0.0])}, ValueError, r"lam: expected values in \[0, 1\], got 0 to 1.5"),
        ({"lam": torch.tensor([float("nan"), 0.0])}, ValueError, r"lam: expected values in \[0, 1\]"),
        ({"lam": torch.tensor([1, 0])}, TypeError, "lam: expected a floating-point tensor"),
        ({"lam": torch.tensor([1.0])}, ValueError, r"lam: expected shape \[2\] like labels, got \[1\]"),
        ({"other": torch.tensor([0])}, ValueError, r"other: expected shape \[2\] like labels, got \[1\]"),
        ({"other": torch.tensor([0, 3])}, ValueError, "other: expected labels from 0 to 2, got"),
        ({"labels": torch.tensor([-1, 0])}, ValueError, "labels: expected labels from 0 to 2, got"),
        ({"labels": torch.tensor([0.0, 1.0])}, TypeError, "labels: expected integer labels"),
    ],
)
def test_what_does_not_fit_is_refused(change, error, message):
    target = MixedTarget(torch.tensor([0, 1]), torch.tensor([1, 2]), torch.tensor([0.5, 0.5]))._replace(**change)
    with pytest.raises(error, match=message):
        target.soft(3)


def test_a_criterion_that_reduces_is_refused():
    target, logits = some_target()
    with pytest.raises(ValueError, match=r'one loss for each of 6 images \(reduction="none"\), got shape \[\]'):
        target.loss(nn.CrossEntropyLoss(), logits)
    with pytest.raises(TypeError, match="per_sample_criterion: expected a torch.Tensor"):
        target.loss(lambda _logits, _labels: 1.0, logits)


def test_made_from_one_iterable_as_hugging_face_makes_tuples():
    target, _ = some_target()
    for again in (MixedTarget(part for part in target), MixedTarget(list(target)), MixedTarget._make(iter(target))):
        assert isinstance(again, MixedTarget)
        assert all(torch.equal(a, b) for a, b in zip(again, target, strict=True))
    assert type(target._replace(lam=target.lam)) is MixedTarget
    for wrong in ((target.labels,), (target.labels, target.other), ([target.labels],)):
        with pytest.raises((TypeError, ValueError), match="expected three tensors|not enough values"):
            MixedTarget(*wrong)


def same(moved, target):
    return type(moved) is MixedTarget and all(torch.equal(a, b) for a, b in zip(moved, target, strict=True))


def test_travels_through_pickle_pinning_pytrees_and_workers(monkeypatch):
    target, _ = some_target()
    assert same(pickle.loads(pickle.dumps(target)), target)
    assert same(copy.deepcopy(target), target)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor.clone())  # it needs a GPU
    assert same(pin_memory({"labels": target})["labels"], target)
    assert same(torch.utils._pytree.tree_map(torch.clone, target), target)
    (batch,) = DataLoader([0], collate_fn=lambda _: target, num_workers=1)
    assert same(batch, target)


def test_travels_to_another_device():
    target, _ = some_target()
    moved = target.to(device="meta", non_blocking=True)
    assert type(moved) is MixedTarget
    assert {part.device.type for part in moved} == {"meta"}
    assert same(target.to("cpu"), target)


def test_travels_with_the_batches_of_trainers():
    target, _ = some_target()
    batch = {"labels": target, "pixel_values": torch.rand(6, 2)}
    from accelerate.utils import send_to_device
    from timm.data.loader import PrefetchLoader

    assert same(send_to_device(batch, "cpu")["labels"], target)
    (fetched,) = PrefetchLoader([(torch.zeros(6, 3, 2, 2, dtype=torch.uint8), target)], device=torch.device("cpu"))
    assert same(fetched[1], target)


def test_travels_with_the_batches_of_lightning():
    fabric = pytest.importorskip("lightning.fabric.utilities.apply_func")
    target, _ = some_target()
    assert same(fabric.move_data_to_device({"labels": target}, torch.device("cpu"))["labels"], target)
    assert {p.device.type for p in fabric.move_data_to_device([target], torch.device("meta"))[0]} == {"meta"}
