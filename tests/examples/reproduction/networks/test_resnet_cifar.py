"""ResNet-32 for CIFAR against the table of its paper."""

import pytest
import torch
from torch import nn

from reproduction.networks.resnet_cifar import ResNetCifar


def test_resnet32_is_that_of_the_paper():
    """He et al. 2016, Table 6: 0.46 million weights; 31 convolutions and a classifier."""
    model = nn.Sequential(ResNetCifar(32), nn.Linear(64, 10))
    assert sum(p.numel() for p in model.parameters()) == 464_154
    assert sum(isinstance(m, nn.Conv2d) for m in model.modules()) == 31
    sizes = []
    for layer in (model[0].layer1, model[0].layer2, model[0].layer3):
        layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape)))
    assert model(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    assert sizes == [(2, 16, 32, 32), (2, 32, 16, 16), (2, 64, 8, 8)]
    with pytest.raises(ValueError, match="depth: expected 6 n . 2, got 33"):
        ResNetCifar(33)
