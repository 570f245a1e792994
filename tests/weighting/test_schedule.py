"""What the epoch switches: DRW, the state of a stopped training, and one call for all of it."""

import pytest
import torch
from torch import nn

from longtail_mix import (
    ClassBalancedWeights,
    DeferredWeighting,
    EffectiveNumberWeights,
    FocalLoss,
    HardExamples,
    LDAMLoss,
    Pace,
    set_epoch,
)
from longtail_mix.functional import ldam_loss

COUNTS = [80, 15, 5]
LABELS = torch.tensor([0, 2, 1, 2])


def some_logits() -> torch.Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(0))


def test_ldam_drw_is_ldam_before_and_weighted_ldam_after():
    logits, weights = some_logits(), EffectiveNumberWeights(COUNTS, 0.9999)
    criterion = LDAMLoss(COUNTS, weighting=DeferredWeighting(weights, start_epoch=3), reduction="none")
    plain = ldam_loss(logits, LABELS, COUNTS, reduction="none")
    for epoch in range(6):
        set_epoch(criterion, epoch)
        expected = plain if epoch < 3 else plain * weights.weights[LABELS]
        torch.testing.assert_close(criterion(logits, LABELS), expected)


def test_before_the_start_it_is_off_and_from_zero_it_is_on(device):
    weights = ClassBalancedWeights(COUNTS)
    for labels in (LABELS.to(device), torch.full((4, 3), 1 / 3, device=device)):
        losses = torch.rand(4, device=device)
        off, on = (DeferredWeighting(weights, start).to(device) for start in (1, 0))
        assert torch.equal(off(losses, labels), torch.ones_like(off(losses, labels)))
        assert torch.equal(on(losses, labels), weights(losses, labels))


def test_it_switches_curricula_too():
    drw = DeferredWeighting(HardExamples(Pace(100, 4)), start_epoch=2)
    for epoch, kept in ((1, 4), (2, 2)):
        set_epoch(drw, epoch)
        assert drw.weighting.pace.epoch == epoch
        assert drw(torch.rand(4), LABELS).sum() == kept


def test_a_stopped_training_goes_on_where_it_was(tmp_path):
    def build() -> FocalLoss:
        return FocalLoss(weighting=DeferredWeighting(HardExamples(Pace(10, 4)), start_epoch=2))

    first = build()
    set_epoch(first, 3)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = build()
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert second.weighting.epoch == second.weighting.weighting.pace.epoch == 3
    assert torch.equal(second.weighting.weighting.pace.kept, first.weighting.weighting.pace.kept)
    assert torch.equal(second(some_logits(), LABELS), first(some_logits(), LABELS))
    assert not torch.equal(build()(some_logits(), LABELS), first(some_logits(), LABELS))


def test_casting_a_criterion_keeps_its_counts():
    criterion = LDAMLoss(COUNTS, weighting=HardExamples(Pace(10, 4))).to(torch.bfloat16)
    assert criterion.class_counts.dtype == torch.int64
    assert criterion.weighting.pace.kept.tolist() == [0, 1, 1, 2, 2]


def test_switching_on_compiles_nothing_anew(device):
    torch._dynamo.reset()
    drw = DeferredWeighting(ClassBalancedWeights(COUNTS), start_epoch=5).to(device)
    graphs = []

    def count_graphs(graph, _example):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(drw, fullgraph=True, backend=count_graphs)
    for epoch in range(12):
        drw.set_epoch(epoch)
        losses, labels = torch.rand(4, device=device), LABELS.to(device)
        assert torch.equal(compiled(losses, labels), drw(losses, labels))
    assert len(graphs) == 1


def test_bad_calls():
    with pytest.raises(TypeError, match="weighting: expected an nn.Module, got function"):
        DeferredWeighting(lambda losses, _: losses, 2)
    with pytest.raises(ValueError, match="start_epoch: expected at least 0, got -1"):
        DeferredWeighting(nn.Identity(), -1)
    drw = DeferredWeighting(ClassBalancedWeights(COUNTS), 2)
    for call in (drw.set_epoch, lambda epoch: set_epoch(drw, epoch)):
        with pytest.raises(ValueError, match="epoch: expected at least 0, got -1"):
            call(-1)
        with pytest.raises(TypeError, match="epoch: expected a whole number"):
            call(1.5)
    assert "start_epoch=2" in repr(drw)
    assert repr(Pace(3, 4)) == "Pace(epochs=3, batch_size=4, alpha=None)"
