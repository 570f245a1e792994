import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longtail_mix import ClassGroups
from longtail_mix.metrics import GroupAccuracy, long_tail_metrics

GROUPS = ClassGroups(many=(1,), medium=(0, 3), few=(2,))


def by_hand(predictions: list[int], labels: list[int], groups: ClassGroups, classes: int) -> dict[str, object]:
    def share(hits: int, of: int) -> float:
        return hits / of if of else 0.0

    def right(chosen: tuple[int, ...] | range) -> tuple[int, int]:
        pairs = [(p, y) for p, y in zip(predictions, labels, strict=True) if y in chosen]
        return sum(p == y for p, y in pairs), len(pairs)

    recall = [share(*right((c,))) for c in range(classes)]
    precision = [share(right((c,))[0], predictions.count(c)) for c in range(classes)]
    f1 = [share(2 * p * r, p + r) for p, r in zip(precision, recall, strict=True)]
    return {
        **{name: share(*right(chosen)) for name, chosen in groups._asdict().items()},
        "accuracy": share(*right(range(classes))),
        "macro_f1": sum(f1) / classes,
        "balanced_accuracy": sum(recall) / classes,
        "recall": recall,
    }


@given(st.integers(0, 2**31), st.integers(1, 4))
def test_equal_a_loop_in_any_number_of_batches(seed, batches):
    generator = torch.Generator().manual_seed(seed)
    # Every class is present, so that no mean is over classes that are not there.
    labels = torch.cat([torch.arange(4), torch.randint(4, (20,), generator=generator)])
    logits = torch.randn(24, 4, generator=generator)
    metrics = long_tail_metrics(4, GROUPS)
    for part in torch.arange(24).chunk(batches):
        metrics.update(logits[part], labels[part])
    expected = by_hand(logits.argmax(1).tolist(), labels.tolist(), GROUPS, 4)
    measured = metrics.compute()
    assert set(measured) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(measured[name], torch.tensor(value), rtol=1e-5, atol=1e-6)


def test_groups_that_agree_in_the_first_batch_stay_apart():
    metrics = long_tail_metrics(4, GROUPS)
    metrics.update(torch.tensor([1, 2]), torch.tensor([1, 2]))
    metrics.update(torch.tensor([0, 2]), torch.tensor([1, 2]))
    assert metrics.compute()["many"] == 0.5
    assert metrics.compute()["few"] == 1.0


def test_counts_add_up_over_processes_and_are_not_stored():
    accuracy = GroupAccuracy((1,))
    assert set(accuracy._reductions) == {"correct", "total"}
    assert all(reduce(torch.tensor([2, 3])) == 5 for reduce in accuracy._reductions.values())
    assert not accuracy.state_dict()


def test_empty_groups_have_no_column_and_reset_forgets():
    metrics = long_tail_metrics(2, ClassGroups((0,), (), (1,)))
    metrics.update(torch.tensor([0, 0]), torch.tensor([0, 1]))
    assert "medium" not in metrics.compute()
    metrics.reset()
    metrics.update(torch.tensor([1]), torch.tensor([1]))
    assert metrics.compute()["few"] == 1.0


def test_no_image_of_the_group_is_not_a_number():
    accuracy = GroupAccuracy((1,))
    accuracy.update(torch.tensor([0]), torch.tensor([0]))
    assert accuracy.compute().isnan()


def test_bad_input():
    with pytest.raises(ValueError, match="classes: expected at least one class, got none"):
        GroupAccuracy(())
    with pytest.raises(ValueError, match=r"predictions: expected \[2\] or logits for it, got shape \[3\]"):
        GroupAccuracy((0,)).update(torch.zeros(3), torch.zeros(2, dtype=torch.int64))
