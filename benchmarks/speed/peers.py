"""Whom we are compared with, each as its own documentation says it is used."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from benchmarks.speed.case import Operator, Peer
from benchmarks.speed.inputs import CLASS_COUNTS

__all__ = [
    "BATCH_MIXES",
    "LOOKING_AT_A_MODEL",
    "MIXES_OF_IMAGES",
    "NUM_CLASSES",
    "ONE_LERP",
    "OPENCV_FINE_GRAINED",
    "OPENCV_SPECTRAL_RESIDUAL",
    "images_and_labels",
    "resnet50",
    "timm_cutmix",
    "timm_mixup",
]

NUM_CLASSES = len(CLASS_COUNTS)


def _torchvision(name: str) -> Callable[[], Operator]:
    def build() -> Operator:
        from torchvision.transforms import v2

        operator: Operator = getattr(v2, name)(num_classes=NUM_CLASSES)
        return operator

    return build


def _kornia_mixup() -> Operator:
    from kornia.augmentation import RandomMixUpV2

    operator: Operator = RandomMixUpV2(data_keys=["input", "class"])
    return operator


def _kornia_cutmix() -> Operator:
    from kornia.augmentation import RandomCutMixV2

    operator: Operator = RandomCutMixV2(data_keys=["input", "class"], use_correct_lambda=True)
    return operator


def _timm(mixup_alpha: float, cutmix_alpha: float) -> Callable[[], Operator]:
    def build() -> Operator:
        from timm.data.mixup import Mixup

        make: Callable[..., Operator] = Mixup
        return make(mixup_alpha, cutmix_alpha, label_smoothing=0.0, num_classes=NUM_CLASSES)

    return build


timm_mixup, timm_cutmix = _timm(1.0, 0.0), _timm(0.0, 1.0)


def images_and_labels(inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """The images of any mix, and labels, its own or made up: these mixes take both."""
    images, labels = inputs[:2]
    if labels.ndim != 1:
        labels = torch.arange(len(images), device=images.device)
    return images, labels % NUM_CLASSES


def _own_images_and_labels(inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """The same for timm, which mixes in place and so gets images of its own."""
    images, labels = images_and_labels(inputs)
    return images.clone(), labels


BATCH_MIXES = (
    Peer("torchvision MixUp", _torchvision("MixUp"), images_and_labels),
    Peer("torchvision CutMix", _torchvision("CutMix"), images_and_labels),
    Peer("timm Mixup", timm_mixup, _own_images_and_labels),
    Peer("kornia RandomMixUpV2", _kornia_mixup, images_and_labels),
    Peer("kornia RandomCutMixV2", _kornia_cutmix, images_and_labels),
)


def _lerp() -> Operator:
    def lerp(tail: Tensor, head: Tensor, ratio: Tensor) -> Tensor:  # noqa: ARG001 it has one ratio for everything
        return torch.lerp(head, tail, 0.5)

    return lerp


# No peer of ours, but what a single elementwise launch costs that reads and writes as much.
ONE_LERP = Peer("torch.lerp, one ratio", _lerp, role="roof")
MIXES_OF_IMAGES = (ONE_LERP, *BATCH_MIXES[:3])


def resnet50() -> Any:
    """The model whose attention is looked at, with weights made up from one seed."""
    import timm

    torch.manual_seed(0)
    return timm.create_model("resnet50", num_classes=NUM_CLASSES).eval()


def _grad_cam() -> Operator:
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    models: dict[torch.device, Any] = {}

    def look(images: Tensor, *labels: int) -> Any:
        if images.device not in models:
            model = resnet50().to(images.device)
            models[images.device] = GradCAM(model, [model.layer4])
        return models[images.device](images, [ClassifierOutputTarget(label) for label in labels])

    return look


def _images_and_numbers(inputs: tuple[Tensor, ...]) -> tuple[Any, ...]:
    """Its targets take plain numbers."""
    images, labels = inputs
    return images, *labels.tolist()


def _captum() -> Operator:
    from captum.attr import LayerGradCam

    models: dict[torch.device, Any] = {}

    def look(images: Tensor, labels: Tensor) -> Any:
        if images.device not in models:
            model = resnet50().to(images.device)
            models[images.device] = LayerGradCam(model, model.layer4)
        return models[images.device].attribute(images, labels)

    return look


# Not the same maps: the first's are cut at zero, brought to the image's size, on the CPU as an array; the second's are
# not stretched to [0, 1].
LOOKING_AT_A_MODEL = (
    Peer("pytorch-grad-cam", _grad_cam, _images_and_numbers),
    Peer("captum LayerGradCam", _captum),
)


def _detector(name: str) -> Callable[[Any], Any]:
    import cv2

    if not hasattr(cv2, "saliency"):
        raise ImportError("OpenCV is installed without its contrib modules")

    def detect(image: Any) -> Any:
        return getattr(cv2.saliency, name)().computeSaliency(image)[1]

    return detect


def _one_by_one(name: str) -> Callable[[], Operator]:
    def build() -> Operator:
        detect = _detector(name)
        return lambda *images: [detect(image) for image in images]

    return build


def _in_threads(name: str) -> Callable[[], Operator]:
    def build() -> Operator:
        detect, threads = _detector(name), ThreadPoolExecutor(torch.get_num_threads())
        return lambda *images: list(threads.map(detect, images))

    return build


def _bgr(inputs: tuple[Tensor, ...]) -> tuple[Any, ...]:
    """The same images as OpenCV wants them, outside of what is timed: bytes, BGR, channels last, on the CPU."""
    (images,) = inputs
    if images.is_floating_point():
        images = (images.float() * 255).round().to(torch.uint8)
    return tuple(images.flip(1).permute(0, 2, 3, 1).contiguous().cpu().numpy())


def _stacked(found: list[Any]) -> Tensor:
    return torch.stack([torch.from_numpy(one) for one in found]).unsqueeze(1)


def _opencv(name: str, tolerance: float) -> tuple[Peer, ...]:
    return (
        Peer("OpenCV, 1 thread", _one_by_one(name), _bgr, _stacked, tolerance, on_host=True),
        Peer("OpenCV, torch's threads", _in_threads(name), _bgr, _stacked, tolerance, on_host=True),
    )


OPENCV_FINE_GRAINED = _opencv("StaticSaliencyFineGrained_create", 0.0)
OPENCV_SPECTRAL_RESIDUAL = _opencv("StaticSaliencySpectralResidual_create", 1e-3)
