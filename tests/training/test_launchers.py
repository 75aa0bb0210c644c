"""Processes that torchrun or Slurm starts train one network together."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pitmap.networks import read_card
from pitmap.training.curves import read_curves
from studies import grid, quilt, write_project, write_site

SETTINGS = """
[training]
network = "unet"
options = { batch_norm = false }
width = 4
epochs = 2
batch = 3
precision = "float32"
learning_rate = 1e-4
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run(commands: list[tuple[list[str], dict[str, str]]]) -> list[tuple[str, str]]:
    """Run processes at once; what each of them wrote to both streams."""
    processes = [
        subprocess.Popen([sys.executable, *command], env={**os.environ, **more}, text=True, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
        for command, more in commands
    ]  # fmt: skip
    told = [p.communicate(timeout=240) for p in processes]
    assert [p.returncode for p in processes] == [0] * len(processes), told
    return told


def torchrun(command: list[str]) -> str:
    start = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port())]
    return run([([*start, *command], {})])[0][0]


def slurm(command: list[str]) -> str:
    """As ``srun --ntasks 2`` on one machine."""
    common = {
        "SLURM_JOB_ID": "1", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "1",
        "SLURM_NODEID": "0",
        "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "1", "SLURM_JOB_NAME": "train",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()),
    }  # fmt: skip
    ranks = [{**common, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)} for rank in (0, 1)]
    first, second = run([(["-W", "ignore", *command], rank) for rank in ranks])
    assert second == ("", "")
    return first[0]


@pytest.mark.verify
@pytest.mark.parametrize("launcher", [torchrun, slurm])
def test_two_processes_of_a_launcher_write_the_model_of_one(tmp_path, launcher):
    projects = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_site(tmp_path / name, "a", quilt(160, 128, 3), grid(160, 128))
        projects.append(write_project(tmp_path / name, ["a"], more=SETTINGS))
        run([(["-m", "pitmap", "sample", str(projects[-1])], {})])
    run([(["-m", "pitmap", "train", str(projects[0])], {})])
    told = launcher(["-m", "pitmap", "train", str(projects[1])])
    assert told.count("\n") == 1  # one line of summary, of the first process
    one, two = (next(Path(p).parent.glob("**/*.safetensors")) for p in projects)
    assert read_card(two).training.key == read_card(one).training.key
    for a, b in zip(read_curves(one.with_suffix(".csv")), read_curves(two.with_suffix(".csv")), strict=True):
        assert b == pytest.approx(a, rel=1e-4)
    # Again: it is up to date, for all of them.
    assert launcher(["-m", "pitmap", "train", str(projects[1])]).count("\n") == 1
