"""Images on their own skin and on another's: the objective by hand, agreement that training brings."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from longtail_mix.functional import consistency_loss
from reproduction.criteria.losses import BalancedSoftmax
from reproduction.methods.both_skins import BothSkins
from reproduction.training.recipe import Recipe
from tests.examples.reproduction.methods.small import COUNTS, batch_for, built, step

METHOD = BothSkins(criterion=BalancedSoftmax(), weight=3.0)


def test_the_objective_by_hand():
    made = built(METHOD)
    batch = batch_for(made.needs)
    other, _ = METHOD.mix(batch.labelled, batch.partners, batch.draws, COUNTS)
    own, labels = batch.labelled.views[0], batch.labelled.labels
    assert not torch.allclose(own[:4], other[:4])
    prior = torch.tensor(COUNTS).log()
    expected = 0
    for i in range(4):  # half of the eight rows, each twice
        natural, swapped = made.network(own[i : i + 1])[0], made.network(other[i : i + 1])[0]
        expected += sum(F.cross_entropy(logits + prior, labels[i]) for logits in (natural, swapped)) / 8
        p, q = natural.softmax(0), swapped.softmax(0)
        expected += 3.0 * (F.kl_div(q.log(), p, reduction="sum") + F.kl_div(p.log(), q, reduction="sum")) / 2 / 4
    torch.testing.assert_close(made(batch), expected)


def test_training_makes_the_two_predictions_agree():
    made = built(replace(METHOD, weight=20.0))
    with torch.no_grad():
        made.network.classifier.weight.mul_(50)  # sure of itself, so there is something to disagree about
    batch = batch_for(made.needs)
    other, _ = METHOD.mix(batch.labelled, batch.partners, batch.draws, COUNTS)

    def now() -> float:
        halves = (made.predict(images[:4]) for images in (batch.labelled.views[0], other))
        return float(consistency_loss(*halves).detach())

    before = now()
    for _ in range(10):
        step(made, batch, rate=1e-3)
    assert now() < 0.5 * before


def test_before_its_time_every_row_is_used_as_it_is():
    made = built(replace(METHOD, mix_from=0.5))
    assert made.needs.partners is None
    batch = batch_for(made.needs)
    logits = made.network(batch.labelled.views[0]) + torch.tensor(COUNTS).log()
    torch.testing.assert_close(made(batch), F.cross_entropy(logits, batch.labelled.labels))


def test_a_batch_that_processes_cannot_halve_is_refused():
    METHOD.check(Recipe(batch_size=12), processes=3)
    with pytest.raises(ValueError, match="batch_size: expected a multiple of 8, got 12"):
        METHOD.check(Recipe(batch_size=12), processes=4)


@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_a_weight_below_0_is_refused(weight):
    with pytest.raises(ValueError, match="weight: expected at least 0"):
        BothSkins(weight=weight)
