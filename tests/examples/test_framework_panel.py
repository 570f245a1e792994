from dataclasses import replace

import torch
from framework_batch import Batch, Stream
from framework_panel import panel_of_batch
from framework_recipes import PAPER, build_method

SMALL = replace(PAPER, backbone="tiny_hybrid", size=32, patch_size=8, queue_size=0)
CLASSES = ("a", "b", "c")


def stream(views: int, maps: bool) -> Stream:
    images = tuple(torch.rand(5, 3, 32, 32) for _ in range(views))
    saliency = tuple(torch.rand(5, 1, 32, 32) for _ in range(views)) if maps else ()
    return Stream(images, saliency, torch.tensor([0, 0, 0, 2, 1]))


def test_spmix_shows_both_views_with_maps_partners_ratio_and_mix():
    noise = tuple(torch.zeros(5, 2, 32, 32) for _ in range(2))
    batch = Batch(stream(2, True), stream(2, True), noise)
    figure = panel_of_batch(batch, build_method(SMALL, [50, 20, 5]), CLASSES, most=4)
    assert len(figure.axes) == 4 * 12
    first = ["view 1", "saliency", "partner", "saliency", "ratio", "mix"]
    assert [axis.get_title() for axis in figure.axes[:12]] == [*first, "view 2", *first[1:]]
    assert not any(axis.get_title() for axis in figure.axes[12:])
    assert [axis.get_ylabel() for axis in figure.axes[::12]] == ["c", "a", "a", "a"]  # the mixed one first
    image, mix = figure.axes[0].images[0], figure.axes[5].images[0]  # of class c, the only tail
    assert abs(image.get_array() - mix.get_array()).max() > 0
    head, same = figure.axes[12].images[0], figure.axes[17].images[0]  # heads are not mixed
    assert abs(head.get_array() - same.get_array()).max() < 1e-6


def test_a_plain_method_shows_its_view():
    method = build_method(replace(SMALL, method="ce"), [50, 20, 5])
    figure = panel_of_batch(Batch(stream(1, False), None, ()), method, CLASSES)
    assert [axis.get_title() for axis in figure.axes] == ["view 1", "", "", "", ""]
