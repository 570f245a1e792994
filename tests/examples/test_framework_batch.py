import torch
from framework_batch import Needs, balanced, natural

LABELS = torch.tensor([0] * 90 + [1] * 10)


def test_natural_shows_each_image_once_an_epoch_and_another_seed_another_order() -> None:
    first, second = natural(LABELS, 2, 0), natural(LABELS, 2, 1)
    assert sorted(first) == list(range(100))
    assert first.rows().tolist() != second.rows().tolist()


def test_balanced_shows_every_class_equally_often() -> None:
    drawn = torch.cat([_epoch(epoch) for epoch in range(50)])
    assert len(drawn) == 50 * 100
    assert abs(LABELS[drawn].float().mean() - 0.5) < 0.03  # 4 sigma


def _epoch(epoch: int) -> torch.Tensor:
    sampler = balanced(LABELS, 2, 3)
    sampler.set_epoch(epoch)
    return sampler.rows()


def test_a_method_needs_one_plain_view_unless_it_says_more() -> None:
    assert Needs(natural) == Needs(labelled=natural, partners=None, views=1, maps=False)
