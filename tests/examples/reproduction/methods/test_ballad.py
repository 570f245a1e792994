"""BALLAD on a small CLIP: both phases by hand, what each trains, what is refused."""

import sys

import pytest
import torch
from torch import Tensor, nn

from reproduction.methods.ballad import BALLAD, SKIN_LESIONS, Aligned
from reproduction.methods.learner import Learner
from reproduction.methods.sampling import ByClass, Natural
from reproduction.networks.clip import CLIP
from reproduction.training.recipe import Recipe
from reproduction.training.views import ViewSettings
from tests.examples.reproduction.methods.small import SIZE, batch_for, built, step, weights

open_clip = pytest.importorskip("open_clip", reason="needs the extra clip")
SMALL = Aligned(CLIP("small", "none"))
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture(scope="module")
def phases() -> tuple[Learner, Learner]:
    first = built(SMALL, seed=7)
    step(first, batch_for(first.needs), 0.01)
    second = built(BALLAD(SMALL, ratio=0.3))
    second.start_from(first.state_dict())
    return first.eval(), second.train()


def features_by_hand(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Of images and of prompts, float64."""
    normal = torch.stack([(images[:, c] - MEAN[c]) / STD[c] for c in range(3)], 1)
    tokens = open_clip.get_tokenizer("RN50")([f"a photo of a {name}." for name in SKIN_LESIONS])
    return model.encode_image(normal).double(), model.encode_text(tokens).double()


def cosines(some: Tensor, others: Tensor) -> Tensor:
    rows = [[(a @ b) / (a @ a).sqrt() / (b @ b).sqrt() for b in others] for a in some]
    return torch.stack([torch.stack(row) for row in rows])


def test_phase_a_is_the_cross_entropy_of_a_hundred_cosines(phases):
    first, _ = phases
    assert first.needs.labelled == Natural()
    batch = batch_for(first.needs, seed=3)
    logits = 100 * cosines(*features_by_hand(first.towers.model, batch.labelled.views[0]))
    torch.testing.assert_close(first.predict(batch.labelled.views[0]).double(), logits, rtol=1e-4, atol=1e-4)
    by_hand = -logits.log_softmax(1)[torch.arange(8), batch.labelled.labels].mean()
    torch.testing.assert_close(first(batch).double(), by_hand, rtol=1e-4, atol=1e-4)


def test_phase_b_adapts_a_part_of_the_image_features(phases):
    first, second = phases
    assert second.needs.labelled == ByClass(0.0)
    batch = batch_for(second.needs, seed=3)
    images, texts = features_by_hand(first.towers.model, batch.labelled.views[0])  # as in a test
    adapted = 0.3 * images @ second.adapter.weight.T.double() + 0.7 * images
    logits = 100 * cosines(adapted, texts)
    torch.testing.assert_close(second.predict(batch.labelled.views[0]).double(), logits, rtol=1e-4, atol=1e-4)
    by_hand = -logits.log_softmax(1)[torch.arange(8), batch.labelled.labels].mean()
    torch.testing.assert_close(second(batch).double(), by_hand, rtol=1e-4, atol=1e-4)


def test_each_phase_trains_its_own():
    first = built(SMALL)
    before = weights(first)
    step(first, batch_for(first.needs), 0.01)
    trained = {name for name, p in first.named_parameters() if p.requires_grad}
    assert {name for name, _ in first.named_parameters()} - trained == {"towers.model.logit_scale"}
    assert all(first.get_parameter(name).grad is not None for name in trained)
    for part in ("visual.conv1.weight", "token_embedding.weight"):
        assert not torch.equal(first.get_parameter(f"towers.model.{part}"), before[f"towers.model.{part}"])
    second = built(BALLAD(SMALL)).train()
    before = weights(second)
    step(second, batch_for(second.needs))
    changed = {name for name, value in second.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"adapter.weight"} == {name for name, p in second.named_parameters() if p.requires_grad}


def test_what_the_paper_s_rows_are():
    assert Aligned() == Aligned(CLIP("RN50", "openai"), SKIN_LESIONS, "a photo of a {}.")
    assert len(SKIN_LESIONS) == 7
    Aligned().check(Recipe(views=ViewSettings(224)), 1)
    Aligned(CLIP("ViT-B-16", "openai")).check(Recipe(views=ViewSettings(224)), 1)


@pytest.mark.parametrize(
    ("clip", "size", "message"),
    [
        (CLIP("RN50"), 96, "views.size: expected 224 for RN50, got 96 and weights 'openai'"),
        (CLIP("RN51"), 224, "clip.name: expected small or one of open_clip's, as .*; got 'RN51'"),
        (CLIP("small", "none"), 48, "views.size: expected weights none and a multiple of 32 for small, got 48"),
        (
            CLIP("small", "openai"),
            64,
            "expected weights none and a multiple of 32 for small, got 64 and weights 'openai'",
        ),
    ],
)
def test_models_and_sizes_that_do_not_do_are_refused_before_any_data_is_read(clip, size, message):
    for method in (Aligned(clip), BALLAD(Aligned(clip))):
        with pytest.raises(ValueError, match=message):
            method.check(Recipe(views=ViewSettings(size)), 1)


def test_other_options_that_do_not_do():
    with pytest.raises(ValueError, match="ratio: expected above 0 and at most 1, got 0"):
        BALLAD(ratio=0)
    with pytest.raises(ValueError, match="share: expected above 0 and at most 1, got 2"):
        BALLAD(share=2)
    with pytest.raises(ValueError, match="names: expected 7, one for each class, got 2"):
        built(Aligned(CLIP("small", "none"), ("mole", "scar")))


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    monkeypatch.setattr("reproduction.networks.clip.find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=r"open_clip_torch, which comes with pip install .*\[clip\]"):
        Aligned().check(Recipe(views=ViewSettings(SIZE)), 1)
