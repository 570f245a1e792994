"""Boxes for the rarest classes, from ground truth by a loop and from detectors by the library's own functions."""

import pytest
import torch

from longtail_mix import BooleanMapSaliency, SegmentationSaliency, SkinContrastSaliency
from longtail_mix.data import synthetic_dermoscopy
from longtail_mix.regions import lesion_regions, otsu_threshold
from reproduction.data.boxes import BooleanMap, Boxes, Segmented
from reproduction.data.maps import SkinContrast
from reproduction.data.task import Images
from reproduction.networks.segmenters import build_segmenter, save_segmenter

CPU = torch.device("cpu")


@pytest.fixture
def side():
    made = synthetic_dermoscopy([6, 2, 4], 48, seed=3)
    return Images(made.images, made.labels, made.lesions, made.masks)


@pytest.mark.parametrize(("masked", "classes"), [(1, (1,)), (2, (1, 2))])
def test_boxes_of_ground_truth_for_the_rarest_classes(side, masked, classes):
    boxes = Boxes(masked_classes=masked).maps(side, CPU)
    assert boxes.dtype == torch.uint8
    for box, mask, label in zip(boxes[:, 0], side.masks[:, 0], side.labels.tolist(), strict=True):
        expected = torch.zeros(48, 48, dtype=torch.uint8)
        if label in classes:
            ys, xs = mask.nonzero().unbind(1)
            expected[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1] = 255
        assert torch.equal(box, expected)


def test_boxes_of_detectors(side, tmp_path):
    rare = side.labels == 1
    network = build_segmenter("lraspp", 48).eval()
    save_segmenter(tmp_path / "s.pt", "lraspp", 48, network)
    for source, module in (
        (BooleanMap(), BooleanMapSaliency()),
        (SkinContrast(0.0, 0.0), SkinContrastSaliency(center_prior=0.0, margin=0.0)),
        (Segmented(tmp_path / "s.pt"), SegmentationSaliency(network)),
    ):
        boxes = Boxes(source, otsu=True, scale=1.2).maps(side, CPU)
        saliency = module(side.images[rare]).mul(255).round() / 255
        expected = lesion_regions(saliency, otsu_threshold, scale=1.2).mask
        assert torch.equal(boxes[rare] == 255, expected)
        assert not boxes[~rare].any()
        assert {0} <= set(boxes.unique().tolist()) <= {0, 255}


def test_what_is_refused(side):
    with pytest.raises(ValueError, match="masked_classes: expected 1 or more, got 0"):
        Boxes(masked_classes=0)
    with pytest.raises(ValueError, match="masks: expected images with ground-truth masks"):
        Boxes().maps(Images(side.images, side.labels, side.groups), CPU)
