"""SPMix, PaCo and BCL: one step by hand, who gets gradients, what a step moves, and that they can learn."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from framework_batch import Batch, Needs, Stream, balanced, natural
from framework_config import Config
from framework_contrastive import MomentumContrast, TwoViews
from framework_methods import Method, OfClasses
from framework_recipes import build_method, build_optimizer
from torch import Tensor

from longtail_mix.functional import (
    balanced_contrastive_loss,
    logit_adjustment_loss,
    paco_loss,
    patch_mixup,
    supervised_contrastive_loss,
)

S, P = 32, 8
COUNTS = [90, 700, 50, 30, 80, 10, 15]  # many: 1; medium: 0, 4, 2; few: 3, 6, 5
TAIL, HEAD = (3, 5, 6), (1, 0, 4, 2)
SPMIX = Config(
    backbone="tiny_hybrid",
    size=S,
    patch_size=P,
    epochs=10,
    warmup_epochs=1,
    batch_size=8,
    projection=16,
    queue_size=12,
    momentum=0.9,
)


def method(config: Config) -> Method:
    torch.manual_seed(0)
    return build_method(config, COUNTS)


def batch_of(needs: Needs, labels: list[int] | None = None, seed: int = 0, size: int = S) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    labels = [3, 1, 5, 0, 6, 3, 2, 4] if labels is None else labels
    count = len(labels)

    def stream(labels: list[int]) -> Stream:
        # Large patches of colour and a little noise: two views of an image are more alike than two images.
        coarse = F.interpolate(torch.rand(count, 3, 2, 2, generator=generator), (size, size))
        views = tuple(0.9 * coarse + 0.1 * torch.rand(2, count, 3, size, size, generator=generator))
        maps = tuple(torch.rand(2, count, 1, size, size, generator=generator)) if needs.maps else ()
        return Stream(views, maps, torch.tensor(labels))

    labelled = stream(labels)
    if needs.partners is None:
        return Batch(labelled, None, ())
    noise = tuple(2 * torch.rand(2, count, 2, size, size, generator=generator) - 1)
    return Batch(labelled, stream([HEAD[i % 4] for i in range(count)]), noise)


def mixed_features(network: torch.nn.Module, batch: Batch, view: int, ratio: Tensor) -> Tensor:
    """Features of mixed tokens without the library's hook: a transformer taken apart by hand."""
    encoder = network.encoder
    tokens = [encoder.patch_embed((stream.views[view] - 0.5) / 0.25) for stream in (batch.labelled, batch.partners)]
    mixed = patch_mixup(*tokens, ratio)
    return encoder.forward_head(encoder.norm(encoder.blocks(mixed + encoder.pos_embed)))


@pytest.mark.parametrize("loss", ["supcon", "paco", "bcl"])
def test_a_step_of_spmix_is_what_it_is_by_hand(loss):
    made = method(replace(SPMIX, loss=loss, classification_weight=0.5))
    for _ in range(2):  # twice, so that there is something in the queue
        for weight in made.key.parameters():  # and the key network is another one
            weight.data += 0.02 * torch.randn_like(weight)
        batch = batch_of(made.needs)
        value = made(batch)
        labels, query, key = batch.labelled.labels, made.query, made.key
        views = []
        for view, network in enumerate((query, key)):
            ratio = made.ratio(batch, view)
            mixed = torch.tensor([label in TAIL for label in labels.tolist()])
            assert torch.equal((ratio < 1).all((1, 2, 3)), mixed)
            views.append(mixed_features(network, batch, view, ratio))
        queries, keys = query.projection(views[0]), key.projection(views[1])
        logits = query.classifier(views[0])
        contrasts = keys, labels, made.queue.features, made.queue.labels
        if loss == "supcon":
            expected = supervised_contrastive_loss(queries, labels, *contrasts) + 0.5 * F.cross_entropy(logits, labels)
        elif loss == "paco":
            expected = paco_loss(queries, logits, labels, *contrasts)
        else:
            contrast = balanced_contrastive_loss(queries, query.prototypes(), labels, *contrasts, temperature=0.2)
            expected = 0.5 * F.cross_entropy(logits, labels) + 0.35 * contrast
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-4)
        made.after_step()


def test_a_step_of_paco_counts_the_classes_and_mixes_nothing():
    made = method(replace(SPMIX, method="paco"))
    assert made.needs == Needs(natural, views=2)
    batch = batch_of(made.needs)
    labels, query = batch.labelled.labels, made.query
    first, second = (made.query.features(view) for view in batch.labelled.views)
    keys = query.projection(second)  # the key network starts as the query's copy
    by_hand = paco_loss(query.projection(first), query.classifier(first), labels, keys, labels, class_counts=COUNTS)
    torch.testing.assert_close(made(batch), by_hand, rtol=1e-5, atol=1e-5)


def test_a_step_of_bcl_contrasts_both_views_and_classifies_the_first():
    made = method(replace(SPMIX, method="bcl", classification_weight=2.0, contrast_weight=0.6))
    assert isinstance(made, TwoViews)
    batch = batch_of(made.needs)
    labels, network = batch.labelled.labels, made.network
    features = [network.features(view) for view in batch.labelled.views]
    queries = torch.cat([network.projection(each) for each in features])
    contrast = balanced_contrastive_loss(queries, network.prototypes(), torch.cat([labels, labels]), temperature=0.2)
    classification = logit_adjustment_loss(network.classifier(features[0]), labels, COUNTS)
    torch.testing.assert_close(made(batch), 2 * classification + 0.6 * contrast, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [{}, {"loss": "paco"}, {"loss": "bcl"}, {"method": "paco"}, {"method": "bcl"}, {"queue_size": 0}],
    ids=["spmix supcon", "spmix paco", "spmix bcl", "paco", "bcl", "without a queue"],
)
def test_every_trained_weight_gets_a_gradient_and_the_key_network_none(change):
    made = method(replace(SPMIX, **change))
    made(batch_of(made.needs)).backward()
    missing = {name.split(".")[1] for name, p in made.named_parameters() if p.grad is None}
    assert missing == ({"key"} if isinstance(made, MomentumContrast) else set())
    if isinstance(made, MomentumContrast):
        assert not any(p.requires_grad for p in made.pair.key.parameters())
        optimised = {id(p) for group in build_optimizer(SPMIX, made).param_groups for p in group["params"]}
        assert optimised == {id(p) for p in made.pair.query.parameters()}


def test_after_a_step_the_key_network_has_moved_and_the_keys_are_in_the_queue():
    made = method(SPMIX)
    optimizer = torch.optim.SGD(made.query.parameters(), lr=0.1)
    batch = batch_of(made.needs)
    before = made.key.classifier.weight.clone()
    made(batch).backward()
    assert (made.queue.labels == -1).all()  # not before the step: autograd needs the old queue
    keys = F.normalize(made.key.project(mixed_features(made.key, batch, 1, made.ratio(batch, 1))))
    optimizer.step()
    made.after_step()
    torch.testing.assert_close(made.key.classifier.weight, 0.9 * before + 0.1 * made.query.classifier.weight)
    assert made.queue.labels.tolist() == [*batch.labelled.labels.tolist(), -1, -1, -1, -1]
    torch.testing.assert_close(made.queue.features[:8], keys, rtol=1e-4, atol=1e-5)
    made.after_step()  # the keys of a step are pushed once
    assert made.queue.labels[8:].tolist() == [-1] * 4


def test_a_saved_method_goes_on_where_it_was():
    first, second = method(SPMIX), method(replace(SPMIX, seed=1))
    first(batch_of(first.needs))
    first.after_step()
    second.load_state_dict(first.state_dict())
    batch = batch_of(first.needs, seed=1)
    assert torch.equal(first(batch), second(batch))


@pytest.mark.parametrize("name", ["ce", "mislas", "reslt", "bcl", "paco", "spmix"])
def test_a_prediction_depends_on_nothing_but_the_image(name):
    made = method(replace(SPMIX, method=name)).eval()
    images = torch.rand(4, 3, S, S, generator=torch.Generator().manual_seed(1))
    logits = made.predict(images)
    assert logits.shape == (4, 7)
    assert torch.equal(made.predict(images), logits)
    if isinstance(made, MomentumContrast):
        made.key.classifier.weight.zero_()  # it is the query network that predicts
        assert torch.equal(made.predict(images), logits)
    torch.testing.assert_close(made.predict(images[1:2]), logits[1:2], rtol=1e-4, atol=1e-5)


def test_the_streams_of_the_recipes():
    paper, released = method(SPMIX), method(replace(SPMIX, labels_from="natural", partners_from="balanced"))
    assert paper.needs.labelled is balanced
    assert isinstance(paper.needs.partners, OfClasses)
    assert sorted(paper.needs.partners.classes) == sorted(HEAD)
    assert (paper.needs.views, paper.needs.maps) == (2, True)
    assert (released.needs.labelled, released.needs.partners) == (natural, balanced)
    assert not method(replace(SPMIX, saliency_guided=False)).needs.maps


@pytest.mark.parametrize(("labels_from", "prior"), [("balanced", None), ("natural", COUNTS)])
def test_the_prior_is_that_of_the_stream_the_labels_come_from(labels_from, prior):
    made = method(replace(SPMIX, loss="paco", labels_from=labels_from))
    counts = made.objective.contrast.class_counts
    assert (None if counts is None else counts.tolist()) == prior


@pytest.mark.parametrize("switches", [{"patches": False}, {"saliency_guided": False}])
def test_the_ablations_of_table_2_run(switches):
    made = method(replace(SPMIX, **switches))
    loss = made(batch_of(made.needs))
    loss.backward()
    assert loss.isfinite()


@pytest.mark.parametrize("change", [{}, {"loss": "paco"}, {"loss": "bcl"}, {"method": "bcl"}, {"method": "mislas"}])
def test_autocast_gives_nearly_the_same_loss_in_float32(change, device):
    made = method(replace(SPMIX, **change)).to(device)
    batch = batch_of(made.needs)
    labelled, partners = (
        stream and Stream(*(tuple(t.to(device) for t in part) for part in stream[:2]), stream.labels.to(device))
        for stream in (batch.labelled, batch.partners)
    )
    if made.needs.views == 1:
        labelled = labelled._replace(views=labelled.views[:1])
    batch = Batch(labelled, partners, tuple(noise.to(device) for noise in batch.noise))
    with torch.autocast(device.type, torch.bfloat16):
        loss = made(batch)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, made(batch), rtol=0.03, atol=0.0)
    loss.backward()
    made.after_step()


def learns(config: Config, sampled: Callable[[Needs], Batch], steps: int = 40) -> tuple[float, float]:
    made = method(replace(config, learning_rate=3e-3))
    optimizer, batch = build_optimizer(replace(config, learning_rate=3e-3), made), sampled(made.needs)
    images, labels = batch.labelled.views[0], batch.labelled.labels

    def right() -> float:
        made.eval()
        with torch.no_grad():
            share = (made.predict(images).argmax(1) == labels).float().mean().item()
        made.train()
        return share

    untrained = right()
    for _ in range(steps):
        optimizer.zero_grad()
        made(batch).backward()
        optimizer.step()
        made.after_step()
    return untrained, right()


@pytest.mark.parametrize("change", [{"method": "ce"}, {"method": "paco"}, {"loss": "supcon"}])
def test_sixteen_images_are_learnt_by_heart(change):
    def sixteen(needs: Needs) -> Batch:
        return batch_of(needs, [i % 7 for i in range(16)], size=16)

    untrained, trained = learns(replace(SPMIX, size=16, **change), sixteen)
    assert untrained < 0.5
    assert trained > 0.9
