import pytest
import torch
from torch import nn

from longtail_mix.saliency.segmentation import SegmentationSaliency, lesion_probability


class Network(nn.Module):
    """Convolution, BatchNorm and dropout: all that behaves otherwise while training."""

    def __init__(self, classes: int = 2, named: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, classes, 3, 2, 1), nn.BatchNorm2d(classes), nn.Dropout(0.5))
        self.named = named

    def forward(self, images):
        logits = self.layers(images)
        return {"out": logits, "aux": None} if self.named else logits


def by_hand(logits: torch.Tensor) -> torch.Tensor:
    """Probability of the lesion in each cell, [B,1,h,w]."""
    cells = torch.zeros(len(logits), 1, *logits.shape[2:])
    for b in range(len(logits)):
        for y in range(logits.shape[2]):
            for x in range(logits.shape[3]):
                weights = logits[b, :, y, x].double().exp()
                lesion, other = (weights[0], 1) if len(weights) == 1 else (weights[1], weights[0])
                cells[b, 0, y, x] = lesion / (lesion + other)
    return cells


@pytest.mark.parametrize("classes", [1, 2])
def test_probability_equals_a_loop(classes):
    logits = torch.randn(2, classes, 3, 4)
    torch.testing.assert_close(lesion_probability(logits, (3, 4)), by_hand(logits))


def test_probability_is_brought_to_the_images_size_and_stays_in_range():
    logits = 50 * torch.randn(2, 2, 3, 4)
    probability = lesion_probability(logits.bfloat16(), (17, 31))
    assert probability.shape == (2, 1, 17, 31)
    assert probability.dtype == torch.float32
    assert ((probability >= 0) & (probability <= 1)).all()


@pytest.mark.parametrize("named", [False, True])
def test_all_kinds_of_images_give_the_networks_answer(named, device):
    network = Network(named=named).to(device)
    saliency = SegmentationSaliency(network)
    images = torch.randint(0, 256, (2, 3, 16, 24), dtype=torch.uint8, device=device)
    with torch.no_grad():
        expected = lesion_probability(network.layers(images / 255), (16, 24))
    assert torch.equal(saliency(images), expected)
    assert torch.equal(saliency(images / 255), expected)
    normalised = SegmentationSaliency(network, mean=[0.5] * 3, std=[0.25] * 3)
    torch.testing.assert_close(normalised((images / 255 - 0.5) / 0.25), expected)


def test_the_network_is_left_as_it_is():
    network = Network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    saliency = SegmentationSaliency(network).train()
    assert saliency.training
    assert not any(module.training for module in network.modules())
    images = torch.rand(2, 3, 16, 16, requires_grad=True)
    maps = saliency(images)
    assert torch.equal(maps, saliency(images))  # no dropout
    assert not maps.requires_grad
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_compiles_as_one_graph_and_shows_bad_pixels(device):
    saliency = SegmentationSaliency(Network().to(device))
    compiled = torch.compile(saliency, fullgraph=True, backend="aot_eager")
    images = torch.rand(3, 3, 16, 16, device=device)
    torch.testing.assert_close(compiled(images), saliency(images))
    bad = images.clone()
    bad[1, 0, 2, 2] = torch.nan
    maps = compiled(bad)
    assert maps[1].isnan().all()
    torch.testing.assert_close(maps[::2], saliency(images[::2]))


def test_bad_input():
    with pytest.raises(ValueError, match="images: expected finite values"):
        SegmentationSaliency(Network())(torch.full((1, 3, 8, 8), torch.nan))
    with pytest.raises(ValueError, match="mean, std: expected both or neither"):
        SegmentationSaliency(Network(), mean=[0.5] * 3)
    with pytest.raises(ValueError, match=r"logits: expected .* got shape \[1, 3, 4, 4\]"):
        SegmentationSaliency(Network(classes=3))(torch.rand(1, 3, 8, 8))
    with pytest.raises(TypeError, match="logits: expected a torch.Tensor, got list"):
        lesion_probability([0.0], (8, 8))
