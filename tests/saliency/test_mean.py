import pytest
import torch

from longtail_mix import MeanSaliency, SaliencyMap, SegmentationSaliency, SkinContrastSaliency, SPMix
from longtail_mix.functional import mean_saliency


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_equals_a_loop(device, dtype):
    maps = [torch.rand(2, 1, 3, 5, device=device).to(dtype) for _ in range(3)]
    expected = torch.empty(2, 1, 3, 5, dtype=torch.float64)
    for at in torch.cartesian_prod(*(torch.arange(size) for size in expected.shape)).tolist():
        expected[tuple(at)] = sum(one[tuple(at)].item() for one in maps) / 3
    mean = mean_saliency(maps)
    assert mean.dtype == dtype
    torch.testing.assert_close(mean.cpu().double(), expected, rtol=0, atol=1e-3 if dtype == torch.float16 else 1e-7)


def test_the_module_asks_each_detector_and_fits_into_spmix():
    images = torch.rand(4, 3, 32, 32)
    both = MeanSaliency(SkinContrastSaliency(), SaliencyMap())
    torch.testing.assert_close(both(images), (SkinContrastSaliency()(images) + SaliencyMap()(images)) / 2)
    mixed, _ = SPMix([3, 1], patch_size=8, saliency=both)(images, torch.tensor([0, 0, 0, 1]))
    assert mixed.shape == images.shape
    assert both(images[:0]).shape == (0, 1, 32, 32)


def test_a_network_inside_stays_in_eval_mode():
    both = MeanSaliency(SegmentationSaliency(torch.nn.Sequential(torch.nn.Conv2d(3, 1, 1), torch.nn.Dropout())))
    assert not both.train().detectors[0].model.training


def test_compiles_as_one_graph():
    both = MeanSaliency(SkinContrastSaliency(), SaliencyMap())
    images = torch.rand(2, 3, 32, 32)
    compiled = torch.compile(both, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(images), both(images))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="detectors: expected at least one, got none"):
        MeanSaliency()
    with pytest.raises(ValueError, match="maps: expected at least one, got none"):
        mean_saliency([])
    with pytest.raises(ValueError, match=r"maps\[1\]: expected shape \[1, 1, 2, 2\] like maps\[0\]"):
        mean_saliency([torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3)])
    with pytest.raises(TypeError, match=r"maps\[0\]: expected a floating-point tensor"):
        mean_saliency([torch.zeros(1, 1, 2, 2, dtype=torch.uint8)])
