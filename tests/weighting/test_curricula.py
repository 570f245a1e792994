"""Which images of a batch count: exactly the paper's m of them in every epoch, ties and all."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longtail_mix import ClassWiseHardExamples, HardExamples, Pace, SelfPaced
from longtail_mix.functional import class_wise_hard_examples, hard_examples, self_paced


def papers_m(batch: int, epoch: int, epochs: int) -> int:
    """Eq. 9 to the nearest whole number, with the smallest alpha that keeps all from half of training."""
    alpha = 2 * math.log(2 * batch - 1) / epochs
    exact = batch * math.exp(alpha * epoch) / (1 + math.exp(alpha * epoch))
    return math.floor(exact + 0.5 + 1e-9)


def chosen_by_loop(losses: list[float], count: int, hardest: bool) -> list[float]:
    """One after the other: the first of the easiest, or of the hardest, that is left."""
    weights, left = [0.0] * len(losses), list(range(len(losses)))
    for _ in range(min(count, len(losses))):
        best = left[0]
        for i in left:
            if losses[i] > losses[best] if hardest else losses[i] < losses[best]:
                best = i
        weights[best] = 1.0
        left.remove(best)
    return weights


@pytest.mark.parametrize("epochs", [1, 2, 5, 150, 250])
def test_m_is_the_papers_in_every_epoch(epochs):
    pace = Pace(epochs, 128)
    for epoch in range(epochs + 3):
        pace.set_epoch(epoch)
        for batch in (1, 2, 3, 7, 15, 20, 44, 128):  # with 15 and 44 rounding falls just short of M - 1/2
            assert pace.count(batch) == papers_m(batch, epoch, epochs)
            assert pace(batch).item() == pace.count(batch)
            if epoch == 0:
                assert pace.count(batch) == math.floor(batch / 2 + 0.5)
            if 2 * epoch >= epochs:
                assert pace.count(batch) == batch
        assert pace.count(0) == pace(0).item() == 0
        assert pace(torch.tensor([0, 20, 1])).tolist() == [0, pace.count(20), 1]


def test_twenty_images_over_ten_epochs():
    pace = Pace(10, 20)
    counts = []
    for epoch in range(7):
        pace.set_epoch(epoch)
        counts.append(pace.count(20))
    # alpha = 0.2 ln 39: 20 * 39^(e/5) / (1 + 39^(e/5)) = 10, 13.5, 16.2, 18, 19, 19.5, 19.8
    assert counts == [10, 14, 16, 18, 19, 20, 20]


def test_an_alpha_of_ones_own():
    pace = Pace(100, 20, alpha=0.1)
    for epoch in (0, 3, 50, 100, 10000):
        pace.set_epoch(epoch)
        assert pace.count(20) == math.floor(20 / (1 + math.exp(-0.1 * epoch)) + 0.5)


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.5, math.inf]), max_size=9), st.integers(0, 10))
def test_exactly_count_are_chosen_and_of_equals_the_first(losses, count):
    tensor = torch.tensor(losses, dtype=torch.float64)
    for given_count in (count, torch.tensor(count)):
        easy, hard = self_paced(tensor, given_count), hard_examples(tensor, given_count)
        assert easy.tolist() == chosen_by_loop(losses, count, hardest=False)
        assert hard.tolist() == chosen_by_loop(losses, count, hardest=True)
        assert easy.sum() == hard.sum() == min(count, len(losses))
        assert easy.dtype == tensor.dtype


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 2.5]), st.integers(0, 3)), max_size=9), st.integers(0, 6))
def test_within_each_class_the_same(images, epoch):
    pace = Pace(8, 9)
    pace.set_epoch(epoch)
    losses = torch.tensor([loss for loss, _ in images], dtype=torch.float64)
    labels = torch.tensor([label for _, label in images], dtype=torch.int64)
    got = class_wise_hard_examples(losses, labels, pace.kept)
    assert torch.equal(ClassWiseHardExamples(pace)(losses, labels), got)
    shares = torch.nn.functional.one_hot(labels, 4) * 0.7 + 0.075
    assert torch.equal(ClassWiseHardExamples(pace)(losses, shares), got)
    for label in range(4):
        own = labels == label
        size = int(own.sum())
        assert got[own].tolist() == chosen_by_loop(losses[own].tolist(), papers_m(size, epoch, 8) if size else 0, True)


@pytest.mark.parametrize("kind", [SelfPaced, HardExamples, ClassWiseHardExamples])
def test_modules_over_a_training_with_ties_everywhere(kind, device):
    epochs, labels = 6, torch.zeros(20, dtype=torch.int64, device=device)
    module = kind(Pace(epochs, 20)).to(device)
    for losses in (torch.full((20,), 0.7, device=device), (torch.arange(20.0, device=device) // 5)):
        for epoch in range(epochs):
            module.pace.set_epoch(epoch)
            m = papers_m(20, epoch, epochs)
            expected = chosen_by_loop(losses.tolist(), m, kind is not SelfPaced)
            assert module(losses, labels).tolist() == expected
            assert sum(expected) == m


def test_no_gradient_passes():
    losses = torch.rand(6, requires_grad=True)
    for weights in (
        self_paced(losses, 3),
        hard_examples(losses, 3),
        class_wise_hard_examples(losses, torch.zeros(6, dtype=torch.int64), torch.arange(7)),
    ):
        assert not weights.requires_grad


def test_nan_counts_as_hardest():
    losses = torch.tensor([0.5, math.nan, 2.0])
    assert hard_examples(losses, 1).tolist() == [0, 1, 0]
    assert self_paced(losses, 2).tolist() == [1, 0, 1]
    assert class_wise_hard_examples(losses, torch.zeros(3, dtype=torch.int64), torch.tensor([0, 1, 1, 1]))[1] == 1


@pytest.mark.parametrize("kind", [SelfPaced, HardExamples, ClassWiseHardExamples])
def test_one_graph_for_all_epochs_and_batch_sizes(kind, device):
    torch._dynamo.reset()
    module = kind(Pace(30, 20)).to(device)
    graphs = []

    def count_graphs(graph, _example):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(module, fullgraph=True, backend=count_graphs)
    for epoch in range(16):
        module.pace.set_epoch(epoch)
        for size in (20, 13, 7):
            losses = torch.rand(size, device=device)
            labels = torch.arange(size, device=device) % 3
            assert torch.equal(compiled(losses, labels), module(losses, labels))
    assert len(graphs) <= 2  # the first size, and any other


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", [SelfPaced, HardExamples, ClassWiseHardExamples])
def test_nothing_waits_for_the_gpu(kind):
    module = kind(Pace(30, 20)).cuda()
    losses, labels = torch.rand(20, device="cuda"), torch.zeros(20, dtype=torch.int64, device="cuda")
    module(losses, labels)
    torch.cuda.set_sync_debug_mode("error")
    try:
        module(losses, labels)
    finally:
        torch.cuda.set_sync_debug_mode("default")


BAD = [
    (torch.zeros(2, 2), 1, ValueError, r"losses: expected one for each image \[B\]"),
    (torch.zeros(2).int(), 1, TypeError, "losses: expected a floating-point tensor"),
    (torch.zeros(2), -1, ValueError, "count: expected at least 0, got -1"),
    (torch.zeros(2), 1.0, TypeError, "count: expected a whole number"),
    (torch.zeros(2), torch.tensor([1]), ValueError, "count: expected one whole number"),
    (torch.zeros(2), torch.tensor(1.0), TypeError, "count: expected integer values, got torch.float32"),
]


@pytest.mark.parametrize(("losses", "count", "error", "message"), BAD)
def test_bad_calls(losses, count, error, message):
    for function in (self_paced, hard_examples):
        with pytest.raises(error, match=message):
            function(losses, count)


def test_bad_calls_within_classes():
    labels, counts = torch.tensor([0, 1]), torch.arange(3)
    with pytest.raises(ValueError, match=r"labels: expected integer labels \[2\], got torch.int64 \[1\]"):
        class_wise_hard_examples(torch.zeros(2), labels[:1], counts)
    with pytest.raises(TypeError, match="labels: expected integer labels, got torch.float32"):
        class_wise_hard_examples(torch.zeros(2), labels.float(), counts)
    with pytest.raises(ValueError, match=r"counts: expected an integer for each of 0 to 2 images, got .*64 \[2\]"):
        class_wise_hard_examples(torch.zeros(2), labels, counts[:2])
    with pytest.raises(TypeError, match="counts: expected integer values, got torch.float32"):
        class_wise_hard_examples(torch.zeros(2), labels, counts.float())
    for kind in (SelfPaced, HardExamples, ClassWiseHardExamples):
        with pytest.raises(ValueError, match="losses: expected at most batch_size = 1 of them, got 2"):
            kind(Pace(3, 1))(torch.zeros(2), labels)
        with pytest.raises(ValueError, match="losses: expected one for each image"):
            kind(Pace(3, 4))(torch.zeros(2, 2), labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0, "batch_size": 2}, "epochs: expected at least 1, got 0"),
        ({"epochs": 3, "batch_size": 0}, "batch_size: expected at least 1, got 0"),
        ({"epochs": 3, "batch_size": 2, "alpha": 0.0}, "alpha: expected a finite number of more than 0"),
        ({"epochs": 3, "batch_size": 2, "alpha": math.inf}, "alpha: expected a finite number of more than 0"),
    ],
)
def test_bad_paces(options, message):
    with pytest.raises(ValueError, match=message):
        Pace(**options)
