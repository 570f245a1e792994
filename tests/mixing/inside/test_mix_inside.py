import copy

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.checkpoint import CheckpointError, checkpoint

from longtail_mix import HeadTailPairing, MixInside, SPMix
from longtail_mix.functional import patch_mixup
from longtail_mix.mixing.inside._grid import fit_ratio, fit_ratio_to_tokens

LAYERS = ("conv1", "bn1", "act1", "maxpool", "layer1", "layer2", "layer3", "layer4", "global_pool", "fc")


def blend(tail: Tensor, head: Tensor, ratio: Tensor, prefix: int = 0) -> Tensor:
    """Place by place, with the ratio of the image's place looked up, or averaged where it is finer."""
    tokens = tail.ndim == 3
    rows, columns = (4, (tail.shape[1] - prefix) // 4) if tokens else tail.shape[-2:]
    mixed = tail.clone()
    for i in range(rows):
        for j in range(columns):
            h, w = ratio.shape[-2:]
            top, left = i * h // rows, j * w // columns
            r = ratio[:, 0, top : max(top + 1, (i + 1) * h // rows), left : max(left + 1, (j + 1) * w // columns)]
            r = r.mean((1, 2)).unsqueeze(1)
            place = (slice(None), prefix + i * columns + j) if tokens else (slice(None), slice(None), i, j)
            mixed[place] = r * tail[place] + (1 - r) * head[place]
    return mixed


def resnet_by_hand(model: nn.Module, layer: str, images: Tensor, ratio: Tensor) -> Tensor:
    cut = LAYERS.index(layer) + 1
    for name in LAYERS[:cut]:
        images = getattr(model, name)(images)
    images = blend(*images.chunk(2), ratio)
    for name in LAYERS[cut:]:
        images = getattr(model, name)(images)
    return images


def vit_by_hand(model: nn.Module, layer: str, images: Tensor, ratio: Tensor) -> Tensor:
    tokens = model.patch_embed(images)
    if layer == "patch_embed":
        tokens = blend(*tokens.chunk(2), ratio)
    tokens = model.norm_pre(model._pos_embed(tokens))
    for i, block in enumerate(model.blocks):
        tokens = block(tokens)
        if layer == f"blocks.{i}":
            tokens = blend(*tokens.chunk(2), ratio, prefix=1)
    return model.forward_head(model.norm(tokens))


def hybrid_by_hand(model: nn.Module, layer: str, images: Tensor, ratio: Tensor) -> Tensor:
    names = [name for name, _ in model.patch_embed.backbone.named_children()]
    if not layer.startswith("patch_embed.backbone"):
        return vit_by_hand(model, layer, images, ratio)
    for name in names:
        images = getattr(model.patch_embed.backbone, name)(images)
        if layer.endswith(name):
            images = blend(*images.chunk(2), ratio)
    tokens = model.patch_embed.proj(images).flatten(2).transpose(1, 2)
    tokens = model.norm_pre(model._pos_embed(tokens))
    return model.forward_head(model.norm(model.blocks(tokens)))


@pytest.fixture(scope="module")
def models() -> dict[str, nn.Module]:
    """The three of the issue, in training mode; small images keep it quick."""
    torch.manual_seed(0)
    return {
        "resnet50": timm.create_model("resnet50", num_classes=7).double(),
        "vit": timm.create_model("vit_small_patch16_224", img_size=64, num_classes=7).double(),
        "hybrid": timm.create_model("vit_small_resnet50d_s16_224", img_size=64, num_classes=7).double(),
    }


@pytest.mark.parametrize(
    ("name", "layer", "by_hand", "prefix"),
    [
        ("resnet50", "maxpool", resnet_by_hand, 0),  # 16 x 16: each ratio is spread over four places
        ("resnet50", "layer3", resnet_by_hand, 0),  # 4 x 4, as many as ratios
        ("resnet50", "layer4", resnet_by_hand, 0),  # 2 x 2: means of four ratios
        ("vit", "patch_embed", vit_by_hand, 0),
        ("vit", "blocks.5", vit_by_hand, 1),
        ("hybrid", "patch_embed.backbone.layer2", hybrid_by_hand, 0),
        ("hybrid", "patch_embed", hybrid_by_hand, 0),
        ("hybrid", "blocks.2", hybrid_by_hand, 1),
    ],
)
def test_equals_splitting_the_model_by_hand(models, name, layer, by_hand, prefix):
    model = models[name]
    torch.manual_seed(1)
    tail, head = (torch.randn(2, 3, 64, 64, dtype=torch.float64, requires_grad=True) for _ in range(2))
    ratio = torch.rand(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    wanted = (tail, head, ratio, *model.parameters())
    expected = by_hand(model, layer, torch.cat([tail, head]), ratio)
    expected_gradients = torch.autograd.grad(expected.square().sum(), wanted)
    with MixInside(model, layer, prefix) as mix_inside:
        logits = mix_inside(tail, head, ratio)
    gradients = torch.autograd.grad(logits.square().sum(), wanted)
    assert logits.shape == (2, 7)
    torch.testing.assert_close(logits, expected)
    for got, by_the_hand in zip(gradients, expected_gradients, strict=True):
        assert (got - by_the_hand).norm() <= 1e-9 * by_the_hand.norm()
    assert all(gradient.abs().max() > 0 for gradient in gradients[:3])  # both images and the ratio are reached


def small(*more: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4)
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), norm, nn.ReLU(inplace=True), *more, head)


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


def test_batch_norm_sees_tail_and_head_as_one_batch(device):
    model = small().to(device)
    tail, head = torch.rand(2, 4, 3, 8, 8, device=device)
    head = 3 * head
    expected = copy.deepcopy(model)
    expected[1](expected[0](torch.cat([tail, head])))
    with MixInside(model, "1") as mix_inside:
        mix_inside(tail, head, torch.full((4,), 0.5, device=device))
    assert model[1].num_batches_tracked == 1
    torch.testing.assert_close(model[1].running_mean, expected[1].running_mean)
    torch.testing.assert_close(model[1].running_var, expected[1].running_var)


def test_manifold_mixup_within_a_batch(device):
    model = small().to(device)
    images, partner = torch.rand(5, 3, 8, 8, device=device), torch.tensor([3, 0, 2, 4, 1], device=device)
    lam = torch.rand(5, device=device)
    features = model[:2](images)
    lam_ = lam[:, None, None, None]
    expected = model[2:](lam_ * features + (1 - lam_) * features[partner])
    with MixInside(model, model[1]) as mix_inside:
        torch.testing.assert_close(mix_inside.within(images, partner, lam), expected)
        ones = torch.ones(5, device=device)
        torch.testing.assert_close(
            mix_inside.within(images, partner, ones), model(images)
        )  # and plain calls do not mix


def test_lam_of_a_image_fits_tokens_of_any_grid():
    model = nn.Sequential(nn.Identity(), nn.Flatten())
    tail, head, lam = torch.rand(2, 5 + 1, 3), torch.rand(2, 5 + 1, 3), torch.rand(2)
    with MixInside(model, "0", num_prefix_tokens=1) as mix_inside:
        mixed = mix_inside(tail, head, lam).view(2, 6, 3)
    assert torch.equal(mixed[:, 0], tail[:, 0])
    torch.testing.assert_close(mixed[:, 1:], torch.lerp(head, tail, lam[:, None, None])[:, 1:])


def test_spmix_inside_a_model():
    """What the docs print."""
    model, spmix = small(), SPMix(patch_size=4)
    tail, head = torch.rand(2, 2, 3, 16, 16)
    with MixInside(model.eval(), "2") as mix_inside:
        logits = mix_inside(tail, head, spmix.ratio(tail, head, torch.Generator().manual_seed(0)))
    ratio = spmix.ratio(tail, head, torch.Generator().manual_seed(0))
    torch.testing.assert_close(logits, model[3:](patch_mixup(model[:3](tail), model[:3](head), ratio)))


def test_a_batch_with_tail_and_head():
    model, pairing = small().eval(), HeadTailPairing([9, 1])
    images, labels = torch.rand(4, 3, 16, 16), torch.tensor([0, 1, 0, 0])
    partner, mixed = pairing.partners(labels)
    ratio = torch.where(mixed, 0.25, 1.0)
    with MixInside(model, "2") as mix_inside:
        logits = mix_inside.within(images, partner, ratio)
    changed = (logits - model(images)).abs().amax(1) > 1e-6
    assert changed.tolist() == mixed.tolist() == [False, True, False, False]


def test_hooks_always_go():
    model = small()
    images, lam = torch.rand(2, 3, 8, 8), torch.rand(2)
    inside = MixInside(model, "1")
    assert hooks(model) == 0
    for _ in range(2):  # and it can be used again
        with inside as mix_inside:
            assert hooks(model) == 1
            mix_inside(images, images, lam)
        assert hooks(model) == 0
    with pytest.raises(ZeroDivisionError), MixInside(model, "1"):
        1 / 0  # noqa: B018  # the exception is the point
    assert hooks(model) == 0
    with pytest.raises(ValueError, match="ratio"), MixInside(model, "1") as mix_inside:
        mix_inside(images, images, torch.rand(2, 1, 3, 3))
    assert hooks(model) == 0
    with MixInside(model, "1") as mix_inside:
        with pytest.raises(ValueError, match="ratio"):
            mix_inside(images, images, torch.rand(2, 1, 3, 3))
        before = model.eval()(images)  # a failed call leaves nothing behind that would mix the next one
        assert torch.equal(model(images), before)
    with pytest.raises(RuntimeError, match="called inside `with MixInside"):
        mix_inside(images, images, lam)
    with pytest.raises(RuntimeError, match="entered once at a time"), inside, inside:
        pass
    assert hooks(model) == 0


def test_nothing_is_written_into_the_arguments():
    model, tail, head, ratio = small(), *torch.rand(2, 2, 3, 8, 8), torch.rand(2, 1, 2, 2)
    before = [t.clone() for t in (tail, head, ratio)]
    with MixInside(model, "0") as mix_inside:
        mix_inside(tail, head, ratio)
        mix_inside.within(tail, torch.tensor([1, 0]), ratio)
    for argument, copy_ in zip((tail, head, ratio), before, strict=True):
        assert torch.equal(argument, copy_)


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_small_batches(batch):
    with MixInside(small().eval(), "2") as mix_inside:
        assert mix_inside(*torch.rand(2, batch, 3, 8, 8), torch.rand(batch, 1, 4, 4)).shape == (batch, 5)


def test_channels_last_and_autocast(device):
    model = small().to(device).eval()
    tail, head = torch.rand(2, 2, 3, 8, 8, device=device)
    ratio = torch.rand(2, 1, 4, 4, device=device)
    with MixInside(model, "2") as mix_inside:
        expected = mix_inside(tail, head, ratio)
        last = [t.contiguous(memory_format=torch.channels_last) for t in (tail, head)]
        torch.testing.assert_close(mix_inside(*last, ratio), expected)
        with torch.autocast(device.type, torch.bfloat16):
            mixed = mix_inside(tail, head, ratio)
        assert mixed.dtype == torch.bfloat16
        torch.testing.assert_close(mixed.float(), expected, rtol=0.05, atol=0.02)


def test_compiles_as_one_graph():
    model = small().eval()
    tail, head, ratio = *torch.rand(2, 2, 3, 8, 8), torch.rand(2, 1, 4, 4)
    with MixInside(model, "2") as mix_inside:
        compiled = torch.compile(lambda *arguments: mix_inside(*arguments), fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(tail, head, ratio), mix_inside(tail, head, ratio))


class Checkpointed(nn.Module):
    """A model that keeps no features of its second layer and runs it again in the backward."""

    def __init__(self, use_reentrant: bool) -> None:
        super().__init__()
        self.stem, self.stage, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 5, 4)
        self.use_reentrant = use_reentrant

    def forward(self, images: Tensor) -> Tensor:
        features = checkpoint(self.stage, self.stem(images), use_reentrant=self.use_reentrant)
        return self.head(features).flatten(1)


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_a_checkpointed_layer_is_an_error_and_never_a_wrong_gradient(use_reentrant):
    model = Checkpointed(use_reentrant)
    noticed = pytest.raises((RuntimeError, CheckpointError), match="with gradients on|number of tensors was saved")
    with noticed, MixInside(model, "stage") as mix_inside:
        mix_inside.within(IMAGES, PARTNER, torch.rand(2)).sum().backward()


def test_a_frozen_lower_part_may_run_without_gradients():
    class Frozen(Checkpointed):
        def forward(self, images: Tensor) -> Tensor:
            with torch.no_grad():
                features = self.stage(self.stem(images))
            return self.head(features).flatten(1)

    model = Frozen(use_reentrant=False)
    with MixInside(model, "stage") as mix_inside:
        with torch.no_grad():
            assert mix_inside.within(IMAGES, PARTNER, torch.rand(2)).shape == (2, 5)
        with pytest.raises(RuntimeError, match="runs with gradients on, .* got a Conv2d under no_grad"):
            mix_inside.within(IMAGES, PARTNER, torch.rand(2))
        model.stage.requires_grad_(False)
        mix_inside.within(IMAGES, PARTNER, torch.rand(2)).sum().backward()
    assert (model.head.weight.grad != 0).any()


@given(
    factor=st.integers(1, 4),
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    finer=st.booleans(),
    seed=st.integers(0),
)
def test_a_grid_is_averaged_or_spread(factor, rows, columns, finer, seed):
    generator = torch.Generator().manual_seed(seed % 2**32)
    h, w = (rows * factor, columns * factor) if finer else (rows, columns)
    ratio = torch.rand(2, 1, h, w, dtype=torch.float64, generator=generator)
    if finer:
        by_hand = ratio.unflatten(-2, (rows, factor)).unflatten(-1, (columns, factor)).mean((-3, -1))
    else:
        rows, columns = rows * factor, columns * factor
        by_hand = ratio.repeat_interleave(factor, -2).repeat_interleave(factor, -1)
    torch.testing.assert_close(fit_ratio(ratio, rows, columns).expand_as(by_hand), by_hand)
    if (h, w) != (1, 1):
        torch.testing.assert_close(fit_ratio_to_tokens(ratio, rows * columns), by_hand)


class Wild(nn.Module):
    """A model whose layers are all unfit for mixing, each in its way."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.twice, self.never, self.pair = nn.ReLU(), nn.ReLU(), Pair()
        self.flat = nn.Flatten()
        self.windows = Windows()

    def forward(self, images: Tensor) -> Tensor:
        images = images + self.conv(images)
        images = self.twice(self.twice(self.pair(images)[0]))
        return self.flat(self.windows(images).view_as(images))


class Pair(nn.Module):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images, images


class Windows(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.view(-1, 3, 4, 4)


@pytest.mark.parametrize(
    ("layer", "ratio", "error", "message"),
    [
        ("twice", torch.rand(1), RuntimeError, "layer: expected one that runs once in a forward, got a ReLU"),
        ("never", torch.rand(1), RuntimeError, "layer: expected one that the forward reaches, got a ReLU"),
        ("pair", torch.rand(1), TypeError, "layer: expected one that returns a tensor, got tuple"),
        (
            "conv",
            torch.rand(1),
            RuntimeError,
            "all that comes after to depend on it alone, .* 1 pairs, got shape .2, 192.",
        ),
        ("flat", torch.rand(1), ValueError, r"expected features .* of 2 images, got shape \[2, 192\]"),
        ("windows", torch.rand(1), ValueError, r"expected features .* of 2 images, got shape \[8, 3, 4, 4\]"),
    ],
)
def test_layers_that_cannot_be_mixed_at(layer, ratio, error, message):
    model = Wild()
    with pytest.raises(error, match=message), MixInside(model, layer) as mix_inside:
        mix_inside(*torch.rand(2, 1, 3, 8, 8), ratio)
    assert hooks(model) == 0


IMAGES, PARTNER = torch.rand(2, 3, 8, 8), torch.tensor([1, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda _: MixInside("resnet50", "layer1"), "model: expected a torch.nn.Module, got str"),
        (
            lambda _: MixInside(small(), "layer1"),
            "expected the name of a layer of the model, as 0, 1, 2, 3; got .layer1.",
        ),
        (lambda _: MixInside(small(), "9.conv.1"), "as 0, 1, 2, 3; got .9.conv.1."),
        (lambda _: MixInside(small(), "3.9.conv"), "as 3.0, 3.1, 3.2; got .3.9.conv."),
        (lambda _: MixInside(small(), 2), "layer: expected a torch.nn.Module or its name, got int"),
        (lambda _: MixInside(small(), nn.ReLU()), "layer: expected a layer of the model, got another ReLU"),
        (lambda _: MixInside(small(), "1", -1), "num_prefix_tokens: expected at least 0, got -1"),
        (lambda mix: mix([1], IMAGES, torch.rand(2)), "tail: expected a torch.Tensor, got list"),
        (lambda mix: mix(IMAGES, IMAGES[:1], torch.rand(2)), "head: expected shape .2, 3, 8, 8. like tail"),
        (lambda mix: mix(IMAGES, IMAGES, 0.5), "ratio: expected a torch.Tensor, got float"),
        (lambda mix: mix(IMAGES, IMAGES, torch.ones(2).long()), "ratio: expected a floating-point tensor"),
        (lambda mix: mix(IMAGES, IMAGES, torch.rand(3)), r"ratio: expected \[2\] or \[2, 1, h, w\], .* got \[3\]"),
        (lambda mix: mix(IMAGES, IMAGES, torch.rand(2, 8, 8)), r"one for each pair, got \[2, 8, 8\]"),
        (lambda mix: mix(IMAGES, IMAGES, torch.rand(2, 2, 8, 8)), r"ratio: expected \[B, 1, h, w\]"),
        (lambda mix: mix(IMAGES, IMAGES, torch.rand(2, 1, 3, 3)), "features' 8x8 or is divided by it, .* got 3x3"),
        (lambda mix: mix(IMAGES, IMAGES, torch.rand(2, 1, 4, 8)), "the same factor both ways, got 4x8"),
        (lambda mix: mix(IMAGES, IMAGES, torch.tensor([0.5, 1.5])), r"ratio: expected values in \[0, 1\]"),
        (
            lambda mix: mix.within(IMAGES, PARTNER[:1], torch.rand(2)),
            "partner: expected int64 indices, one for each of 2",
        ),
        (lambda mix: mix.within(IMAGES, PARTNER.float(), torch.rand(2)), "partner: expected int64 indices"),
        (lambda mix: mix.within(IMAGES, PARTNER - 1, torch.rand(2)), "partner: expected positions from 0 to 1, got -1"),
        (
            lambda mix: mix.within(IMAGES, PARTNER + 1, torch.rand(2)),
            "partner: expected positions from 0 to 1, got 1 to 2",
        ),
        (lambda mix: mix.within(IMAGES, None, torch.rand(2)), "partner: expected a torch.Tensor, got NoneType"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((TypeError, ValueError), match=message), MixInside(small(), "1") as mix_inside:
        call(mix_inside)


@pytest.mark.parametrize(("prefix", "grid"), [(0, (2, 2)), (1, (2, 3)), (2, (2, 2)), (5, (2, 2))])
def test_tokens_that_do_not_fit_the_ratio(prefix, grid):
    tokens = torch.rand(2, 5, 3)
    with (
        pytest.raises(ValueError, match="num_prefix_tokens right"),
        MixInside(nn.Sequential(nn.Identity()), "0", prefix) as m,
    ):
        m(tokens, tokens, torch.rand(2, 1, *grid))
