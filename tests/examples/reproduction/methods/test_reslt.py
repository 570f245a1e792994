"""ResLT: three branches, each responsible for fewer and rarer classes."""

import pytest
import torch

from reproduction.methods import reslt
from reproduction.methods.reslt import ResLT
from reproduction.methods.sampling import Natural
from reproduction.training.batch import Needs
from tests.examples.reproduction.methods.small import batch_for, built, half

LABELS = [1, 1, 4, 0, 3, 6]


def test_the_loss_is_that_of_the_sum_and_of_each_branch_on_its_own_classes():
    made = built(ResLT(alpha=0.7))
    assert made.needs == Needs(Natural())
    batch = batch_for(made.needs, LABELS)
    logits = made.branches(batch.labelled.views[0]).double()
    groups = [set(range(7)), {4, 0, 2, 3, 6, 5}, {3, 6, 5}]
    fusion, branch, pairs = 0.0, 0.0, 0
    for i, label in enumerate(LABELS):
        fusion = fusion - logits[:, i].sum(0).log_softmax(0)[label] / 6
        for k, group in enumerate(groups):
            if label in group:
                branch, pairs = branch - logits[k, i].log_softmax(0)[label], pairs + 1
    assert pairs == 6 + 4 + 2
    torch.testing.assert_close(made(batch).double(), 0.3 * fusion + 0.7 * branch / pairs, rtol=1e-5, atol=1e-6)


def test_the_prediction_is_the_sum_of_the_branches():
    made = built(ResLT()).eval()
    images = batch_for(made.needs).labelled.views[0]
    features = made.network.features(images)
    main = made.network.classifier(features)
    rest = [b.classifier(b.block(features).clamp(min=0)) for b in made.residual]
    torch.testing.assert_close(made.predict(images), main + rest[0] + rest[1])


@pytest.mark.parametrize("labels", [[1, 4, 0], [1, 1, 1]])
def test_every_weight_gets_a_gradient_whatever_the_classes(labels):
    made = built(ResLT())
    made(batch_for(made.needs, labels)).backward()
    assert all(p.grad is not None for p in made.parameters())


def test_two_processes_are_one_though_they_have_different_numbers_of_rare_images(monkeypatch):
    made = built(ResLT(alpha=0.7))
    whole = batch_for(made.needs, [1, 1, 4, 1, 0, 6])
    whole_loss = made(whole)
    whole_loss.backward()
    gradients = [p.grad.clone() for p in made.parameters()]
    made.zero_grad()
    pairs = [1 + 2 + 2, 1 + 1 + 3]  # an image and a branch it belongs to: of 1, 4, 0 and of 1, 1, 6
    monkeypatch.setattr(reslt, "world_size", lambda: 2)
    losses = []
    for rank in range(2):
        monkeypatch.setattr(reslt, "total", lambda own, rank=rank: own + pairs[1 - rank])
        losses.append(made(half(whole, rank)) / 2)
        losses[-1].backward()
    torch.testing.assert_close(sum(losses), whole_loss, rtol=1e-5, atol=1e-6)
    for parameter, gradient in zip(made.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-5)


def test_a_share_is_a_share():
    with pytest.raises(ValueError, match="alpha: expected 0 to 1, got 1.5"):
        ResLT(alpha=1.5)
