"""Every operator as a pure function, named as its module in snake case."""

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

__all__ = [
    "balanced_pairing",
    "balanced_partners",
    "boolean_map_saliency",
    "class_activation_map",
    "grad_cam",
    "head_tail_pairing",
    "head_tail_partners",
    "lesion_aware_ratio",
    "lesion_probability",
    "merged_saliency",
    "paper_ratio",
    "patch_mixup",
    "released_ratio",
    "saliency_map",
    "skin_contrast_saliency",
    "spectral_residual_saliency",
    "spmix",
]
