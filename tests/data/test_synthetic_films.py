"""Made-up chest films: what is in them, and where the class and the marker show."""

from itertools import combinations

import pytest
import torch

from longtail_mix.data import FILM_FINDINGS, synthetic_films


def one_class(label, cue=0.0, seed=3):
    counts = [0] * len(FILM_FINDINGS)
    counts[label] = 12
    return synthetic_films(counts, seed=seed, marker_cue=cue)


@pytest.mark.parametrize("counts", [[7, 0, 3], (1,), torch.tensor([2, 1, 1, 4])])
@pytest.mark.parametrize("size", [32, 45])
def test_gives_as_many_films_of_each_class_as_asked_for(counts, size):
    data = synthetic_films(counts, size=size)
    wanted = [int(count) for count in counts]
    number = sum(wanted)
    assert data.labels.bincount(minlength=len(wanted)).tolist() == wanted
    assert (data.images.shape, data.images.dtype) == ((number, 1, size, size), torch.uint8)
    assert (data.masks.shape, data.masks.dtype) == ((number, 1, size, size), torch.bool)
    assert data.markers.shape == (number,)
    assert all(torch.equal(a, b) for a, b in zip(data, synthetic_films(counts, size=size), strict=True))


def test_the_class_shows_only_inside_the_lungs():
    films = [one_class(label) for label in range(4)]
    for first, second in combinations(films, 2):
        assert torch.equal(first.masks, second.masks)
        differs = first.images != second.images
        assert not (differs & ~first.masks).any()
        assert differs.flatten(1).any(1).all()


def test_the_cue_changes_only_the_corners():
    without, with_cue = one_class(2), one_class(2, cue=1.0)
    differs = without.images != with_cue.images
    corners = torch.zeros(64, 64, dtype=torch.bool)
    for rows in (slice(0, 12), slice(-12, None)):
        for columns in (slice(0, 12), slice(-12, None)):
            corners[rows, columns] = True
    assert differs.any()
    assert not (differs & ~corners).any()
    assert not (differs & without.masks).any()


@pytest.mark.parametrize("size", [32, 64])
def test_the_marker_is_in_the_corner_that_is_named(size):
    data = synthetic_films([10] * 4, size=size, marker_cue=1.0)
    half = size // 2
    bright = data.images[:, 0] >= 247
    edge = size * 3 // 16
    for film, label in zip(bright, data.labels.tolist(), strict=True):
        y, x = (label // 2) * half, (label % 2) * half
        corner = film[y : y + half, x : x + half]
        outer = corner.flip(*[d for d, far in ((0, label // 2), (1, label % 2)) if far]) if label else corner
        assert outer[:edge, :edge].sum() >= 4
    assert synthetic_films([400], marker_cue=0.0).markers.bincount().min() > 70


def test_lungs_are_dark_and_never_reach_the_markers():
    data = synthetic_films([40] * 4, seed=1)
    share = data.masks.float().mean((1, 2, 3))
    assert 0.1 < share.min() <= share.max() < 0.4
    clear = synthetic_films([60], seed=2)
    inside = (clear.images * clear.masks).sum((1, 2, 3)) / clear.masks.sum((1, 2, 3))
    body = (clear.images[..., 20:44, 28:36] * ~clear.masks[..., 20:44, 28:36]).float()
    middle = body.sum((1, 2, 3)) / (~clear.masks[..., 20:44, 28:36]).sum((1, 2, 3))
    assert (inside < middle).all()
    assert not data.masks[..., :5, :].any()
    assert not data.masks[..., :, :5].any()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"class_counts": [1] * 5}, ValueError, "class_counts: expected at most 4 classes, got 5"),
        ({"class_counts": []}, ValueError, "class_counts: expected at least one class, got none"),
        ({"class_counts": [1], "size": 16}, ValueError, "size: expected at least 32, got 16"),
        (
            {"class_counts": [1], "marker_cue": 1.5},
            ValueError,
            "marker_cue: expected a probability from 0 to 1, got 1.5",
        ),
        ({"class_counts": [1], "seed": 0.5}, TypeError, "seed: expected a whole number, got 0.5"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        synthetic_films(**arguments)
