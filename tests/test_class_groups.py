import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longtail_mix import many_medium_few, many_medium_few_by_count

counts = st.lists(st.integers(0, 10_000), min_size=1, max_size=40).filter(any)


@given(counts)
def test_every_class_is_in_one_group_and_groups_are_ranked(class_counts):
    for groups in (many_medium_few(class_counts), many_medium_few_by_count(class_counts)):
        ranking = groups.many + groups.medium + groups.few
        assert sorted(ranking) == list(range(len(class_counts)))
        ranked = [class_counts[c] for c in ranking]
        assert ranked == sorted(ranked, reverse=True)
    assert many_medium_few(class_counts).many
    assert len(class_counts) == 1 or many_medium_few(class_counts).few


@pytest.mark.parametrize(("classes", "sizes"), [(1, (1, 0, 0)), (2, (1, 0, 1)), (7, (1, 3, 3)), (100, (14, 43, 43))])
def test_sizes_by_rank(classes, sizes):
    groups = many_medium_few(torch.arange(classes, 0, -1))
    assert tuple(map(len, groups)) == sizes


def test_isic_2018_gives_the_groups_of_the_papers_table_1():
    groups = many_medium_few([1113, 6705, 514, 327, 1099, 115, 142])
    assert groups == ((1,), (0, 4, 2), (3, 6, 5))
    # BCL's row: accuracies that are whole numbers of 40, 120 and 120 images and add up to the printed total.
    correct = [round(a / 100 * 40 * len(g)) for a, g in zip((80.00, 79.17, 65.83), groups, strict=True)]
    assert correct == [32, 95, 79]
    assert round(100 * sum(correct) / 280, 2) == 73.57


def test_fractions_are_rounded_and_ties_keep_the_order_of_the_classes():
    assert tuple(map(len, many_medium_few(range(12, 0, -1)))) == (2, 5, 5)
    assert many_medium_few([5, 5, 5]) == ((0,), (1,), (2,))
    assert many_medium_few_by_count([50, 50, 50]) == ((), (0, 1, 2), ())


def test_thresholds_are_strict_as_in_imagenet_lt():
    assert many_medium_few_by_count([101, 100, 20, 19]) == ((0,), (1, 2), (3,))
    assert many_medium_few_by_count([5, 3, 1], more_than=3, fewer_than=3) == ((0,), (1,), (2,))


def test_bad_input():
    for cut in (many_medium_few, many_medium_few_by_count):
        with pytest.raises(ValueError, match="class_counts: expected at least one class, got none"):
            cut([])
    with pytest.raises(ValueError, match=r"fewer_than: expected at most more_than \+ 1 = 6, got 7"):
        many_medium_few_by_count([1], more_than=5, fewer_than=7)
