"""Every kind of file is whole or not there where the disk takes no more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import resource, signal, sys
from pathlib import Path
import geopandas as gpd, numpy as np, torch
from shapely import box
from pitmap.errors import OutputError
from pitmap.geopackage import write_layers
from pitmap.raster.writing import Layout, write_cog
from pitmap.training.checkpoint import Standing
from studies import grid

folder = Path(sys.argv[1])
noise = np.random.default_rng(0).integers(0, 255, (128, 128), np.uint8)
frame = gpd.GeoDataFrame({"a": range(500)}, geometry=[box(i, 0, i + 1, 1) for i in range(500)], crs=32649)
writers = {
    "a.gpkg": lambda path: write_layers(path, {"a": frame}),
    "a.tif": lambda path: write_cog(path, noise, grid(128, 128), Layout(1, "uint8", 0)),
    "last.ckpt": lambda path: Standing(best={"w": torch.zeros(50_000)}).write(path),
}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in (500, 8_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for name, write in writers.items():
        try:
            write(folder / name)
        except OutputError as error:
            assert f"{name} cannot be written" in str(error), error
        else:
            raise AssertionError(f"{name} was written")
        assert not list(folder.iterdir()), list(folder.iterdir())
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_layers_rasters_and_checkpoints_leave_nothing_behind(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE, str(tmp_path)], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
