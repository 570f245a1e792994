"""The queue of features: what it holds after any batches, saved, compiled, and on several processes."""

import copy
import subprocess
import sys
from collections import deque

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from longtail_mix import FeatureQueue


def batch_of(size, start=0, dim=2, device=None):
    """Features that say which label they belong to."""
    labels = torch.arange(start, start + size, device=device)
    return labels[:, None] + torch.arange(dim, device=device) / 8, labels


def push_counting(queue, sizes):
    """Push batches of these sizes with labels 0, 1, 2, ..."""
    start = 0
    for size in sizes:
        queue.push(*batch_of(size, start, queue.features.shape[1], queue.features.device))
        start += size


@settings(max_examples=40)
@given(size=st.integers(1, 7), sizes=st.lists(st.integers(0, 20), max_size=6))
def test_it_holds_the_newest_in_order(size, sizes):
    queue = FeatureQueue(size, 2)
    push_counting(queue, sizes)
    newest = deque(range(sum(sizes)), maxlen=size)
    position = int(queue.position)
    assert position == sum(sizes) % size
    empty = [-1] * (size - len(newest))
    assert queue.labels.tolist() == [*newest, *empty] if empty else queue.labels.roll(-position).tolist() == [*newest]
    filled = queue.labels >= 0
    assert torch.equal(queue.features[filled], queue.labels[filled, None] + torch.tensor([0, 1 / 8]))
    assert (queue.features[~filled] == 0).all()


def test_it_wraps_where_the_batch_does_not_divide_the_size(device):
    queue = FeatureQueue(5, 2).to(device)
    push_counting(queue, [3, 3])
    assert queue.labels.tolist() == [5, 1, 2, 3, 4]
    assert queue.position.tolist() == 1
    assert queue.features[:, 0].tolist() == [5, 1, 2, 3, 4]


def test_of_a_batch_larger_than_the_queue_the_last_stay():
    queue = FeatureQueue(3, 2)
    push_counting(queue, [1, 8])
    assert queue.labels.tolist() == [6, 7, 8]
    assert queue.position == 0
    push_counting(queue, [1])
    assert queue.labels.tolist() == [0, 7, 8]  # the oldest is the one replaced


def test_a_new_queue_is_empty():
    queue = FeatureQueue(4, 3)
    assert queue.labels.tolist() == [-1] * 4
    assert queue.labels.dtype == queue.position.dtype == torch.int64
    assert queue.features.shape == (4, 3)


def test_features_come_in_without_their_graph_and_arguments_stay():
    queue = FeatureQueue(4, 2)
    features, labels = batch_of(3)
    features.requires_grad_()
    before = features.detach().clone(), labels.clone()
    queue.push(features * 1, labels)
    assert not queue.features.requires_grad
    assert torch.equal(features, before[0])
    assert torch.equal(labels, before[1])
    features.detach().zero_()
    assert queue.features[1, 0] == 1  # a copy


def test_a_push_before_the_backward_is_an_error_and_after_it_is_not():
    queue = FeatureQueue(4, 2)
    push_counting(queue, [4])
    query = torch.ones(1, 2, requires_grad=True)
    old = queue.features.sum(0)
    loss = (query @ queue.features.T).sum()
    queue.push(*batch_of(2, 9))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    queue = FeatureQueue(4, 2)
    push_counting(queue, [4])
    (query @ queue.features.T).sum().backward()
    queue.push(*batch_of(2, 9))
    assert torch.equal(query.grad[0], old)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_dtype_is_that_of_the_queue(dtype):
    queue = FeatureQueue(4, 2)
    features, labels = batch_of(3)
    queue.push(features.to(dtype), labels.to(torch.int32))
    assert queue.features.dtype == torch.float32
    assert torch.equal(queue.features[:3], features)
    queue = FeatureQueue(4, 2).to(dtype)
    queue.push(features, labels)
    assert queue.features.dtype == dtype
    assert queue.labels.dtype == torch.int64
    assert torch.equal(queue.features[:3], features.to(dtype))


def test_saved_and_restored():
    queue, other = FeatureQueue(5, 2), FeatureQueue(5, 2)
    push_counting(queue, [4, 3])
    other.load_state_dict(queue.state_dict())
    for each in (queue, other):
        each.push(*batch_of(3, 20))
    for name, kept in queue.state_dict().items():
        assert torch.equal(kept, other.state_dict()[name]), name
    assert set(queue.state_dict()) == {"features", "labels", "position"}


def test_compiled_as_one_graph_for_every_batch_size(device):
    queue = FeatureQueue(5, 2).to(device)
    plain = copy.deepcopy(queue)

    @torch.compile(backend="eager", fullgraph=True, dynamic=True)
    def push(features, labels):
        queue.push(features, labels)
        return queue.features.sum()

    for size, start in ((3, 0), (4, 3), (7, 7)):
        features, labels = batch_of(size, start, device=device)
        push(features, labels)
        plain.push(features, labels)
        assert torch.equal(queue.features, plain.features)
        assert torch.equal(queue.labels, plain.labels)
        assert torch.equal(queue.position, plain.position)


def test_nothing_waits_for_a_gpu():
    # Fake tensors have shapes and a device but no values: whoever looks at one raises.
    with FakeTensorMode(), torch.device("cuda"):
        queue = FeatureQueue(5, 2)
        for size in (3, 9):
            queue.push(torch.empty(size, 2), torch.empty(size, dtype=torch.int64))
        assert queue.features.device.type == queue.position.device.type == "cuda"


def test_bad_input():
    for size, error in ((0, ValueError), (2.5, TypeError)):
        with pytest.raises(error, match="size: expected"):
            FeatureQueue(size, 2)
        with pytest.raises(error, match="dim: expected"):
            FeatureQueue(2, size)
    queue = FeatureQueue(4, 2)
    features, labels = batch_of(3)
    with pytest.raises(TypeError, match="features: expected a floating-point tensor"):
        queue.push(features.long(), labels)
    with pytest.raises(TypeError, match="labels: expected integer labels"):
        queue.push(features, labels.float())
    with pytest.raises(ValueError, match="labels: expected labels of at least 0, got \\[-1\\]"):
        queue.push(features, labels - 1)
    for bad in (features[:2], features[:, :1], features[None], features[0]):
        with pytest.raises(ValueError, match=r"features: expected \[3, 2\], one for each label"):
            queue.push(bad, labels)
    with pytest.raises(ValueError, match="features: expected device cpu like the queue"):
        queue.push(features.to("meta"), labels)
    with pytest.raises(ValueError, match="labels: expected device cpu like features"):
        queue.push(features, labels.to("meta"))
    assert queue.labels.tolist() == [-1] * 4


def test_it_says_what_it_is():
    assert "size=4, dim=2" in repr(FeatureQueue(4, 2))


RANK = """
import sys
import torch
import torch.distributed as dist
from longtail_mix import FeatureQueue

folder, rank = sys.argv[1], int(sys.argv[2])
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
queue = FeatureQueue(7, 2)
for step in range(4):  # of a global batch of 6, rank 0 has the first three
    labels = 6 * step + 3 * rank + torch.arange(3)
    queue.push(labels[:, None] + torch.arange(2) / 8, labels.to(torch.int16))
torch.save(queue.state_dict(), f"{folder}/queue{rank}.pt")
dist.destroy_process_group()
"""


def test_two_processes_hold_what_one_would(tmp_path):
    command = [sys.executable, "-c", RANK, str(tmp_path)]
    ranks = [subprocess.Popen([*command, str(r)], stderr=subprocess.PIPE, text=True) for r in range(2)]
    errors = [rank.communicate(timeout=300)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], errors
    alone = FeatureQueue(7, 2)
    push_counting(alone, [6] * 4)
    for rank in range(2):
        of_rank = torch.load(tmp_path / f"queue{rank}.pt")
        for name, kept in alone.state_dict().items():
            assert torch.equal(of_rank[name], kept), (rank, name)
