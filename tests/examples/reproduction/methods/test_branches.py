"""BBN, Hybrid-SC, SupCon, the IB loss, RIDE: each against its equations, written out."""

import pytest
import torch
from torch import Tensor

from longtail_mix import GradCAM
from longtail_mix.functional import lsm
from reproduction.criteria.losses import LDAM, CrossEntropy
from reproduction.methods.bbn import BBN
from reproduction.methods.contrasted import Contrasted
from reproduction.methods.hybrid_contrast import HybridContrast
from reproduction.methods.influence import InfluenceBalanced, InfluenceBalancedLoss
from reproduction.methods.retraining import Retraining
from reproduction.methods.ride import RIDE, DiverseLoss, Diversity, RIDEWithLSM
from reproduction.methods.sampling import ByClass, Natural
from reproduction.networks.branches import branch, last_block, last_stages
from reproduction.networks.network import Backbone
from tests.examples.reproduction.methods.small import CNN, COUNTS, SIZE, batch_for, built, step, weights
from tests.examples.reproduction.methods.test_contrast import supcon

MAPS = Backbone("test_resnet", "none", output_stride=8)


def entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of each image, float64."""
    return -torch.stack([row.double().log_softmax(0)[label] for row, label in zip(logits, labels, strict=True)])


@pytest.mark.parametrize(
    ("backbone", "block", "stage"),
    [
        ("resnet32", "layer3.4", "layer2"),
        ("test_resnet", "layer4.0", "layer3"),
        ("tiny_hybrid", "blocks.2", "blocks.1"),
    ],
)
def test_a_branch_shares_what_is_before_it_and_nothing_after(backbone, block, stage):
    encoder = Backbone(backbone, "none").build(SIZE).train()
    assert (last_block(encoder), last_stages(encoder, 2)) == (block, stage)
    other = branch(encoder, block)
    own = {name for name, p in other.named_parameters() if p is not encoder.get_parameter(name)}
    names = [name for name, _ in encoder.named_parameters()]
    first = next(i for i, name in enumerate(names) if name.startswith(block))
    assert {n for n in names if n.startswith(block)} <= own <= set(names[first:])
    images = torch.rand(2, 3, SIZE, SIZE)
    assert torch.equal(encoder.eval()(images), other.eval()(images))
    with torch.no_grad():
        for name in own:
            other.get_parameter(name).add_(1)
    assert not torch.equal(encoder(images), other(images))


def test_a_branch_shares_statistics_too():
    encoder = Backbone("resnet32", "none").build(SIZE)
    other = branch(encoder, "layer3")
    other.train()(torch.rand(2, 3, SIZE, SIZE))
    assert encoder.bn1.num_batches_tracked == 1
    assert encoder.layer3[0].bn1.num_batches_tracked == 0


def test_what_is_no_part_is_refused():
    encoder = Backbone("resnet32", "none").build(SIZE)
    with pytest.raises(ValueError, match="layer: expected a part of the network, as .*; got 'layer9'"):
        branch(encoder, "layer9")
    with pytest.raises(ValueError, match="backbone: expected one that lists 4 stages, got ResNetCifar"):
        last_stages(encoder, 4)


@pytest.mark.parametrize(("epoch", "alpha"), [(0, 1.0), (3, 1 - 9 / 16)])
def test_bbn_weighs_features_and_losses_of_both_branches(epoch, alpha):
    made = built(BBN(), CNN)
    assert (made.needs.labelled, made.needs.partners) == (Natural(), ByClass(-1.0))
    step(made, batch_for(made.needs), 0.5)  # the branches differ
    made.set_epoch(epoch, 4)
    batch = batch_for(made.needs, seed=1)
    parts = ((made.conventional, batch.labelled), (made.rebalancing, batch.partners))
    first, second = (
        net.features(stream.views[0]).double() @ net.classifier.weight.T.double() + net.classifier.bias.double()
        for net, stream in parts
    )
    logits = alpha * first + (1 - alpha) * second
    own, other = (entropies(logits, stream.labels).mean() for _, stream in parts)
    torch.testing.assert_close(made(batch).double(), alpha * own + (1 - alpha) * other, rtol=1e-5, atol=1e-6)


def test_bbn_asks_both_branches_alike_and_their_last_blocks_alone_differ():
    made = built(BBN(), CNN)
    step(made, batch_for(made.needs))
    made.set_epoch(3, 4)
    step(made, batch_for(made.needs))
    made.eval()
    images = batch_for(made.needs).labelled.views[0]
    torch.testing.assert_close(made.predict(images), 0.5 * made.conventional(images) + 0.5 * made.rebalancing(images))
    pairs = zip(made.conventional.named_parameters(), made.rebalancing.parameters(), strict=True)
    assert {name.split(".")[1] for (name, own), other in pairs if own is not other and "encoder" in name} == {"layer4"}
    other = built(BBN(), CNN, seed=5)
    other.load_state_dict(made.state_dict())
    assert torch.equal(other.eval().predict(images), made.predict(images))


def contrast_of_views(made, batch, temperature):
    stream = batch.labelled
    queries = torch.cat([made.network.project(made.network.features(view)) for view in stream.views])
    nothing = queries.new_zeros(0, queries.shape[1]).double(), stream.labels.new_zeros(0)
    return supcon(queries, stream.labels.repeat(2), *nothing, temperature)


@pytest.mark.parametrize(("epoch", "alpha"), [(0, 1.0), (2, 0.75)])
def test_hybrid_contrast_goes_from_contrast_to_classifier(epoch, alpha):
    made = built(HybridContrast(temperature=0.3))
    assert (made.needs.labelled, made.needs.partners, made.needs.views) == (Natural(), ByClass(0.0), 2)
    made.set_epoch(epoch, 4)
    batch = batch_for(made.needs)
    contrast = contrast_of_views(made, batch, 0.3)
    classification = entropies(made.network(batch.partners.views[0]), batch.partners.labels).mean()
    expected = alpha * contrast + (1 - alpha) * classification
    torch.testing.assert_close(made(batch).double(), expected, rtol=1e-5, atol=1e-6)


def test_the_contrasted_encoder_learns_nothing_from_the_classifier_that_looks_on():
    made = built(Contrasted(temperature=0.3))
    assert (made.needs.labelled, made.needs.partners, made.needs.views) == (Natural(), None, 2)
    batch = batch_for(made.needs)
    contrast = contrast_of_views(made, batch, 0.3)
    looking_on = entropies(made.predict(batch.labelled.views[0]), batch.labelled.labels).mean()
    loss = made(batch)
    torch.testing.assert_close(loss.double(), contrast + looking_on, rtol=1e-5, atol=1e-6)
    encoder = [*made.network.encoder.parameters()]
    own = torch.autograd.grad(contrast, encoder)
    torch.testing.assert_close(torch.autograd.grad(loss, encoder), own, rtol=1e-3, atol=1e-5)


def test_supcon_s_second_stage_has_its_encoder_and_a_new_classifier():
    first = built(Contrasted())
    step(first, batch_for(first.needs))
    second = built(Retraining(Contrasted()))
    second.start_from(first.state_dict())
    before, after = first.network.encoder.state_dict(), second.network.encoder.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert {name for name, p in second.named_parameters() if p.requires_grad} == {
        "network.classifier.weight",
        "network.classifier.bias",
    }


@pytest.mark.parametrize(("epoch", "begun"), [(1, False), (2, True)])
def test_the_influence_balanced_loss_begins_with_its_share_of_the_epochs(epoch, begun):
    made = built(InfluenceBalanced(alpha=7.0, start=0.5))
    assert made.needs.labelled == Natural()
    made.set_epoch(epoch, 4)
    batch = batch_for(made.needs)
    labels = batch.labelled.labels
    features = made.network.features(batch.labelled.views[0]).double()
    logits = made.predict(batch.labelled.views[0]).double()
    rarity = [1 / count for count in COUNTS]
    total = 0.0
    for feature, own, label in zip(features, logits, labels.tolist(), strict=True):
        p = own.exp() / own.exp().sum()
        error = sum(abs(p[k] - int(k == label)) for k in range(7))
        weight = 7.0 * 7 * rarity[label] / sum(rarity) / (error * feature.abs().sum() + 0.001)
        total = total - p[label].log() * (weight if begun else 1)
    torch.testing.assert_close(made(batch).double(), total / len(labels), rtol=1e-5, atol=1e-6)


def test_its_denominator_is_the_length_of_the_gradient_at_the_last_layer():
    features, weight = torch.randn(1, 5, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    weight.requires_grad_()
    labels = torch.tensor([2])
    logits = features @ weight.T
    (gradient,) = torch.autograd.grad(entropies(logits, labels).sum(), weight, retain_graph=True)
    loss = InfluenceBalancedLoss((4, 4, 4), 1.0)(logits, labels, features)
    torch.testing.assert_close(loss, entropies(logits, labels)[0] / (gradient.abs().sum() + 0.001))


def test_diverse_experts_are_rewarded_for_what_the_others_do_not_say():
    diversity = Diversity(weight=0.3, gamma=0.1)
    logits = torch.randn(3, 4, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([1, 3, 5, 0])
    mean = sum(COUNTS) / 7
    following = [0.1 * count / mean + 0.9 for count in COUNTS]
    temperatures = torch.tensor([b + 1 - max(following) for b in following], dtype=torch.float64)
    assert temperatures.max() == 1
    total = 0.0
    for i in range(3):
        total = total + entropies(logits[i], labels).mean()
        for j in {0, 1, 2} - {i}:
            p, q = ((logits[k] / temperatures).softmax(1) for k in (i, j))
            total = total - 0.3 / 2 * (p * (p / q).log()).sum(1).mean()
    objective = DiverseLoss(torch.nn.CrossEntropyLoss(), diversity, COUNTS)
    torch.testing.assert_close(objective(logits, labels), total, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("criterion", [CrossEntropy(), LDAM()], ids=lambda part: type(part).__name__)
def test_ride_s_experts_share_the_first_stages_and_speak_as_one(criterion):
    made = built(RIDE(criterion, Diversity(experts=3)), CNN)
    assert made.needs.labelled == Natural()
    experts = made.network.networks
    names = [name for name, _ in experts[0].named_parameters()]
    own = {name for name in names if experts[0].get_parameter(name) is not experts[2].get_parameter(name)}
    assert {name.split(".")[1] for name in own} == {"layer3", "layer4", "weight", "bias"} - (
        {"bias"} if criterion.cosine else set()
    )
    step(made, batch_for(made.needs))
    made.eval()
    images = batch_for(made.needs).labelled.views[0]
    torch.testing.assert_close(made.predict(images), torch.stack([expert(images) for expert in experts]).mean(0))
    made.set_epoch(3, 4)
    batch = batch_for(made.needs)
    loss = made.objective(torch.stack([expert(images) for expert in experts]), batch.labelled.labels)
    torch.testing.assert_close(made(batch), loss)
    loss.backward()
    assert all(p.grad is not None for p in made.parameters())


def test_ride_with_lsm_mixes_by_the_mean_of_the_experts_maps():
    made = built(RIDEWithLSM(CrossEntropy()), MAPS)
    assert (made.needs.labelled, made.needs.partners) == (ByClass(0.0), Natural())
    step(made, batch_for(made.needs))
    batch = batch_for(made.needs, seed=2)
    made.eval()
    tail, head = batch.labelled, batch.partners
    cams = []
    for expert in made.network.networks:
        with GradCAM(expert, expert.encoder.layer4) as grad_cam:
            cams.append(grad_cam(tail.views[0], tail.labels))
    assert not torch.allclose(cams[0], cams[1])
    pair = tail.views[0], tail.labels, head.views[0], head.labels
    mixed, target = lsm(*pair, (cams[0] + cams[1] + cams[2]) / 3, block_size=4)
    images, shares = made.mixed(batch)
    torch.testing.assert_close(images, mixed)
    loss = made.criterion(made.network.each(images), shares)
    torch.testing.assert_close(made(batch), loss)
    assert torch.equal(shares.labels, target.labels)


METHODS = [BBN(), HybridContrast(), Contrasted(), InfluenceBalanced(), RIDE(CrossEntropy())]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_every_weight_gets_a_gradient(method):
    made = built(method)
    before = weights(made)
    assert step(made, batch_for(made.needs)).isfinite()
    assert any(not torch.equal(value, before[name]) for name, value in made.state_dict().items())
    assert all(p.grad is not None for p in made.parameters())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InfluenceBalanced(alpha=0.0), "alpha: expected above 0, got 0.0"),
        (lambda: InfluenceBalanced(start=1.5), "start: expected 0 to 1, got 1.5"),
        (lambda: Diversity(experts=1), "experts, own_stages: expected 2 and 1 or more, got 1 and 2"),
        (lambda: Diversity(own_stages=0), "experts, own_stages: expected 2 and 1 or more, got 3 and 0"),
        (lambda: Diversity(weight=-1.0), "weight, gamma: expected 0 or more and 0 to 1, got -1.0 and 0.05"),
        (lambda: Diversity(gamma=1.0).temperatures(COUNTS), "gamma: expected one that leaves each temperature above 0"),
    ],
)
def test_options_that_do_not_do_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
