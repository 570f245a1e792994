"""The figure of the README: tail images, the heads drawn for them, what becomes of both."""

import sys

import torch

import draw_panel
from longtail_mix import SPMix, many_medium_few


def test_each_tail_image_has_a_row_with_a_head_of_another_class():
    classes, counts, images = draw_panel.synthetic_images(1, seed=0)
    figure = draw_panel.panel_of(images, classes, counts, SPMix(), 2, torch.Generator().manual_seed(0))
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    labels = [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()]
    pairs = [text.split("\n+ ") for text in (*titles, *labels) if "\n+ " in text]
    assert len(pairs) == 2
    few = [classes[label] for label in many_medium_few(counts).few]
    assert all(tail in few and head not in few for tail, head in pairs)


def test_the_command_writes_the_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["draw_panel.py", str(tmp_path / "figures" / "panel.png"), "--pairs", "1"])
    draw_panel.main()
    assert (tmp_path / "figures" / "panel.png").read_bytes().startswith(b"\x89PNG")
