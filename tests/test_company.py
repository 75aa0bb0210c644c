import pytest

from pitmap.company import Company
from pitmap.errors import ProjectError

TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "RANK": "3", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "1"}
SRUN = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": "0", "SLURM_NTASKS": "4"}


def test_a_company_is_known_from_what_its_launcher_says():
    torchrun, slurm = Company.of_environment(TORCHRUN), Company.of_environment(SRUN)
    assert torchrun == Company("torchrun", 3, 4, 2)
    assert (torchrun.local_size, torchrun.speaks) == (2, False)
    assert slurm == Company("slurm", 0, 4, 2)
    assert slurm.speaks


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"RANK": "0", "WORLD_SIZE": "4"},  # of something else
        {"SLURM_NTASKS": "4", "SLURM_PROCID": "0"},  # a script of sbatch that starts no step
        SRUN | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1"},
        TORCHRUN | {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"},
    ],
)
def test_a_process_alone_is_no_company(environment):
    assert Company.of_environment(environment) is None


def test_machines_have_equal_shares():
    with pytest.raises(ProjectError, match="5 processes on 2 machines"):
        Company.of_environment(SRUN | {"SLURM_STEP_NUM_TASKS": "5"})
