"""Every line of the table: one graph, gradients, peers that agree, and bytes counted by hand."""

import sys

import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.speed import inputs
from benchmarks.speed.case import Case, Problem
from benchmarks.speed.cases import CASES
from benchmarks.speed.check import compare_with_peer, compare_with_reference
from benchmarks.speed.contenders import draw, least_bytes
from benchmarks.speed.reference import kernels_run_on
from benchmarks.speed.selection import selected
from benchmarks.speed.variants import COMPILED, EAGER, KERNEL, Variant, tensors_of, variants_on
from longtail_mix import _triton

CPU = torch.device("cpu")
NAMES = [case.name for case in CASES]


def one_graph(operator):
    return torch.compile(operator, fullgraph=True, backend="eager")


ONE_GRAPH = Variant("one graph", COMPILED.within, one_graph, one_graph)


def tiny(case, backward=False, dtype=None):
    """The case at its smallest."""
    shape = case.shapes[0]
    if len(shape) == 1:
        return Problem(case, shape, case.dtypes[0], backward)
    if len(shape) == 4:
        shape = (4, shape[1], *(min(side, 32) for side in shape[2:]))
    return Problem(case, (4, *shape[1:]), dtype or case.dtypes[0], backward)


def named(name):
    return CASES[NAMES.index(name)]


def seeded():
    return torch.Generator().manual_seed(0)


def test_names_are_given_once():
    assert len(set(NAMES)) == len(NAMES)


# These have such a test of their own, with the images they are hard for; compiling them takes seconds each.
COMPILED_ELSEWHERE = (
    "saliency",
    "spectral_residual",
    "boolean_map",
    "skin_contrast",
    "other_skin",
    "spmix",
    "spmix_released",
)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.compiles and case.name not in COMPILED_ELSEWHERE],
    ids=lambda case: case.name,
)
def test_every_case_compiles_as_one_graph_to_the_same_result(case):
    torch.compiler.reset()
    problem = tiny(case)
    compiled, eager = (variant.checked(problem, CPU) for variant in (ONE_GRAPH, EAGER))
    assert compare_with_reference(compiled, eager, draw(problem, seeded())) <= 1e-5


def test_the_compiler_draws_what_plain_pytorch_draws_while_it_is_checked():
    case = Case("draw", lambda: torch.rand_like, inputs.images, ((2, 3, 4, 4),), (torch.float32,), draws=True)
    (problem,) = case.problems()
    eager = EAGER.checked(problem, CPU)
    assert compare_with_reference(COMPILED.checked(problem, CPU), eager, draw(problem, seeded())) == 0


@pytest.mark.parametrize("case", [case for case in CASES if case.differentiable], ids=lambda case: case.name)
def test_backward_gives_every_gradient(case):
    problem = tiny(case, backward=True)
    drawn = draw(problem, seeded())
    result, *gradients = EAGER.operator(problem, CPU)(*drawn)
    assert result.shape == drawn[-1].shape
    assert [g.shape for g in gradients] == [x.shape for x in drawn[:-1] if x.is_floating_point()]
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize(
    ("case", "peer"),
    [pytest.param(case, peer, id=f"{case.name}, {peer.name}") for case in CASES for peer in case.peers],
)
def test_every_peer_runs_and_agrees_where_it_computes_the_same(case, peer):
    try:
        operator = peer.build()
    except ImportError as error:
        pytest.skip(f"needs {peer.name}: {error}")
    problem = tiny(case)
    drawn = draw(problem, seeded())
    before = [tensor.clone() for tensor in drawn]
    operator(*peer.prepare(drawn))
    assert all(torch.equal(a, b) for a, b in zip(before, drawn, strict=True)), "a peer changed what all share"
    difference = compare_with_peer(peer, operator, EAGER.checked(problem, CPU), drawn)
    assert (difference is None) == (peer.same is None)


@pytest.mark.parametrize(
    ("name", "backward", "expected"),
    [
        ("merged", False, 3 * 4 * 32 * 32 * 4),
        ("saliency", False, (3 + 1) * 4 * 32 * 32 * 4),
        # tail, head, ratio in; the mix out
        ("patch_mixup", False, 3 * 4 * 3 * 32 * 32 * 4 + 4 * 2 * 2 * 4),
        # and its gradient in, all inputs again, their gradients out
        (
            "patch_mixup",
            True,
            3 * 4 * 3 * 32 * 32 * 4 + 4 * 16 + 4 * 3 * 1024 * 4 + 2 * (2 * 4 * 3 * 1024 * 4 + 4 * 16),
        ),
        # images and labels in, images out; the labels are the same tensor
        ("spmix", False, 2 * 4 * 3 * 32 * 32 * 4 + 4 * 8),
    ],
)
def test_least_bytes_by_hand(name, backward, expected):
    problem = tiny(named(name), backward)
    drawn = draw(problem, seeded())
    results = tensors_of(EAGER.operator(problem, CPU)(*drawn))
    assert least_bytes(problem, drawn, results) == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_on_a_gpu_the_kernels_agree_and_nothing_waits(case):
    device = torch.device("cuda")
    for backward in (False, True) if case.differentiable else (False,):
        for dtype in case.dtypes:
            problem = tiny(case, backward, dtype)
            drawn = draw(problem, torch.Generator(device).manual_seed(0))
            try:
                eager, kernel = (variant.checked(problem, device) for variant in (EAGER, KERNEL))
                compare_with_reference(kernel, eager, drawn)
            except ImportError as error:
                pytest.skip(f"needs what is not installed: {error}")
            torch.cuda.set_sync_debug_mode("error")
            try:
                kernel(*drawn)
            finally:
                torch.cuda.set_sync_debug_mode("default")


def test_kernels_are_left_out_where_they_are_not_wanted(monkeypatch):
    monkeypatch.setattr(_triton, "INSTALLED", True)
    monkeypatch.setattr(_triton, "INTERPRETED", False)
    assert variants_on(CPU) == (EAGER, COMPILED)
    monkeypatch.setattr(_triton, "INTERPRETED", True)
    assert variants_on(CPU) == (EAGER, COMPILED, KERNEL)
    with EAGER.within():
        assert not kernels_run_on(CPU)
    assert kernels_run_on(CPU)


def test_the_attention_loss_is_no_small_difference_of_large_means():
    mask, cam = draw(tiny(named("care_attention_loss")), seeded())
    assert mask.shape == (4, 1, 32, 32)
    assert cam.shape == (4, 1, 1, 1)
    problem = Problem(named("care_attention_loss"), (16, 1, 224, 224), torch.float32, False)
    mask, cam = draw(problem, seeded())
    assert 0.15 < mask.mean() < 0.25
    assert EAGER.checked(problem, CPU)(mask, cam) < -0.1


class Options:
    """What the command line gives when nothing is asked for."""

    case = size = dtype = direction = variant = None
    device, quick = "cpu", False

    def __init__(self, **asked):
        self.__dict__.update(asked)


def test_selections():
    everything = selected(Options(device="cuda"))
    assert {problem.case.name for problem in everything} == set(NAMES)
    on_cpu = selected(Options())
    assert {problem.case.name for problem in on_cpu} == set(NAMES)
    assert not any(problem.size == "256x3x224x224" for problem in on_cpu)
    asked = selected(Options(size=["256x3x*"], case=["sal*"], dtype=["uint8"]))
    assert [problem.title for problem in asked] == ["saliency 256x3x224x224 uint8 forward"]
    backward = selected(Options(direction=["forward+backward"], case=["patch_mixup"], quick=True, dtype=["float32"]))
    assert [problem.title for problem in backward] == ["patch_mixup 16x3x224x224 float32 forward+backward"]


def test_the_list_names_cases_sizes_and_peers(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm.data.mixup", None)
    main(["list", "--device", "cpu", "--case", "mix_batch", "--size", "64x*"])
    text = capsys.readouterr().out
    assert text.startswith("mix_batch\n  64x3x224x224  float32  forward, forward+backward\n")
    assert "  beside torchvision MixUp\n  beside torchvision CutMix\n  beside timm Mixup: not installed (" in text
