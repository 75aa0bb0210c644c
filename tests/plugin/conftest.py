"""The plugin as QGIS installs it, and the command that it calls."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import pitmap
import qgis_python

BUILD = Path(__file__).parents[2] / "qgis_plugin" / "build_plugin.py"


@pytest.fixture(scope="session")
def plugins(tmp_path_factory) -> Path:
    """A folder with the plugin as its zip holds it."""
    qgis_python.require()
    folder = tmp_path_factory.mktemp("plugins")
    subprocess.run([sys.executable, BUILD, folder / "plugin.zip"], check=True)
    with zipfile.ZipFile(folder / "plugin.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="session")
def command(tmp_path_factory):
    """``pitmap`` on the PATH: this Python with this source, and nothing of what QGIS may set."""
    folder = tmp_path_factory.mktemp("bin")
    source = Path(pitmap.__file__).parents[1]
    script = folder / "pitmap"
    script.write_text(
        '#!/bin/sh\n[ -z "$PYTHONHOME$PYTHONPATH$GDAL_DATA" ] || { echo "Error: leaked" >&2; exit 9; }\n'
        f'PYTHONPATH={source} exec {sys.executable} -m pitmap "$@"\n'
    )
    script.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("GDAL_DATA", str(folder))
        patch.setenv("QGIS_CUSTOM_CONFIG_PATH", str(tmp_path_factory.mktemp("profile")))
        yield script
