"""The table of what is timed. A new operator gets a line here, a new size or dtype a word."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.speed import inputs, peers, peers_of_mixes
from benchmarks.speed.case import Case, Peer
from benchmarks.speed.inputs import CLASS_COUNTS
from benchmarks.speed.losses import LOSS_CASES
from benchmarks.speed.samplers import SAMPLER_CASES
from longtail_mix import (
    LSM,
    BalancedPairing,
    BooleanMapSaliency,
    CutMix,
    FidelityRatio,
    FMix,
    GradCAM,
    HeadTailPairing,
    InBatch,
    LesionAwareRatio,
    MergedSaliency,
    MixUp,
    OtherSkin,
    PaperRatio,
    PatchMixup,
    RandomPairing,
    ReleasedRatio,
    ResizeMix,
    SaliencyMap,
    SaliencyMix,
    ShiftedPairing,
    SkinContrastSaliency,
    Sometimes,
    SpectralResidualSaliency,
    SPMix,
)
from longtail_mix.functional import care_attention_loss, patch_mixup
from longtail_mix.mixing import Pairing

__all__ = ["CASES"]

IMAGES = ((64, 3, 224, 224), (256, 3, 224, 224), (16, 3, 224, 224), (1024, 3, 32, 32), (64, 3, 512, 512))
MAPS = tuple((batch, 1, *sides) for batch, _, *sides in IMAGES)
FEATURES = ((64, 2048, 7, 7), (256, 2048, 7, 7))
TOKENS = ((64, 196, 768), (256, 196, 768), (1024, 196, 768))
LABELS = ((64,), (1024,))

BYTES_OR_FLOAT = (torch.float32, torch.uint8)
FLOAT = (torch.float32,)
MIXED_PRECISION = (torch.float32, torch.bfloat16, torch.float16)
LABEL = (torch.int64,)


class MixBatch(nn.Module):
    """Each image of a batch with its partner, ratios given: what SPMix does once it has its ratios."""

    def forward(self, images: Tensor, partner: Tensor, ratio: Tensor) -> Tensor:
        return patch_mixup(images, images, ratio, head_index=partner)


class LastLayerCAM(nn.Module):
    """Grad-CAM of a ResNet-50 at its last feature map, as it is used: forward, and back to that map."""

    def __init__(self) -> None:
        super().__init__()
        self.model = peers.resnet50()

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        with GradCAM(self.model, self.model.layer4) as grad_cam:
            return grad_cam(images, labels)


class Attention(nn.Module):
    """CARE's attention loss of given maps, against masks at the image's size."""

    def forward(self, mask: Tensor, cam: Tensor) -> Tensor:
        return care_attention_loss(cam, mask)


class Partners(nn.Module):
    """A pairing in its form of fixed size, the one SPMix uses."""

    def __init__(self, pairing: Pairing) -> None:
        super().__init__()
        self.pairing = pairing

    def forward(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        return self.pairing.partners(labels)


def recommended() -> SPMix:
    """What docs/saliency.md recommends: skin contrast, every other tail image, the ratio that keeps lesions best."""
    pairing = HeadTailPairing(CLASS_COUNTS, probability=0.5)
    return SPMix(saliency=SkinContrastSaliency(), pairing=pairing, recipe=FidelityRatio())


def every_image() -> SPMix:
    """The paper's ratio, with a partner for every image."""
    return SPMix(pairing=BalancedPairing())


def other_skin() -> InBatch:
    """What README begins with: the lesion of every other image on the skin of another."""
    return InBatch(Sometimes(OtherSkin(), probability=0.5), RandomPairing())


def _in_batch(name: str, mix: Callable[[], nn.Module], beside: tuple[Peer, ...]) -> Case:
    """A mix of each image with the one before it."""
    return Case(name, lambda: InBatch(mix(), ShiftedPairing()), inputs.batch, IMAGES[:2], FLOAT, beside, draws=True)


CASES = (
    # Saliency
    Case("saliency", SaliencyMap, inputs.images, IMAGES, BYTES_OR_FLOAT, peers.OPENCV_FINE_GRAINED),
    Case(
        "spectral_residual",
        SpectralResidualSaliency,
        inputs.images,
        IMAGES[:2],
        (torch.uint8,),
        peers.OPENCV_SPECTRAL_RESIDUAL,
    ),
    Case("boolean_map", BooleanMapSaliency, inputs.images, IMAGES[:2], (torch.uint8,)),
    Case("fidelity_ratio", FidelityRatio, inputs.maps(2), MAPS[:2], FLOAT),
    Case("skin_contrast", SkinContrastSaliency, inputs.images, IMAGES[:2], (torch.uint8,)),
    # Ratio
    Case("merged", MergedSaliency, inputs.maps(2), MAPS, FLOAT),
    Case(
        "lesion_aware_ratio",
        LesionAwareRatio,
        inputs.maps(1),
        MAPS,
        FLOAT,
        repeatable=partial(LesionAwareRatio, noise=0.0),
        draws=True,
    ),
    Case("paper_ratio", PaperRatio, inputs.maps(2), MAPS, FLOAT, repeatable=partial(PaperRatio, noise=0.0), draws=True),
    Case(
        "released_ratio",
        ReleasedRatio,
        inputs.maps(2),
        MAPS,
        FLOAT,
        repeatable=partial(ReleasedRatio, noise=0.0),
        draws=True,
    ),
    # Pairs
    Case(
        "head_tail_pairing", lambda: Partners(HeadTailPairing(CLASS_COUNTS)), inputs.labels, LABELS, LABEL, draws=True
    ),
    Case("balanced_pairing", lambda: Partners(BalancedPairing()), inputs.labels, LABELS, LABEL, draws=True),
    # Mix
    Case(
        "patch_mixup",
        PatchMixup,
        inputs.mix_images(),
        IMAGES,
        MIXED_PRECISION,
        peers.MIXES_OF_IMAGES,
        differentiable=True,
    ),
    Case(
        "patch_mixup_channels_last",
        PatchMixup,
        inputs.mix_images(torch.channels_last),
        IMAGES[:2],
        MIXED_PRECISION,
        (peers.ONE_LERP,),
        differentiable=True,
    ),
    Case(
        "patch_mixup_features",
        PatchMixup,
        inputs.mix(7, 7),
        FEATURES,
        MIXED_PRECISION,
        (peers.ONE_LERP,),
        differentiable=True,
    ),
    Case(
        "patch_mixup_tokens",
        PatchMixup,
        inputs.mix(14, 14),
        TOKENS,
        MIXED_PRECISION,
        (peers.ONE_LERP,),
        differentiable=True,
    ),
    Case("mix_batch", MixBatch, inputs.mix_batch, IMAGES, FLOAT, peers.BATCH_MIXES, differentiable=True),
    # Pipelines
    Case(
        "spmix",
        partial(SPMix, CLASS_COUNTS),
        inputs.batch,
        IMAGES,
        BYTES_OR_FLOAT,
        peers.BATCH_MIXES,
        repeatable=partial(SPMix, CLASS_COUNTS, noise=0.0),
        draws=True,
    ),
    Case(
        "spmix_cached_maps",
        partial(SPMix, CLASS_COUNTS),
        inputs.batch_with_maps,
        IMAGES,
        BYTES_OR_FLOAT,
        peers.BATCH_MIXES,
        repeatable=partial(SPMix, CLASS_COUNTS, noise=0.0),
        draws=True,
    ),
    Case(
        "spmix_natural",
        partial(SPMix, CLASS_COUNTS),
        inputs.natural_batch,
        IMAGES[:2],
        FLOAT,
        peers.BATCH_MIXES,
        repeatable=partial(SPMix, CLASS_COUNTS, noise=0.0),
        draws=True,
    ),
    Case(
        "spmix_natural_byte_maps",
        partial(SPMix, CLASS_COUNTS),
        inputs.natural_batch_with_byte_maps,
        IMAGES[:2],
        FLOAT,
        peers.BATCH_MIXES,
        repeatable=partial(SPMix, CLASS_COUNTS, noise=0.0),
        draws=True,
    ),
    Case("spmix_recommended", recommended, inputs.natural_batch, IMAGES[:2], FLOAT, peers.BATCH_MIXES, draws=True),
    Case("spmix_every_image", every_image, inputs.batch, IMAGES[:2], FLOAT, peers.BATCH_MIXES, draws=True),
    Case(
        "spmix_released",
        SPMix.released,
        inputs.batch,
        IMAGES[:2],
        BYTES_OR_FLOAT,
        peers.BATCH_MIXES,
        repeatable=partial(SPMix.released, noise=0.0),
        draws=True,
    ),
    Case("lsm", partial(LSM, 8), inputs.pairs_with_cam, IMAGES[:2], FLOAT, peers.BATCH_MIXES),
    _in_batch("mixup_in_batch", MixUp, peers_of_mixes.MIXUPS),
    _in_batch("cutmix_in_batch", CutMix, peers_of_mixes.CUTMIXES),
    _in_batch("fmix_in_batch", FMix, peers_of_mixes.FMIXES),
    _in_batch("resize_mix_in_batch", ResizeMix, peers_of_mixes.RESIZE_MIXES),
    _in_batch("saliency_mix_in_batch", SaliencyMix, peers_of_mixes.SALIENCY_MIXES),
    Case("other_skin", other_skin, inputs.natural_batch, IMAGES[:2], FLOAT, peers.BATCH_MIXES, draws=True),
    Case(
        "other_skin_maps",
        other_skin,
        inputs.natural_batch_with_lesions,
        IMAGES[:2],
        FLOAT,
        peers.BATCH_MIXES,
        draws=True,
    ),
    # Looking at a model
    Case(
        "grad_cam_resnet50",
        LastLayerCAM,
        inputs.batch,
        ((16, 3, 224, 224), (4, 3, 224, 224), (256, 3, 224, 224)),
        FLOAT,
        peers.LOOKING_AT_A_MODEL,
        compiles=False,
    ),
    Case("care_attention_loss", Attention, inputs.mask_and_cam, MAPS[:2], FLOAT),
    *LOSS_CASES,
    *SAMPLER_CASES,
)
