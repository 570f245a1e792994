"""MiSLAS: mixup, then a classifier on frozen features."""

import torch
import torch.nn.functional as F
from framework_batch import Batch, Needs, Stream, balanced, natural
from framework_mislas import MiSLAS
from framework_networks import TINY_HYBRID, Network, build_encoder
from torch import Tensor

from longtail_mix.functional import label_aware_smoothing_loss

S, COUNTS = 32, [40, 20, 6]


def method(backbone: str = TINY_HYBRID, epoch: int = 0) -> MiSLAS:
    torch.manual_seed(0)
    made = MiSLAS(Network(build_encoder(backbone, S), 3), COUNTS, first_stage=2)
    made.set_epoch(epoch, 3)
    return made


def batch_of(count: int = 6, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    own, other = torch.rand(2, count, 3, S, S, generator=generator)
    labels = torch.arange(count) % 3
    noise = 2 * torch.rand(count, 2, S, S, generator=generator) - 1
    return Batch(Stream((own,), (), labels), Stream((other,), (), labels.flip(0)), (noise,))


def test_the_first_stage_is_mixup_of_two_natural_streams():
    made, batch = method(), batch_of()
    assert made.needs == Needs(natural, partners=natural)
    total = torch.zeros(())
    for i in range(6):
        lam = (batch.noise[0][i, 0, 0, 0] + 1) / 2
        mixed = lam * batch.labelled.views[0][i] + (1 - lam) * batch.partners.views[0][i]
        log_p = made.network(mixed[None]).log_softmax(1)[0]
        total = total - lam * log_p[batch.labelled.labels[i]] - (1 - lam) * log_p[batch.partners.labels[i]]
    torch.testing.assert_close(made(batch), total / 6, rtol=1e-5, atol=1e-5)


def test_the_first_stage_trains_all_but_the_scale():
    made = method()
    made(batch_of()).backward()
    assert [name for name, p in made.named_parameters() if p.grad is None] == ["scale"]
    assert made.find_unused_parameters


def test_the_second_stage_is_label_aware_smoothing_of_scaled_logits_on_balanced_images():
    made, batch = method(epoch=2), batch_of()._replace(partners=None, noise=())
    assert made.needs == Needs(balanced)
    made.scale.data = torch.tensor([0.5, 1.0, 2.0])
    features = made.network.features(batch.labelled.views[0])
    logits = made.scale * (features @ made.network.classifier.weight.T) + made.network.classifier.bias
    by_hand = label_aware_smoothing_loss(logits, batch.labelled.labels, COUNTS)
    torch.testing.assert_close(made(batch), by_hand)
    torch.testing.assert_close(made.predict(batch.labelled.views[0]), logits)


def test_the_second_stage_leaves_the_features_alone_and_shifts_batch_norm():
    made = method("test_resnet", epoch=2).train()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    optimizer = torch.optim.AdamW(made.parameters(), lr=0.1, weight_decay=0.1)
    made(batch_of()._replace(partners=None, noise=())).backward()
    optimizer.step()
    changed = {name for name, value in made.state_dict().items() if not torch.equal(value, before[name])}
    trained = {name for name in changed if "running" not in name and "num_batches" not in name}
    assert trained == {"scale", "network.classifier.weight", "network.classifier.bias"}
    assert any("running_mean" in name for name in changed)


def test_a_run_that_is_taken_up_again_in_the_second_stage_is_in_it():
    made = method()
    made.set_epoch(2, 3)
    assert made.features_are_frozen
    assert made.needs.partners is None
    made.set_epoch(1, 3)
    assert not made.features_are_frozen


def test_both_stages_together_learn():
    made, batch = method(), batch_of(12)
    images, labels = batch.labelled.views[0], batch.labelled.labels
    optimizer = torch.optim.AdamW(made.parameters(), lr=2e-3)

    def loss() -> Tensor:
        with torch.no_grad():
            return F.cross_entropy(made.predict(images), labels)

    def steps(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            made(batch).backward()
            optimizer.step()

    untrained = loss()
    steps(15)
    first = loss()
    made.set_epoch(2, 3)
    steps(15)
    assert loss() < first < untrained
