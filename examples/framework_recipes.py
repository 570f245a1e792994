"""From the options of the SPMix framework to its parts: method, ratio, saliency, optimiser, schedule."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi

import torch
from framework_batch import Needs, SamplerFactory, balanced, natural
from framework_contrastive import (
    BCLObjective,
    MomentumContrast,
    Objective,
    PaCoObjective,
    SupConObjective,
    TwoViews,
)
from framework_methods import CrossEntropy, Method, OfClasses
from framework_mislas import MiSLAS
from framework_mixing import (
    FidelityRecipe,
    OnePerImage,
    PaperRecipe,
    RandomRecipe,
    Recipe,
    ReleasedRecipe,
    StreamRatio,
)
from framework_networks import Network, build_encoder
from framework_reslt import ResLT
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from framework_config import OURS, PAPER, RECIPES, RELEASED, Config
from longtail_mix import SaliencyMap, SkinContrastSaliency, many_medium_few

__all__ = [
    "OURS",
    "PAPER",
    "RECIPES",
    "RELEASED",
    "Config",
    "build_method",
    "build_optimizer",
    "build_ratio",
    "build_saliency",
    "build_schedule",
]

RELEASED_LOW = 0.5  # the least ratio of the released code, and so of its random counterpart
MARGIN = 1 / 28  # by which skin contrast widens a lesion, in sides of the image: with it mixes keep more of it


def build_method(config: Config, class_counts: Sequence[int]) -> Method:
    """The method of a configuration that :meth:`Config.check` has let pass, with new weights.

    Args:
        config: the options.
        class_counts: training images of each class.
    """
    counts = list(class_counts)
    encoder = build_encoder(config.backbone, config.size, config.pretrained)
    if config.method in ("ce", "ce-resample"):
        return CrossEntropy(Network(encoder, len(counts)), balanced if config.method == "ce-resample" else natural)
    if config.method == "mislas":
        return MiSLAS(Network(encoder, len(counts)), counts, config.first_stage)
    if config.method == "reslt":
        return ResLT(Network(encoder, len(counts)), counts)
    if config.method == "bcl":
        network = Network(encoder, len(counts), config.projection, prototypes=True)
        return TwoViews(network, Needs(natural, views=2), _objective(config, "bcl", counts))
    if config.method == "paco":
        return _momentum_contrast(config, encoder, _objective(config, "paco", counts), Needs(natural, views=2), counts)
    needs = Needs(
        _stream(config.labels_from, counts), _stream(config.partners_from, counts), 2, maps=config.saliency_guided
    )
    prior = None if config.labels_from == "balanced" else counts
    return _momentum_contrast(config, encoder, _objective(config, config.loss, prior), needs, counts)


def _momentum_contrast(
    config: Config, encoder: nn.Module, objective: Objective, needs: Needs, counts: Sequence[int]
) -> Method:
    network = Network(encoder, len(counts), config.projection, objective.prototypes)
    ratio = build_ratio(config, counts) if needs.partners is not None else None
    return MomentumContrast(
        network, needs, objective, config.momentum, config.queue_size, config.projection, ratio, config.mix_layer
    )


def _objective(config: Config, loss: str, class_counts: Sequence[int] | None) -> Objective:
    if loss == "paco":
        weights = config.paco_alpha, config.paco_beta, config.paco_gamma
        return PaCoObjective(class_counts, *weights, config.temperature)
    if loss == "bcl":
        return BCLObjective(class_counts, config.temperature, config.classification_weight, config.contrast_weight)
    return SupConObjective(class_counts, config.temperature, config.classification_weight)


def _stream(name: str, class_counts: Sequence[int]) -> SamplerFactory:
    groups = many_medium_few(class_counts)
    streams: dict[str, SamplerFactory] = {
        "natural": natural,
        "balanced": balanced,
        "heads": OfClasses(groups.many + groups.medium),
    }
    return streams[name]


def build_ratio(config: Config, class_counts: Sequence[int]) -> StreamRatio:
    """The ratio of a configuration, with the switches of Table 2.

    =======  ========  ====================================================================
    patches  saliency  the ratio
    =======  ========  ====================================================================
    yes      yes       the recipe
    no       yes       one for each image: the mean of the recipe's over its patches
    yes      no        one for each patch, uniform between the recipe's lowest and highest
    no       no        one for each image, uniform likewise: mixup that keeps the label
    =======  ========  ====================================================================

    The paper prints the four rows and nothing about how they were run.
    """
    counts = list(class_counts)
    mixed = many_medium_few(counts).few if config.mixed == "tail" else range(len(counts))
    return StreamRatio(_recipe(config), mixed, len(counts), config.mix_probability)


def _recipe(config: Config) -> Recipe:
    patch_size, alpha = config.patch_size, config.alpha
    if not config.saliency_guided:
        low = min(RELEASED_LOW, alpha) if config.ratio == "released" else 0.0
        return RandomRecipe(patch_size if config.patches else config.size, alpha, low)
    recipes: dict[str, Recipe] = {
        "paper": PaperRecipe(patch_size, alpha, config.noise),
        "released": ReleasedRecipe(patch_size, alpha, config.noise),
        "fidelity": FidelityRecipe(patch_size, alpha),
    }
    recipe = recipes[config.ratio]
    return recipe if config.patches else OnePerImage(recipe)


def build_saliency(config: Config) -> nn.Module | None:
    """What turns whole frames into the maps that are carried through the views; None where nobody looks at them."""
    if not (config.mixes and config.saliency_guided):
        return None
    # Whole frames, in which lesions are centred.
    by_skin = SkinContrastSaliency(center_prior=1.0, margin=MARGIN)
    return by_skin if config.saliency == "skin-contrast" else SaliencyMap()


def build_optimizer(config: Config, method: Method) -> torch.optim.Optimizer:
    """AdamW over what asks for gradients; biases, norms and scales are not decayed."""
    trained = [parameter for parameter in method.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def build_schedule(config: Config, optimizer: torch.optim.Optimizer, steps: int) -> LambdaLR:
    """Linear warm-up, then half a cosine to zero over `steps`, all steps of the training; for each stage of MiSLAS.

    Call ``schedule.step()`` after each step of the optimiser.
    """
    first = steps * config.first_stage // config.epochs if config.method == "mislas" else steps
    warmup = steps * config.warmup_epochs / config.epochs

    def factor(step: int) -> float:
        """The share of the learning rate for step 0, 1, ..."""
        if step >= first:  # MiSLAS's second stage, without a warm-up
            return _half_cosine(step - first, steps - first)
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return _half_cosine(step - warmup, first - warmup)

    return LambdaLR(optimizer, factor)


def _half_cosine(step: float, steps: float) -> float:
    return (1 + cos(pi * min(step / max(steps, 1), 1))) / 2
