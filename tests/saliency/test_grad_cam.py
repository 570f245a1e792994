"""Grad-CAM against loops over pixels; and a model that is left as it was found."""

import gc
import os
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial

import pytest
import timm
import torch
import torch.distributed as dist
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.utils.checkpoint import checkpoint

from longtail_mix import GradCAM
from longtail_mix.functional import class_activation_map, grad_cam
from longtail_mix.saliency import TokenGrid, channels_to_front

LABELS = torch.tensor([2, 0, 1])


def resnet_head(channels: int = 5, classes: int = 4) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)).double()


def vgg_head(channels: int = 5, classes: int = 4) -> nn.Module:
    """Two linear layers that see each place of a 3 x 4 map with weights of its own."""
    layers = nn.Flatten(), nn.Linear(channels * 12, 6), nn.Tanh(), nn.Linear(6, classes)
    return nn.Sequential(*layers).double()


def stretched(cells: list[list[float]]) -> torch.Tensor:
    low, high = min(map(min, cells)), max(map(max, cells))
    return torch.tensor([[(cell - low) / (high - low) for cell in row] for row in cells], dtype=torch.float64)


def by_hand(features: torch.Tensor, head: nn.Module, labels: torch.Tensor) -> torch.Tensor:
    """Pixel by pixel, each image alone, with the gradient by central differences."""
    maps, step = [], 1e-5
    for image, label in zip(features.detach(), labels.tolist(), strict=True):
        channels, height, width = image.shape
        cells = [[0.0] * width for _ in range(height)]
        for k in range(channels):
            total = 0.0
            for i in range(height):
                for j in range(width):
                    bump = torch.zeros_like(image)
                    bump[k, i, j] = step
                    with torch.no_grad():
                        more, less = head((image + bump)[None]), head((image - bump)[None])
                    total += (more - less)[0, label].item() / (2 * step)
            for i in range(height):
                for j in range(width):
                    cells[i][j] += total / (height * width) * image[k, i, j].item()
        maps.append(stretched(cells))
    return torch.stack(maps).unsqueeze(1)


@pytest.mark.parametrize("head", [resnet_head, vgg_head])
def test_equals_a_loop_over_pixels(head):
    torch.manual_seed(0)
    features = torch.randn(3, 5, 3, 4, dtype=torch.float64, requires_grad=True)
    network = head()
    expected = by_hand(features, network, LABELS)
    for create_graph in (False, True):
        cam = grad_cam(features, network(features), LABELS, create_graph)
        torch.testing.assert_close(cam.detach(), expected, atol=1e-6, rtol=0)
        assert cam.requires_grad == create_graph
    best = network(features).argmax(1)
    torch.testing.assert_close(grad_cam(features, network(features), None), by_hand(features, network, best))


def test_the_closed_form_is_the_same_map_with_the_same_gradients(device):
    head = resnet_head().to(device)
    grads = []
    for closed in (False, True):
        torch.manual_seed(1)
        features = torch.randn(3, 5, 3, 4, dtype=torch.float64).to(device).requires_grad_()
        labels = LABELS.to(device)
        if closed:
            cam = class_activation_map(features, head[2].weight, labels)
        else:
            cam = grad_cam(features, head(features), labels, create_graph=True)
        grads.append((cam, *torch.autograd.grad(cam.square().sum(), (features, head[2].weight))))
    torch.testing.assert_close(grads[0], grads[1])


@pytest.mark.parametrize("head", [resnet_head, vgg_head])
def test_gradcheck_first_and_second_order_reaches_features_and_weights(head):
    torch.manual_seed(2)
    network = head(channels=2, classes=3)
    names = [name for name, _ in network.named_parameters() if name.endswith("weight")]
    weights = [network.get_parameter(name).detach().clone().requires_grad_() for name in names]
    features = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)

    def cam(features, *weights):
        logits = torch.func.functional_call(network, dict(zip(names, weights, strict=True)), (features,))
        return grad_cam(features, logits, LABELS[:2], create_graph=True)

    assert gradcheck(cam, (features, *weights))
    assert gradgradcheck(cam, (features, *weights))


def test_the_loss_can_still_be_taken_from_the_same_logits(device):
    network = nn.Sequential(nn.Conv2d(3, 5, 3), *resnet_head().float()).to(device)
    images, labels = torch.rand(3, 3, 6, 6, device=device), LABELS.to(device)
    features = network[0](images)
    logits = network[1:](features)
    grad_cam(features, logits, labels)
    assert all(parameter.grad is None for parameter in network.parameters())
    F.cross_entropy(logits, labels).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("value", [0.0, -2.5, 1e30, 1e-30])
def test_maps_without_contrast_are_zero_with_zero_gradient(value, device):
    features = torch.full((2, 3, 4, 4), value, device=device)
    features[1, 0, 0, 0] += 1 + abs(value)  # the other image is as always
    features.requires_grad_()
    weight = torch.randn(2, 3, device=device, requires_grad=True)
    cam = class_activation_map(features, weight, torch.tensor([0, 1], device=device))
    assert (cam[0] == 0).all()
    assert (cam[1].amin(), cam[1].amax()) == (0, 1)
    cam.square().sum().backward()
    assert (features.grad[0] == 0).all()
    assert (weight.grad[0] == 0).all()
    assert features.grad.isfinite().all()


def test_rounding_on_a_constant_map_is_no_contrast():
    features = torch.full((1, 2, 8, 8), 0.1)
    features[..., ::2] = torch.nextafter(features[..., ::2], torch.tensor(1.0))
    assert (class_activation_map(features, torch.ones(1, 2), torch.tensor([0])) == 0).all()


def test_nan_stays_visible():
    features = torch.rand(2, 3, 4, 4)
    features[0, 1, 2, 2] = torch.nan
    cam = class_activation_map(features, torch.rand(2, 3), torch.tensor([0, 1]))
    assert cam[0].isnan().any()
    assert not cam[1].isnan().any()


@given(
    batch=st.integers(0, 3),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    channels=st.integers(1, 4),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
    seed=st.integers(0, 2**31),
)
def test_invariants(batch, size, channels, dtype, seed):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(batch, channels, *size, generator=generator).to(dtype)
    weight = torch.randn(3, channels, generator=generator).to(dtype)
    labels = torch.randint(3, (batch,), generator=generator)
    cam = class_activation_map(features, weight, labels)
    assert cam.shape == (batch, 1, *size)
    assert cam.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert ((cam >= 0) & (cam <= 1)).all()
    # Neither the scale of the features nor the order of the images matters.
    assert torch.equal(class_activation_map(4 * features, weight, labels), cam)
    assert torch.equal(class_activation_map(features.flip(0), weight, labels.flip(0)), cam.flip(0))
    channels_last = features.to(memory_format=torch.channels_last)
    torch.testing.assert_close(class_activation_map(channels_last, weight, labels), cam, atol=1e-4, rtol=0)


def test_the_closed_form_compiles_as_one_graph_with_gradients(device):
    compiled = torch.compile(class_activation_map, fullgraph=True, backend="aot_eager")
    weight = torch.randn(4, 5, device=device)
    results = []
    for run in (class_activation_map, compiled):
        torch.manual_seed(0)
        features = torch.randn(3, 5, 3, 4, device=device, requires_grad=True)
        cam = run(features, weight, LABELS.to(device))
        cam.square().sum().backward()
        results.append((cam, features.grad))
    torch.testing.assert_close(results[0], results[1])


class Network(nn.Module):
    """Convolution, BatchNorm, dropout, an in-place ReLU; and a layer that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.conv = nn.Conv2d(6, 8, 3, stride=2)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 4))
        self.unused = nn.Conv2d(3, 3, 1)

    def forward(self, images):
        return self.head(self.relu(self.norm(self.conv(self.stem(images)))).mean((2, 3)))


@pytest.fixture
def network(device) -> Network:
    torch.manual_seed(0)
    return Network().to(device).eval()


@pytest.fixture
def batch(device) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.rand(3, 3, 9, 11, device=device), LABELS.to(device)


def state_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def number_of_hooks(network: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._backward_hooks) + len(m._forward_pre_hooks) for m in network.modules())


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("layer", ["conv", "norm", "relu", "stem", "stem.0"])
def test_any_layer_gives_what_the_function_gives_on_its_output(network, batch, layer, training):
    images, labels = batch
    network.train(training)
    network.head[0].p = 0.0
    target = network.get_submodule(layer)
    kept = {}

    def keep(_module, _args, output):
        kept["features"] = output.clone()  # before the ReLU works in place
        return kept["features"].clone()

    handle = target.register_forward_hook(keep)
    logits = network(images)
    handle.remove()
    expected = grad_cam(kept["features"], logits, labels)
    for create_graph in (False, True):
        with GradCAM(network, target, create_graph=create_graph) as looking:
            cam = looking(images, labels)
            same_logits, same = looking.logits_and_cam(images, labels)
        torch.testing.assert_close(cam.detach(), expected)
        torch.testing.assert_close(same.detach(), expected)
        torch.testing.assert_close(same_logits, logits)
        assert cam.requires_grad == create_graph
    with GradCAM(network, target) as looking:
        torch.testing.assert_close(looking(images), grad_cam(kept["features"], logits, None))


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_model_is_left_as_it_is(network, batch, create_graph):
    images, labels = batch
    network.train()
    network.stem.eval()
    network.conv.weight.requires_grad_(False)
    network.head[1].bias.grad = torch.ones(4, device=images.device)
    before, modes = state_of(network), [m.training for m in network.modules()]
    with GradCAM(network, network.relu, create_graph=create_graph) as looking:
        looking(images, labels)
        assert [m.training for m in network.modules()] == modes
    assert number_of_hooks(network) == 0
    assert [m.training for m in network.modules()] == modes
    assert all(m.track_running_stats for m in (network.norm, network.stem[1]))
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    grads = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    assert list(grads) == ["head.1.bias"]
    assert (grads["head.1.bias"] == 1).all()
    assert not network.conv.weight.requires_grad
    assert network.head[1].weight.requires_grad


def test_a_training_step_counts_its_images(network, batch):
    network.train()
    with GradCAM(network, network.conv, create_graph=True) as looking:
        looking.logits_and_cam(*batch)
    assert network.norm.num_batches_tracked == 1


def test_the_backbone_below_has_no_graph_and_is_not_run_backward(network, batch):
    below = []
    network.stem.register_forward_hook(lambda *seen: below.append(seen[2].requires_grad))
    ran_backward = []
    network.conv.register_full_backward_hook(lambda *_: ran_backward.append("conv"))
    with GradCAM(network, network.norm) as looking:
        looking(*batch)
        assert below == [False]
        looking.logits_and_cam(*batch)
    assert ran_backward == []


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_works_where_gradients_are_off(network, batch, mode):
    with GradCAM(network, network.conv) as looking:
        expected = looking(*batch)
        with mode():
            assert torch.equal(looking(*batch), expected)
            assert torch.equal(looking(batch[0].clone(), batch[1]), expected)
            assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


def test_other_forward_passes_inside_with_are_as_always(network, batch):
    with GradCAM(network, network.conv) as looking, torch.no_grad():
        looking(*batch)
        assert not network(batch[0]).requires_grad
        assert looking._outputs is None


def test_an_exception_leaves_nothing_behind(network, batch):
    images, labels = batch
    network.train()
    with pytest.raises(ValueError, match="labels: expected"), GradCAM(network, network.conv) as looking:
        looking(images, labels + 7)
    assert number_of_hooks(network) == 0
    looking = GradCAM(network, network.conv)
    with looking, pytest.raises(RuntimeError):
        looking(images[:, :2], labels)
    assert torch.is_grad_enabled()
    assert network.norm.track_running_stats
    with looking:
        looking(images, labels)  # the same object again
    assert number_of_hooks(network) == 0


def test_500_cycles_leave_no_hook_and_no_tensor(network, batch):
    images, labels = batch

    def cycle(fails: bool) -> None:
        looking = GradCAM(network, network.conv, create_graph=fails)
        try:
            with looking:
                looking(images, labels + 9 if fails else labels)
        except ValueError:
            assert fails

    def live_tensors() -> int:
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    for fails in (False, True):
        cycle(fails)
    before = live_tensors()
    for i in range(500):
        cycle(fails=bool(i % 2))
    assert live_tensors() <= before
    assert number_of_hooks(network) == 0


def test_inside_a_training_step_nothing_of_the_step_changes(network, batch):
    images, labels = batch
    network.train()
    network.head[0].p = 0.0
    grads = []
    for looks in (False, True):
        network.zero_grad()
        logits = network(images)
        if looks:
            with GradCAM(network, network.norm) as looking:
                looking(images, labels)
        F.cross_entropy(logits, labels).backward()
        grads.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    torch.testing.assert_close(grads[0], grads[1], rtol=0, atol=0)


def test_under_autocast_the_training_step_around_it_keeps_its_gradients(network, batch):
    images, labels = batch
    with torch.autocast(images.device.type, torch.bfloat16):
        with GradCAM(network, network.conv) as looking:
            cam = looking(images, labels)
            logits, trainable = looking.logits_and_cam(images, labels)
        F.cross_entropy(logits.float(), labels).backward()
    assert cam.dtype == torch.float32
    assert trainable.shape == cam.shape
    assert all(p.grad is not None for name, p in network.named_parameters() if "unused" not in name)
    with GradCAM(network, network.conv) as looking:
        torch.testing.assert_close(cam, looking(images, labels), atol=0.1, rtol=0)


def test_a_loss_on_the_map_reaches_every_weight_with_the_gradient_of_differences(batch):
    images, labels = (t.to("cpu") for t in batch)
    torch.manual_seed(0)
    network = Network().double().eval()
    network.relu = nn.Tanh()  # smooth, so that differences can tell
    weight = torch.rand(3, 1, 4, 5, dtype=torch.float64)

    def loss() -> torch.Tensor:
        with GradCAM(network, network.relu, create_graph=True) as looking:
            return (weight * looking(images.double(), labels)).sum()

    loss().backward()
    for name in ("stem.0.weight", "conv.weight", "norm.weight", "head.1.weight"):
        parameter = network.get_parameter(name)
        flat, at = parameter.data.view(-1), parameter.numel() // 2
        old, step = flat[at].item(), 1e-6
        flat[at] = old + step
        more = loss().item()
        flat[at] = old - step
        less = loss().item()
        flat[at] = old
        assert parameter.grad.view(-1)[at].item() == pytest.approx((more - less) / (2 * step), rel=1e-5, abs=1e-7)
        assert parameter.grad.abs().max() > 1e-6


def test_a_frozen_backbone(network, batch):
    with GradCAM(network, network.conv) as looking:
        expected = looking(*batch)
    network.requires_grad_(False)
    with GradCAM(network, network.conv) as looking:
        assert torch.equal(looking(*batch), expected)


@pytest.mark.parametrize("in_place", [False, True])
def test_compiled_models(network, batch, in_place):
    with GradCAM(network, network.conv) as looking:
        expected = looking(*batch)
    if in_place:
        network.compile(backend="eager")
        compiled = network
    else:
        compiled = torch.compile(network, backend="eager")
    plain = compiled(batch[0])  # compiled before the hooks are there
    with GradCAM(compiled, compiled.conv) as looking:
        torch.testing.assert_close(looking(*batch), expected)
        torch.testing.assert_close(compiled(batch[0]), plain)
    torch.testing.assert_close(compiled(batch[0]), plain)


class Checkpointed(Network):
    def forward(self, images):
        def features(images):
            return self.relu(self.norm(self.conv(self.stem(images))))

        return self.head(checkpoint(features, images, use_reentrant=False).mean((2, 3)))


def test_gradient_checkpointing(device, batch):
    torch.manual_seed(0)
    plain, network = Network().to(device).eval(), Checkpointed().to(device).eval()
    network.load_state_dict(plain.state_dict())
    grads = []
    for model in (plain, network):
        with GradCAM(model, model.conv, create_graph=True) as looking:
            cam = looking(*batch)
            cam.square().sum().backward()
        with GradCAM(model, model.conv) as looking:
            torch.testing.assert_close(looking(*batch), cam.detach())
        grads.append([p.grad for p in model.parameters()])
    torch.testing.assert_close(grads[0], grads[1])


@pytest.fixture
def one_process(tmp_path) -> Iterator[None]:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("one_process")
def test_distributed_data_parallel():
    torch.manual_seed(0)
    images, network = torch.rand(3, 3, 9, 11), Network().eval()
    del network.unused
    parallel = nn.parallel.DistributedDataParallel(network)
    grads = []
    for model in (network, parallel):
        network.zero_grad()
        with GradCAM(model, network.conv, create_graph=True) as looking:
            looking(images, LABELS)  # one that is only looked at does not upset the next step
            logits, cam = looking.logits_and_cam(images, LABELS)
            (F.cross_entropy(logits, LABELS) + cam.square().sum()).backward()
        grads.append([p.grad.clone() for p in network.parameters()])
    torch.testing.assert_close(grads[0], grads[1])


def test_several_layers(network, batch):
    layers = [network.conv, network.stem]
    with GradCAM(network, layers) as looking:
        maps, mean = looking.maps(*batch), looking(*batch)
    for layer, one in zip(layers, maps, strict=True):
        with GradCAM(network, layer) as looking:
            torch.testing.assert_close(looking(*batch), one)
    assert [m.shape[2:] for m in maps] == [(4, 5), (9, 11)]
    small = F.interpolate(maps[0], (9, 11), mode="bilinear", align_corners=False)
    torch.testing.assert_close(mean, (small + maps[1]) / 2)


def test_tokens_of_a_vision_transformer(device):
    torch.manual_seed(0)
    model = timm.create_model("test_vit", num_classes=4, img_size=32).to(device).eval()
    images, labels = torch.rand(3, 3, 32, 32, device=device), LABELS.to(device)
    layer, grid = model.blocks[-1].norm1, TokenGrid(2, 2, model.num_prefix_tokens)
    with GradCAM(model, layer, grid) as looking:
        cam = looking(images, labels)
    assert cam.shape == (3, 1, 2, 2)
    # By hand: the token sequence itself is the feature map, [B, C, N, 1] without its prefix.
    kept = []
    handle = layer.register_forward_hook(lambda *seen: kept.append(seen[2]))
    score = model(images).gather(1, labels[:, None]).sum()
    handle.remove()
    (gradient,) = torch.autograd.grad(score, kept[0])
    weights = gradient[:, model.num_prefix_tokens :].mean(1)
    expected = torch.einsum("bc,bnc->bn", weights, kept[0][:, model.num_prefix_tokens :])
    low, high = expected.amin(1, keepdim=True), expected.amax(1, keepdim=True)
    torch.testing.assert_close(cam.flatten(1), ((expected - low) / (high - low)).detach(), atol=1e-4, rtol=1e-3)
    with GradCAM(model, layer, grid, create_graph=True) as looking:
        looking(images, labels).square().sum().backward()
    assert model.patch_embed.proj.weight.grad.abs().max() > 0


def test_token_grid_and_channels_to_front():
    features = torch.rand(2, 5, 3, 4)
    tokens = torch.cat([torch.rand(2, 2, 5), features.flatten(2).transpose(1, 2)], 1)
    assert torch.equal(TokenGrid(3, 4, 2)(tokens), features)
    assert torch.equal(channels_to_front(features.permute(0, 2, 3, 1)), features)
    for sizes, name in (((0, 4), "height"), ((3, 0), "width"), ((3, 4, -1), "num_prefix_tokens")):
        with pytest.raises(ValueError, match=f"{name}: expected at least"):
            TokenGrid(*sizes)
    with pytest.raises(ValueError, match=r"tokens: expected \[B, 13, C\] for TokenGrid"):
        TokenGrid(3, 4)(tokens)
    with pytest.raises(ValueError, match=r"features: expected \[B, h, w, C\], got shape \[2, 14, 5\]"):
        channels_to_front(tokens)


def test_tiny_and_empty_batches(device):
    network = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    network.to(device)
    with GradCAM(network, network[0]) as looking:
        assert (looking(torch.rand(1, 3, 1, 1, device=device)) == 0).all()
        assert looking(torch.rand(0, 3, 4, 4, device=device)).shape == (0, 1, 4, 4)


X, Y = torch.rand(2, 3, 8, 8, requires_grad=True), torch.rand(2, 4, requires_grad=True)
L = torch.tensor([0, 3])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (partial(grad_cam, X.detach().int(), Y, L), TypeError, "features: expected a floating-point tensor"),
        (partial(grad_cam, X[0], Y, L), ValueError, r"features: expected feature maps \[B, C, h, w\], got shape"),
        (partial(grad_cam, X[:, :, :0], Y, L), ValueError, "features: expected at least one pixel"),
        (partial(grad_cam, X, Y[:1], L), ValueError, r"logits: expected \[2, K\] like features, got shape \[1, 4\]"),
        (partial(grad_cam, X, Y, L), ValueError, "logits: expected scores made of features"),
        (partial(grad_cam, X, Y.detach(), L), ValueError, "expected tensors of one graph"),
        (partial(grad_cam, X, X.sum((2, 3)), L), ValueError, r"labels: expected labels from 0 to 2, got \[3\]"),
        (partial(grad_cam, X, X.sum((2, 3)), L[:1]), ValueError, "labels: expected one for each of 2 images, got 1"),
        (partial(grad_cam, X, X.sum((2, 3)), L.float()), TypeError, "labels: expected integer labels"),
        (partial(grad_cam, X, X.sum((2, 3)), L.to("meta")), ValueError, "labels: expected device cpu like features"),
        (partial(grad_cam, X, "logits", L), TypeError, "logits: expected a torch.Tensor, got str"),
        (
            partial(class_activation_map, X, torch.rand(4, 2), L),
            ValueError,
            r"weight: expected \[K, 3\] like features, got shape \[4, 2\]",
        ),
        (
            partial(class_activation_map, X, torch.rand(4, 3, device="meta"), L),
            ValueError,
            "weight: expected device cpu like features, got meta",
        ),
    ],
)
def test_bad_input_of_the_functions(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_error_of_autograd_is_not_renamed():
    logits = X.sum((2, 3))
    torch.autograd.grad(logits.exp().sum(), X)
    squares = X.square()
    scores = squares.exp().sum((2, 3))
    scores.sum().backward()
    with pytest.raises(RuntimeError, match="a second time"):
        grad_cam(squares, scores, torch.tensor([0, 1]))


class TwoOutputs(nn.Module):
    def forward(self, images):
        return images, images


def test_bad_layers(network, batch):
    images, labels = batch
    with pytest.raises(TypeError, match="model: expected a torch.nn.Module, got function"):
        GradCAM(lambda x: x, network.conv)
    with pytest.raises(ValueError, match="target_layer: expected a layer of the model, got another Conv2d"):
        GradCAM(network, nn.Conv2d(3, 3, 1))
    with pytest.raises(TypeError, match=r"target_layer: expected a torch\.nn\.Module or its name, got int"):
        GradCAM(network, ["conv", 1])
    with pytest.raises(
        ValueError, match=r"target_layer: expected the name of a layer of the model, as .*; got 'convs'"
    ):
        GradCAM(network, "convs")
    with pytest.raises(TypeError, match="reshape: expected a function of a layer's output, got 14"):
        GradCAM(network, "conv", reshape=14)
    with pytest.raises(ValueError, match="target_layer: expected at least one layer, got none"):
        GradCAM(network, [])
    with pytest.raises(RuntimeError, match="expected to be called inside"):
        GradCAM(network, network.conv)(images, labels)
    with GradCAM(network, network.conv) as looking:
        with pytest.raises(RuntimeError, match="entered once at a time"):
            looking.__enter__()
        with pytest.raises(TypeError, match=r"images: expected a torch\.Tensor"):
            looking("images")
    with (
        GradCAM(network, network.unused) as looking,
        pytest.raises(ValueError, match="target_layer: expected a layer that the forward reaches, got a Conv2d"),
    ):
        looking(images, labels)
    with (
        GradCAM(network, network.head) as looking,
        pytest.raises(ValueError, match=r"the output of target_layer: expected feature maps .* got shape \[3, 4\]"),
    ):
        looking(images, labels)
    with (
        GradCAM(network, network.conv, reshape=lambda x: x.flatten(1)) as looking,
        pytest.raises(ValueError, match=r"the result of reshape: expected feature maps"),
    ):
        looking(images, labels)
    model = nn.Sequential(OrderedDict(two=TwoOutputs(), head=network)).to(images.device)
    with (
        GradCAM(model, model.two) as looking,
        pytest.raises(TypeError, match="expected a layer that returns a floating-point tensor, got tuple"),
    ):
        looking(images, labels)
