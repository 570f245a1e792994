"""The segmenter's loss and score against loops over the pixels; masks go through the crops of their images."""

import pytest
import torch

from reproduction.data.maps import GroundTruth
from reproduction.data.task import Images
from reproduction.methods.learner import Setting
from reproduction.methods.sampling import Natural
from reproduction.methods.segmentation import Segmentation, SegmentationLearner, dice
from reproduction.networks.network import Backbone
from reproduction.training.batch import Batch, Stream


class Fixed(torch.nn.Module):
    """Logits that are a weight times the red channel."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, images):
        red = self.weight * (images[:, :1] - 0.5)
        return {"out": torch.cat([-red, red], 1)}


def test_the_loss_is_one_minus_the_soft_dice_of_each_image():
    generator = torch.Generator().manual_seed(0)
    images, maps = torch.rand(3, 3, 8, 8, generator=generator), torch.rand(3, 1, 8, 8, generator=generator)
    learner = SegmentationLearner(Fixed())
    loss = learner(Batch(Stream((images,), (maps,), torch.zeros(3, dtype=torch.int64)), None, ()))
    expected = []
    for image, mask in zip(images, maps[:, 0] > 0.5, strict=True):
        lesion = torch.sigmoid(4 * (image[0] - 0.5))  # the softmax of -red and red
        both = (lesion * mask).sum() + ((1 - lesion) * ~mask).sum()
        expected.append(1 - 2 * both / (lesion.sum() + (1 - lesion).sum() + 64))
    torch.testing.assert_close(loss, torch.stack(expected).mean())
    assert learner.needs.labelled == Natural()
    assert learner.needs.maps
    assert Segmentation().maps == GroundTruth()


def test_the_score_is_the_mean_dice_at_one_half_at_the_size_of_the_masks():
    images = torch.zeros(2, 3, 4, 4)
    images[0, 0, :2] = 1.0  # says lesion above
    masks = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    masks[0, :, :2] = True  # a half of it
    side = Images((255 * images).to(torch.uint8), torch.zeros(2, dtype=torch.int64), ("a", "b"), masks)
    learner = SegmentationLearner(Fixed())
    told = learner.examine(images, side)
    torch.testing.assert_close(told["dice"], torch.tensor([2 * 16 / (32 + 16), 0.0]))
    assert Segmentation().score(told, side) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="masks: expected images with ground-truth masks, got none"):
        learner.examine(images, Images(side.images, side.labels, side.groups))


def test_dice_of_nothing_is_nothing():
    nothing = torch.zeros(1, 1, 2, 2, dtype=torch.bool)
    assert dice(nothing, nothing).tolist() == [0.0]
    assert dice(~nothing, ~nothing).tolist() == [1.0]


def test_both_networks_are_built_and_learn():
    setting = Setting((4,), Backbone("test_resnet", "none"), 32, 1, 2)
    assert type(Segmentation("deeplabv3").build(setting).network[1]).__name__ == "DeepLabV3"
    learner = Segmentation().build(setting)
    images, maps = torch.rand(2, 3, 32, 32), torch.rand(2, 1, 32, 32)
    learner(Batch(Stream((images,), (maps,), torch.zeros(2, dtype=torch.int64)), None, ())).backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in learner.parameters())
    assert learner.eval().predict(images).shape == (2, 1, 32, 32)
