"""The page in a real browser: what it shows at first, and after a choice is switched."""

import json
import re
from base64 import b64decode

import pytest
import torch

from longtail_mix import SPMix, mixing
from longtail_mix.__main__ import main
from longtail_mix.data import read_folder
from longtail_mix.preview.choices import ALPHAS, DETECTORS, RECIPES, patches_for, snippet
from longtail_mix.preview.look import look_at
from tests.chromium import PROGRAM, WHY_NOT, Browser

SIZE = 64


@pytest.fixture(scope="module")
def page(same_folder):
    out = same_folder.parent / "page.html"
    command = [
        "preview",
        str(same_folder),
        "--out",
        str(out),
        "--size",
        str(SIZE),
        "--pair",
        "tail/00.png",
        "head/03.png",
    ]
    assert main(command) == 0
    return out


def content_of(page):
    text = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="content">(.*?)</script>', text, re.DOTALL)[1])


@pytest.mark.skipif(PROGRAM is None, reason=WHY_NOT)
def test_a_browser_shows_the_page_and_switches_a_choice(page, tmp_path):
    with Browser(tmp_path / "profile") as browser:
        browser.open(page.as_uri())
        browser.wait_for("document.body.dataset.shown")
        assert browser.run("document.body.dataset.shown") == "0-0-2-1"
        assert browser.run("document.querySelector('#findings li').firstChild.textContent") == (
            "1 class has fewer than 10 images to train on"
        )
        assert browser.run("[...document.querySelectorAll('#classes td')].map(c => c.textContent)") == [
            *("head", "24", "many", ""),
            *("tail", "3", "few", ""),
        ]
        before = browser.run("document.getElementById('mix-0').toDataURL()")

        for choice, value in (("detector", 3), ("recipe", 2), ("alpha", 3), ("patch", 0)):
            browser.run(f"document.getElementById('{choice}').value = {value}")
            browser.run(f"document.getElementById('{choice}').dispatchEvent(new Event('input', {{bubbles: true}}))")
        assert browser.run("document.body.dataset.shown") == "3-2-3-0"
        assert browser.run("document.getElementById('alpha-value').textContent") == "1"
        code = browser.run("document.getElementById('snippet').textContent")
        assert "SkinContrastSaliency(mean, std)" in code
        assert "FidelityRatio(patch_size=8, alpha=1.0)" in code
        assert browser.run("document.getElementById('mix-0').toDataURL()") != before

        # What the page mixes is what the library mixes, but for the rounding of images and ratio to bytes.
        pixels = "Array.from(document.getElementById('mix-0').getContext('2d').getImageData(0, 0, 64, 64).data)"
        shown = torch.tensor(browser.run(pixels)).view(SIZE, SIZE, 4)[..., :3].permute(2, 0, 1)
        sources = "[...document.querySelectorAll('#pairs img')].slice(0, 2)"
        tail, head = (
            torch.tensor(browser.run(f"Array.from(pixels({sources}[{i}]))")).view(SIZE, SIZE, 4) for i in (0, 1)
        )
        ratio = torch.frombuffer(
            bytearray(b64decode(content_of(page)["pairs"][0]["ratios"]["3-2-3-0"])), dtype=torch.uint8
        )
        images = [image[..., :3].permute(2, 0, 1)[None].float() for image in (tail, head)]
        mixed = SPMix().mix(*images, ratio.view(1, 1, 8, 8) / 255)
        assert (shown - mixed[0]).abs().max() <= 1
        for width in (1280, 390):
            browser.resize(width, 900)
            assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.errors == []


def test_the_ratios_are_those_of_the_recipes(same_folder, page):
    data = read_folder(same_folder)
    looks, _ = look_at(data, [24, 3], SIZE, progress=False)
    tail, head = (DETECTORS[3].module(look.pixels[None]) for look in looks)
    ratios = content_of(page)["pairs"][0]["ratios"]
    for r, (_, recipe) in enumerate(RECIPES):
        expected = recipe(16, 0.5)(tail, head, torch.Generator().manual_seed(0))
        shown = torch.frombuffer(bytearray(b64decode(ratios[f"3-{r}-0-1"])), dtype=torch.uint8)
        assert (shown / 255 - expected.flatten()).abs().max() <= 0.5 / 255 + 1e-6
    assert len(ratios) == len(DETECTORS) * len(RECIPES) * len(ALPHAS) * len(patches_for(SIZE))


def test_every_mix_is_shown_with_its_label(page):
    pair = content_of(page)["pairs"][0]
    labels = {mix["name"]: mix["label"] for mix in pair["unguided"]}
    assert labels["MixUp()"] == "60 % tail, 40 % head"
    assert labels["Remix(class_counts)"] == "100 % tail"
    assert labels["UniMix(class_counts)"] == "89 % tail, 11 % head"  # 24 / 27
    assert labels["CMO()"].startswith("6")
    by_detector = [{mix["name"]: mix["src"] for mix in of} for of in pair["guided"]]
    assert len(by_detector) == len(DETECTORS)
    assert by_detector[0]["OtherSkin()"] != by_detector[3]["OtherSkin()"]
    shown = {name.split("(")[0] for name in (*labels, *by_detector[0])}
    mixes = {name for name in mixing.__all__ if is_a_mix(getattr(mixing, name))}
    assert shown == (mixes - {"BalancedMixUp"}) | {"CMO"}, "which is mixup with other shares"


def is_a_mix(value):
    """A class that mixes two images by itself: no base, and no mix of mixes."""
    return (
        isinstance(value, type)
        and issubclass(value, mixing.Mix)
        and value not in (mixing.Mix, mixing.KeepLabels, mixing.OneOf, mixing.Scheduled, mixing.Sometimes)
    )


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.name)
def test_every_snippet_makes_what_the_page_showed(detector):
    images, labels = torch.rand(4, 3, 56, 56), torch.tensor([0, 0, 1, 2])
    for _, recipe in RECIPES:
        for patch in patches_for(56):
            names = {"mean": None, "std": None, "device": "cpu", "loader": [(images, labels)]}
            exec(snippet(detector, recipe, 0.65, patch, [50, 9, 3]), names)
            spmix = names["spmix"]
            assert repr(spmix.saliency) == repr(detector.module)
            assert repr(spmix.recipe) == repr(recipe(patch, 0.65))
            assert names["images"].shape == images.shape
        mixed, target = names["other_skin"](images, labels)
        assert mixed.shape == images.shape
        assert target.lam.tolist() == [1, 1, 1, 1]
        assert names["other_skin"].mix.mix.saliency is spmix.saliency


def test_names_of_files_cannot_end_the_script(folder, tmp_path):
    (folder / "tail" / "00.png").rename(folder / "tail" / "<script>.png")
    out = tmp_path / "page.html"
    arguments = [
        "preview",
        str(folder),
        "--out",
        str(out),
        "--size",
        "32",
        "--pair",
        "tail/<script>.png",
        "head/00.png",
    ]
    assert main(arguments) == 0
    assert "<script>.png" not in out.read_text(encoding="utf-8")
    assert content_of(out)["pairs"][0]["tail"]["name"] == "tail/<script>.png"


def test_the_page_asks_nothing_of_a_network(page):
    assert not re.search(r"https?://|<link|src=.?/", page.read_text(encoding="utf-8"))
