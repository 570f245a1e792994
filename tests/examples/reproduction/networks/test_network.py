"""Encoders, where they can be mixed, and what the heads compute."""

import pytest
import timm
import torch
from torch import Tensor, nn

from reproduction.networks import network as network_module
from reproduction.networks.network import PAPER_HYBRID, Backbone, Network, check_layer, tiny_hybrid
from reproduction.networks.resnet_cifar import ResNetCifar


@pytest.fixture(scope="module")
def tiny() -> nn.Module:
    torch.manual_seed(0)
    return tiny_hybrid(32).eval()


def has_batch_norm(module: nn.Module) -> bool:
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())


def test_the_paper_s_hybrid_is_768_wide_with_14_by_14_tokens_and_eight_blocks():
    with torch.device("meta"):
        encoder = Backbone(PAPER_HYBRID, "none").empty(224)
    assert (encoder.num_features, len(encoder.blocks), encoder.patch_embed.grid_size) == (768, 8, (14, 14))


def test_the_tiny_hybrid_has_8_by_8_tokens_and_an_image_does_not_depend_on_its_batch(tiny):
    assert tiny_hybrid(64).patch_embed.grid_size == (8, 8)
    assert not has_batch_norm(tiny)
    images = torch.rand(3, 3, 32, 32)
    tiny.train()
    alone = torch.cat([tiny(image) for image in images.split(1)])
    torch.testing.assert_close(tiny(images), alone, rtol=0, atol=1e-5)
    tiny.eval()


def test_the_cifar_network_has_two_layers_more_than_six_times_its_blocks():
    network = ResNetCifar(32)
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(layers) + 1 == 32  # with the classifier
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 64)
    with pytest.raises(ValueError, match=r"depth: expected 6 n \+ 2, got 33"):
        ResNetCifar(33)


@pytest.mark.parametrize(
    ("backbone", "size", "message"),
    [
        (
            Backbone("resnet51"),
            64,
            "backbone: expected tiny_hybrid, resnet32 or a timm model, as .*resnet50.*; got 'r",
        ),
        (Backbone("tiny_hybrid", "package"), 64, "weights: expected none or a file for tiny_hybrid, got package"),
        (Backbone("tiny_hybrid", "hub"), 64, "weights: expected none or a file for tiny_hybrid, got hub"),
        (Backbone("swin_tiny_patch4_window7_224", "none"), 64, "size: expected one that swin.* takes, got 64"),
        (Backbone("resnet50", "package"), 64, "weights: expected hub, none or a file for resnet50"),
    ],
)
def test_a_backbone_that_is_not_to_be_had_is_refused(backbone, size, message):
    with pytest.raises(ValueError, match=message):
        backbone.check(size)


@pytest.mark.parametrize(
    "backbone",
    [Backbone("tiny_hybrid", "none"), Backbone("resnet32", "none"), Backbone(PAPER_HYBRID, "hub"), Backbone()],
    ids=lambda backbone: backbone.name,
)
def test_what_the_programs_use_passes(backbone):
    backbone.check(64)


def test_an_image_of_which_one_feature_is_left_is_enough_for_batch_norm():
    Backbone("resnet18", "none").check(32)


@pytest.mark.parametrize(
    ("backbone", "size", "layer", "patch_size", "message"),
    [
        (
            "tiny_hybrid",
            32,
            "patch_embd",
            8,
            "layer: expected the name of a layer of the model, as .*'patch_e",
        ),
        ("tiny_hybrid", 32, "head_drop", 8, "layer: expected"),
        ("resnet50", 96, "global_pool", 16, "layer: expected"),
        ("resnet50", 96, "layer2.0.conv1", 16, "layer: expected one that all after it depends on, got 'lay"),
        (
            "vit_small_r26_s32_224",
            200,
            "patch_embed",
            8,
            "ratio: expected a grid that divides .*7x7 .*25x25",
        ),
    ],
)
def test_a_layer_or_a_grid_that_does_not_do_is_refused(backbone, size, layer, patch_size, message):
    with pytest.raises(ValueError, match=message):
        check_layer(Backbone(backbone, "none"), size, layer, patch_size)


def test_a_layer_that_does_passes():
    check_layer(Backbone("resnet50", "none"), 224, "layer3", 16)
    check_layer(Backbone(PAPER_HYBRID, "none"), 224, "blocks.3", 16)  # its class token stays the tail's


def test_the_output_stride_is_handed_to_timm():
    with torch.device("meta"):
        shapes = [
            Backbone("test_resnet", "none", stride).empty(64).forward_features(torch.rand(1, 3, 64, 64)).shape[-1]
            for stride in (32, 8)
        ]
    assert shapes[0] < shapes[1] == 8


def test_the_paper_s_hybrid_takes_the_weights_of_its_cnn(monkeypatch):
    asked = []

    def without_download(name: str, pretrained: bool = False, **options: object) -> nn.Module:
        asked.append((name, pretrained))
        model = create(name, **options)
        if pretrained:
            nn.init.constant_(model.conv1[0].weight, 7.0)
        return model

    create = timm.create_model
    monkeypatch.setattr(network_module.timm, "create_model", without_download)
    encoder = Backbone(PAPER_HYBRID, "hub").build(64)
    assert asked == [(PAPER_HYBRID, False), ("resnet50d", True)]
    assert (encoder.patch_embed.backbone.conv1[0].weight == 7).all()


def test_our_own_networks_take_a_file(tmp_path):
    torch.manual_seed(5)
    state = ResNetCifar(32).state_dict()
    torch.save(state, tmp_path / "w.pt")
    built = Backbone("resnet32", str(tmp_path / "w.pt")).build(32)
    assert all(torch.equal(tensor, state[name]) for name, tensor in built.state_dict().items())


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
    network = Network(Backbone("test_resnet", "none").build(32), 5)
    mean, std = (torch.tensor(network.encoder.pretrained_cfg[name]).view(3, 1, 1) for name in ("mean", "std"))
    image = torch.rand(1, 3, 4, 4)
    torch.testing.assert_close(network.normalise(image), (image - mean) / std)
