"""QGIS itself, for tests: run by its own Python (Debian: python3-qgis), which is not that of pitmap.

``QGIS_PYTHON`` names the interpreter where it is not ``/usr/bin/python3``.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

PYTHON = os.environ.get("QGIS_PYTHON", "/usr/bin/python3")


def run(*arguments) -> subprocess.CompletedProcess[str]:
    """Run a script with QGIS's Python, without a display."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment |= {"QT_QPA_PLATFORM": "offscreen"}
    return subprocess.run([PYTHON, *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=300)


def require() -> None:
    """Skip where there is no QGIS."""
    if not Path(PYTHON).exists() or run("-c", "import qgis.gui").returncode:
        pytest.skip(f"{PYTHON} has no QGIS")


def shown(script: str | Path, *arguments) -> dict[str, Any]:
    """What a script says after ``SHOWN``, as JSON."""
    result = run(script, *arguments)
    lines = [line for line in result.stdout.splitlines() if line.startswith("SHOWN ")]
    assert lines, result.stderr
    return dict(json.loads(lines[0].removeprefix("SHOWN ")))
