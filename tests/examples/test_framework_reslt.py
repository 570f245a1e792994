"""ResLT: three branches, each responsible for fewer and rarer classes."""

import framework_reslt
import pytest
import torch
from framework_batch import Batch, Stream
from framework_networks import TINY_HYBRID, Network, build_encoder
from framework_reslt import ResLT

S = 32
COUNTS = [10, 90, 50, 30, 80, 70, 15]  # many: 1; medium: 4, 5, 2; few: 3, 6, 0


def method() -> ResLT:
    torch.manual_seed(0)
    return ResLT(Network(build_encoder(TINY_HYBRID, S), 7), COUNTS, alpha=0.7)


def batch_of(labels: list[int], seed: int = 0) -> Batch:
    images = torch.rand(len(labels), 3, S, S, generator=torch.Generator().manual_seed(seed))
    return Batch(Stream((images,), (), torch.tensor(labels)), None, ())


def test_the_loss_is_that_of_the_sum_and_of_each_branch_on_its_own_classes():
    made, batch = method(), batch_of([1, 1, 4, 0, 2, 6])
    logits = made.branches(batch.labelled.views[0]).double()
    groups = [set(range(7)), {4, 5, 2, 3, 6, 0}, {3, 6, 0}]
    fusion, branch, pairs = 0.0, 0.0, 0
    for i, label in enumerate(batch.labelled.labels.tolist()):
        fusion = fusion - logits[:, i].sum(0).log_softmax(0)[label] / 6
        for k, group in enumerate(groups):
            if label in group:
                branch, pairs = branch - logits[k, i].log_softmax(0)[label], pairs + 1
    assert pairs == 6 + 4 + 2
    torch.testing.assert_close(made(batch).double(), 0.3 * fusion + 0.7 * branch / pairs, rtol=1e-5, atol=1e-6)


def test_the_prediction_is_the_sum_of_the_branches():
    made, images = method().eval(), torch.rand(2, 3, S, S)
    features = made.network.features(images)
    main = made.network.classifier(features)
    rest = [b.classifier(b.block(features).clamp(min=0)) for b in made.residual]
    torch.testing.assert_close(made.predict(images), main + rest[0] + rest[1])


@pytest.mark.parametrize("labels", [[1, 4, 0], [1, 1, 1]])
def test_every_weight_gets_a_gradient_whatever_the_classes(labels):
    made = method()
    made(batch_of(labels)).backward()
    assert all(p.grad is not None for p in made.parameters())


def test_two_processes_are_one_though_they_have_different_numbers_of_rare_images(monkeypatch):
    made, whole = method(), batch_of([1, 1, 4, 1, 2, 6])
    whole_loss = made(whole)
    whole_loss.backward()
    gradients = [p.grad.clone() for p in made.parameters()]
    made.zero_grad()
    pairs = [3 + 2 + 0, 3 + 1 + 1]  # an image and a branch it belongs to: of 1, 4, 2 and of 1, 1, 6
    monkeypatch.setattr(framework_reslt, "world_size", lambda: 2)
    losses = []
    for rank in range(2):
        monkeypatch.setattr(framework_reslt, "total", lambda own, rank=rank: own + pairs[1 - rank])
        stream = whole.labelled
        half = Batch(Stream((stream.views[0][rank::2],), (), stream.labels[rank::2]), None, ())
        losses.append(made(half) / 2)
        losses[-1].backward()
    torch.testing.assert_close(sum(losses), whole_loss, rtol=1e-5, atol=1e-6)
    for parameter, gradient in zip(made.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-5)
