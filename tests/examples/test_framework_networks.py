"""Encoders, where they can be mixed, and what the heads compute."""

import framework_networks
import pytest
import timm
import torch
from framework_networks import (
    PAPER_HYBRID,
    TINY_HYBRID,
    Network,
    build_encoder,
    check_encoder,
    has_batch_norm,
)
from torch import Tensor, nn


@pytest.fixture(scope="module")
def tiny() -> nn.Module:
    torch.manual_seed(0)
    return build_encoder(TINY_HYBRID, 32).eval()


def test_the_paper_s_hybrid_is_768_wide_with_14_by_14_tokens_and_eight_blocks():
    encoder = check_encoder(PAPER_HYBRID, 224, "patch_embed", 16)
    assert (encoder.num_features, len(encoder.blocks), encoder.patch_embed.grid_size) == (768, 8, (14, 14))
    assert has_batch_norm(encoder)


def test_the_tiny_hybrid_has_8_by_8_tokens_and_a_image_does_not_depend_on_its_batch(tiny):
    encoder = check_encoder(TINY_HYBRID, 64, "patch_embed", 8)
    assert encoder.patch_embed.grid_size == (8, 8)
    assert not has_batch_norm(encoder)
    images = torch.rand(3, 3, 32, 32)
    tiny.train()
    alone = torch.cat([tiny(image) for image in images.split(1)])
    torch.testing.assert_close(tiny(images), alone, rtol=0, atol=1e-5)
    tiny.eval()


@pytest.mark.parametrize(
    ("backbone", "layer", "patch_size", "message"),
    [
        ("resnet51", None, 16, "backbone: expected tiny_hybrid or a timm model, as .*resnet50.*; got 'resnet51'"),
        (TINY_HYBRID, "patch_embd", 16, "layer: expected the name of a layer of the model, as patch_embed, .*'patch_e"),
        (TINY_HYBRID, "head_drop", 16, "layer: expected"),
        ("resnet50", "global_pool", 16, "layer: expected features"),
        (
            "resnet50",
            "layer2.0.conv1",
            16,
            "mix_layer: expected one that all after it depends on, got 'lay",
        ),
    ],
)
def test_a_backbone_or_layer_that_does_not_do_is_refused(backbone, layer, patch_size, message):
    with pytest.raises(ValueError, match=message):
        check_encoder(backbone, 96, layer, patch_size)


def test_a_grid_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="ratio: expected a grid that divides the features' 7x7 .*, got 25x25"):
        check_encoder("vit_small_r26_s32_224", 200, "patch_embed", 8)
    check_encoder("resnet50", 224, "layer3", 16)
    check_encoder(PAPER_HYBRID, 224, "blocks.3", 16)  # its class token stays the tail's


def test_weights_that_timm_does_not_have_are_refused():
    with pytest.raises(ValueError, match="pretrained: expected False for tiny_hybrid, which timm has no weights for"):
        build_encoder(TINY_HYBRID, 64, pretrained=True)


def test_the_paper_s_hybrid_takes_the_weights_of_its_cnn(monkeypatch):
    asked = []

    def without_download(name: str, pretrained: bool = False, **options: object) -> nn.Module:
        asked.append((name, pretrained))
        model = create(name, **options)
        if pretrained:
            nn.init.constant_(model.conv1[0].weight, 7.0)
        return model

    create = timm.create_model
    monkeypatch.setattr(framework_networks.timm, "create_model", without_download)
    encoder = build_encoder(PAPER_HYBRID, 64, pretrained=True)
    assert asked == [(PAPER_HYBRID, False), ("resnet50d", True)]
    assert (encoder.patch_embed.backbone.conv1[0].weight == 7).all()


def test_a_ratio_of_one_is_the_image_alone_and_of_zero_its_partner(tiny):
    network = Network(tiny, 5).eval()
    own, other = torch.rand(2, 2, 3, 32, 32)
    for ratio, alone in ((1.0, own), (0.0, other)):
        mixed = network.mixed_features(own, other, torch.full((2, 1, 4, 4), ratio), "patch_embed")
        torch.testing.assert_close(mixed, network.features(alone), rtol=0, atol=1e-5)


def test_the_heads_are_what_they_say(tiny):
    network = Network(tiny, 5, projection=8, prototypes=True).eval()
    images = torch.rand(2, 3, 32, 32)
    features = tiny((images - 0.5) / 0.25)
    torch.testing.assert_close(network(images), features @ network.classifier.weight.T + network.classifier.bias)
    assert network.project(features).shape == (2, 8)

    def by_hand(points: Tensor, head: nn.Sequential) -> Tensor:
        first, _, second = head
        return (points @ first.weight.T + first.bias).clamp(min=0) @ second.weight.T + second.bias

    torch.testing.assert_close(network.project(features), by_hand(features, network.projection))
    prototypes = by_hand(network.classifier.weight, network.prototype_projection)
    torch.testing.assert_close(network.prototypes(), prototypes)


def test_heads_that_were_not_asked_for_are_missed_loudly(tiny):
    network = Network(tiny, 5)
    with pytest.raises(RuntimeError, match="projection: expected a network that has one"):
        network.project(torch.rand(1, 96))
    with pytest.raises(RuntimeError, match="prototypes: expected a network that has them"):
        network.prototypes()


def test_images_are_normalised_as_timm_says():
    network = Network(build_encoder("test_resnet", 32), 5)
    mean, std = (torch.tensor(network.encoder.pretrained_cfg[name]).view(3, 1, 1) for name in ("mean", "std"))
    image = torch.rand(1, 3, 4, 4)
    torch.testing.assert_close(network.normalise(image), (image - mean) / std)
