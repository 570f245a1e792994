"""Supervised training whose mix happens inside the network."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longtail_mix.functional import patch_mixup
from reproduction.methods.inside import Inside
from reproduction.methods.sampling import ByClass
from reproduction.mixes.patch_swap import PatchSwap
from reproduction.mixes.ratios import Paper
from reproduction.networks.network import Backbone
from reproduction.training.recipe import Recipe
from reproduction.training.views import ViewSettings
from tests.examples.reproduction.methods.small import CNN, TAIL, batch_for, built, step

METHOD = Inside(ByClass(0.0), mix=PatchSwap(Paper(8)), layer="layer2")


def after(encoder: nn.Module, features: Tensor) -> Tensor:
    """What comes after the second stage, by hand."""
    return encoder.forward_head(encoder.layer4(encoder.layer3(features)))


def test_the_features_of_the_tail_are_mixed_by_the_share_of_each_patch():
    made = built(METHOD, CNN).eval()
    batch = batch_for(made.needs)
    encoder, normalise = made.network.encoder, made.network.normalise
    own, other = (
        encoder.layer2(encoder.layer1(encoder.maxpool(encoder.act1(encoder.bn1(encoder.conv1(normalise(images)))))))
        for images in (batch.labelled.views[0], batch.partners.views[0])
    )
    ratio = Paper(8)(batch.labelled.maps[0], batch.partners.maps[0], batch.draws[0])
    ratio[[int(label) not in TAIL for label in batch.labelled.labels]] = 1
    assert own.shape[-1] == 4  # the grid of the patches
    logits = made.network.classifier(after(encoder, patch_mixup(own, other, ratio)))
    torch.testing.assert_close(made(batch), F.cross_entropy(logits, batch.labelled.labels))
    torch.testing.assert_close(made.predict(batch.labelled.views[0]), made.network(batch.labelled.views[0]))


def test_before_and_after_its_time_nothing_is_mixed():
    made = built(Inside(mix=PatchSwap(Paper(8)), mix_from=0.5, layer="layer2"), CNN)
    assert made.needs.partners is None
    batch = batch_for(made.needs)
    torch.testing.assert_close(
        made(batch), F.cross_entropy(made.network(batch.labelled.views[0]), batch.labelled.labels)
    )
    made.set_epoch(2, 4)
    assert made.needs.partners is not None
    step(made, batch_for(made.needs))


@pytest.mark.parametrize(
    ("layer", "patch_size", "message"),
    [
        ("layer9", 8, "layer: expected the name of a layer of the model, .*'layer9'"),
        ("global_pool", 8, "layer: expected"),
        ("layer2", 7, "patch_size: expected a divisor of the views' 64, got 7"),
    ],
)
def test_a_layer_or_a_grid_that_does_not_fit_is_refused(layer, patch_size, message):
    recipe = Recipe(Backbone("test_resnet", "none"), views=ViewSettings(size=64))
    METHOD.check(recipe, processes=1)
    with pytest.raises(ValueError, match=message):
        Inside(mix=PatchSwap(Paper(patch_size)), layer=layer).check(recipe, processes=1)
