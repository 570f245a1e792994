"""TransMix against the attention that the models themselves compute, and against loops over patches."""

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from longtail_mix import ClassAttention, CutMix, MixedTarget, MixRecord, TokenMix
from longtail_mix.functional import transmix

TIMM = {"query": "blocks.1.attn.q_norm", "key": "blocks.1.attn.k_norm"}


@pytest.fixture(scope="module")
def vit() -> nn.Module:
    torch.manual_seed(0)
    options = {"patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3, "num_classes": 3, "img_size": 32}
    model = timm.models.VisionTransformer(**options).double().eval()
    for block in model.blocks:
        block.attn.fused_attn = False
        nn.init.normal_(block.attn.qkv.weight, std=0.5)  # attention that is not even
    return model


def attention_of(model: nn.Module, images: torch.Tensor, layer: nn.Module) -> torch.Tensor:
    """What goes into the dropout of a layer's attention: the attention itself."""
    seen = []
    handle = layer.attn.attn_drop.register_forward_hook(lambda _, arguments, __: seen.append(arguments[0]))
    model(images)
    handle.remove()
    return seen[0]


def test_the_attention_is_that_of_timms_vit(vit):
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    expected = attention_of(vit, images, vit.blocks[1])[:, :, 0, 1:].mean(1)
    with ClassAttention(vit, **TIMM) as class_attention:
        logits, attention = class_attention(images)
        again = class_attention(images)[1]
    torch.testing.assert_close(attention, expected.detach())
    assert torch.equal(attention, again)
    assert torch.equal(logits, vit(images))
    assert logits.requires_grad
    assert not attention.requires_grad
    assert not any(module._forward_hooks for module in vit.modules())


def test_the_attention_is_that_of_hugging_faces_vit():
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 24}
    config = transformers.ViTConfig(**sizes, image_size=32, patch_size=8, attn_implementation="eager")
    config.output_attentions = True
    torch.manual_seed(0)
    model = transformers.ViTForImageClassification(config).eval()
    layers = [name for name, _ in model.named_modules() if ".1.attention" in name]
    query = next(name for name in layers if name.endswith(("q_proj", "query")))
    key = next(name for name in layers if name.endswith(("k_proj", "key")))
    images = torch.rand(2, 3, 32, 32)
    with ClassAttention(model, query, key, num_heads=3) as class_attention:
        output, attention = class_attention(images)
    torch.testing.assert_close(attention, output.attentions[1][:, :, 0, 1:].mean(1).detach())


@settings(max_examples=25)
@given(rows=st.integers(1, 4), columns=st.integers(1, 4), area=st.floats(0, 1), seed=st.integers(0, 2**31))
def test_a_weight_equals_a_loop_over_patches(rows, columns, area, seed):
    generator = torch.Generator().manual_seed(seed)
    attention = torch.rand(3, rows * columns, generator=generator, dtype=torch.float64)
    mask = torch.rand(3, 1, 2 * rows, 2 * columns, generator=generator) > 0.5
    lam = torch.rand(3, generator=generator)
    target = MixedTarget(torch.arange(3), torch.arange(3) + 3, lam)
    found = transmix(target, attention, MixRecord(mask, lam), area)
    for b in range(3):
        seen = 0.0
        for i in range(rows):
            for j in range(columns):
                share = mask[b, 0, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].double().mean()
                seen += attention[b, i * columns + j] * share
        expected = area * lam[b].double() + (1 - area) * seen / attention[b].sum()
        assert found.lam[b].item() == pytest.approx(expected.item(), abs=1e-6)
    assert torch.equal(found.labels, target.labels)
    assert torch.equal(found.other, target.other)
    assert found.lam.dtype == lam.dtype


@pytest.mark.parametrize("mix", [CutMix(), TokenMix(4)])
def test_a_step_of_training(vit, mix):
    images, labels = torch.rand(2, 4, 3, 32, 32, dtype=torch.float64), torch.tensor([0, 1, 2, 0])
    maps = torch.rand(2, 4, 1, 4, 4, dtype=torch.float64)
    mixed, target, record = mix.with_record(images[0], labels, images[1], labels.flip(0), *maps)
    with ClassAttention(vit, **TIMM) as class_attention:
        logits, attention = class_attention(mixed)
    transmix(target, attention, record).loss(nn.CrossEntropyLoss(reduction="none"), logits).backward()
    assert vit.blocks[1].attn.qkv.weight.grad.abs().max() > 0
    vit.zero_grad()


def test_without_attention_the_weight_stays():
    target = MixedTarget(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.3]))
    record = MixRecord(torch.ones(1, 1, 2, 2, dtype=torch.bool), target.lam)
    assert transmix(target, torch.zeros(1, 4), record, 0.0).lam.tolist() == target.lam.tolist()


def test_one_graph_and_nothing_waits_for_the_gpu():
    target = MixedTarget(torch.arange(3), torch.arange(3), torch.rand(3))
    record, attention = MixRecord(torch.rand(3, 1, 4, 4) > 0.5, target.lam), torch.rand(3, 4)
    compiled = torch.compile(transmix, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(target, attention, record).lam, transmix(target, attention, record).lam)
    with FakeTensorMode(), torch.device("cuda"):
        target = MixedTarget(torch.arange(3), torch.arange(3), torch.rand(3))
        record, attention = MixRecord(torch.rand(3, 1, 4, 4) > 0.5, target.lam), torch.rand(3, 4)
        assert transmix(target, attention, record).lam.device.type == "cuda"


def test_bad_calls(vit):
    target = MixedTarget(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.3]))
    record = MixRecord(torch.ones(1, 1, 2, 2), target.lam)
    with pytest.raises(TypeError, match="target: expected a MixedTarget, got Tensor"):
        transmix(target.lam, torch.ones(1, 4), record)
    with pytest.raises(TypeError, match="record: expected a MixRecord, as with_record returns it, got Tensor"):
        transmix(target, torch.ones(1, 4), record.mask)
    with pytest.raises(ValueError, match=r"attention: expected \[1, N\], got shape \[2, 4\]"):
        transmix(target, torch.ones(2, 4), record)
    with pytest.raises(
        ValueError, match="attention: expected a number of patches that the record's mask of 2x2 fits, got 3"
    ):
        transmix(target, torch.ones(1, 3), record)
    for images in (0, 2):
        other = MixRecord(torch.ones(images, 1, 2, 2), torch.ones(images))
        with pytest.raises(ValueError, match=f"record: expected one of 1 images, got {images}"):
            transmix(target, torch.ones(1, 4), other)
    with pytest.raises(ValueError, match="area: expected a number from 0 to 1, got 2"):
        transmix(target, torch.ones(1, 4), record, 2)
    images = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    class_attention = ClassAttention(vit, **TIMM)
    with pytest.raises(RuntimeError, match="expected to be called inside"):
        class_attention(images)
    with pytest.raises(ValueError, match="query: expected the name of a layer of the model"):
        ClassAttention(vit, "blocks.9", "blocks.1")
    qkv = "blocks.1.attn.qkv"
    for query, key, num_heads, message in (
        (qkv, "blocks.1.attn.k_norm", 1, r"key: expected keys \[1, 1, 17, 72\] like the queries"),
        (qkv, qkv, 5, "num_heads: expected a divisor of 72, got 5"),
        ("fc_norm", "fc_norm", 1, "query: expected a layer that returns"),
    ):
        with ClassAttention(vit, query, key, num_heads) as other, pytest.raises(ValueError, match=message):
            other(images)
    with class_attention, pytest.raises(RuntimeError, match="expected to be entered once at a time"):
        class_attention.__enter__()


def test_other_forwards_of_the_model_leave_nothing_behind(vit):
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    with ClassAttention(vit, **TIMM) as class_attention:
        vit(images)
        with pytest.raises(AssertionError):
            class_attention(images[..., :16])  # fails within the model
        held = [len(outputs) for outputs in class_attention._outputs]
        vit(images)
        assert [len(outputs) for outputs in class_attention._outputs] == held == [0, 0]
    assert class_attention._outputs == [[], []]
