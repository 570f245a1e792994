"""The facts of the recipes, and what is refused before any data is read."""

from dataclasses import replace

import pytest
from framework_config import OURS, PAPER, RECIPES, RELEASED, Config

SMALL = Config(backbone="tiny_hybrid", size=64, patch_size=8, epochs=4, warmup_epochs=1, batch_size=16)


def test_the_paper_s_recipe_is_what_the_paper_prints():
    assert (PAPER.backbone, PAPER.size, PAPER.patch_size) == ("vit_small_resnet50d_s16_224", 224, 16)
    assert (PAPER.epochs, PAPER.batch_size, PAPER.learning_rate, PAPER.weight_decay) == (500, 64, 5e-6, 0.1)
    assert (PAPER.temperature, PAPER.alpha, PAPER.ratio, PAPER.saliency) == (0.2, 0.8, "paper", "fine-grained")
    assert (PAPER.loss, PAPER.labels_from, PAPER.partners_from, PAPER.mixed) == ("supcon", "balanced", "heads", "tail")
    assert PAPER.mix_probability == 1
    assert PAPER.patches
    assert PAPER.saliency_guided


def test_the_released_recipe_has_the_facts_of_the_released_code():
    changed = {
        "loss": "paco",
        "ratio": "released",
        "labels_from": "natural",
        "partners_from": "balanced",
        "mixed": "all",
    }
    assert replace(PAPER, **changed) == RELEASED
    assert (RELEASED.paco_alpha, RELEASED.paco_beta, RELEASED.paco_gamma, RELEASED.queue_size) == (0.05, 1, 1, 8192)
    assert (RELEASED.temperature, RELEASED.noise) == (0.2, 0.0685)


def test_our_recipe_finds_the_lesion_with_the_skin_model_and_leaves_every_other_image_alone():
    assert (OURS.saliency, OURS.ratio, OURS.mix_probability) == ("skin-contrast", "fidelity", 0.5)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_passes_its_own_check(name):
    RECIPES[name].check()


@pytest.mark.parametrize("switches", [{"patches": False}, {"saliency_guided": False}, {"pretrained": False}])
def test_the_small_form_passes(switches):
    replace(SMALL, **switches).check(processes=4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "lsm"}, "method: expected one of ce, ce-resample, .*, got 'lsm'"),
        ({"loss": "ce"}, "loss: expected one of supcon, paco, bcl, got 'ce'"),
        ({"ratio": "best"}, "ratio: expected one of paper, released, fidelity, got 'best'"),
        ({"labels_from": "heads"}, "labels_from: expected natural or balanced, .*, got 'heads'"),
        ({"size": 60}, "size: expected a multiple of the patch size 8, got 60"),
        ({"size": 64.0}, "size: expected a whole number, got 64.0"),
        ({"alpha": 0.0}, "alpha: expected a number above 0 and at most 1, got 0.0"),
        ({"alpha": 1.2}, "alpha: expected a number above 0 and at most 1, got 1.2"),
        ({"alpha": float("nan")}, "alpha: expected a number above 0 and at most 1, got nan"),
        ({"alpha": "0.8"}, "alpha: expected a number, got '0.8'"),
        ({"mix_probability": 0.0}, "mix_probability: expected a number above 0 and at most 1, got 0.0"),
        ({"learning_rate": 0.0}, "learning_rate: expected a number above 0, got 0.0"),
        ({"learning_rate": float("inf")}, "learning_rate: expected a number above 0, got inf"),
        ({"queue_size": -1}, "queue_size: expected a number of at least 0, got -1"),
        ({"crop_scale": (0.8, 0.2)}, r"crop_scale: expected 0 < low <= high <= 1, got \(0.8, 0.2\)"),
        ({"epochs": 1}, "epochs: expected more than the 1 of the warm-up, got 1"),
        (
            {"epochs": 1, "warmup_epochs": 0, "method": "mislas"},
            "epochs: expected one or more for each of the two stages of mislas, got 1",
        ),
        ({"method": "paco", "patches": False}, "patches: expected True for paco, which does not mix .*, got False"),
        ({"method": "ce", "saliency_guided": False}, "saliency_guided: expected True for ce, .*, got False"),
        ({"precision": "fp16"}, "precision: expected no or bf16 on a CPU, got 'fp16'"),
        ({"backbone": "resnet51"}, "backbone: expected tiny_hybrid or a timm model, .*; got 'resnet51'"),
        ({"pretrained": True}, "pretrained: expected False for tiny_hybrid, which timm has no weights for, got True"),
        (
            {"backbone": "swin_tiny_patch4_window7_224", "method": "ce"},
            "size: expected one that swin.* takes, got 64",
        ),
        ({"mix_layer": "stem"}, "layer: expected the name of a layer of the model, .*; got 'stem'"),
        ({"size": 200, "backbone": "vit_small_r26_s32_224"}, "ratio: expected a grid that divides .*, got 25x25"),
    ],
)
def test_a_bad_configuration_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change).check()


def test_several_processes_have_to_share_the_batch_and_on_a_cpu_do_without_batch_norm():
    with pytest.raises(ValueError, match="batch_size: expected a multiple of the 3 processes, got 16"):
        SMALL.check(processes=3)
    with pytest.raises(ValueError, match="queue_size: expected a multiple of the batch size 16 for 2 .*, got 100"):
        replace(SMALL, queue_size=100).check(processes=2)
    replace(SMALL, queue_size=100).check()
    replace(SMALL, queue_size=100, method="bcl").check(processes=2)
    with pytest.raises(ValueError, match="backbone: expected a network without BatchNorm, .* got test_resnet"):
        replace(SMALL, backbone="test_resnet", method="ce").check(processes=2)
    replace(SMALL, backbone="test_resnet", method="ce").check(processes=2, device="cuda")
    replace(SMALL, backbone="test_resnet", method="ce").check()


def test_the_layer_is_looked_for_only_where_something_is_mixed():
    replace(SMALL, method="paco", mix_layer="stem").check()


def test_a_image_of_which_one_feature_is_left_is_enough_for_batch_norm():
    replace(SMALL, method="ce", backbone="resnet18", size=32).check()


def test_the_second_stage_of_mislas_is_a_tenth_of_the_epochs():
    assert PAPER.first_stage == 450
    assert replace(SMALL, epochs=2).first_stage == 1
