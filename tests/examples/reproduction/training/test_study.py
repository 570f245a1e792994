"""Plans, what is refused, what is trained again and what not, and who looks at the test side when."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

from reproduction.criteria.losses import BalancedSoftmax
from reproduction.data.frames import Squash
from reproduction.data.synthetic import Synthetic
from reproduction.data.task import Frame, Images, Source, Task
from reproduction.methods.learner import Method, Setting
from reproduction.methods.post_hoc import PostHocAdjustment
from reproduction.methods.supervised import Supervised, SupervisedLearner
from reproduction.mixes.mixup import MixUp
from reproduction.mixes.patch_swap import PatchSwap
from reproduction.mixes.ratios import Paper
from reproduction.networks.network import Backbone
from reproduction.training import run_study as running
from reproduction.training.loop import Training
from reproduction.training.optimisers import AdamW
from reproduction.training.recipe import Recipe
from reproduction.training.run_study import run_study, waves
from reproduction.training.study import Study, plan
from reproduction.training.views import ViewSettings

RECIPE = Recipe(
    Backbone("test_resnet", "none"), Squash(32), ViewSettings(32), images=40, batch_size=8, optimiser=AdamW(1e-3)
)
DATA = Synthetic(counts=(9, 6, 4), test_per_class=2, validation_per_class=2)
ROWS: dict[str, Method] = {
    "ce": Supervised(),
    "mixup": Supervised(mix=MixUp()),
    "post-hoc": PostHocAdjustment(Supervised()),
    "post-hoc+bs": PostHocAdjustment(Supervised(criterion=BalancedSoftmax())),
}


class GoesOn(SupervisedLearner):
    def start_from(self, state: dict) -> None:
        self.load_state_dict(state)


@dataclass(frozen=True)
class Longer(Supervised):
    """The same again, from the weights of any method before."""

    first: Method = field(default_factory=Supervised)

    def build(self, setting: Setting) -> GoesOn:
        return GoesOn(self.network(setting), self, setting)


# Each starts from the weights of the one before.
CHAIN: dict[str, Method] = {"ce": Supervised()}
for name, before in (("longer", "ce"), ("longer-still", "longer"), ("longest", "longer-still")):
    CHAIN[name] = Longer(first=CHAIN[before])


@pytest.fixture(autouse=True)
def accelerators() -> Iterator[None]:
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(DATA, RECIPE, ("ce",), out=tmp_path / "out", device="cpu")


def never() -> Images:
    pytest.fail("the test side was read")


@dataclass(frozen=True)
class Closed(Source):
    """Its test side may not be read; and it may not be read at all where `shut`."""

    shut: bool = False

    def task(self, frame: Frame, seed: int) -> Task:
        if self.shut:
            pytest.fail("the data were read")
        return replace(DATA.task(frame, seed), load_test=never)


def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what is trained from now on."""
    names: list[str] = []
    train: Callable = running.train
    monkeypatch.setattr(running, "train", lambda study, run: (names.append(run.name), train(study, run)))
    return names


def test_whoever_starts_from_another_comes_after_it_and_shares_it(study):
    names = ("post-hoc", "ce", "post-hoc+bs", "post-hoc")
    planned = plan(replace(study, methods=names, seeds=(0, 1, 0)), ROWS)
    assert [(run.name, run.seed) for run in planned] == [
        (name, seed) for seed in (0, 1) for name in ("ce", "post-hoc", "post-hoc+bs-first", "post-hoc+bs")
    ]
    ce, post_hoc, first, last = planned[:4]
    assert post_hoc.first == ce.folder.path == study.out / "ce" / "seed-0"
    assert last.first == first.folder.path
    assert (ce.first, first.first) == (None, None)
    assert [run.name for run in plan(replace(study, methods=()), ROWS)][-1] == "post-hoc+bs"


def test_a_training_leaves_its_results_and_judges_the_validation_side(study):
    (judged,) = run_study(replace(study, data=Closed()), ROWS)
    assert (judged.name, judged.seed) == ("ce", 0)
    assert judged.logits.shape == (6, 3)
    assert judged.side.labels.bincount().tolist() == [2, 2, 2]
    folder = study.out / "ce" / "seed-0"
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "environment.json", "history.jsonl", "metrics.json"),
        *("last.pt", "best.pt", "validation.pt", "lock"),
    }
    facts = judged.facts
    assert (facts["steps"], len(facts["losses"]), facts["processes"]) == (5, 5, 1)
    assert facts["training_images"] == [9, 6, 4]
    assert [step for step, _ in facts["validation"]] == [2, 4, 5]
    assert facts["config"]["method"]["is"] == "Supervised"
    assert facts["environment"]["command"].startswith("python ")


def test_the_test_side_is_read_for_the_test_alone_and_last(study):
    with pytest.raises(pytest.fail.Exception, match="the test side was read"):
        run_study(replace(study, data=Closed(), test=True), ROWS)
    assert (study.out / "ce" / "seed-0" / "metrics.json").exists()  # all was trained by then


def test_a_study_without_a_validation_part_says_so(study):
    with pytest.raises(ValueError, match="data.split: expected one with a validation part, or --test, got neither"):
        run_study(replace(study, data=replace(DATA, validation_per_class=0)), ROWS)


def test_the_same_command_trains_what_is_missing_and_nothing_else(study, monkeypatch):
    whole = run_study(replace(study, methods=("ce", "mixup"), test=True), ROWS)
    assert all(one.logits.shape == (6, 3) for one in whole)
    names = trained(monkeypatch)
    more = run_study(replace(study, methods=("ce", "mixup", "post-hoc"), test=True), ROWS)
    assert names == ["post-hoc"]
    for one, again in zip(whole, more, strict=False):
        assert torch.equal(one.logits, again.logits)
    starts = json.loads((study.out / "ce" / "seed-0" / "environment.json").read_text())
    assert len(starts) == 1


def test_post_hoc_takes_the_weights_as_they_are(study):
    run_study(replace(study, methods=("ce", "post-hoc")), ROWS)
    ce, post_hoc = (
        torch.load(study.out / name / "seed-0" / "last.pt", weights_only=True)["learner"] for name in ("ce", "post-hoc")
    )
    best = torch.load(study.out / "ce" / "seed-0" / "best.pt", weights_only=True)["learner"]
    shared = [name for name in post_hoc if name in ce]
    assert shared
    assert all(torch.equal(post_hoc[name], best[name]) for name in shared)  # of the best validation


def test_starting_over_gives_the_same_again(study):
    (first,) = run_study(study, ROWS)
    folder = study.out / "ce" / "seed-0"
    torch.save({"logits": torch.zeros(1)}, folder / "validation-skin-0.pt")
    (again,) = run_study(replace(study, fresh=True), ROWS)
    assert torch.equal(first.logits, again.logits)
    assert len(json.loads((folder / "environment.json").read_text())) == 1
    assert not (folder / "validation-skin-0.pt").exists()  # what was judged of other weights


def test_a_report_of_what_is_there_trains_nothing(study):
    partly = replace(study, methods=("mixup", "ce"), seeds=(0, 1), report_only=True)
    with pytest.raises(ValueError, match="report_only: expected trainings of this study that ended in .*, got none"):
        run_study(partly, ROWS)
    (mixup,) = run_study(replace(study, methods=("mixup",), seeds=(1,)), ROWS)
    run_study(study, ROWS)
    judged = run_study(partly, ROWS)
    assert [(one.name, one.seed) for one in judged] == [("ce", 0), ("mixup", 1)]
    assert torch.equal(judged[1].logits, mixup.logits)
    assert {path.name for path in study.out.iterdir()} == {"ce", "mixup"}
    assert not (study.out / "mixup" / "seed-0").exists()


def test_a_training_that_was_stopped_goes_on(study, monkeypatch):
    (whole,) = run_study(replace(study, out=study.out / "whole"), ROWS)
    step = Training._step

    def stopped(self, number):
        if number == 3:
            raise KeyboardInterrupt
        return step(self, number)

    monkeypatch.setattr(Training, "_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_study(study, ROWS)
    monkeypatch.setattr(Training, "_step", step)
    (again,) = run_study(study, ROWS)
    assert torch.equal(whole.logits, again.logits)
    assert again.facts["losses"] == whole.facts["losses"]
    assert len(json.loads((study.out / "ce" / "seed-0" / "environment.json").read_text())) == 2


def test_side_by_side_is_one_after_the_other(study):
    names = ("longer-still", "ce")
    together = run_study(replace(study, methods=names, jobs=2, out=study.out / "together"), CHAIN)
    alone = run_study(replace(study, methods=names), CHAIN)
    for one, other in zip(together, alone, strict=True):
        assert one.name == other.name
        assert torch.equal(one.logits, other.logits)


def test_a_wave_starts_from_the_waves_before_it(study):
    found = waves(plan(replace(study, methods=("longest", "mixup", "longer"), seeds=(0, 1)), ROWS | CHAIN))
    assert [[(run.name, run.seed) for run in wave] for wave in found] == [
        [("ce", 0), ("mixup", 0), ("ce", 1), ("mixup", 1)],
        [("longer", 0), ("longer", 1)],
        [("longer-still", 0), ("longer-still", 1)],
        [("longest", 0), ("longest", 1)],
    ]
    assert waves([]) == []


def test_lower_precision_is_near(study):
    (full,) = run_study(study, ROWS)
    AcceleratorState._reset_state(reset_partial_state=True)
    lower = replace(study, out=study.out / "bf16", recipe=replace(RECIPE, precision="bf16"))
    (low,) = run_study(lower, ROWS)
    assert low.facts["losses"] != full.facts["losses"]
    assert low.facts["losses"][0] == pytest.approx(full.facts["losses"][0], rel=0.02)


def test_a_tracker_is_told(study):
    run_study(replace(study, tracker="tensorboard"), ROWS)
    assert list((study.out / "ce" / "seed-0" / "logs").rglob("events.*"))


REFUSED = [
    ({"methods": ("ce", "bce", "lsm")}, "methods: expected some of ce, mixup, post-hoc, .*, got bce, lsm"),
    ({"seeds": ()}, "seeds: expected one or more, got none"),
    ({"jobs": 0}, "jobs: expected 1 or more, got 0"),
    ({"checkpoint_every": 0}, "checkpoint_every: expected 1 or more, got 0"),
    ({"tracker": "paper"}, "tracker: expected an installed one of .*tensorboard.*, got 'paper'"),
    ({"recipe": replace(RECIPE, images=7)}, "images: expected at least a batch, 8, got 7"),
    ({"recipe": replace(RECIPE, precision="fp16")}, "precision: expected no or bf16 on a CPU, got 'fp16'"),
    ({"recipe": replace(RECIPE, backbone=Backbone("resnet51"))}, "backbone: expected tiny_hybrid, .*'resnet51'"),
    ({"methods": ("patches",)}, "patch_size: expected a divisor of the views' 32, got 5"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_what_cannot_work_is_refused_before_any_data_is_read(change, message, study):
    rows = ROWS | ({"patches": Supervised(mix=PatchSwap(Paper(5)))} if change.get("methods") == ("patches",) else {})
    with pytest.raises(ValueError, match=message):
        run_study(replace(study, data=Closed(shut=True), **change), rows)
    assert not study.out.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_is_refused(study):
    with pytest.raises(ValueError, match="device: expected cpu, as PyTorch sees no CUDA device, got cuda"):
        run_study(replace(study, device="cuda"), ROWS)


def test_a_folder_of_another_training_is_refused_and_left_alone(study):
    run_study(study, ROWS)
    before = {path: path.read_bytes() for path in (study.out / "ce" / "seed-0").iterdir() if path.name != "lock"}
    for change, message in (
        (
            {"recipe": replace(RECIPE, views=ViewSettings(24))},
            "expected this training, got another: recipe .*'size': 32",
        ),
        ({"data": replace(DATA, seed=5)}, "expected this training, got another: data .*"),
    ):
        with pytest.raises(ValueError, match=message):
            run_study(replace(study, **change), ROWS)
    with pytest.raises(ValueError, match="ce/seed-0: expected this training, got another: method .*MixUp"):
        run_study(study, {"ce": ROWS["mixup"]})  # another program's method of that name
    with pytest.raises(ValueError, match="seed-0: expected this training with another seed, got another: method"):
        run_study(replace(study, seeds=(1,)), {"ce": ROWS["mixup"]})
    for path, content in before.items():
        assert path.read_bytes() == content


def test_a_folder_of_something_else_is_refused(study):
    (study.out / "ce" / "seed-0").mkdir(parents=True)
    (study.out / "ce" / "seed-0" / "thesis.tex").touch()
    for fresh in (False, True):
        with pytest.raises(ValueError, match="expected an empty folder or a training's, got one without config.json"):
            run_study(replace(study, data=Closed(shut=True), fresh=fresh), ROWS)
