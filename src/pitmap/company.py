"""Processes that torchrun or Slurm started to do one thing together: how many there are, and which of them this is.

Known from the environment alone, so that a process knows before it loads PyTorch whether it is the one that speaks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pitmap.errors import ProjectError


@dataclass(frozen=True)
class Company:
    """Processes that train one network.

    Attributes:
        launcher: What started them.
        rank: The number of this process; 0 is the one that speaks and writes.
        size: How many there are.
        nodes: On how many machines; on each of them as many.
    """

    launcher: Literal["torchrun", "slurm"]
    rank: int
    size: int
    nodes: int

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Company | None:
        """The company of this process; None where it was started alone.

        ``srun`` sets the numbers of a step; a script of ``sbatch`` that starts no step is alone.

        Raises:
            ProjectError: The machines have different numbers of processes.
        """
        found = environment.get
        if found("TORCHELASTIC_RUN_ID"):
            local = int(environment["LOCAL_WORLD_SIZE"])
            size = int(environment["WORLD_SIZE"])
            company = cls("torchrun", int(environment["RANK"]), size, max(1, size // local))
        elif (size := int(found("SLURM_STEP_NUM_TASKS", "1"))) > 1:
            nodes = int(found("SLURM_STEP_NUM_NODES", "1"))
            company = cls("slurm", int(environment["SLURM_PROCID"]), size, nodes)
        else:
            return None
        if company.size % company.nodes:
            raise ProjectError(
                f"{company.launcher} started {company.size} processes on {company.nodes} machines.",
                "As many on each machine.",
                "Give the number of processes a machine: torchrun --nproc-per-node, or srun --ntasks-per-node.",
            )
        return company if company.size > 1 else None

    @property
    def speaks(self) -> bool:
        """Whether this process is the one that speaks and writes."""
        return self.rank == 0

    @property
    def local_size(self) -> int:
        """Processes on each machine."""
        return self.size // self.nodes
