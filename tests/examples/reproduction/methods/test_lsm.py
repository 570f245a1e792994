"""LSM's learner against its steps by hand: who is the tail, what the network looks at, whose the label is."""

import pytest
import torch
import torch.nn.functional as F

from longtail_mix import CosineClassifier
from reproduction.criteria.losses import LDAM, CrossEntropy
from reproduction.methods.lsm import LSM
from reproduction.methods.sampling import ByClass, Natural
from reproduction.networks.network import Backbone, Network
from reproduction.training.recipe import Recipe
from reproduction.training.views import ViewSettings
from tests.examples.reproduction.methods.small import CNN, SIZE, batch_for, built, half, step, weights

FINE = Backbone("test_resnet", "none", output_stride=8)  # maps of 4 x 4 cells


def masks_by_hand(learner, images, labels, blocks):
    """Grad-CAM of the last feature map, each step of it written out; then the mean of each block."""
    network = learner.network
    seen = []
    handle = network.encoder.layer4.register_forward_hook(lambda _, __, output: seen.append(output))
    logits = network(images)
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[torch.arange(len(labels)), labels].sum(), seen[0])
    cam = (gradient.mean((2, 3), keepdim=True) * seen[0]).sum(1, keepdim=True).detach()
    low, high = cam.amin((2, 3), keepdim=True), cam.amax((2, 3), keepdim=True)
    cam = torch.where(high > low, (cam - low) / (high - low), 1.0)
    full = F.interpolate(cam, (SIZE, SIZE), mode="bilinear", align_corners=False)
    return F.avg_pool2d(full, SIZE // blocks)


def test_blocks_of_the_tail_are_laid_on_the_head_and_the_first_label_is_the_tails():
    learner = built(LSM(), FINE).eval()
    batch = batch_for(learner.needs)
    mask = masks_by_hand(learner, batch.labelled.views[0], batch.labelled.labels, 8)
    assert mask.shape == (8, 1, 8, 8)
    share = mask.repeat_interleave(4, 2).repeat_interleave(4, 3)
    images, target = learner.mixed(batch)
    expected = share * batch.labelled.views[0] + (1 - share) * batch.partners.views[0]
    torch.testing.assert_close(images, expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(target.labels, batch.labelled.labels)
    assert torch.equal(target.other, batch.partners.labels)
    torch.testing.assert_close(target.lam, mask.mean((1, 2, 3)), atol=1e-4, rtol=1e-4)


def test_the_loss_is_the_criterion_of_the_mixes():
    learner = built(LSM(), FINE)
    batch = batch_for(learner.needs)
    images, target = learner.mixed(batch)
    losses = [F.cross_entropy(learner.network(images), labels, reduction="none") for labels in target[:2]]
    expected = (target.lam * losses[0] + (1 - target.lam) * losses[1]).mean()
    torch.testing.assert_close(learner(batch), expected)


def test_tails_come_class_balanced_and_heads_as_they_are():
    needs = built(LSM(), CNN).needs
    assert needs.labelled == ByClass(0.0)
    assert needs.partners == Natural()


def test_some_tails_stay_as_they_are():
    learner = built(LSM(probability=0.4), FINE).eval()
    batch = batch_for(learner.needs)
    drawn = torch.tensor([0.0, 0.39, 0.41, 0.9, 0.1, 0.5, 0.2, 0.99])
    images, target = learner.mixed(batch._replace(draws=(drawn,)))
    stays = drawn >= 0.4
    same = (images == batch.labelled.views[0]).flatten(1).all(1)
    assert torch.equal(same, stays)
    assert torch.equal(target.lam == 1, stays)


def test_the_criterion_is_told_the_epoch_and_the_counts_of_the_training_images():
    learner = built(LSM(LDAM()), FINE, epochs=10)
    assert isinstance(learner.network.classifier, CosineClassifier)
    assert learner.criterion.class_counts.tolist() == [90, 700, 50, 30, 80, 10, 15]
    for epoch, deferred in ((7, False), (8, True)):
        learner.set_epoch(epoch, 10)
        weighted = learner.criterion.weighting(torch.ones(2), torch.tensor([1, 5]))
        assert bool(weighted[0] != weighted[1]) is deferred


def test_looking_leaves_the_statistics_alone_and_a_step_trains_everything():
    learner = built(LSM(), FINE)
    batch = batch_for(learner.needs)
    before = weights(learner)
    learner.mixed(batch)
    assert all(torch.equal(before[name], value) for name, value in weights(learner).items())
    step(learner, batch)
    after = weights(learner)
    for name in ("classifier.weight", "encoder.conv1.0.weight"):
        assert not torch.equal(before[f"network.{name}"], after[f"network.{name}"])


def test_two_processes_are_one():
    method = LSM(layer="patch_embed.proj")
    learner = built(method)
    batch = batch_for(learner.needs)
    halves = [learner(half(batch, rank)) for rank in range(2)]
    torch.testing.assert_close(learner(batch), sum(halves) / 2, atol=1e-5, rtol=1e-5)


def test_bad_options_are_refused_before_anything_is_read():
    with pytest.raises(ValueError, match="probability: expected 0 to 1, got 1.1"):
        LSM(probability=1.1)
    with pytest.raises(ValueError, match="blocks: expected a divisor of 96, a view's side, got 7"):
        LSM(blocks=7).check(Recipe(views=ViewSettings(96)), 1)
    with pytest.raises(ValueError, match="layer: expected one of the network, as .*; got 'layer9'"):
        built(LSM(CrossEntropy(), layer="layer9"), CNN)
    with pytest.raises(ValueError, match=r"layer: expected one whose output is \[B, C, h, w\]"):
        built(LSM())  # the last layer of a hybrid has tokens


def test_the_last_feature_map_of_the_networks_of_the_programs():
    for name, layer in (("resnet32", "layer3"), ("test_resnet", "layer4"), ("tf_efficientnet_lite0", "blocks.6")):
        network = Network(Backbone(name, "none").empty(32), 3)
        assert network.map_layer() is network.encoder.get_submodule(layer)
