"""CARE's report against loops."""

import pytest
import torch

from longtail_mix.data import synthetic_dermoscopy
from reproduction.data.task import Images
from reproduction.methods.care import attention_means
from reproduction.reports.care import panel, summarise, tables
from reproduction.training.judging import Judged

MADE = synthetic_dermoscopy([12, 8, 6], 32, seed=1)
SIDE = Images(MADE.images, MADE.labels, tuple(f"lesion {i // 2}" for i in range(26)), MADE.masks)
FACTS = {"training_images": (20, 4, 8), "classes": ("a", "b", "c")}  # the rarest is b


def judged(name: str, seed: int, strength: float, shift: float) -> Judged:
    generator = torch.Generator().manual_seed(seed)
    logits = strength * torch.eye(3)[SIDE.labels] + torch.randn(26, 3, generator=generator)
    noise = torch.rand(26, 1, 8, 8, generator=generator)
    inside = torch.nn.functional.interpolate(SIDE.masks.float(), (8, 8), mode="bilinear")
    return Judged(name, seed, {"logits": logits, "cam": (1 - shift) * noise + shift * inside}, SIDE, FACTS)


ALL = [judged(name, seed, *v) for seed in (0, 1) for name, v in {"plain": (0.5, 0.1), "care": (3.0, 0.7)}.items()]


def test_the_means_are_what_loops_say():
    care = summarise(ALL, {"care": "plain"})["care"]
    own = [one for one in ALL if one.name == "care"]
    recalls, attention = [], []
    for one in own:
        right = one.logits.argmax(1) == SIDE.labels
        recalls.append([right[SIDE.labels == c].double().mean().item() for c in range(3)])
        attention.append(attention_means(one.told["cam"], SIDE.masks))
    assert care["rarest_recall"]["mean"] == pytest.approx(50 * (recalls[0][1] + recalls[1][1]))
    assert care["mca"]["mean"] == pytest.approx(100 * sum(map(sum, recalls)) / 6)
    for c, label in enumerate("abc"):
        assert care["recall"][label]["mean"] == pytest.approx(50 * (recalls[0][c] + recalls[1][c]))
        low, high = care["recall"][label]["interval"]
        assert low <= care["recall"][label]["mean"] <= high
    assert care["recall"]["b"]["interval"] == care["rarest_recall"]["interval"]
    rare = SIDE.labels == 1
    for at, name in enumerate(("inside", "outside")):
        assert care[name]["mean"] == pytest.approx(50 * sum(a[:, at].mean().item() for a in attention))
        assert care[f"{name}_rarest"]["mean"] == pytest.approx(50 * sum(a[rare, at].mean().item() for a in attention))
        low, high = care[name]["interval"]
        assert low < care[name]["mean"] < high
    areas = []
    for one in own:
        for c in range(3):
            positive, negative = (one.logits.double().softmax(1)[m, c] for m in (SIDE.labels == c, SIDE.labels != c))
            areas.append((positive[:, None] > negative).double().mean().item())
    assert care["auc"] == pytest.approx(sum(areas) / 6)


def test_differences_are_paired_and_named():
    summary = summarise(ALL, {"care": "plain"})
    care = summary["care"]
    assert care["against"] == "plain"
    for name in ("mca", "inside"):
        assert care["difference"][name]["mean"] == pytest.approx(care[name]["mean"] - summary["plain"][name]["mean"])
    assert care["difference"]["inside"]["interval"][0] > 10
    assert "difference" not in summary["plain"]
    itself = summarise(ALL, {"care": "care"})["care"]["difference"]
    assert all(value == {"mean": 0, "interval": [0, 0]} for value in itself.values())


def test_tables_and_panel():
    summary = summarise(ALL, {"care": "plain"})
    text = tables(summary)
    assert f"| care | {summary['care']['rarest_recall']['mean']:.1f} [" in text
    recalls = [summary["care"]["recall"][label]["mean"] for label in "abc"]
    assert text.count("| recall, % | a | b | c |") == 1
    assert "| care | " + " | ".join(f"{mean:.1f} [" for mean in recalls[:1]) in text.split("recall, %")[1]
    assert "| difference | from | recall of the rarest |" in text
    figure = panel(ALL[:2], FACTS["classes"], count=2)
    assert len(figure.axes) >= 6


def test_without_masks_nothing_is_said_of_where_it_looks():
    bare = [Judged(o.name, o.seed, o.told, Images(SIDE.images, SIDE.labels, SIDE.groups), FACTS) for o in ALL[:2]]
    assert summarise(bare, {})["care"]["inside"]["mean"] != summarise(bare, {})["care"]["inside"]["mean"]  # NaN
