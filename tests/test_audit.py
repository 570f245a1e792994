"""What an audit with random valid and invalid calls found, item by item; `tests/fuzz` keeps looking for more."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import longtail_mix as lm
from longtail_mix import functional as ours
from longtail_mix.data import balanced_split, load_images, load_masks, read_isic2018, squash, stratified_split
from longtail_mix.metrics import GroupAccuracy, long_tail_metrics
from longtail_mix.sampling import ClassSampler, ShuffledSampler
from longtail_mix.visualize import attention_panel, pair_panel

NAN, INF = float("nan"), float("inf")


# 1. The cache of images knows what a `fit` does.


def fit_of(source: str, **values: object):
    """A function of a notebook whose cell was run with this source."""
    names: dict[str, object] = {"__name__": "notebook", "squash": squash, **values}
    exec(source, names)
    return names["fit"]


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    file = tmp_path / "image.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)).save(file)
    return file


@pytest.mark.parametrize(
    "source",
    [
        "def fit(image, size, angle={}):\n    return squash(image.rotate(angle), size)",
        "def fit(image, size, *, angle={}):\n    return squash(image.rotate(angle), size)",
        "def fit(image, size):\n    return squash((lambda i: i.rotate({}))(image), size)",
        "ANGLE = {}\ndef fit(image, size):\n    return squash(image.rotate(ANGLE), size)",
        "def turn(image):\n    return image.rotate({})\ndef fit(image, size):\n    return squash(turn(image), size)",
    ],
    ids=["default", "keyword default", "nested code", "constant of the module", "function it calls"],
)
def test_item_01_an_edited_fit_makes_a_cache_of_its_own(source: str, image_file: Path, tmp_path: Path) -> None:
    first, second = (
        load_images([image_file], 8, fit_of(source.format(angle)), tmp_path / "cache", progress=False)
        for angle in (0, 180)
    )
    assert not torch.equal(first, second)


def test_item_01_a_set_in_a_fit_has_one_identity_whatever_its_order() -> None:
    from longtail_mix.data import image_cache

    # 0 and 8 meet in a small table: the one that came first is the first to come out.
    sources = [
        f"def fit(image, size):\n    return squash(image, size + (size in {members}))"
        for members in ("{0, 8}", "{8, 0}")
    ]
    identities = {repr(image_cache._identity(fit_of(source))) for source in sources}
    assert len(identities) == 1


def test_item_01_a_fit_that_cannot_be_told_from_an_edited_one_is_refused(image_file: Path, tmp_path: Path) -> None:
    class Turn:
        angle = 90

    fit = fit_of("def fit(image, size):\n    return squash(image.rotate(turn.angle), size)", turn=Turn())
    with pytest.raises(TypeError, match="fit: expected a function of plain values, functions and packages"):
        load_images([image_file], 8, fit, tmp_path, progress=False)


# 2. A space makes no second lesion.


@pytest.mark.parametrize("split", [balanced_split, stratified_split])
@pytest.mark.parametrize("name", ["HAM_0000 ", " HAM_0000", "", "HAM_0000\t", " "])
def test_item_02_ids_that_are_empty_or_have_spaces_around_are_refused(split, name: str) -> None:
    labels, lesions = torch.zeros(4, dtype=torch.int64), ["HAM_0000", name, "HAM_0001", "HAM_0002"]
    with pytest.raises(ValueError, match="lesions: expected ids that are not empty and without spaces around"):
        split(labels, lesions)


def test_item_02_a_table_with_spaces_around_an_id_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ISIC2018_Task3_Training_Input").mkdir()
    truth = tmp_path / "ISIC2018_Task3_Training_GroundTruth"
    truth.mkdir()
    for name in ("ISIC_1", "ISIC_2"):
        (tmp_path / "ISIC2018_Task3_Training_Input" / f"{name}.jpg").touch()
    rows = "".join(f"{name},1,0,0,0,0,0,0\n" for name in ("ISIC_1", "ISIC_2"))
    (truth / f"{truth.name}.csv").write_text(f"image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n{rows}")
    (tmp_path / "ISIC2018_Task3_Training_LesionGroupings.csv").write_text("image,lesion_id\nISIC_1,A\nISIC_2,A \n")
    with pytest.raises(ValueError, match="LesionGroupings.csv: 1 cells have spaces around them, the first: 'A '"):
        read_isic2018(tmp_path)


# 3. What Pillow would cut off at 255.


@pytest.mark.parametrize("load", [load_images, load_masks])
@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_item_03_a_range_that_is_not_known_is_refused_by_name(load, dtype, tmp_path: Path) -> None:
    file = tmp_path / "deep.tiff"
    Image.fromarray(np.full((4, 4), 700, dtype=dtype)).save(file)
    with pytest.raises(
        ValueError, match=r"deep\.tiff \(expected 8 or 16 bits a channel, got mode (I|F), whose range is not known"
    ):
        load([file], 4, cache_dir=tmp_path, progress=False)


def test_item_03_grey_of_16_bits_is_scaled(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 257 * 100, dtype=np.uint16)).save(tmp_path / "deep.png")
    assert (load_images([tmp_path / "deep.png"], 4, cache_dir=tmp_path, progress=False) == 100).all()


# 4. NaN has no largest class.


def test_item_04_logits_of_nan_are_no_class_0() -> None:
    logits, labels = torch.tensor([[NAN, NAN, NAN], [0.0, 1.0, 0.0]]), torch.tensor([0, 1])
    accuracy = GroupAccuracy((0, 1))
    metrics = long_tail_metrics(3, lm.ClassGroups((0,), (1,), (2,)))
    for refuses in (accuracy.update, metrics.update, metrics):
        with pytest.raises(ValueError, match="predictions: expected classes or logits, got NaN"):
            refuses(logits, labels)


# 5. An infinite feature is no empty map.


def test_item_05_infinite_features_are_an_error_on_the_cpu() -> None:
    features, weight = torch.rand(1, 2, 3, 3), torch.rand(4, 2)
    features[0, 0, 1, 1] = INF
    with pytest.raises(ValueError, match="features: expected finite values"):
        ours.class_activation_map(features, weight, torch.tensor([1]))
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(), nn.Linear(18, 4))
    nn.init.constant_(net[0].bias, INF)
    with (
        lm.GradCAM(net, net[0]) as grad_cam,
        pytest.raises(ValueError, match="target_layer: expected finite values, got infinity"),
    ):
        grad_cam(torch.rand(1, 3, 3, 3), torch.tensor([1]))


def test_item_05_where_values_are_not_read_an_infinite_feature_makes_the_map_nan() -> None:
    from longtail_mix.saliency.cam import weighted_map

    features = torch.rand(2, 2, 3, 3)
    features[0, 0, 1, 1] = INF
    cam = weighted_map(features, torch.rand(2, 2))
    assert cam[0].isnan().all()
    assert cam[1].isfinite().all()


# 6. SPMix looks at what its own saliency returns.


@pytest.mark.parametrize(
    ("saliency", "message"),
    [
        (lambda images: torch.rand(len(images), 1, 4, 4), "saliency: expected one map for each image of"),
        (lambda images: torch.rand(1, 1, *images.shape[2:]), "saliency: expected one map for each image of"),
        (lambda images: 255 * torch.rand(len(images), 1, *images.shape[2:]), r"saliency: expected values in \[0, 1\]"),
    ],
    ids=["size", "number", "range"],
)
def test_item_06_the_maps_of_a_saliency_module_are_checked(saliency, message: str) -> None:
    class Detector(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return saliency(images)

    spmix = lm.SPMix(saliency=Detector(), patch_size=4, pairing=lm.BalancedPairing())
    images = torch.rand(4, 3, 8, 8)
    with pytest.raises(ValueError, match=message):
        spmix(images, torch.tensor([0, 0, 1, 1]))
    with pytest.raises(ValueError, match=message):
        spmix.ratio(images, images.flip(0))


# 7. Noise does not depend on strides.


@pytest.mark.parametrize("recipe", [ours.paper_ratio, ours.released_ratio])
def test_item_07_the_same_values_get_the_same_ratio_whatever_their_strides(recipe) -> None:
    maps = torch.rand(2, 1, 4, 8)
    turned = maps.transpose(2, 3).contiguous().transpose(2, 3)
    assert turned.stride() != maps.stride()
    ratios = [recipe(m, m, 2, generator=torch.Generator().manual_seed(0)) for m in (maps, turned)]
    torch.testing.assert_close(ratios[0], ratios[1])


def test_item_07_the_peak_of_a_flat_map_does_not_depend_on_its_strides() -> None:
    flat = torch.ones(64, 1, 4, 8)
    turned = flat.transpose(0, 3).contiguous().transpose(0, 3)
    peaks = [ours.saliency_peaks(m, torch.Generator().manual_seed(0)) for m in (flat, turned)]
    torch.testing.assert_close(peaks[0], peaks[1])


# 8. Grad-CAM of images made in inference mode.


@pytest.mark.parametrize("create_graph", [False, True])
def test_item_08_grad_cam_takes_tensors_made_in_inference_mode(create_graph: bool) -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 4))
    with torch.inference_mode():
        images, labels = torch.rand(2, 3, 4, 4), torch.tensor([0, 3])
        with lm.GradCAM(net, net[0], create_graph=create_graph) as grad_cam:
            made_there = grad_cam(images, labels)
    with lm.GradCAM(net, net[0]) as grad_cam:
        outside = grad_cam(images.clone(), labels.clone())
    torch.testing.assert_close(made_there.detach().clone(), outside)


# 9. Nine small ones.


def test_item_09_segmentation_saliency_in_bfloat16() -> None:
    saliency = lm.SegmentationSaliency(nn.Conv2d(3, 1, 1)).to(torch.bfloat16)
    maps = saliency(torch.rand(2, 3, 4, 4))
    assert maps.dtype == torch.float32
    assert ((maps >= 0) & (maps <= 1)).all()


def test_item_09_one_map_is_not_spread_over_a_batch() -> None:
    class OneMap(nn.Module):
        def forward(self, _images: torch.Tensor) -> torch.Tensor:
            return torch.zeros(1, 1, 4, 4)

    with pytest.raises(ValueError, match="model: expected logits for each of 2 images"):
        lm.SegmentationSaliency(OneMap())(torch.rand(2, 3, 4, 4))


def test_item_09_class_wise_hard_examples_refuses_labels_in_a_column() -> None:
    with pytest.raises(TypeError, match="target: expected a floating-point tensor, got torch.int64"):
        lm.ClassWiseHardExamples(lm.Pace(4, 8))(torch.rand(4), torch.tensor([[0], [0], [1], [1]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_item_09_denormal_weights_pair_no_image_with_itself(dtype: torch.dtype) -> None:
    weights = torch.full((2,), 1e-44 if dtype == torch.float32 else 1e-320, dtype=dtype)
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        partner, mixed = ours.weighted_partners(torch.tensor([0, 1, 0]), weights, generator)
        assert mixed.all()
        assert (partner != torch.arange(3)).all()


def test_item_09_a_feature_queue_takes_no_nan() -> None:
    queue = lm.FeatureQueue(4, 2)
    with pytest.raises(ValueError, match="features: expected finite values"):
        queue.push(torch.tensor([[NAN, 1.0]]), torch.tensor([0]))


@pytest.mark.parametrize("centre", [[9, 0], [0, 8], [-1, 2]])
def test_item_09_a_centre_outside_the_image_is_refused(centre: list[int]) -> None:
    with pytest.raises(ValueError, match="centres: expected pixels of an image of 8x9"):
        ours.boxes_around(torch.tensor([centre]), torch.tensor([0.5]), height=8, width=9)


def test_item_09_no_count_is_more_than_nan() -> None:
    with pytest.raises(TypeError, match="more_than: expected a whole number, got nan"):
        lm.many_medium_few_by_count([500, 3], more_than=NAN)


@pytest.mark.parametrize(
    ("weight", "message"), [(1.5, r"label_weight: expected values in \[0, 1\]"), (NAN, "label_weight: expected values")]
)
def test_item_09_a_label_weight_outside_of_0_to_1_is_refused(weight: float, message: str) -> None:
    mix = lm.LSM(block_size=4, label_weight=lambda mask, *_: torch.full((len(mask),), weight))
    images, labels = torch.rand(2, 3, 8, 8), torch.tensor([0, 1])
    with pytest.raises(ValueError, match=message):
        mix(images, labels, images, labels, torch.rand(2, 1, 2, 2))


@pytest.mark.parametrize("batch_size", [-1, torch.tensor(-1), torch.tensor([2, -3])])
def test_item_09_a_pace_knows_no_batch_below_0(batch_size) -> None:
    with pytest.raises(ValueError, match="batch_size: expected"):
        lm.Pace(4, 8)(batch_size)


# 10. A sampler's checkpoint loads with weights_only.


@pytest.mark.parametrize(
    "sampler",
    [
        lambda: ShuffledSampler(np.int64(6), seed=np.int64(3), rank=np.int32(0), num_replicas=np.int64(2)),
        lambda: ClassSampler(torch.tensor([0, 1, 1]), [0.5, 0.5], num_samples=np.int64(6), seed=np.uint8(1)),
    ],
    ids=["shuffled", "class"],
)
def test_item_10_a_sampler_made_with_numpy_numbers_saves_what_loads(sampler, tmp_path: Path) -> None:
    first = sampler()
    first.seek(np.int64(2), np.int64(1))
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = sampler()
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert list(second) == list(first)


# 11. No label is large enough to hang.


@pytest.mark.parametrize("label", [10**7, 2**63 - 1])
def test_item_11_a_huge_label_is_refused_at_once(label: int) -> None:
    labels, lesions = torch.tensor([0, 0, 1, label]), ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="labels: class 2: expected images of every class"):
        balanced_split(labels, lesions, 1, 1)
    with pytest.raises(ValueError, match="probabilities: expected one for each of"):
        ClassSampler(labels, [0.5, 0.5])
    with pytest.raises(ValueError, match="num_classes: expected at most"):
        lm.MixedTarget.hard(labels).soft(label)


@pytest.mark.parametrize("label", [10**7, 2**63 - 1])
def test_item_11_a_stratified_split_deals_by_the_labels_that_are_there(label: int) -> None:
    split = stratified_split(torch.tensor([0] * 5 + [label] * 5), [str(i) for i in range(10)])
    assert len(split.test) == 2


# 12. Labels and options of all widths.


@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.int16, torch.int8])
@pytest.mark.parametrize(
    "mix", [lm.MixUp(), lm.CutMix(), lm.SaliencyMix(), lm.CMO()], ids=lambda mix: type(mix).__name__
)
def test_item_12_narrow_labels_pass_every_mix_and_the_loss(mix: nn.Module, dtype: torch.dtype) -> None:
    images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 1, 0], dtype=dtype)
    _, target = lm.InBatch(mix, lm.RandomPairing())(images, labels)
    criterion = nn.CrossEntropyLoss(reduction="none")
    logits = torch.randn(4, 2)
    assert target.labels.dtype == target.other.dtype == torch.int64
    assert target.loss(criterion, logits).isfinite()
    assert lm.MixedTarget(labels, labels, torch.ones(4)).loss(criterion, logits).isfinite()
    assert lm.CARELoss()(logits, labels, torch.rand(4, 1, 2, 2), torch.rand(4, 1, 4, 4)).isfinite()


def test_item_12_numpy_numbers_are_numbers() -> None:
    logits, labels = torch.randn(4, 2), torch.tensor([0, 1, 1, 0])
    for kind in (np.float64, np.float32, np.float16):
        value = kind(0.5)
        torch.testing.assert_close(ours.focal_loss(logits, labels, gamma=value), ours.focal_loss(logits, labels, 0.5))
        adjusted = ours.logit_adjustment_loss(logits, labels, [3, 1], tau=value)
        torch.testing.assert_close(adjusted, ours.logit_adjustment_loss(logits, labels, [3, 1], tau=0.5))
    maps = torch.rand(2, 1, 8, 8)
    for kind in (np.int64, np.int32, np.uint8):
        torch.testing.assert_close(ours.fidelity_ratio(maps, maps, kind(4)), ours.fidelity_ratio(maps, maps, 4))
        assert list(ShuffledSampler(6, seed=kind(3))) == list(ShuffledSampler(6, seed=3))


@pytest.mark.parametrize(
    "call",
    [
        lambda: lm.LesionAwareRatio(noise=1e38),
        lambda: lm.FocalLoss(gamma=1e38),
        lambda: lm.LogitAdjustmentLoss([3, 1], tau=1e38),
        lambda: lm.LDAMLoss([3, 1], scale=1e38),
        lambda: lm.LADELoss([3, 1], alpha=1e38),
        lambda: lm.DistanceWeightedOutside(strength=1e38),
        lambda: lm.SkinContrastSaliency(center_prior=1e38),
    ],
)
def test_item_12_an_option_that_overflows_is_refused_by_name(call) -> None:
    with pytest.raises(
        ValueError, match=r"(noise|gamma|tau|scale|alpha|strength|center_prior): expected .* got 1e\+38"
    ):
        call()


# 13. The right exception, beginning with the argument's name.

IMAGES, LABELS = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 1, 0])
WRONG_CALLS = {
    "0-d tensor": (lambda: lm.LSM(block_size=torch.tensor(4)), "block_size: expected a whole number"),
    "0-d float tensor": (lambda: lm.Pace(torch.tensor(4.0), 2), "epochs: expected a whole number"),
    "0-d array": (lambda: lm.PatchMixup(np.array(1)), "num_prefix_tokens: expected a whole number"),
    "2-D counts": (lambda: lm.ClassBalancedWeights([[3, 1]]), "class_counts: expected whole numbers"),
    "2-D tensor of counts": (lambda: lm.FocalLoss and lm.LDAMLoss(torch.ones(2, 2)), "class_counts: expected whole"),
    "0-d counts": (lambda: lm.LDAMLoss(np.array(3)), "class_counts: expected whole numbers"),
    "huge counts": (lambda: lm.LDAMLoss([2**63, 1]), r"class_counts: expected a whole number of at most 2\^63 - 1"),
    "meta counts": (
        lambda: lm.LDAMLoss(torch.ones(2, dtype=torch.int64, device="meta")),
        "class_counts: expected a tensor with values",
    ),
    "mean": (lambda: lm.SaliencyMap("abc", "abc"), "mean: expected three numbers"),
    "margin": (lambda: lm.SkinContrastSaliency(margin=None), "margin: expected a number"),
    "Fraction": (lambda: lm.FocalLoss(gamma=Fraction(1, 3)), "gamma: expected a number, got Fraction"),
    "uint16 labels": (lambda: lm.RandomPairing()(LABELS.to(torch.uint16)), "labels: expected integer labels"),
    "uint32 labels": (lambda: lm.FocalLoss()(torch.zeros(4, 2), LABELS.to(torch.uint32)), "target: expected integer"),
    "uint64 labels": (
        lambda: lm.MixUp()(IMAGES, LABELS.to(torch.uint64), IMAGES, LABELS),
        "first_labels: expected int",
    ),
    "list of labels": (lambda: lm.HeadTailPairing([9, 1])([0, 1]), "labels: expected a torch.Tensor, got list"),
    "list of labels, weighted": (lambda: lm.InverseFrequencyPairing([9, 1])([0]), "labels: expected a torch.Tensor"),
    "dict target": (lambda: lm.FocalLoss()(torch.zeros(1, 2), {"labels": 1}), "target: expected a torch.Tensor, got"),
    "pairing": (lambda: lm.SPMix(pairing=3), "pairing: expected a module with partners"),
    "model": (
        lambda: lm.SegmentationSaliency(lambda images: images),
        "model: expected a torch.nn.Module, got function",
    ),
    "no state": (lambda: ShuffledSampler(6).load_state_dict({}), "state: expected"),
    "first_labels": (
        lambda: lm.MixUp()(IMAGES, LABELS.float(), IMAGES, LABELS),
        "first_labels: expected integer labels, got torch.float32",
    ),
    "tail_labels": (
        lambda: lm.LSM()(IMAGES, LABELS.float(), IMAGES, LABELS, torch.rand(4, 1, 2, 2)),
        "tail_labels: expected integer labels, got torch.float32",
    ),
    "threshold": (lambda: ours.lesion_regions(torch.rand(1, 1, 4, 4), threshold=2.0), "threshold: expected a number"),
    "sparse": (lambda: ours.saliency_map(IMAGES.to_sparse()), "images: expected a dense tensor"),
    "spmix of a panel": (lambda: pair_panel(IMAGES, IMAGES, 3), "spmix: expected an SPMix, got int"),
}


@pytest.mark.parametrize(("call", "message"), WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_item_13_a_wrong_argument_is_named(call, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        call()


def test_item_13_panels_take_images_of_one_row() -> None:
    images = torch.rand(2, 3, 1, 8)
    masks = torch.tensor([True, False] * 4).expand(2, 1, 1, 8)
    attention_panel(images, masks, {"cam": torch.rand(2, 1, 1, 2)})
    attention_panel(images.mT, masks.mT, {})


def test_item_13_a_cache_folder_that_cannot_be_entered_is_a_warning(
    image_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_entry(path: Path, **_: object) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", no_entry)
    monkeypatch.setattr(Path, "mkdir", no_entry)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    with pytest.warns(RuntimeWarning, match="the cache cannot be written .*Permission denied"):
        assert load_images([image_file], 8, cache_dir=tmp_path, progress=False).shape == (1, 3, 8, 8)


def test_item_13_mix_inside_a_compiled_model_that_already_ran() -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten(), nn.Linear(2 * 64, 2))
    compiled = torch.compile(net, backend="eager")
    images = torch.rand(2, 3, 8, 8)
    compiled(images)
    with (
        lm.MixInside(compiled, net[0]) as mix_inside,
        pytest.raises(RuntimeError, match="^layer: expected .* a compiled model that ran before does not see it"),
    ):
        mix_inside.within(images, torch.tensor([1, 0]), torch.tensor([0.25, 1.0]))


# 14. NaN from a network comes out as NaN.

LOSSES = {
    "weighted_cross_entropy": ours.weighted_cross_entropy,
    "focal": ours.focal_loss,
    "balanced_softmax": lambda logits, labels: ours.balanced_softmax_loss(logits, labels, [5, 3, 1]),
    "logit_adjustment": lambda logits, labels: ours.logit_adjustment_loss(logits, labels, [5, 3, 1]),
    "ldam": lambda logits, labels: ours.ldam_loss(logits, labels, [5, 3, 1]),
    "lade": lambda logits, labels: ours.lade_loss(logits, labels, [5, 3, 1]),
    "label_aware_smoothing": lambda logits, labels: ours.label_aware_smoothing_loss(logits, labels, [5, 3, 1]),
    "supervised_contrastive": ours.supervised_contrastive_loss,
    "balanced_contrastive": lambda queries, labels: ours.balanced_contrastive_loss(queries, torch.rand(3, 3), labels),
    "paco": lambda queries, labels: ours.paco_loss(queries, torch.rand(len(queries), 3), labels),
    "paco, logits": lambda logits, labels: ours.paco_loss(torch.rand(4, 2), logits, labels),
    "care": lambda logits, labels: ours.care_loss(nn.functional.cross_entropy(logits, labels), torch.tensor(0.5)),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_item_14_nan_in_the_logits_is_nan_in_the_loss_as_in_torch(loss) -> None:
    labels = torch.tensor([0, 1, 1, 2])
    logits = torch.rand(4, 3)
    assert loss(logits, labels).isfinite()
    logits[1, 0] = NAN
    assert loss(logits, labels).isnan()
    assert nn.functional.cross_entropy(logits, labels).isnan()


def test_item_14_nan_in_a_segmentation_is_nan_in_the_probability() -> None:
    logits = torch.zeros(2, 1, 2, 2)
    logits[1] = NAN
    probability = ours.lesion_probability(logits, (4, 4))
    assert (probability[0] == 0.5).all()
    assert probability[1].isnan().all()


def test_item_14_nan_in_images_maps_and_options_is_an_error() -> None:
    for call in (
        lambda: ours.saliency_map(torch.full((1, 3, 4, 4), NAN)),
        lambda: lm.MixUp()(torch.full((1, 3, 4, 4), NAN), LABELS[:1], IMAGES[:1, :, :4, :4], LABELS[:1]),
        lambda: ours.paper_ratio(torch.full((1, 1, 4, 4), NAN), torch.rand(1, 1, 4, 4), 2),
        lambda: lm.FocalLoss(gamma=NAN),
    ):
        with pytest.raises(ValueError, match=r"^\w+: expected "):
            call()
