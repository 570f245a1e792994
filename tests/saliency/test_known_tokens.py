"""The tokens of timm's and Hugging Face's vision transformers are known to MixInside and GradCAM."""

import pytest
import torch
from torch import Tensor, nn

from longtail_mix import GradCAM, MixInside
from longtail_mix.saliency import TokenGrid
from longtail_mix.saliency._known_tokens import known_tokens

SIZE = (32, 48)  # 4 x 6 patches of 8
IMAGES = torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 2])


def timm_vit(**options):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    small = {"patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 3}
    return (
        timm.create_model("vit_tiny_patch16_224", img_size=SIZE, **small, **options).eval(),
        "blocks.0",
        "patch_embed",
    )


def hugging_face_vit(kind="ViT", **options):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = getattr(transformers, f"{kind}Config")(image_size=SIZE, patch_size=8, num_labels=3, **small, **options)
    model = getattr(transformers, f"{kind}ForImageClassification")(config).eval()
    layer = next(name for name, module in model.named_modules() if type(module).__name__ == f"{kind}Layer")
    return model, layer, next(name for name, _ in model.named_modules() if name.endswith("patch_embeddings"))


MODELS = {
    "timm": (timm_vit, 1),
    "timm, four registers": (lambda: timm_vit(reg_tokens=4), 5),
    "timm, no class token": (lambda: timm_vit(class_token=False, global_pool="avg"), 0),
    "Hugging Face": (hugging_face_vit, 1),
    "Hugging Face, distilled": (lambda: hugging_face_vit("DeiT"), 2),
}
EACH = pytest.mark.parametrize(("make", "prefix"), MODELS.values(), ids=MODELS)


def logits_of(output: object) -> Tensor:
    return getattr(output, "logits", output)


@EACH
def test_mixed_at_a_block_the_tokens_in_front_stay(make, prefix):
    model, block, _ = make()
    ratio = torch.rand(2, 1, 4, 6)
    with MixInside(model, block) as known, MixInside(model, block, num_prefix_tokens=prefix) as told:
        pass  # both can be made
    with known as mix_inside:
        logits = logits_of(mix_inside.within(IMAGES, torch.tensor([1, 0]), ratio))
    with told as mix_inside:
        torch.testing.assert_close(logits, logits_of(mix_inside.within(IMAGES, torch.tensor([1, 0]), ratio)))

    def by_hand(_module, _inputs, tokens):
        mixed = tokens.clone()
        for i in range(2):
            for place in range(24):
                r = ratio[i, 0, place // 6, place % 6]
                mixed[i, prefix + place] = r * tokens[i, prefix + place] + (1 - r) * tokens[1 - i, prefix + place]
        return mixed

    handle = model.get_submodule(block).register_forward_hook(by_hand)
    expected = logits_of(model(IMAGES))
    handle.remove()
    torch.testing.assert_close(logits, expected)


@EACH
def test_mixed_at_the_patches_none_are_in_front(make, prefix):
    model, _, patches = make()
    with MixInside(model, patches) as known:
        logits = logits_of(known.within(IMAGES, torch.tensor([1, 0]), torch.zeros(2, 1, 4, 6)))
    torch.testing.assert_close(logits, logits_of(model(IMAGES.flip(0))))
    assert known_tokens(model).prefix == prefix


def test_a_ratio_that_is_not_the_models_grid():
    model, block, _ = timm_vit()
    with MixInside(model, block) as mix_inside, pytest.raises(ValueError, match="features' 4x6 .* got 6x4"):
        mix_inside(IMAGES, IMAGES, torch.rand(2, 1, 6, 4))


@EACH
def test_grad_cam_by_name_and_without_a_grid(make, prefix):
    model, block, _ = make()
    with GradCAM(model, block) as looking:
        cam = looking(IMAGES, LABELS)
    assert cam.shape == (2, 1, 4, 6)
    with GradCAM(model, model.get_submodule(block), reshape=TokenGrid(4, 6, prefix)) as looking:
        torch.testing.assert_close(cam, looking(IMAGES, LABELS))
    assert cam.max() == 1


class Cut(nn.Module):
    """Drops two patches."""

    def forward(self, tokens):
        return tokens[:, :-2]


def test_tokens_that_are_not_known_are_named():
    model, _, _ = timm_vit()
    model.blocks[0] = nn.Sequential(model.blocks[0], Cut())
    with (
        GradCAM(model, "blocks.0") as looking,
        pytest.raises(
            ValueError, match=r"reshape: expected TokenGrid\(height, width, num_prefix_tokens\), as .* \[2, 23, 16\]"
        ),
    ):
        looking(IMAGES, LABELS)
    with MixInside(model, "blocks.0") as mix_inside, pytest.raises(ValueError, match="num_prefix_tokens right"):
        mix_inside(IMAGES, IMAGES, torch.rand(2, 1, 4, 6))
    own = nn.Sequential(nn.Flatten(2), nn.Flatten(), nn.Linear(3 * 32 * 48, 3))
    with GradCAM(own, "0") as looking, pytest.raises(ValueError, match="reshape: expected TokenGrid"):
        looking(IMAGES, LABELS)
    assert known_tokens(own) is None


def test_names_of_layers_that_are_not_there():
    model, _, _ = timm_vit()
    with pytest.raises(
        ValueError, match=r"target_layer: expected the name of a layer .* as blocks.0, blocks.1; got 'blocks.9'"
    ):
        GradCAM(model, "blocks.9")
    with GradCAM(model, ["blocks.0", model.blocks[1]]) as looking:
        assert looking(IMAGES, LABELS).shape == (2, 1, 4, 6)
