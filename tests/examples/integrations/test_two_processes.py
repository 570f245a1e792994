"""Each program on two processes: all rows of an epoch once, another order each epoch, exact after a stop."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

RANKS = Path(__file__).with_name("ranks.py")
NEEDS = {"train_torchrun": "torch", "train_accelerate": "accelerate"} | {
    "train_lightning": "lightning",
    "train_hugging_face": "transformers",
}
STEPS = 4  # of an epoch: 64 rows, two ranks, batches of 8
# Of 16 validation images each epoch a rank's half goes through the mix of Lightning's module, which leaves it as it is.
# The collator of the Trainer does not call its mix, which is in training mode all the time.
EVALUATED = {"train_lightning": 3 * 8}


def run(program, folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    world |= {"GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "test", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    ranks = [
        subprocess.Popen(
            [sys.executable, str(RANKS), program, str(folder)],
            env={**os.environ, **world, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
        )
        for rank in range(2)
    ]
    errors = [rank.communicate(timeout=240)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], errors[0][-3000:] + errors[1][-3000:]
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("program", NEEDS)
def test_program(program, tmp_path):
    if importlib.util.find_spec(NEEDS[program]) is None:
        pytest.skip(f"needs {NEEDS[program]}: pip install 'longtail-mix[integrations]'")
    ranks = run(program, tmp_path)
    epochs = []
    for epoch in range(3):
        batches = [batch for rank in ranks for batch in rank["whole"][epoch * STEPS : (epoch + 1) * STEPS]]
        assert [len(batch) for batch in batches] == [8] * 2 * STEPS
        epochs.append([row for batch in batches for row in batch])
        assert sorted(epochs[-1]) == list(range(64))
    assert len(set(map(tuple, epochs))) == 3
    for rank in ranks:
        assert len(rank["whole"]) == 3 * STEPS
        assert rank["whole, evaluated"] == EVALUATED.get(program, 0)
        # What a loader had read ahead when the program stopped was not trained on.
        assert rank["stopped"][:6] + rank["resumed"] == rank["whole"]
