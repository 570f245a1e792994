"""SPMix with two networks and with one, PaCo, BCL: a step by hand, who gets gradients, what a step moves."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from longtail_mix.functional import patch_mixup
from reproduction.criteria.contrastive import BCL, PaCo, SupCon
from reproduction.data.maps import FineGrained
from reproduction.methods.learner import Learner, Method
from reproduction.methods.momentum_contrast import MomentumContrast
from reproduction.methods.one_encoder import OneEncoder
from reproduction.methods.sampling import ByClass, Heads, Natural
from reproduction.methods.two_views import TwoViews
from reproduction.mixes.patch_swap import PatchSwap
from reproduction.mixes.ratios import Paper, Random, Released
from reproduction.networks.network import Backbone
from reproduction.training.batch import Batch, Needs
from reproduction.training.recipe import Recipe
from reproduction.training.views import ViewSettings
from tests.examples.reproduction.methods.small import COUNTS, TAIL, batch_for, built, step, weights

SPMIX = MomentumContrast(ByClass(0.0), SupCon(weight=0.5), PatchSwap(Paper(8)), momentum=0.9, queue=12, width=16)
RELEASED = OneEncoder(mix=PatchSwap(Released(8), tail_only=False, partners=ByClass(0.0)), queue=12, width=16, hidden=24)


def mixed_features(network: nn.Module, batch: Batch, view: int, ratio: Tensor) -> Tensor:
    """Features of mixed tokens without the library's hook: a transformer taken apart by hand."""
    encoder = network.encoder
    tokens = [encoder.patch_embed((stream.views[view] - 0.5) / 0.25) for stream in (batch.labelled, batch.partners)]
    mixed = patch_mixup(*tokens, ratio)
    return encoder.forward_head(encoder.norm(encoder.blocks(mixed + encoder.pos_embed)))


def unit(features: Tensor) -> Tensor:
    features = features.double()
    return features / features.square().sum(1, keepdim=True).sqrt()


def supcon(queries: Tensor, labels: Tensor, others: Tensor, other_labels: Tensor, temperature: float) -> Tensor:
    """Khosla et al. 2020, Eq. 2, image by image; empty places of a queue have the label -1."""
    anchors = unit(queries)
    contrasts = torch.cat([anchors, others])
    contrast_labels = torch.cat([labels, other_labels])
    losses = []
    for i, label in enumerate(labels.tolist()):
        taken = [a for a in range(len(contrasts)) if a != i and contrast_labels[a] >= 0]
        scores = torch.stack([anchors[i] @ contrasts[a] / temperature for a in taken])
        positive = [place for place, a in enumerate(taken) if contrast_labels[a] == label]
        losses.append(-scores.log_softmax(0)[positive].mean())
    return torch.stack(losses).mean()


def paco(
    queries: Tensor, logits: Tensor, labels: Tensor, others: Tensor, other_labels: Tensor, counts: list[int] | None
) -> Tensor:
    """Cui et al. 2021 as their code has it, alpha 0.05, beta and gamma 1, temperature 0.2."""
    anchors, centres = unit(queries), logits.double()
    if counts is not None:
        centres = centres + (torch.tensor(counts).double() / sum(counts)).log()
    contrasts, contrast_labels = torch.cat([anchors, others]), torch.cat([labels, other_labels])
    losses = []
    for i, label in enumerate(labels.tolist()):
        taken = [a for a in range(len(contrasts)) if a != i and contrast_labels[a] >= 0]
        scores = torch.cat([centres[i], torch.stack([anchors[i] @ contrasts[a] / 0.2 for a in taken])])
        weight = torch.zeros(len(scores), dtype=torch.float64)
        weight[label] = 1.0
        weight[[7 + place for place, a in enumerate(taken) if contrast_labels[a] == label]] = 0.05
        losses.append(-(weight * scores.log_softmax(0)).sum() / weight.sum())
    return torch.stack(losses).mean()


def bcl(
    queries: Tensor, prototypes: Tensor, labels: Tensor, others: Tensor, other_labels: Tensor, temperature: float
) -> Tensor:
    """Zhu et al. 2022, Eqs. 5 to 7: each class counts once in the denominator, its prototype is one of its members."""
    anchors = unit(queries)
    contrasts, contrast_labels = torch.cat([anchors, others]), torch.cat([labels, other_labels])
    losses = []
    for i, label in enumerate(labels.tolist()):
        total, own = 0.0, None
        for c in range(7):
            members = [a for a in range(len(contrasts)) if a != i and contrast_labels[a] == c]
            points = torch.cat([unit(prototypes[c : c + 1]), contrasts[members]])
            scores = points @ anchors[i] / temperature
            total = total + scores.exp().mean()
            own = scores if c == label else own
        losses.append((total.log() - own).mean())
    return torch.stack(losses).mean()


def hand_written(made: Learner, method: Method, batch: Batch) -> Tensor:
    """A step of SPMix by its equations, in float64 from the projections on."""
    labels, query, key = batch.labelled.labels, made.query, made.key
    features = []
    for view, network in enumerate((query, key)):
        draws = batch.draws[2 * view : 2 * view + 2]
        maps = batch.labelled.maps[view], batch.partners.maps[view]
        ratio = method.mix.ratio(*maps, draws[0])
        ratio = torch.stack(
            [r if int(label) in TAIL else torch.ones_like(r) for r, label in zip(ratio, labels, strict=True)]
        )
        features.append(mixed_features(network, batch, view, ratio))
    queries, keys = query.projection(features[0]), unit(key.projection(features[1]))
    logits = query.classifier(features[0]).double()
    others = torch.cat([keys, made.queue.features.double()])
    other_labels = torch.cat([labels, made.queue.labels])
    classification = -logits.log_softmax(1)[torch.arange(len(labels)), labels].mean()
    if isinstance(method.contrast, SupCon):
        return supcon(queries, labels, others, other_labels, 0.2) + 0.5 * classification
    if isinstance(method.contrast, PaCo):
        return paco(queries, logits, labels, others, other_labels, None)
    return 0.5 * classification + 0.6 * bcl(queries, query.prototypes(), labels, others, other_labels, 0.3)


@pytest.mark.parametrize(
    "contrast", [SupCon(weight=0.5), PaCo(), BCL(0.3, 0.5, 0.6)], ids=lambda contrast: type(contrast).__name__
)
def test_a_step_of_spmix_is_what_it_is_by_hand(contrast):
    method = replace(SPMIX, contrast=contrast)
    made = built(method)
    for seed in range(2):  # twice, so that there is something in the queue
        for weight in made.key.parameters():  # and the key network is another one
            weight.data += 0.02 * torch.randn_like(weight)
        batch = batch_for(made.needs, seed=seed)
        torch.testing.assert_close(made(batch).double(), hand_written(made, method, batch), rtol=1e-4, atol=1e-4)
        made.after_step()


def test_each_view_is_mixed_by_its_own_maps_and_draws():
    batch = batch_for(built(SPMIX).needs)
    assert len(batch.draws) == 4
    shares = [
        SPMIX.mix.shares(batch.labelled, batch.partners, batch.draws[2 * view : 2 * view + 2], COUNTS, view)
        for view in range(2)
    ]
    assert not torch.equal(*shares)
    assert not torch.equal(batch.draws[0], batch.draws[2])


def test_a_step_of_paco_counts_the_classes_and_mixes_nothing():
    made = built(MomentumContrast(queue=12, width=16))
    assert made.needs == Needs(Natural(), views=2)
    batch = batch_for(made.needs)
    labels, query = batch.labelled.labels, made.query
    first, second = (made.query.features(view) for view in batch.labelled.views)
    keys = unit(query.projection(second))  # the key network starts as the query's copy
    by_hand = paco(query.projection(first), query.classifier(first), labels, keys, labels, list(COUNTS))
    torch.testing.assert_close(made(batch).double(), by_hand, rtol=1e-4, atol=1e-4)


def test_a_step_of_bcl_contrasts_both_views_and_classifies_the_first():
    made = built(TwoViews(contrast=BCL(0.2, 2.0, 0.6), width=16))
    assert made.needs == Needs(Natural(), views=2)
    batch = batch_for(made.needs)
    labels, network = batch.labelled.labels, made.network
    features = [network.features(view) for view in batch.labelled.views]
    queries = torch.cat([network.projection(each) for each in features])
    nothing = torch.empty(0, 16, dtype=torch.float64), torch.empty(0, dtype=torch.int64)
    contrast = bcl(queries, network.prototypes(), torch.cat([labels, labels]), *nothing, 0.2)
    prior = torch.tensor(COUNTS).double() / sum(COUNTS)
    log_p = (network.classifier(features[0]).double() + prior.log()).log_softmax(1)
    classification = -log_p[torch.arange(8), labels].mean()
    torch.testing.assert_close(made(batch).double(), 2 * classification + 0.6 * contrast, rtol=1e-4, atol=1e-4)


def test_a_step_of_one_encoder_predicts_the_second_view_s_projection_from_the_first():
    made = built(RELEASED)
    for seed in range(2):
        batch = batch_for(made.needs, seed=seed)
        labels, network = batch.labelled.labels, made.network
        features = []
        for view in range(2):
            maps = batch.labelled.maps[view], batch.partners.maps[view]
            ratio = Released(8)(*maps, batch.draws[2 * view])
            assert 0.5 <= ratio.min() <= ratio.max() <= 0.8  # every image is mixed
            features.append(mixed_features(network, batch, view, ratio))

        def mlp(points: Tensor, layers: nn.Sequential) -> Tensor:
            linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
            for place, layer in enumerate(linear, start=1):
                points = points @ layer.weight.T
                points = (points - points.mean(0)) / (points.var(0, unbiased=False) + 1e-5).sqrt()
                points = points if place == len(linear) else points.clamp(min=0)
            return points

        queries = mlp(mlp(features[0], network.projection), made.predictor)
        keys = unit(mlp(features[1], network.projection))
        others = torch.cat([keys, made.queue.features.double()]), torch.cat([labels, made.queue.labels])
        by_hand = paco(queries, network.classifier(features[0]), labels, *others, list(COUNTS))
        torch.testing.assert_close(made(batch).double(), by_hand, rtol=1e-3, atol=1e-3)
        made.after_step()
        newest = keys[4:] if seed else keys[:4]  # 16 keys went into 12 places
        torch.testing.assert_close(made.queue.features[:4].double(), newest, rtol=1e-3, atol=1e-4)


def test_one_encoder_s_heads_have_three_and_two_layers_and_both_views_give_gradients():
    made = built(replace(RELEASED, mix=None, queue=0))
    kinds = ["Linear", "BatchNorm1d", "ReLU"]
    assert [type(layer).__name__ for layer in made.network.projection] == [*kinds, *kinds, *kinds[:2]]
    assert [type(layer).__name__ for layer in made.predictor] == [*kinds, *kinds[:2]]
    shapes = [list(p.shape) for p in made.network.projection.parameters() if p.ndim == 2]
    assert shapes == [[24, 96], [24, 24], [16, 24]]
    assert [list(p.shape) for p in made.predictor.parameters() if p.ndim == 2] == [[24, 16], [16, 24]]
    assert not made.network.projection[-1].affine
    batch = batch_for(made.needs)
    for view in batch.labelled.views:
        view.requires_grad_()
    made(batch).backward()
    assert all(view.grad.abs().sum() > 0 for view in batch.labelled.views)
    assert all(p.grad is not None for p in made.parameters())


@pytest.mark.parametrize(
    "method",
    [SPMIX, replace(SPMIX, contrast=BCL()), replace(SPMIX, queue=0), TwoViews(width=16)],
    ids=["supcon", "bcl", "without a queue", "two views"],
)
def test_every_trained_weight_gets_a_gradient_and_the_key_network_none(method):
    made = built(method)
    made(batch_for(made.needs)).backward()
    missing = {name.split(".")[1] for name, p in made.named_parameters() if p.grad is None}
    is_pair = isinstance(method, MomentumContrast)
    assert missing == ({"key"} if is_pair else set())
    trained = {id(p) for p in made.parameters() if p.requires_grad}
    assert trained == {id(p) for p in (made.query if is_pair else made).parameters()}


def test_after_a_step_the_key_network_has_moved_and_the_keys_are_in_the_queue():
    made = built(SPMIX)
    batch = batch_for(made.needs)
    before = made.key.classifier.weight.clone()
    made(batch)
    assert (made.queue.labels == -1).all()  # not before the step: autograd needs the old queue
    keys = made._latest[0]
    step(made, batch)
    torch.testing.assert_close(made.key.classifier.weight, 0.9 * before + 0.1 * made.query.classifier.weight)
    assert made.queue.labels.tolist() == [*batch.labelled.labels.tolist(), -1, -1, -1, -1]
    torch.testing.assert_close(made.queue.features[:8], keys)
    made.after_step()  # the keys of a step are pushed once
    assert made.queue.labels[8:].tolist() == [-1] * 4


@pytest.mark.parametrize("method", [SPMIX, RELEASED, TwoViews(width=16)], ids=lambda method: type(method).__name__)
def test_a_saved_learner_goes_on_where_it_was_and_predicts_by_the_image_alone(method):
    first, second = built(method), built(method, seed=1)
    step(first, batch_for(first.needs))
    second.load_state_dict(first.state_dict())
    batch = batch_for(first.needs, seed=1)
    assert torch.equal(first(batch), second(batch))
    images = batch.labelled.views[0]
    logits = first.eval().predict(images)
    assert logits.shape == (8, 7)
    if isinstance(method, MomentumContrast):
        first.key.classifier.weight.zero_()  # it is the query network that predicts
    torch.testing.assert_close(first.predict(images[1:2]), logits[1:2], rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in weights(second).items())


def test_the_streams_and_what_they_carry():
    assert built(SPMIX).needs.labelled == ByClass(0.0)
    assert built(SPMIX).needs.partners == Heads()
    assert (built(SPMIX).needs.views, built(SPMIX).needs.maps, SPMIX.maps) == (2, True, FineGrained())
    assert (built(RELEASED).needs.labelled, built(RELEASED).needs.partners) == (Natural(), ByClass(0.0))
    blind = replace(SPMIX, mix=PatchSwap(Random(8)))
    assert blind.maps is None
    needs = built(blind).needs
    assert not needs.maps
    step(built(blind), batch_for(needs))


@pytest.mark.parametrize(
    ("sampling", "prior"), [(ByClass(0.0), None), (Natural(), list(COUNTS))], ids=["balanced", "natural"]
)
def test_the_prior_is_that_of_the_stream_the_labels_come_from(sampling, prior):
    for method in (MomentumContrast(sampling, queue=0), OneEncoder(sampling, queue=0, hidden=8)):
        counts = built(method).objective.contrast.class_counts
        assert (None if counts is None else counts.tolist()) == prior


def test_autocast_gives_nearly_the_same_loss_in_float32():
    made = built(SPMIX)
    batch = batch_for(made.needs)
    with torch.autocast("cpu", torch.bfloat16):
        loss = made(batch)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, made(batch), rtol=0.03, atol=0.0)


def test_eight_images_are_learnt_by_heart():
    made = built(MomentumContrast(queue=0, width=16))
    batch = batch_for(made.needs)
    images, labels = batch.labelled.views[0], batch.labelled.labels
    optimizer = torch.optim.AdamW([p for p in made.parameters() if p.requires_grad], 3e-3)
    assert (made.eval().predict(images).argmax(1) == labels).float().mean() < 0.5
    made.train()
    for _ in range(30):
        optimizer.zero_grad()
        made(batch).backward()
        optimizer.step()
        made.after_step()
    assert (made.eval().predict(images).argmax(1) == labels).float().mean() > 0.9


RECIPE = Recipe(Backbone("tiny_hybrid", "none"), views=ViewSettings(size=64), batch_size=16)


@pytest.mark.parametrize("kind", [MomentumContrast, OneEncoder])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mix": PatchSwap(Paper(7))}, "patch_size: expected a divisor of the views' 64, got 7"),
        ({"layer": "patch_embd"}, "layer: expected the name of a layer of the model, as patch_embed, .*'patch_embd'"),
        ({"layer": "head_drop"}, "layer: expected"),
        ({"queue": 24}, "queue: expected a multiple of the batch size 16 for 2 processes, got 24"),
    ],
)
def test_what_does_not_fit_the_recipe_is_refused(kind, change, message):
    fits = kind(mix=PatchSwap(Paper(8)), queue=32)
    fits.check(RECIPE, processes=2)
    with pytest.raises(ValueError, match=message):
        replace(fits, **change).check(RECIPE, processes=2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MomentumContrast(momentum=1.1), "momentum: expected 0 to 1, got 1.1"),
        (lambda: MomentumContrast(queue=-1), "queue, width: expected at least 0 and 1, got -1 and 128"),
        (lambda: TwoViews(width=0), "width: expected at least 1, got 0"),
        (lambda: OneEncoder(hidden=0), "queue, width, hidden: expected at least 0, 1 and 1, got 8192, 256 and 0"),
        (lambda: OneEncoder(contrast=BCL()), "contrast: expected SupCon or PaCo, .*, got BCL"),
    ],
)
def test_options_that_do_not_do_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
