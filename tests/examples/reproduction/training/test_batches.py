from dataclasses import replace

import pytest
import torch
from torch import Tensor

from longtail_mix.sampling import ClassSampler, ShuffledSampler, balanced_probabilities
from reproduction.data.task import Images
from reproduction.methods.sampling import ByClass, Natural
from reproduction.training.batch import Needs
from reproduction.training.batches import Batches, seed_of
from reproduction.training.views import ViewSettings, apply_views, draw_views

CPU = torch.device("cpu")
LABELS = torch.arange(3).repeat_interleave(torch.tensor([20, 7, 3]))
IMAGES = torch.randint(0, 256, (30, 3, 16, 16), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
FRAMES = Images(IMAGES, LABELS, tuple(map(str, range(30))), maps=IMAGES[:, :1])
VIEWS = ViewSettings(size=8, operations=2)


def drawn_with(count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Two tensors with a row for each image of the global batch."""
    return tuple(torch.empty(count, *shape).uniform_(generator=generator) for shape in ((2, 8, 8), ()))


NEEDS = Needs(Natural(), ByClass(), views=2, maps=True, draw=drawn_with)


def batches(batch_size: int = 8, seed: int = 5, frames: Images = FRAMES) -> Batches:
    return Batches(frames, 3, VIEWS, batch_size, seed, CPU)


def flat(batch: tuple) -> list[Tensor]:
    parts: list[Tensor] = []
    for part in batch:
        parts += [part] if isinstance(part, Tensor) else [] if part is None else flat(part)
    return parts


def test_a_batch_is_what_its_seed_and_number_say():
    drawn = batches()
    drawn.set_epoch(NEEDS, 2)
    batch = drawn.draw(7)  # the second of the epoch: three steps an epoch
    sampler = ShuffledSampler(30, seed_of(5, "labelled"))
    sampler.set_epoch(2)
    rows = sampler.rows()[8:16]
    partners = ClassSampler(LABELS, balanced_probabilities([20, 7, 3]), seed=seed_of(5, "partners"))
    partners.set_epoch(2)
    others = partners.rows()[8:16]
    generator = torch.Generator().manual_seed(seed_of(5, "views", 7))
    for stream, chosen in ((batch.labelled, rows), (batch.partners, others)):
        torch.testing.assert_close(stream.labels, LABELS[chosen])
        for view, view_map in zip(stream.views, stream.maps, strict=True):
            draws = draw_views(8, VIEWS, generator)
            expected = apply_views(IMAGES[chosen], IMAGES[chosen][:, :1] / 255, draws, VIEWS)
            torch.testing.assert_close((view, view_map), expected, rtol=0, atol=0)
    noise = torch.Generator().manual_seed(seed_of(5, "noise", 7))
    torch.testing.assert_close(batch.draws, drawn_with(8, noise), rtol=0, atol=0)


def test_order_and_history_do_not_matter_and_every_step_and_seed_is_another():
    first, second = batches(), batches()
    first.set_epoch(NEEDS, 0)
    for step in (0, 1):
        first.draw(step)
    first.set_epoch(NEEDS, 1)
    second.set_epoch(NEEDS, 1)
    later = second.draw(4)
    assert all(torch.equal(a, b) for a, b in zip(flat(first.draw(4)), flat(later), strict=True))
    other = batches(seed=6)
    other.set_epoch(NEEDS, 1)
    assert not torch.equal(other.draw(4).draws[0], later.draws[0])
    assert not torch.equal(second.draw(5).draws[0], later.draws[0])
    assert not torch.equal(later.labelled.views[0], later.labelled.views[1])


def test_an_epoch_shows_every_image_it_can_once():
    drawn = batches(batch_size=10)
    assert drawn.steps_per_epoch == 3
    drawn.set_epoch(Needs(Natural()), 1)
    labels = torch.cat([drawn.draw(step).labelled.labels for step in range(3, 6)])
    assert labels.bincount().tolist() == [20, 7, 3]


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_see_every_so_manieth_row_of_the_one_batch(ranks, monkeypatch):
    whole = batches()
    whole.set_epoch(NEEDS, 0)
    expected = flat(whole.draw(2))
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: ranks)
    for rank in range(ranks):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        own = batches()
        own.set_epoch(NEEDS, 0)
        assert own.steps_per_epoch == whole.steps_per_epoch
        for part, all_of_it in zip(flat(own.draw(2)), expected, strict=True):
            torch.testing.assert_close(part, all_of_it[rank::ranks])
    with pytest.raises(ValueError, match=f"batch_size: expected one that {ranks} processes share evenly, got 9"):
        batches(9).set_epoch(NEEDS, 0)


def test_what_a_method_does_not_need_is_not_made():
    drawn = batches(frames=replace(FRAMES, maps=None))
    drawn.set_epoch(Needs(ByClass()), 0)
    batch = drawn.draw(0)
    assert (len(batch.labelled.views), batch.labelled.maps, batch.partners, batch.draws) == (1, (), None, ())
    with pytest.raises(ValueError, match="frames: expected maps, which this method needs, got none"):
        drawn.set_epoch(NEEDS, 0)


@pytest.mark.parametrize("size", [0, 31])
def test_a_batch_has_as_many_images_as_there_are_at_most(size):
    with pytest.raises(ValueError, match=f"batch_size: expected 1 to 30, the images there are, got {size}"):
        batches(size)


def test_frames_on_the_host_give_the_same_batches(device):
    there, here = (Batches(f, 3, VIEWS, 8, 5, device) for f in (FRAMES.to(device), FRAMES))
    for one in (there, here):
        one.set_epoch(NEEDS, 0)
    for a, b in zip(flat(there.draw(1)), flat(here.draw(1)), strict=True):
        assert a.device.type == device.type
        torch.testing.assert_close(a, b)
    assert FRAMES.fit(device)
    assert FRAMES.to(device).images.device.type == device.type


def test_a_method_needs_one_plain_view_unless_it_says_more():
    assert Needs(Natural()) == Needs(labelled=Natural(), partners=None, views=1, maps=False, draw=None)


def test_what_is_drawn_needs_no_partners():
    drawn = batches()
    drawn.set_epoch(Needs(Natural(), draw=drawn_with), 0)
    batch = drawn.draw(0)
    assert batch.partners is None
    assert [len(tensor) for tensor in batch.draws] == [8, 8]
