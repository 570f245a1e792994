"""The CARE example as a user starts it, very short; its parts against loops; going on after a stop."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from accelerate.state import AcceleratorState
from care_report import by_seed, resampled, resampled_means, summarise, table
from care_training import (
    Attention,
    Classifier,
    Guide,
    Outcome,
    Settings,
    Trainer,
    augmentation,
    draw_rows,
    judge,
    maps_of,
    objective_of,
)
from images import Images, Task, isic2018_task
from torch import nn

from longtail_mix.data import stratified_split, synthetic_dermoscopy
from longtail_mix.functional import care_attention_loss

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_care.py"
SETTINGS = Settings("test_resnet", 8, False, 32, 4, 3, 8, 2e-3, 5e-4, 0.05, "no")
ATTENTION = Attention(0.5, 0.7, 1.0)


def small_task() -> Task:
    sides = (synthetic_dermoscopy([20, 8, 4], 32, seed, background_cue=0.9) for seed in (0, 1))
    return Task("small", ("a", "b", "c"), *(Images(s.images, s.labels, s.lesions, s.masks) for s in sides))


def guide(task: Task) -> Guide:
    assert task.train.masks is not None
    return Guide(task.train.masks, task.train.labels == 2)


def test_runs_from_the_command_line_and_leaves_its_results(tmp_path):
    command = [sys.executable, str(EXAMPLE), "--steps", "3", "--finetune-steps", "2", "--size", "32", "--device", "cpu"]
    command += ["--batch-size", "8", "--bases", "csl", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "30 masks" in done.stdout
    assert "| cost-sensitive + CARE |" in done.stdout
    assert "3/3" in done.stderr  # a progress bar
    report = json.loads((tmp_path / "metrics.json").read_text())
    assert list(report["metrics"]) == [
        "cost-sensitive, first stage",
        "cost-sensitive, continued",
        "cost-sensitive + CARE",
    ]
    assert report["masks"] == 30
    assert (tmp_path / "attention.png").read_bytes().startswith(b"\x89PNG")


def test_a_stopped_training_ends_as_one_that_was_not_stopped(tmp_path):
    task = small_task()
    ends = []
    for stops in (False, True):
        trainer = Trainer(task, SETTINGS, tmp_path / str(stops), checkpoint_every=2)
        first = trainer.first_stage("plain", nn.CrossEntropyLoss(), strong=False, seed=0)
        if stops:
            folder = tmp_path / "True" / "care_seed0"
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("care_training.grad_cam", stop_at(3))
                with pytest.raises(KeyboardInterrupt):
                    trainer.second_stage("care", first, nn.CrossEntropyLoss(), False, ATTENTION, guide(task))
            assert (folder / "checkpoint").exists()
            assert not (folder / "finished.pt").exists()
            torch.manual_seed(77)  # nothing but the checkpoint says what comes next
        ends.append(trainer.second_stage("care", first, nn.CrossEntropyLoss(), False, ATTENTION, guide(task)))
    assert ends[0].losses == ends[1].losses
    assert len(ends[0].losses) == 3
    torch.testing.assert_close(ends[0].logits, ends[1].logits)
    again = Trainer(task, SETTINGS, tmp_path / "True", 2).first_stage("plain", nn.CrossEntropyLoss(), False, 0)
    torch.testing.assert_close(again.logits, first.logits)  # finished, so not done again
    other = Attention(0.5, 0.2, 1.0)
    with pytest.raises(ValueError, match="was made with other options; choose another --out or remove it"):
        trainer.second_stage("care", first, nn.CrossEntropyLoss(), False, other, guide(task))


def stop_at(call: int):
    from longtail_mix.functional import grad_cam

    calls = []

    def stopping(*args, **options):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return grad_cam(*args, **options)

    return stopping


def test_the_second_stage_draws_the_maps_onto_the_lesions(tmp_path):
    """With the attention loss alone and every mask given, a few steps must do it."""
    task = small_task()
    settings = Settings("test_resnet", 8, False, 32, 4, 40, 16, 2e-3, 3e-3, 0.0, "no")
    trainer = Trainer(task, settings, tmp_path, checkpoint_every=1000)
    first = trainer.first_stage("plain", nn.CrossEntropyLoss(), False, 0)
    every = Guide(task.train.masks, torch.ones(32, dtype=torch.bool))
    after = trainer.second_stage("care", first, nn.CrossEntropyLoss(), False, Attention(1.0, 1.0, 1.0), every)
    assert sum(after.losses[-5:]) < sum(after.losses[:5]) - 0.5
    contrast = [(a[:, 0] - a[:, 1]).mean() for a in (first.attention, after.attention)]
    assert contrast[1] > contrast[0] + 0.1


def test_mixed_precision_trains_the_same_objective(tmp_path, monkeypatch):
    monkeypatch.setattr(AcceleratorState, "_shared_state", {})  # one precision for the whole process, else
    task = small_task()
    settings = Settings("test_resnet", 8, False, 32, 2, 2, 8, 2e-3, 5e-4, 0.05, "bf16")
    trainer = Trainer(task, settings, tmp_path, checkpoint_every=1000)
    first = trainer.first_stage("plain", nn.CrossEntropyLoss(), True, 0)
    after = trainer.second_stage("care", first, nn.CrossEntropyLoss(), True, ATTENTION, guide(task))
    assert torch.tensor(after.losses).isfinite().all()


def test_judging_equals_a_loop():
    task = small_task()
    torch.manual_seed(0)
    network = Classifier(SETTINGS, 3)
    logits, attention = judge(network, task.test, 7)
    for i in (0, 9, 31):
        scores, cam = maps_of(network, task.test.images[i : i + 1], task.test.labels[i : i + 1])
        torch.testing.assert_close(scores[0], logits[i], atol=1e-4, rtol=1e-4)
        full = F.interpolate(cam, (32, 32), mode="bilinear")[0, 0]
        mask = task.test.masks[i, 0]
        torch.testing.assert_close(
            attention[i], torch.stack([full[mask].mean(), full[~mask].mean()]), atol=1e-4, rtol=0
        )
    assert judge(network, Images(*vars(task.test).values()).to(torch.device("cpu")), 32)[0].shape == (32, 3)
    without = Images(task.test.images, task.test.labels, task.test.lesions)
    assert judge(network, without, 32)[1].isnan().all()


def test_rows_and_objective():
    torch.manual_seed(0)
    rows = draw_rows(10, 7, 3)
    assert rows.shape == (7, 3)
    assert rows.flatten()[:10].sort().values.tolist() == list(range(10))
    logits, labels = torch.randn(2, 3), torch.tensor([0, 2])
    cam, mask = torch.rand(2, 1, 4, 4), torch.rand(2, 1, 8, 8) > 0.5
    expected = 0.2 * F.cross_entropy(logits, labels) + 0.8 * care_attention_loss(cam, mask, None, 0.4, 1.3)
    objective = objective_of(nn.CrossEntropyLoss(), Attention(0.8, 0.4, 1.3))
    torch.testing.assert_close(objective(logits, labels, cam, mask), expected)


@pytest.mark.parametrize("strong", [False, True])
def test_masks_follow_their_images(strong):
    torch.manual_seed(0)
    mask = torch.zeros(8, 1, 32, 32)
    mask[:, :, 8:20, 5:28] = 1.0
    augment = augmentation(32, strong)
    images, masks = augment(0.2 + 0.6 * mask.expand(-1, 3, -1, -1), mask)
    inside, outside = images.mean(1, keepdim=True)[masks > 0.5], images.mean(1, keepdim=True)[masks < 0.5]
    assert inside.mean() > outside.mean() + 0.3
    assert not torch.equal(masks, mask)


def outcome(method: str, seed: int, strength: float, inside: float, task: Task) -> Outcome:
    generator = torch.Generator().manual_seed(seed)
    labels = task.test.labels
    logits = strength * torch.eye(3)[labels] + torch.randn(len(labels), 3, generator=generator)
    attention = torch.rand(len(labels), 2, generator=generator) * 0.2 + torch.tensor([inside, 0.3])
    return Outcome(method, seed, [1.0], logits, attention, {})


def test_the_report_is_what_loops_say():
    task = small_task()
    outcomes = [outcome(m, s, *v, task) for s in (0, 1) for m, v in {"plain": (0.5, 0.3), "care": (3.0, 0.6)}.items()]
    summary = summarise(outcomes, task, {"care": "plain"})
    own = [o for o in outcomes if o.method == "care"]
    of_seeds = by_seed(own, task)
    rarest = task.test.labels == 2
    for i, o in enumerate(own):
        hits = o.logits.argmax(1) == task.test.labels
        recalls = [hits[task.test.labels == c].double().mean() for c in range(3)]
        assert of_seeds["rarest_recall"][i] == pytest.approx(recalls[2])
        assert of_seeds["mca"][i] == pytest.approx(sum(recalls) / 3)
        assert of_seeds["inside"][i] == pytest.approx(o.attention[:, 0].double().mean())
        assert of_seeds["outside_rarest"][i] == pytest.approx(o.attention[rarest, 1].double().mean())
        areas = []
        for c in range(3):
            positive, negative = (o.logits.softmax(1)[m, c] for m in (task.test.labels == c, task.test.labels != c))
            areas.append((positive[:, None] > negative).double().mean())
        assert of_seeds["auc"][i] == pytest.approx(sum(areas) / 3)
    care = summary["care"]
    assert care["inside"]["mean"] == pytest.approx(100 * of_seeds["inside"].mean())
    assert care["inside"]["interval"][0] < care["inside"]["mean"] < care["inside"]["interval"][1]
    assert care["inside"]["difference_interval"][0] > 20
    assert care["mca"]["difference"] == pytest.approx(care["mca"]["mean"] - summary["plain"]["mca"]["mean"])
    assert "difference" not in summary["plain"]["mca"]
    assert summarise(outcomes, task, {"care": "care"})["care"]["mca"]["difference_interval"] == (0, 0)
    text = table(summary, task)
    assert f"| care | {care['rarest_recall']['mean']:.1f} [" in text
    assert "| difference | recall of the rarest |" in text
    assert resampled(own, task)["inside"].shape == (1000,)


def test_resampled_means_equal_a_loop():
    values = torch.tensor([[1.0, 2.0, 6.0, torch.nan], [3.0, 4.0, 8.0, torch.nan]])
    draws = resampled_means(values.double(), ["x", "x", "y", "z"], replicates=200)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(3, (200, 3), generator=generator)
    seeds = torch.randint(2, (200, 2), generator=generator)
    of_lesion = {0: [0, 1], 1: [2], 2: []}
    for r in range(200):
        images = [i for lesion in drawn[r].tolist() for i in of_lesion[lesion]]
        if images:
            means = [sum(values[s, i].item() for i in images) / len(images) for s in seeds[r].tolist()]
            assert draws[r].item() == pytest.approx(sum(means) / 2)


def test_real_images_with_their_masks(isic2018_root, tmp_path):
    task = isic2018_task(32, 0, stratified_split, isic2018_root, tmp_path, with_masks=True)
    assert task.train.masks.shape == (8012, 1, 32, 32)
    assert 0.1 < task.train.masks.float().mean() < 0.5
