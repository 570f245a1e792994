"""What is built from the options: streams, ratio, saliency, optimiser, schedule."""

from dataclasses import replace

import pytest
import torch
from framework_batch import balanced, natural
from framework_config import OURS, PAPER, RELEASED, Config
from framework_mixing import FidelityRecipe, OnePerImage, PaperRecipe, RandomRecipe, ReleasedRecipe
from framework_recipes import (
    build_method,
    build_optimizer,
    build_ratio,
    build_saliency,
    build_schedule,
)

from longtail_mix import SaliencyMap, SkinContrastSaliency

COUNTS = [90, 700, 50, 30, 80, 10, 15]  # many: 1; medium: 0, 4, 2; few: 3, 6, 5
SMALL = Config(
    backbone="tiny_hybrid",
    size=32,
    patch_size=8,
    epochs=10,
    warmup_epochs=1,
    batch_size=16,
    projection=16,
    queue_size=32,
)


def test_baselines_draw_their_images_as_they_come_or_balanced():
    assert build_method(replace(SMALL, method="ce"), COUNTS).needs.labelled is natural
    assert build_method(replace(SMALL, method="ce-resample"), COUNTS).needs.labelled is balanced


@pytest.mark.parametrize(
    ("recipe", "kind", "mixed"),
    [
        (PAPER, PaperRecipe, [False, False, False, True, False, True, True]),
        (RELEASED, ReleasedRecipe, [True] * 7),
        (OURS, FidelityRecipe, [False, False, False, True, False, True, True]),
    ],
)
def test_each_recipe_has_its_ratio_and_its_mixed_classes(recipe, kind, mixed):
    ratio = build_ratio(recipe, COUNTS)
    assert type(ratio.recipe) is kind
    assert ratio.is_mixed.tolist() == mixed
    assert ratio.probability == recipe.mix_probability


def test_the_four_rows_of_table_2():
    def recipe(config: Config, **switches: bool) -> object:
        return build_ratio(replace(config, **switches), COUNTS).recipe

    one = recipe(PAPER, patches=False)
    assert isinstance(one, OnePerImage)
    assert isinstance(one.recipe, PaperRecipe)
    for config, low in ((PAPER, 0.0), (RELEASED, 0.5), (OURS, 0.0), (replace(RELEASED, alpha=0.3), 0.3)):
        by_patch = recipe(config, saliency_guided=False)
        by_image = recipe(config, saliency_guided=False, patches=False)
        assert (type(by_patch), type(by_image)) == (RandomRecipe, RandomRecipe)
        assert (by_patch.patch_size, by_image.patch_size) == (16, 224)
        assert by_patch.low == by_image.low == low
        assert by_patch.alpha == by_image.alpha == config.alpha


def test_saliency_is_made_where_somebody_looks_at_it():
    assert isinstance(build_saliency(PAPER), SaliencyMap)
    assert isinstance(build_saliency(OURS), SkinContrastSaliency)
    assert build_saliency(replace(PAPER, saliency_guided=False)) is None
    assert build_saliency(replace(PAPER, method="paco")) is None


def test_adamw_decays_matrices_and_leaves_biases_and_norms():
    method = build_method(replace(SMALL, method="ce"), COUNTS)
    optimizer = build_optimizer(replace(SMALL, learning_rate=0.01, weight_decay=0.3), method)
    assert isinstance(optimizer, torch.optim.AdamW)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert {group["lr"] for group in optimizer.param_groups} == {0.01}
    assert len(decay) == len(list(method.parameters()))
    for parameter in method.parameters():
        assert decay[id(parameter)] == (0.3 if parameter.ndim > 1 else 0.0)


def rates(config: Config, steps: int) -> list[float]:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([weight], lr=1.0)
    schedule = build_schedule(config, optimizer, steps)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def test_warm_up_then_half_a_cosine_down_to_nothing():
    seen = rates(replace(SMALL, epochs=10, warmup_epochs=2), 100)
    assert seen[:20] == pytest.approx([(step + 1) / 21 for step in range(20)])
    assert seen[20] == 1
    assert seen[60] == pytest.approx(0.5)
    assert seen[20:] == sorted(seen[20:], reverse=True)
    assert seen[-1] < 1e-3
    assert rates(replace(SMALL, warmup_epochs=0), 10)[0] == 1


def test_each_stage_of_mislas_has_its_own_cosine():
    seen = rates(replace(SMALL, method="mislas", epochs=10, warmup_epochs=1), 100)
    assert seen[10] == seen[90] == 1
    assert seen[50] == pytest.approx(0.5)
    assert seen[95] == pytest.approx(0.5)
    assert seen[89] < 1e-3
    assert seen[99] < 0.03
