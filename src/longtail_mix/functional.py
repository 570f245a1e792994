"""Every operator as a pure function, named as its module in snake case."""

from longtail_mix.losses import (
    care_attention_loss,
    care_loss,
    distance_weighted_outside,
    focal_loss,
    ldam_loss,
    weighted_cross_entropy,
)
from longtail_mix.mixing import (
    balanced_pairing,
    balanced_partners,
    head_tail_pairing,
    head_tail_partners,
    lesion_aware_ratio,
    merged_saliency,
    paper_ratio,
    patch_mixup,
    released_ratio,
    spmix,
)
from longtail_mix.saliency import (
    boolean_map_saliency,
    class_activation_map,
    grad_cam,
    lesion_probability,
    saliency_map,
    skin_contrast_saliency,
    spectral_residual_saliency,
)
from longtail_mix.weighting import (
    class_balanced_weights,
    class_wise_hard_examples,
    effective_number_weights,
    hard_examples,
    self_paced,
)

__all__ = [
    "balanced_pairing",
    "balanced_partners",
    "boolean_map_saliency",
    "care_attention_loss",
    "care_loss",
    "class_activation_map",
    "class_balanced_weights",
    "class_wise_hard_examples",
    "distance_weighted_outside",
    "effective_number_weights",
    "focal_loss",
    "grad_cam",
    "hard_examples",
    "head_tail_pairing",
    "head_tail_partners",
    "ldam_loss",
    "lesion_aware_ratio",
    "lesion_probability",
    "merged_saliency",
    "paper_ratio",
    "patch_mixup",
    "released_ratio",
    "saliency_map",
    "self_paced",
    "skin_contrast_saliency",
    "spectral_residual_saliency",
    "spmix",
    "weighted_cross_entropy",
]
