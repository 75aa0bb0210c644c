import pytest

from pitmap.samples.build import build
from pitmap.study.study import load_study
from studies import grid, quilt, write_project, write_site


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """A small sample set, which no test changes."""
    folder = tmp_path_factory.mktemp("study")
    write_site(folder, "a", quilt(160, 128, 3), grid(160, 128))
    return build(load_study(write_project(folder, ["a"])))
