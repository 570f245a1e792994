"""CARE's two stages: the loss by hand, where it looks, what it starts from, and that it draws the maps to the boxes."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from longtail_mix.data import synthetic_dermoscopy
from longtail_mix.functional import grad_cam
from reproduction.criteria.losses import CrossEntropy, Focal
from reproduction.criteria.weightings import ClassBalanced
from reproduction.data.boxes import Boxes, Segmented
from reproduction.data.task import Images
from reproduction.methods.care import CARE, Continued, Plain, attention_means
from reproduction.methods.sampling import Natural
from reproduction.networks.network import Backbone, Network
from reproduction.training.printed_views import TurnedViews
from reproduction.training.recipe import Recipe
from tests.examples.reproduction.methods.small import SIZE, batch_for, built, half, step, weights

FINE = Backbone("test_resnet", "none", output_stride=8)
FIRST = Plain(criterion=CrossEntropy(ClassBalanced()))


def boxed(batch, rows):
    """The batch with a box in each of `rows`, another in each; none elsewhere."""
    boxes = torch.zeros(8, 1, SIZE, SIZE)
    for row in rows:
        boxes[row, :, 2 + row : 20, 4 : 15 + row] = 1
    return batch._replace(labelled=batch.labelled._replace(maps=(boxes,)))


def attention_by_hand(learner, batch, tau, lam):
    """Eqs. 2, 3 and 5 to 7 for each image with a box, in a loop; and the logits."""
    images, labels, (boxes,) = batch.labelled.views[0], batch.labelled.labels, batch.labelled.maps
    seen = []
    layer = learner.network.encoder.layer4
    handle = layer.register_forward_hook(lambda _, __, output: seen.append(output))
    logits = learner.network(images)
    handle.remove()
    maps = seen[0]
    losses = []
    for i, box in enumerate(boxes[:, 0]):
        if not box.any():
            continue
        (gradient,) = torch.autograd.grad(logits[i, labels[i]], maps, create_graph=True)
        cam = (gradient[i].mean((1, 2))[:, None, None] * maps[i]).sum(0)
        cam = (cam - cam.min()) / (cam.max() - cam.min())
        full = F.interpolate(cam[None, None], (SIZE, SIZE), mode="bilinear", align_corners=False)[0, 0]
        inside = (box * full).sum() / box.sum()
        outside = ((1 - box) * full).sum() / (1 - box).sum()
        losses.append(-torch.minimum(inside, torch.tensor(tau)) + lam * outside)
    return logits, losses


@pytest.mark.parametrize("over_all", [False, True])
def test_the_loss_and_its_gradient_are_those_of_the_equations(over_all):
    method = CARE(FIRST, alpha=0.3, tau=0.4, lam=1.3, over_all_images=over_all)
    learner = built(method, FINE).eval()  # so that the images do not depend on each other
    batch = boxed(batch_for(learner.needs), (1, 4, 6))
    logits, losses = attention_by_hand(learner, batch, 0.4, 1.3)
    counts = torch.tensor([90.0, 700, 50, 30, 80, 10, 15])
    weight = counts.sum() / counts
    weight = weight / (weight * counts / counts.sum()).sum()  # an image of the training set weighs 1 on average
    labels = batch.labelled.labels
    classes = (weight[labels] * F.cross_entropy(logits, labels, reduction="none")).mean()
    attention = torch.stack(losses).sum() / (8 if over_all else 3)
    expected = 0.7 * classes + 0.3 * attention
    loss = learner(batch)
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-4)
    own = dict(learner.named_parameters())["network.encoder.conv1.0.weight"]
    (by_hand,) = torch.autograd.grad(expected, own, retain_graph=True)
    (gradient,) = torch.autograd.grad(loss, own)
    torch.testing.assert_close(gradient, by_hand, atol=1e-3 * by_hand.abs().max().item(), rtol=1e-2)


def test_without_a_box_it_is_the_weighted_classification_alone():
    learner = built(CARE(Plain()), FINE).eval()
    batch = boxed(batch_for(learner.needs), ())
    logits = learner.network(batch.labelled.views[0])
    torch.testing.assert_close(learner(batch), 0.5 * F.cross_entropy(logits, batch.labelled.labels))


def test_defaults_are_the_papers():
    method = CARE()
    assert (method.alpha, method.tau, method.lam) == (0.5, 0.7, 1.0)
    assert (method.boxes.masked_classes, method.boxes.scale, method.boxes.otsu) == (1, 1.0, False)
    assert not method.over_all_images


@pytest.mark.parametrize("over_all", [False, True])
def test_two_processes_with_different_numbers_of_boxes_are_one(over_all, monkeypatch):
    method = CARE(Plain(layer="patch_embed.proj"), over_all_images=over_all)
    learner = built(method)
    batch = boxed(batch_for(learner.needs), (0, 2, 5, 6))  # three in the first half, one in the second
    whole = learner(batch)
    monkeypatch.setattr("reproduction.methods.care.world_size", lambda: 2)
    monkeypatch.setattr("reproduction.methods.care.total", lambda _: torch.tensor(4))
    halves = [learner(half(batch, rank)) for rank in range(2)]
    torch.testing.assert_close(sum(halves) / 2, whole, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("method", [Continued(FIRST), CARE(FIRST)])
def test_the_second_stage_starts_from_the_first_ones_weights_and_loss(method):
    assert method.first is FIRST
    first = built(FIRST, FINE, seed=3)
    step(first, batch_for(first.needs))
    second = built(method, FINE)
    second.start_from(first.state_dict())
    for name, value in weights(first).items():
        assert torch.equal(weights(second)[name], value)
    assert type(second.criterion) is type(first.criterion)
    assert second.needs.labelled == first.needs.labelled == Natural()
    assert second.needs.maps is isinstance(method, CARE)


def test_focal_is_focal():
    learner = built(CARE(Plain(criterion=Focal(2.0)), alpha=0.0), FINE).eval()
    batch = boxed(batch_for(learner.needs), (1,))
    labels = batch.labelled.labels
    p = learner.network(batch.labelled.views[0]).softmax(1)[torch.arange(8), labels]
    torch.testing.assert_close(learner(batch), (-((1 - p) ** 2) * p.log()).mean())


def test_what_is_told_of_an_image_is_its_logits_and_the_map_of_its_class():
    learner = built(Plain(), FINE).eval()
    made = synthetic_dermoscopy([2, 2, 1, 1, 1, 1, 1], SIZE, seed=0)
    side = Images(made.images, made.labels, made.lesions, made.masks)
    with torch.no_grad():  # as the loop judges
        told = learner.examine(side.images / 255, side)
    assert not told["cam"].requires_grad
    seen = []
    handle = learner.network.encoder.layer4.register_forward_hook(lambda _, __, output: seen.append(output))
    logits = learner.network(side.images / 255)
    handle.remove()
    torch.testing.assert_close(told["logits"], logits.detach())
    torch.testing.assert_close(told["cam"], grad_cam(seen[0], logits, side.labels), atol=1e-4, rtol=1e-4)
    means = attention_means(told["cam"], made.masks)
    for i in (0, 5):
        full = F.interpolate(told["cam"][i : i + 1].double(), (SIZE, SIZE), mode="bilinear")[0, 0]
        mask = made.masks[i, 0]
        torch.testing.assert_close(means[i], torch.stack([full[mask].mean(), full[~mask].mean()]))
    assert attention_means(told["cam"][:1], torch.zeros(1, 1, SIZE, SIZE, dtype=torch.bool))[0, 0].isnan()


def test_the_attention_loss_draws_the_maps_onto_the_boxes():
    learner = built(CARE(Plain(), alpha=1.0, tau=1.0), FINE)
    batch = boxed(batch_for(learner.needs), range(8))
    losses = [step(learner, batch, rate=0.3).item() for _ in range(25)]
    assert losses[-1] < losses[0] - 0.2


def test_vgg19_is_looked_at_in_its_last_convolution_before_pooling():
    encoder = Backbone("vgg19", "none")
    with torch.device("meta"):
        network = Network(encoder.empty(224), 7)
    assert network.map_layer() is network.encoder.features[35]
    assert isinstance(network.encoder.features[34], torch.nn.Conv2d)
    assert isinstance(network.encoder.features[36], torch.nn.MaxPool2d)


def test_what_is_refused(tmp_path):
    with pytest.raises(ValueError, match="alpha: expected 0 to 1, got 2"):
        CARE(alpha=2)
    with pytest.raises(ValueError, match="share: expected above 0 and at most 1, got 0"):
        Continued(share=0)
    method = CARE(boxes=Boxes(Segmented(tmp_path / "none.pt")))
    with pytest.raises(
        ValueError, match=r"path: expected a checkpoint of examples/segmenter.py, got none at .*none.pt"
    ):
        method.check(Recipe(), 1)
    (tmp_path / "none.pt").touch()
    method.check(Recipe(), 1)
    with pytest.raises(ValueError, match="layer: expected one of the network"):
        built(Plain(layer="nowhere"), FINE)


def test_more_augmentation_is_the_methods_own():
    views = TurnedViews(SIZE)
    assert Plain(views=views).views == replace(Plain(), views=views).views == views
    assert Plain().views is None
