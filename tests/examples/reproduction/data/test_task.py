"""Sides of a split, and that nobody looks at the test before it is asked for."""

from collections.abc import Callable

import pytest
import torch

from reproduction.data.task import Images, Task

CLASSES = ("a", "b")


def images(labels: list[int], maps: bool = False) -> Images:
    count = len(labels)
    pixels = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).contiguous()
    groups = tuple(f"lesion {row}" for row in range(count))
    masks = pixels[:, :1] % 2 == 1
    return Images(pixels, torch.tensor(labels), groups, masks, pixels[:, :1] if maps else None)


def never() -> Images:
    pytest.fail("the test side was read")


def test_rows_take_everything_along():
    some = images([0, 1, 0, 1], maps=True).rows(torch.tensor([3, 1]))
    assert len(some) == 2
    assert some.labels.tolist() == [1, 1]
    assert some.groups == ("lesion 3", "lesion 1")
    assert some.maps is not None
    assert some.masks is not None
    for part, values in ((some.images, [3, 1]), (some.maps, [3, 1]), (some.masks, [True, True])):
        assert part[:, 0, 0, 0].tolist() == values
    plain = Images(some.images, some.labels, some.groups).rows(torch.tensor([0]))
    assert (plain.masks, plain.maps) == (None, None)


def test_a_task_counts_its_training_images_and_leaves_the_test_alone():
    task = Task("t", CLASSES, images([0, 1, 0]), never)
    assert task.class_counts() == (2, 1)


def side_of_one_class() -> Images:
    return images([0, 0])


def test_a_side_without_a_class_is_refused_by_name():
    whole, part = images([0, 1]), side_of_one_class()
    message = r": expected images of every class of \('a', 'b'\), got \[2, 0\]"
    with pytest.raises(ValueError, match="train" + message):
        Task("t", CLASSES, part, never)
    with pytest.raises(ValueError, match="validation" + message):
        Task("t", CLASSES, whole, never, part)
    load_test: Callable[[], Images] = side_of_one_class
    task = Task("t", CLASSES, whole, load_test)  # no error yet: it was not looked at
    with pytest.raises(ValueError, match="test" + message):
        task.test()
