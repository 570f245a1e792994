"""The house as a whole: public names, what an import loads, and which way imports point."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import longtail_mix
from longtail_mix import functional

PACKAGE = Path(longtail_mix.__file__).parent

PUBLIC = [
    "CMO",
    "LSM",
    "AlignFeatures",
    "AttentiveMix",
    "BalancedContrastiveLoss",
    "BalancedMixUp",
    "BalancedPairing",
    "BalancedSoftmaxLoss",
    "BooleanMapSaliency",
    "CAREAttentionLoss",
    "CARELoss",
    "ClampToRange",
    "ClassAttention",
    "ClassBalancedWeights",
    "ClassGroups",
    "ClassWeights",
    "ClassWiseHardExamples",
    "ConsistencyLoss",
    "CopyPaste",
    "CosineClassifier",
    "CutMix",
    "DeferredWeighting",
    "DistanceWeightedOutside",
    "EffectiveNumberWeights",
    "FMix",
    "FeatureQueue",
    "FidelityRatio",
    "FocalLoss",
    "GradCAM",
    "GridMix",
    "GuidedMixup",
    "HardExamples",
    "HeadTailPairing",
    "InBatch",
    "InverseFrequencyPairing",
    "KeepLabels",
    "LADELoss",
    "LDAMLoss",
    "LabelAwareSmoothingLoss",
    "LesionAwareRatio",
    "LesionRegions",
    "LogitAdjustmentLoss",
    "MeanSaliency",
    "MergedSaliency",
    "Mix",
    "MixCollate",
    "MixInside",
    "MixRecord",
    "MixUp",
    "MixedTarget",
    "MomentumPair",
    "OneOf",
    "OtherSkin",
    "PaCoLoss",
    "Pace",
    "Pairs",
    "PaperRatio",
    "PatchMixup",
    "PuzzleMix",
    "RandomPairing",
    "ReleasedRatio",
    "Remix",
    "ResizeMix",
    "SPMix",
    "SaliencyMap",
    "SaliencyMix",
    "Scheduled",
    "SegmentationSaliency",
    "SelfPaced",
    "ShadesOfGray",
    "ShiftedPairing",
    "SkinContrastSaliency",
    "SkinSwap",
    "SmoothMix",
    "SnapMix",
    "SoftTargetMix",
    "Sometimes",
    "SpectralResidualSaliency",
    "SupervisedContrastiveLoss",
    "TokenMix",
    "UniMix",
    "WeightedCrossEntropy",
    "__version__",
    "functional",
    "many_medium_few",
    "many_medium_few_by_count",
    "mean_one_over_classes",
    "mean_one_over_images",
    "set_epoch",
]
FUNCTIONAL = [
    "align_features",
    "area_weight",
    "balanced_contrastive_loss",
    "balanced_pairing",
    "balanced_partners",
    "balanced_softmax_loss",
    "block_mask",
    "boolean_map_saliency",
    "box_masks",
    "boxes_around",
    "care_attention_loss",
    "care_loss",
    "carry_boxes",
    "carry_masks",
    "carry_points",
    "clamp_to_range",
    "class_activation_map",
    "class_balanced_weights",
    "class_wise_hard_examples",
    "consistency_loss",
    "cutmix",
    "distance_weighted_outside",
    "draw_lam",
    "draw_small_share",
    "effective_number_weights",
    "fidelity_ratio",
    "fill_in",
    "fmix_mask",
    "focal_loss",
    "from_blocks",
    "grad_cam",
    "hard_examples",
    "head_tail_pairing",
    "head_tail_partners",
    "label_aware_smoothing_loss",
    "lade_loss",
    "ldam_loss",
    "lesion_aware_ratio",
    "lesion_probability",
    "lesion_regions",
    "logit_adjustment_loss",
    "lsm",
    "mean_saliency",
    "merged_saliency",
    "mixup",
    "otsu_threshold",
    "paco_loss",
    "paper_ratio",
    "patch_mixup",
    "placed_grid",
    "random_boxes",
    "random_partners",
    "released_ratio",
    "remix",
    "saliency_map",
    "saliency_mix",
    "saliency_peaks",
    "scale_boxes",
    "self_paced",
    "semantic_weight",
    "shades_of_gray",
    "shifted_partners",
    "skin_contrast_saliency",
    "smooth_mask",
    "soft_edges",
    "spectral_residual_saliency",
    "spmix",
    "supervised_contrastive_loss",
    "to_blocks",
    "transmix",
    "unimix_share",
    "weighted_cross_entropy",
    "weighted_partners",
]
HEAVY = ["cv2", "kornia", "timm", "torchvision", "matplotlib", "triton", "PIL", "tqdm", "torchmetrics"]

# Data flows down this list, and a module imports only from its own place and from above.
LAYERS = [
    ["_version"],
    ["_balancing", "_checks", "_layers", "_module", "_precision", "_triton"],
    ["_distributed"],
    ["_images", "class_groups", "feature_queue", "momentum", "sampling", "schedule", "targets"],
    ["color_constancy", "saliency"],
    ["regions"],
    ["mixing"],
    ["weighting"],
    ["losses"],
    ["functional"],
    ["metrics"],
    ["data"],
    ["visualize"],
    ["preview"],
    ["__main__"],
]

# The same for the rooms of mixing; what has no room of its own comes first.
MIXING_ROOMS = [
    ["_moves", "_pairs"],
    ["draws", "pairing", "patch", "ratio"],
    ["record"],
    ["carry", "mix"],
    ["classic", "inside"],
    ["guided"],
    ["composition"],
    ["class_aware"],
]


def test_the_public_names_are_these():
    assert longtail_mix.__all__ == PUBLIC
    assert functional.__all__ == FUNCTIONAL
    for module, names in ((longtail_mix, PUBLIC), (functional, FUNCTIONAL)):
        assert all(hasattr(module, name) for name in names)


def test_every_public_object_says_what_it_does_with_an_example():
    # Aliases and plain numbers have nothing to run.
    for module, names in ((longtail_mix, PUBLIC), (functional, FUNCTIONAL)):
        for name in names:
            if name not in ("__version__", "functional", "ClassGroups"):
                assert ">>>" in (getattr(module, name).__doc__ or ""), name


def test_import_loads_torch_and_nothing_heavier():
    loaded = f"[m for m in {HEAVY} if m in sys.modules]"
    # What torch itself loads is not ours to answer for.
    code = f"import sys, torch; before = {loaded}; import longtail_mix; print([m for m in {loaded} if m not in before])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def imports_of(path: Path, package: str = "longtail_mix") -> set[str]:
    """First parts below the package of all that a file imports from it, also inside functions."""
    found, depth = set(), package.count(".") + 1
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == package:
                found |= {alias.name for alias in node.names}
            elif node.module and node.module.startswith(f"{package}."):
                found.add(node.module.split(".")[depth])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[depth] for alias in node.names if alias.name.startswith(f"{package}.")}
    return found


def backward_imports(files: dict[str, set[str]], layers: list[list[str]] = LAYERS) -> list[str]:
    """The imports that point against the layers, from {place: imported places}."""
    rank = {name: i for i, layer in enumerate(layers) for name in layer}
    return [
        f"{place} imports {other}" for place, others in files.items() for other in others if rank[other] > rank[place]
    ]


def test_no_import_points_backwards():
    files: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if place != "__init__":  # the front door gathers from everywhere
            files.setdefault(place, set()).update(imports_of(path))
    assert set(files) == {name for layer in LAYERS for name in layer}, "name the new module in LAYERS"
    assert backward_imports(files) == []


def test_no_import_between_the_rooms_of_mixing_points_backwards():
    files: dict[str, set[str]] = {}
    for path in (PACKAGE / "mixing").rglob("*.py"):
        room = path.relative_to(PACKAGE / "mixing").with_suffix("").parts[0]
        if room != "__init__":
            files.setdefault(room, set()).update(imports_of(path, "longtail_mix.mixing"))
    assert set(files) == {name for layer in MIXING_ROOMS for name in layer}, "name the new room in MIXING_ROOMS"
    assert backward_imports(files, MIXING_ROOMS) == []


def test_a_backward_import_would_be_seen():
    assert backward_imports({"saliency": {"mixing", "_checks"}}) == ["saliency imports mixing"]


def test_submodules_load_when_they_are_used():
    code = (
        "import longtail_mix as lm, sys; assert 'longtail_mix.data' not in sys.modules; lm.data.group_split; "
        "lm.sampling.ClassSampler; lm.metrics.long_tail_metrics; lm.visualize.pair_panel; assert 'data' in dir(lm)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="module 'longtail_mix' has no attribute 'nothing'"):
        _ = longtail_mix.nothing


def test_the_package_says_on_one_screen_what_to_use_when():
    lines = (longtail_mix.__doc__ or "").splitlines()
    assert len(lines) <= 40
    named = set(re.findall(r"``(?:\w+\.)*(\w+)", longtail_mix.__doc__ or ""))
    known = {
        name
        for module in ("data", "functional", "metrics", "sampling", "visualize")
        for name in dir(getattr(longtail_mix, module))
    }
    assert named - {"with_record", "balanced", "examples"} <= known | set(dir(longtail_mix))


EXTRAS = {
    "torchmetrics": ("examples", "lm.metrics"),
    "matplotlib": ("examples", "lm.visualize.pair_panel(*torch.rand(2, 1, 3, 32, 32), lm.SPMix())"),
    "cv2": ("opencv", "lm.functional.lesion_regions(torch.eye(8).view(1, 1, 8, 8))"),
}
DISTRIBUTIONS = {"PIL": "pillow", "cv2": "opencv-contrib-python-headless"}  # where it is not the name of the import


def test_a_missing_extra_is_named():
    for package, (extra, use) in EXTRAS.items():
        code = f"""
import sys, torch
sys.modules[{package!r}] = None
import longtail_mix as lm
try:
    {use}
except ImportError as error:
    print(error)
"""
        said = subprocess.check_output([sys.executable, "-c", code], text=True)
        assert f"{package}: expected it to be installed, pip install 'longtail-mix[{extra}]'" in said


def declared(key: str) -> set[str]:
    """The distributions of a list in pyproject.toml."""
    text = (PACKAGE.parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    (found,) = re.findall(rf"^{key} = \[(.*)\]$", text, re.MULTILINE)
    return set(re.findall(r'"([\w-]+)', found))


def test_what_is_installed_is_what_is_imported():
    imported = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            imported |= {module.partition(".")[0] for module in modules}
    # Triton comes with torch where it can run, and torchvision is asked for its tensors by those who have some.
    imported -= {"longtail_mix", "triton", "torchvision", *sys.stdlib_module_names}
    assert {DISTRIBUTIONS.get(name, name) for name in imported - set(EXTRAS)} == declared("dependencies")
    assert set(EXTRAS) <= imported
    assert all(DISTRIBUTIONS.get(name, name) in declared(extra) for name, (extra, _) in EXTRAS.items())
