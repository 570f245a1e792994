"""Classifier retraining, weight scaling, MiSLAS, tau-normalisation, post-hoc adjustment: each by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix.functional import patch_mixup
from reproduction.criteria.losses import LDAM, LabelAwareSmoothing
from reproduction.data.maps import FineGrained
from reproduction.methods.learner import Learner, Method
from reproduction.methods.mislas import MiSLAS
from reproduction.methods.post_hoc import PostHocAdjustment, TauNormalisation
from reproduction.methods.retraining import Retraining
from reproduction.methods.sampling import ByClass, Natural
from reproduction.methods.supervised import Supervised
from reproduction.methods.weight_scaling import WeightScaling
from reproduction.mixes.mixup import MixUp
from reproduction.mixes.patch_swap import PatchSwap
from reproduction.mixes.ratios import Paper
from reproduction.training.batch import Batch
from reproduction.training.recipe import Recipe
from reproduction.training.views import ViewSettings
from tests.examples.reproduction.methods.small import CNN, COUNTS, batch_for, built, step, weights

SECOND_STAGES = [Retraining(), WeightScaling(), MiSLAS()]


def after_first(method: Method, seed: int = 7) -> tuple[Learner, Learner]:
    """The learner of `first` after a step, and the one that continues from it."""
    first = built(method.first, CNN, seed)
    step(first, batch_for(first.needs))
    second = built(method, CNN)
    second.start_from(first.state_dict())
    return first, second.train()


def images_and_labels(learner: Learner) -> tuple[Batch, Tensor, Tensor]:
    batch = batch_for(learner.needs, seed=3)
    return batch, batch.labelled.views[0], batch.labelled.labels


def test_the_new_classifier_learns_cross_entropy_from_balanced_images_on_features_as_in_a_test():
    first, second = after_first(Retraining())
    assert second.needs.labelled == ByClass(0.0)
    assert second.needs.partners is None
    assert not torch.equal(second.network.classifier.weight, first.network.classifier.weight)
    batch, images, labels = images_and_labels(second)
    features = first.eval().network.features(images)
    logits = features @ second.network.classifier.weight.T + second.network.classifier.bias
    by_hand = -logits.log_softmax(1)[torch.arange(8), labels].mean()
    torch.testing.assert_close(second(batch), by_hand)
    torch.testing.assert_close(second.eval().predict(images), logits)


def test_only_the_scales_learn_and_the_bias_is_not_scaled():
    first, second = after_first(WeightScaling())
    second.network.classifier.scale.data = torch.linspace(0.5, 2, 7)
    batch, images, labels = images_and_labels(second)
    classifier = first.eval().network.classifier
    logits = torch.linspace(0.5, 2, 7) * (first.network.features(images) @ classifier.weight.T) + classifier.bias
    torch.testing.assert_close(second(batch), F.cross_entropy(logits, labels))
    torch.testing.assert_close(second.eval().predict(images), logits)


def test_mislas_s_first_stage_is_mixup_with_uniform_shares_of_two_natural_streams():
    assert MiSLAS().first == Supervised(Natural(), mix=MixUp(alpha=1.0, partners=Natural()))
    learner = built(MiSLAS().first)
    batch = batch_for(learner.needs)
    (shares,) = batch.draws
    total = torch.zeros(())
    for i, lam in enumerate(shares):
        mixed = lam * batch.labelled.views[0][i] + (1 - lam) * batch.partners.views[0][i]
        log_p = learner.network(mixed[None]).log_softmax(1)[0]
        total = total - lam * log_p[batch.labelled.labels[i]] - (1 - lam) * log_p[batch.partners.labels[i]]
    torch.testing.assert_close(learner(batch), total / 8, rtol=1e-5, atol=1e-5)


def test_mislas_s_second_stage_smooths_by_the_counts_of_the_data_though_the_stream_is_balanced():
    first, second = after_first(MiSLAS())
    assert second.needs.labelled == ByClass(0.0)
    assert second.needs.partners is None
    second.network.classifier.scale.data = torch.linspace(0.5, 2, 7)
    batch, images, labels = images_and_labels(second)
    features = first.train().network.features(images).double()  # "shifted": by the statistics of this batch
    classifier = first.network.classifier
    logits = torch.linspace(0.5, 2, 7).double() * (features @ classifier.weight.T.double()) + classifier.bias.double()
    total = 0.0
    for i, label in enumerate(labels.tolist()):
        frequency = (COUNTS[label] - min(COUNTS)) / (max(COUNTS) - min(COUNTS))
        eps = 0.1 + 0.3 * torch.sin(torch.tensor(torch.pi / 2 * frequency, dtype=torch.float64))
        target = torch.full((7,), 1.0).double() * eps / 6
        target[label] = 1 - eps
        total = total - (target * logits[i].log_softmax(0)).sum()
    torch.testing.assert_close(second(batch).double(), total / 8, rtol=1e-5, atol=1e-5)


TRAINED = {
    "Retraining": {"network.classifier.weight", "network.classifier.bias"},
    "WeightScaling": {"network.classifier.scale"},
    "MiSLAS": {"network.classifier.weight", "network.classifier.bias", "network.classifier.scale"},
}


@pytest.mark.parametrize("method", SECOND_STAGES, ids=lambda method: type(method).__name__)
def test_a_step_changes_what_the_stage_trains_and_batch_norm_s_statistics_in_mislas_alone(method):
    _, second = after_first(method)
    before = weights(second)
    step(second, batch_for(second.needs))
    changed = {name for name, value in second.state_dict().items() if not torch.equal(value, before[name])}
    statistics = {name for name in changed if "running" in name or "num_batches" in name}
    assert changed - statistics == TRAINED[type(method).__name__]
    assert bool(statistics) == isinstance(method, MiSLAS)
    assert {name for name, p in second.named_parameters() if p.requires_grad} == changed - statistics


@pytest.mark.parametrize("method", SECOND_STAGES, ids=lambda method: type(method).__name__)
def test_the_encoder_is_the_first_stage_s_and_a_saved_stage_goes_on(method):
    first, second = after_first(method)
    for name, value in first.network.encoder.state_dict().items():
        assert torch.equal(second.network.encoder.state_dict()[name], value)
    other = built(method, CNN, seed=5)
    other.load_state_dict(second.state_dict())
    batch = batch_for(second.needs)
    assert torch.equal(other.train()(batch), second(batch))


def test_a_mix_may_begin_with_the_classifier_s_retraining():
    swap = PatchSwap(Paper(8))
    method = Retraining(second=Supervised(ByClass(0.0), mix=swap))
    assert method.first.mix is None
    assert method.maps == FineGrained()
    first, second = after_first(method)
    batch, images, labels = images_and_labels(second)
    shares = swap.shares(batch.labelled, batch.partners, batch.draws, COUNTS)
    assert (shares < 1).any()
    features = first.eval().network.features(patch_mixup(images, batch.partners.views[0], shares))
    torch.testing.assert_close(second(batch), F.cross_entropy(second.network.classifier(features), labels))


@pytest.mark.parametrize("tau", [0.0, 0.7, 1.0])
def test_tau_normalisation_divides_each_row_by_a_power_of_its_length_and_drops_the_bias(tau):
    first, taken = after_first(TauNormalisation(tau=tau))
    _, images, _ = images_and_labels(taken)
    features, weight = first.eval().network.features(images).double(), first.network.classifier.weight.double()
    by_hand = torch.stack([features @ row / row.square().sum().sqrt() ** tau for row in weight], 1)
    torch.testing.assert_close(taken.eval().predict(images).double(), by_hand, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("sampling", "drawn"), [(Natural(), COUNTS), (ByClass(0.5), [n**0.5 for n in COUNTS])])
def test_post_hoc_adjustment_subtracts_the_log_prior_of_the_stream(sampling, drawn):
    first, taken = after_first(PostHocAdjustment(Supervised(sampling), tau=1.5))
    _, images, _ = images_and_labels(taken)
    prior = torch.tensor(drawn, dtype=torch.float64) / sum(drawn)
    by_hand = first.eval().predict(images) - 1.5 * prior.log()
    torch.testing.assert_close(taken.eval().predict(images).double(), by_hand.double(), rtol=1e-4, atol=1e-4)


def test_what_is_read_otherwise_takes_no_step():
    assert TauNormalisation().share == PostHocAdjustment().share == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Retraining(share=0.0), "share: expected above 0 and at most 1, got 0.0"),
        (lambda: MiSLAS(share=1.5), "share: expected above 0 and at most 1, got 1.5"),
        (lambda: TauNormalisation(tau=1.1), "tau: expected 0 to 1, got 1.1"),
        (
            lambda: WeightScaling(Supervised(criterion=LDAM())),
            "first.criterion: expected one with a linear .*, got LDAM",
        ),
        (lambda: TauNormalisation(Supervised(criterion=LDAM())), "first.criterion: expected one with a linear classif"),
        (
            lambda: MiSLAS(second=Supervised(criterion=LDAM())),
            "second.criterion: expected one with a linear classifier",
        ),
    ],
)
def test_options_that_do_not_do_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("kind", [Retraining, WeightScaling, MiSLAS])
def test_patches_that_do_not_fill_the_views_are_refused_before_any_data_is_read(kind):
    recipe = Recipe(views=ViewSettings(size=100))
    with pytest.raises(ValueError, match="patch_size: expected a divisor of the views' 100, got 16"):
        kind(second=Supervised(mix=PatchSwap())).check(recipe, processes=1)
    with pytest.raises(ValueError, match="patch_size: expected a divisor of the views' 100, got 16"):
        kind(first=Supervised(mix=PatchSwap())).check(recipe, processes=1)


def test_smoothing_is_an_option():
    assert (LabelAwareSmoothing().head, LabelAwareSmoothing().tail) == (0.4, 0.1)
