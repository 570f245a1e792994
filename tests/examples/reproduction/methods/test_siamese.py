"""CARE's Table 3: Siamese pairs beside the classifier, and Decoupling; each alone and with the attention loss."""

import pytest
import torch

from reproduction.criteria.losses import BalancedSoftmax, CrossEntropy
from reproduction.criteria.weightings import ClassBalanced
from reproduction.methods.care import CARE, Continued, Plain
from reproduction.methods.sampling import ByClass
from reproduction.methods.siamese import Siamese, pair_loss
from reproduction.mixes.mixup import MixUp
from reproduction.networks.branches import freeze_before, last_stages
from reproduction.networks.network import Backbone
from tests.examples.reproduction.methods.small import COUNTS, batch_for, built, step, weights
from tests.examples.reproduction.methods.test_care import FINE, attention_by_hand, boxed

DECOUPLED = {"sampling": ByClass(0.0), "last_stage_only": True}


def pairs_by_hand(features, labels, margin):
    """Hadsell et al. 2006, Eq. 4, with as many pairs of one class as of two."""
    near, far = [], []
    for i in range(len(labels)):
        for j in range(i):
            distance = (features[i] - features[j]).square().sum().sqrt()
            if labels[i] == labels[j]:
                near.append(distance**2 / 2)
            else:
                far.append(max(margin - distance, distance.new_zeros(())) ** 2 / 2)
    return sum((sum(part) / len(part) for part in (near, far) if part), features.new_zeros(())) / 2


@pytest.mark.parametrize("labels", [[0, 1, 0, 2, 1, 1], [0, 1, 2, 3, 4, 5], [2, 2, 2, 2, 2, 2]])
def test_pairs_of_a_class_come_near_and_others_apart(labels):
    features = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor(labels)
    torch.testing.assert_close(
        pair_loss(features, labels, 2.5), pairs_by_hand(features, labels, 2.5), rtol=1e-7, atol=1e-7
    )


def test_equal_features_and_single_images_have_gradients_that_are_numbers():
    for count in (1, 3):
        features = torch.zeros(count, 4, requires_grad=True)
        pair_loss(features, torch.arange(count), 1.0).backward()
        assert features.grad.isfinite().all()


def test_the_loss_is_the_criterion_s_and_the_pairs():
    made = built(Siamese(criterion=CrossEntropy(ClassBalanced()), margin=30.0, weight=0.7), FINE).eval()
    plain = built(Plain(criterion=CrossEntropy(ClassBalanced())), FINE).eval()
    batch = batch_for(made.needs)
    features = made.network.features(batch.labelled.views[0])
    pairs = pairs_by_hand(features, batch.labelled.labels, 30.0)
    assert pairs > 1
    torch.testing.assert_close(made(batch), plain(batch) + 0.7 * pairs, rtol=1e-5, atol=1e-5)


def test_the_attention_loss_comes_beside_both():
    first = Siamese(margin=30.0)
    made = built(CARE(first, alpha=0.3, tau=0.4, lam=1.3), FINE).eval()
    batch = boxed(batch_for(made.needs), (2, 5))
    logits, losses = attention_by_hand(made, batch, 0.4, 1.3)
    labels = batch.labelled.labels
    pairs = pairs_by_hand(made.network.features(batch.labelled.views[0]), labels, 30.0)
    classification = torch.nn.functional.cross_entropy(logits, labels) + pairs
    torch.testing.assert_close(made(batch), 0.7 * classification + 0.3 * sum(losses) / 2, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [Continued, CARE])
def test_decoupling_trains_the_last_stage_and_the_classifier_on_balanced_classes(kind):
    first = built(Plain(), FINE)
    step(first, batch_for(first.needs))
    second = built(kind(Plain(), **DECOUPLED), FINE)
    second.start_from(first.state_dict())
    assert second.needs.labelled == ByClass(0.0)
    before = weights(second)
    assert all(torch.equal(before[name], value) for name, value in first.state_dict().items())
    step(second.train(), boxed(batch_for(second.needs), (2,)))
    changed = {name for name, p in second.named_parameters() if not torch.equal(p, before[name])}
    parts = {".".join(name.split(".")[1:3]) for name in changed}
    assert parts == {"encoder.layer4", "classifier.weight", "classifier.bias"}
    assert {name for name, p in second.named_parameters() if p.requires_grad} == changed


def test_a_prior_is_that_of_the_second_stage_s_stream():
    first = Plain(criterion=BalancedSoftmax())
    assert built(first, FINE).criterion.class_counts.tolist() == list(COUNTS)
    own = built(Continued(first, sampling=ByClass(0.0)), FINE).criterion.class_counts
    assert len(set(own.tolist())) == 1


def test_a_transformer_freezes_what_is_before_its_last_block():
    encoder = Backbone("tiny_hybrid", "none").build(32)
    freeze_before(encoder, last_stages(encoder, 1))
    trained = {name for name, p in encoder.named_parameters() if p.requires_grad}
    assert "blocks.2.attn.qkv.weight" in trained
    assert not encoder.pos_embed.requires_grad
    assert all(name.startswith(("blocks.2", "norm", "fc_norm")) for name in trained)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": 0.0}, "margin, weight: expected above 0 and at least 0, got 0.0 and 1.0"),
        ({"weight": -1.0}, "margin, weight: expected above 0 and at least 0, got 1.0 and -1.0"),
        ({"mix": MixUp()}, "mix: expected none, as a pair is of one class or of two, got MixUp"),
    ],
)
def test_options_that_do_not_do_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Siamese(**options)
