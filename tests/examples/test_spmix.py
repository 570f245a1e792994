"""The SPMix program: each row and form written out by hand, as the paper prints it; a command that runs and resumes."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

import spmix
from longtail_mix.mixing.ratio.paper import NOISE
from reproduction.criteria.contrastive import BCL, PaCo, SupCon
from reproduction.criteria.losses import CrossEntropy, LabelAwareSmoothing
from reproduction.data.frames import Squash
from reproduction.data.isic2018 import ISIC2018, Balanced
from reproduction.data.maps import FineGrained, SkinContrast
from reproduction.data.synthetic import Synthetic
from reproduction.methods.ballad import BALLAD, Aligned
from reproduction.methods.inside import Inside
from reproduction.methods.mislas import MiSLAS
from reproduction.methods.momentum_contrast import MomentumContrast
from reproduction.methods.one_encoder import OneEncoder
from reproduction.methods.post_hoc import PostHocAdjustment, TauNormalisation
from reproduction.methods.reslt import ResLT
from reproduction.methods.retraining import Retraining
from reproduction.methods.sampling import ByClass, Heads, Natural
from reproduction.methods.supervised import Supervised
from reproduction.methods.two_views import TwoViews
from reproduction.methods.weight_scaling import WeightScaling
from reproduction.mixes.mixup import MixUp
from reproduction.mixes.patch_swap import PatchSwap
from reproduction.mixes.ratios import Fidelity, OnePerImage, Paper, Random, Released
from reproduction.networks.clip import CLIP
from reproduction.training.loop import Training
from reproduction.training.study import plan, refuse
from reproduction.training.train import train
from reproduction.training.views import ViewSettings

TAILS_WITH_HEADS = {"tail_only": True, "partners": Heads()}


def printed(ratio, maps=FineGrained(), probability=1.0, contrast=SupCon(0.2, 1.0)) -> MomentumContrast:  # noqa: B008
    swap = PatchSwap(ratio=ratio, maps=maps, probability=probability, **TAILS_WITH_HEADS)
    return MomentumContrast(ByClass(0.0), contrast, swap, "patch_embed", 0.999, 8192, 128)


PACO = PaCo(alpha=0.05, beta=1.0, gamma=1.0, temperature=0.2)
EXPECTED = {
    "ce": Supervised(Natural(), CrossEntropy(), None),
    "ce-resample": Supervised(ByClass(0.0), CrossEntropy(), None),
    "mislas": MiSLAS(
        Supervised(Natural(), CrossEntropy(), MixUp(1.0, Natural())),
        Supervised(ByClass(0.0), LabelAwareSmoothing(0.4, 0.1), None),
        0.1,
        None,
    ),
    "reslt": ResLT(0.995),
    "ballad": BALLAD(Aligned(CLIP("RN50", "openai"))),
    "bcl": TwoViews(Natural(), BCL(0.2, 1.0, 0.35), 128),
    "paco": MomentumContrast(Natural(), PACO, None, "patch_embed", 0.999, 8192, 128),
    "spmix": printed(Paper(16, 0.8, NOISE)),
    "spmix-no-patches": printed(OnePerImage(Paper(16, 0.8, NOISE))),
    "spmix-no-saliency": printed(Random(16, 0.8, 0.0)),
    "spmix-no-patches-no-saliency": printed(Random(224, 0.8, 0.0)),
    "spmix-released": OneEncoder(
        Natural(),
        PACO,
        PatchSwap(Released(16, 0.8, NOISE), FineGrained(), False, 1.0, ByClass(0.0)),
        "patch_embed",
        8192,
        256,
        4096,
        ViewSettings(96, (0.08, 1.0), (3 / 4, 4 / 3), 0.5, 2, 30, True),
    ),
    "spmix-ours": printed(Fidelity(16, 0.8), SkinContrast(1.0, 1 / 28), 0.5, PACO),
}


def test_the_rows_of_the_paper_are_wired_as_written_here():
    assert EXPECTED["mislas"].first.mix_until == 1
    for form in ("paper", "paper-resnet50", "table2", "released"):
        assert dict(spmix.ROWS_OF[form]) == EXPECTED


@pytest.mark.parametrize(
    ("form", "size", "patch_size", "layer", "momentum", "queue", "hidden", "clip"),
    [
        ("short", 64, 8, "patch_embed", 0.99, 512, 256, CLIP("small", "none")),
        ("isic2018", 96, 8, "blocks.2", 0.999, 8192, 4096, None),  # CLIP takes images of 224 pixels
    ],
)
def test_the_rows_of_other_forms_differ_in_size_and_place_alone(
    form, size, patch_size, layer, momentum, queue, hidden, clip
):
    rows = spmix.ROWS_OF[form]
    assert rows == spmix.rows(size, patch_size, layer, momentum, queue, hidden, clip)
    assert rows.keys() == EXPECTED.keys() - ({"ballad"} if clip is None else set())
    assert clip is None or rows["ballad"] == BALLAD(Aligned(clip))
    method = rows["spmix"]
    assert (method.layer, method.momentum, method.queue) == (layer, momentum, queue)
    assert method.mix.ratio == Paper(patch_size)
    assert rows["spmix-no-patches-no-saliency"].mix.ratio == Random(size)
    assert (rows["spmix-released"].hidden, rows["spmix-released"].mix.ratio) == (hidden, Released(patch_size))
    assert spmix.FORMS[form][1].recipe.views.size == size


def test_the_paper_s_form_is_what_the_paper_prints():
    recipe = spmix.PAPER.recipe
    assert recipe.backbone.name == "vit_small_resnet50d_s16_224"
    assert (recipe.views.size, recipe.batch_size, recipe.images // 64 / 149) == (224, 64, 500)
    assert (recipe.optimiser.learning_rate, recipe.optimiser.weight_decay) == (5e-6, 0.1)
    assert type(recipe.optimiser).__name__ == "AdamW"
    assert spmix.PAPER.data == ISIC2018(Balanced(20, 40, seed=0))
    assert spmix.PAPER.methods == ("ce", "ce-resample", "mislas", "bcl", "paco", "spmix")


def test_what_the_paper_does_not_print_is_what_the_docs_say():
    recipe = spmix.PAPER.recipe
    assert (recipe.backbone.weights, recipe.frame, recipe.precision) == ("hub", Squash(256), "no")
    assert (recipe.views.crop_scale, recipe.views.operations, recipe.views.magnitude) == ((0.2, 1.0), 2, 9)
    assert not recipe.views.first_view_only
    assert (recipe.schedule.warmup, recipe.keep_best, recipe.ema) == (0.02, True, 0.0)


def test_the_other_forms_of_the_paper():
    upper, released, table2 = (spmix.FORMS[name][1] for name in ("paper-resnet50", "released", "table2"))
    assert (upper.recipe.backbone.name, upper.recipe.backbone.weights) == ("resnet50", "hub")
    assert upper.methods == ("ce", "ce-resample", "mislas", "reslt", "ballad", "bcl", "paco")
    assert table2.methods == ("spmix-no-patches-no-saliency", "spmix-no-saliency", "spmix-no-patches", "spmix")
    assert (table2.recipe, released.methods) == (spmix.PAPER.recipe, ("spmix-released",))
    assert (released.data, released.recipe.images // 64 / 147) == (ISIC2018(Balanced(46, 40, seed=0)), 500)


def test_the_short_form_and_the_one_on_real_images():
    short, real = spmix.SHORT, spmix.ISIC
    assert (short.data, short.recipe.backbone.name, short.recipe.backbone.weights) == (
        Synthetic(),
        "tiny_hybrid",
        "none",
    )
    assert (short.recipe.images, short.recipe.views.size, short.recipe.optimiser.learning_rate) == (6400, 64, 1e-3)
    assert (real.recipe.backbone.name, real.recipe.backbone.weights) == ("tf_efficientnet_lite0", "package")
    assert (real.recipe.views.size, real.recipe.images, real.test) == (96, 64_000, False)
    assert real.data == ISIC2018(Balanced(20, 40, seed=0))


@pytest.mark.parametrize("form", ["short", "isic2018", "isic2018-short", "paper", "paper-resnet50"])
def test_every_row_of_every_form_fits_its_network(form, tmp_path):
    study = spmix.FORMS[form][1]
    study = replace(study, out=tmp_path, device="cpu")
    runs = plan(study, spmix.ROWS_OF[form])
    refuse(study, runs, processes=1)
    assert set(study.methods) <= {run.name for run in runs}


COUNTS = (20, 12, 9, 6, 5, 4, 3)
SMALL = ["--recipe.views.size", "32", "--recipe.frame.size", "32", "--recipe.batch-size", "8", "--recipe.images", "16"]
SMALL += ["--data.counts", *map(str, COUNTS), "--data.validation-per-class", "2", "--data.test-per-class", "2"]


@pytest.fixture
def _alone() -> Iterator[None]:
    """What accelerate keeps in a process is forgotten before and after the test."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.usefixtures("_alone")
def test_the_command_trains_and_reports(tmp_path, monkeypatch, capsys):
    words = ["spmix.py", *SMALL, "--methods", "ce", "spmix", "--device", "cpu", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    spmix.run(spmix.__doc__, spmix.ROWS, spmix.FORMS, rows_of=spmix.ROWS_OF)
    printed = capsys.readouterr().out
    assert "| test, % | seeds | balanced accuracy |" in printed
    assert "| minus ce |" in printed
    assert json.loads((tmp_path / "report.json").read_text())["side"] == "test"
    config = json.loads((tmp_path / "spmix" / "seed-0" / "config.json").read_text())
    assert config["method"]["queue"] == 512  # the short form's row


SHARE = 0.5  # long enough for a stop in the middle of a second stage
STOPPED = {
    **{name: spmix.ROWS[name] for name in ("reslt", "bcl", "paco", "spmix", "spmix-released")},
    "mislas": replace(spmix.ROWS["mislas"], share=SHARE),
    "crt": Retraining(share=SHARE),
    "lws": WeightScaling(share=SHARE),
    "tau": TauNormalisation(),
    "post-hoc": PostHocAdjustment(),
    "inside": Inside(mix=PatchSwap(Paper(8)), layer="patch_embed"),
    "ce": Supervised(),
}


@pytest.mark.usefixtures("_alone")
def test_each_method_stopped_in_the_middle_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    recipe = replace(spmix.SHORT.recipe, views=ViewSettings(32), frame=Squash(32), batch_size=8, images=48)
    data = Synthetic(counts=COUNTS, validation_per_class=0, test_per_class=2)
    study = replace(spmix.SHORT, data=data, recipe=recipe, methods=(), device="cpu", checkpoint_every=1)
    took, step = [], Training._step
    stopped: set[Path] = set()

    def stops_once(self: Training, number: int) -> torch.Tensor:
        took.append(self.folder.path.parent.name)
        if number == self.plan.steps // 2 and self.folder.path not in stopped:
            stopped.add(self.folder.path)
            raise KeyboardInterrupt
        return step(self, number)

    for run in plan(replace(study, out=tmp_path / "whole"), STOPPED):
        run.folder.open()
        train(study, run)
    monkeypatch.setattr(Training, "_step", stops_once)
    for run in plan(replace(study, out=tmp_path / "stopped"), STOPPED):
        run.folder.open()
        if run.method.share:
            with pytest.raises(KeyboardInterrupt):
                train(study, run)
        train(study, run)
        whole, resumed = (
            torch.load(tmp_path / name / run.name / "seed-0" / "last.pt", weights_only=True)
            for name in ("whole", "stopped")
        )
        steps = {1.0: 6, SHARE: 3, 0.0: 0}[run.method.share]
        assert len(whole["progress"]["losses"]) == steps
        assert took.count(run.name) == steps + (steps > 0)  # it went on, and not from the beginning
        assert whole["progress"]["losses"] == resumed["progress"]["losses"]
        assert whole["learner"].keys() == resumed["learner"].keys()
        assert all(torch.equal(value, resumed["learner"][name]) for name, value in whole["learner"].items())
    first, taken = (torch.load(tmp_path / "whole" / n / "seed-0" / "last.pt", weights_only=True) for n in ("ce", "tau"))
    assert all(torch.equal(value, taken["learner"][name]) for name, value in first["learner"].items())
