"""Four real processes over gloo, as a distributed training would start them."""

import json
import subprocess
import sys

import torch

RANK = """
import json, sys
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, TensorDataset
from longtail_mix.sampling import ClassSampler, ShuffledSampler, TwoStreamLoader, balanced_probabilities

folder, rank = sys.argv[1], int(sys.argv[2])
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=4)
labels = torch.arange(4).repeat_interleave(torch.tensor([700, 200, 96, 7]))
train = TensorDataset(torch.arange(len(labels)), labels)
loader = TwoStreamLoader(
    DataLoader(train, 25, sampler=ShuffledSampler(len(labels))),
    DataLoader(train, 25, sampler=ClassSampler(labels, balanced_probabilities(labels.bincount()))),
)
epochs = []
for epoch in range(2):
    loader.set_epoch(epoch)
    drawn = torch.stack([torch.cat([first[0] for first, _ in loader]), torch.cat([second[0] for _, second in loader])])
    everyone = [torch.empty_like(drawn) for _ in range(4)]
    dist.all_gather(everyone, drawn)  # fails where lengths differ
    epochs.append(torch.stack(everyone).tolist())
if rank == 0:
    json.dump(epochs, open(f"{folder}/drawn.json", "w"))
dist.destroy_process_group()
"""


def test_four_ranks_cover_what_they_should(tmp_path):
    command = [sys.executable, "-c", RANK, str(tmp_path)]
    ranks = [subprocess.Popen([*command, str(r)], stderr=subprocess.PIPE, text=True) for r in range(4)]
    errors = [rank.communicate(timeout=120)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0] * 4, errors
    drawn = torch.tensor(json.loads((tmp_path / "drawn.json").read_text()))  # [epochs, ranks, streams, rows]
    assert drawn.shape == (2, 4, 2, 1003 // 4)
    labels = torch.arange(4).repeat_interleave(torch.tensor([700, 200, 96, 7]))
    for as_they_come, balanced in drawn.transpose(1, 2):
        assert len(as_they_come.unique()) == 1000  # of 1003: three are left over, none comes twice
        shares = labels[balanced.flatten()].bincount(minlength=4) / 1000
        assert ((shares - 0.25).abs() <= 3 * (0.25 * 0.75 / 1000) ** 0.5).all()
        few = balanced.flatten().bincount(minlength=1003)[labels == 3]
        assert few.max() - few.min() <= 2  # the epoch deals them evenly; three of its draws are left over
    assert not torch.equal(drawn[0], drawn[1])
