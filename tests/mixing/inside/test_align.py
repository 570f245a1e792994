"""Alignment of features against a loop of Sinkhorn's algorithm, and inside timm's and Hugging Face's ViTs."""

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from longtail_mix import AlignFeatures, MixInside
from longtail_mix.functional import align_features


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=20)
@given(number=st.integers(1, 5), dim=st.integers(1, 3), iterations=st.integers(1, 4), seed=st.integers(0, 2**31))
def test_equals_a_loop(number, dim, iterations, seed):
    first, second = uniform(2, 2, number, dim, seed=seed)
    found = align_features(first, second, 0.2, iterations)
    for b in range(2):
        cost = [[float(((x - y) ** 2).sum()) for y in second[b]] for x in first[b]]
        mean = sum(map(sum, cost)) / number**2
        plan = torch.tensor([[torch.exp(torch.tensor(-c / (0.2 * mean))).item() for c in row] for row in cost])
        plan = plan.double()
        for _ in range(iterations):
            for j in range(number):
                plan[:, j] /= plan[:, j].sum()
            for i in range(number):
                plan[i] /= plan[i].sum()
        torch.testing.assert_close(found[b], plan @ second[b], rtol=1e-5, atol=1e-6)


@settings(max_examples=20)
@given(number=st.integers(2, 6), seed=st.integers(0, 2**31))
def test_what_was_shuffled_comes_back(number, seed):
    first = torch.eye(number, dtype=torch.float64).unsqueeze(0) * 3
    order = torch.randperm(number, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(align_features(first, first[:, order], 0.02), first, atol=1e-6, rtol=0)


def test_each_place_is_a_mean_of_features():
    first, second = uniform(2, 4, 9, 5)
    aligned = align_features(first, second, 0.5, 100)
    assert (aligned >= second.amin(1, keepdim=True)).all()
    assert (aligned <= second.amax(1, keepdim=True)).all()
    torch.testing.assert_close(aligned.mean(1), second.mean(1))  # every feature is used alike


def test_features_that_are_all_alike_stay():
    same = torch.ones(2, 4, 3)
    torch.testing.assert_close(align_features(same, same), same)


def test_maps_are_tokens_in_rows():
    tail, head = uniform(2, 2, 5, 2, 3)
    tokens = align_features(tail.flatten(2).mT, head.flatten(2).mT)
    torch.testing.assert_close(AlignFeatures()(tail, head), tokens.mT.reshape(2, 5, 2, 3))
    assert repr(AlignFeatures(0.2, 5)) == "AlignFeatures(epsilon=0.2, iterations=5)"


def test_the_gradient_takes_the_plan_for_a_constant():
    first, second = uniform(2, 1, 4, 3)
    first.requires_grad_()
    second.requires_grad_()
    align_features(first, second).sum().backward()
    assert first.grad is None
    torch.testing.assert_close(second.grad.sum(), torch.tensor(12.0, dtype=torch.float64))


def test_autocast_changes_nothing():
    first, second = uniform(2, 2, 4, 3).float()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(align_features(first, second), align_features(first.clone(), second))
    assert torch.equal(align_features(first, second), align_features(first, second))


def test_one_graph_and_nothing_waits_for_the_gpu():
    first, second = uniform(2, 2, 4, 3)
    compiled = torch.compile(align_features, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(first, second), align_features(first, second))
    with FakeTensorMode(), torch.device("cuda"):
        assert align_features(torch.rand(2, 4, 3), torch.rand(2, 4, 3)).device.type == "cuda"


def hugging_face() -> tuple[nn.Module, str]:
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 24}
    model = transformers.ViTForImageClassification(transformers.ViTConfig(**sizes, image_size=32, patch_size=8))
    names = [name for name, _ in model.named_modules() if name.endswith(("layers.0", "layer.0"))]
    return model, names[0]


def of_timm() -> tuple[nn.Module, str]:
    sizes = {"patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3, "img_size": 32}
    return timm.models.VisionTransformer(**sizes), "blocks.0"


@pytest.mark.parametrize("make", [of_timm, hugging_face])
def test_inside_a_vit_the_class_token_stays(make):
    model, layer = make()
    seen = []
    align = AlignFeatures()

    def recording(tail, head):
        seen.append((tail, align(tail, head)))
        return seen[-1][1]

    outputs = []
    find = dict(model.named_modules())[layer]
    images, lam = torch.rand(2, 3, 32, 32), torch.tensor([0.3, 1.0])
    with MixInside(model.eval(), layer, num_prefix_tokens=1, align=recording) as mix_inside:
        handle = find.register_forward_hook(lambda _, __, output: outputs.append(output))
        output = mix_inside.within(images, torch.tensor([1, 0]), lam)
        handle.remove()
    tail, aligned = seen[0]
    assert tail.shape == (2, 16, 24)
    mixed = outputs[0]
    ratio = lam.view(2, 1, 1)
    torch.testing.assert_close(mixed[:, 1:], ratio * tail + (1 - ratio) * aligned)
    logits = output if isinstance(output, torch.Tensor) else output.logits
    logits.sum().backward()


def test_inside_a_cnn():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)).double()
    tail, head, ratio = uniform(2, 3, 8, 8), uniform(2, 3, 8, 8, seed=1), uniform(2, seed=2)
    with MixInside(model, "0", align=AlignFeatures()) as mix_inside:
        logits = mix_inside(tail, head, ratio)
    one, other = model[0](tail), model[0](head)
    other = align_features(one.flatten(2).mT, other.flatten(2).mT).mT.reshape(other.shape)
    mixed = ratio.view(2, 1, 1, 1) * one + (1 - ratio.view(2, 1, 1, 1)) * other
    torch.testing.assert_close(logits, model[1:](mixed))


def test_bad_arguments():
    features = torch.rand(2, 4, 3)
    with pytest.raises(ValueError, match=r"first: expected features \[B, N, D\], got shape \[4, 3\]"):
        align_features(features[0], features[0])
    with pytest.raises(ValueError, match=r"second: expected shape \[2, 4, 3\] like first"):
        align_features(features, features[:1])
    with pytest.raises(TypeError, match="first: expected a floating-point tensor"):
        align_features(features.long(), features.long())
    with pytest.raises(
        ValueError, match=r"tail: expected features \[B, C, H, W\] or tokens \[B, N, D\], got shape \[2\]"
    ):
        AlignFeatures()(features[:, 0, 0], features[:, 0, 0])
    for make in (AlignFeatures, lambda *a: align_features(features, features, *a)):
        with pytest.raises(ValueError, match="epsilon: expected a finite number above 0, got 0"):
            make(0)
        with pytest.raises(ValueError, match="iterations: expected at least 1, got 0"):
            make(0.1, 0)
    with pytest.raises(TypeError, match="align: expected a module"):
        MixInside(nn.Sequential(nn.Linear(2, 2)), "0", align=3)
