"""Each method's loss by hand, what gets gradients, and that it can learn sixteen images by heart."""

import torch
import torch.nn.functional as F
from framework_batch import Batch, Stream
from framework_methods import CrossEntropy, OfClasses
from framework_networks import TINY_HYBRID, Network, build_encoder

S, K = 32, 4


def network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return Network(build_encoder(TINY_HYBRID, S), K)


def batch_of(count: int = 6, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % K
    return Batch(Stream((torch.rand(count, 3, S, S, generator=generator),), (), labels), None, ())


def test_cross_entropy_is_that_of_the_logits_and_reaches_every_weight():
    method, batch = CrossEntropy(network()), batch_of()
    loss = method(batch)
    torch.testing.assert_close(loss, F.cross_entropy(method.predict(batch.labelled.views[0]), batch.labelled.labels))
    loss.backward()
    assert all(p.grad is not None for p in method.parameters())


def test_cross_entropy_of_two_halves_is_that_of_the_whole():
    method, batch = CrossEntropy(network()), batch_of(8)
    (views,), labels = batch.labelled.views, batch.labelled.labels
    halves = [Batch(Stream((views[r::2],), (), labels[r::2]), None, ()) for r in range(2)]
    torch.testing.assert_close(sum(method(half) for half in halves) / 2, method(batch), rtol=1e-5, atol=1e-6)


def test_a_method_does_nothing_between_steps_and_epochs_unless_it_says_so():
    method = CrossEntropy(network())
    before = {name: value.clone() for name, value in method.state_dict().items()}
    method.after_step()
    method.set_epoch(0, 2)
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
    assert not method.find_unused_parameters


def test_the_partners_are_of_the_classes_asked_for_in_the_shares_they_come_in():
    labels = torch.tensor([0] * 60 + [1] * 30 + [2] * 10)
    sampler = OfClasses((0, 1))(labels, 3, 5)
    assert len(sampler) == 100
    epochs = []
    for epoch in range(40):
        sampler.set_epoch(epoch)
        epochs.append(labels[sampler.rows()])
    shares = torch.cat(epochs).bincount(minlength=3) / 4000
    assert shares[2] == 0
    assert abs(shares[0] - 2 / 3) < 0.03  # 4 sigma
    assert OfClasses((0, 1))(labels, 3, 5).rows().tolist() == OfClasses((0, 1))(labels, 3, 5).rows().tolist()
