"""The command line of an algorithm, and the environment in which it runs: pitmap's own, not that of QGIS."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from . import descriptions as d

OF_QGIS = (
    "PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "PYTHONSTARTUP", "VIRTUAL_ENV", "GDAL_DATA", "GDAL_DRIVER_PATH",
    "GDAL_PYTHON_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA", "GEOTIFF_CSV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "__PYVENV_LAUNCHER__",
)  # fmt: skip
"""Variables with which QGIS points to its own Python, data and libraries; another Python would break on them."""

ABSENT = (
    "pitmap was not found. It is installed apart from QGIS, in a Python environment of its own (pip install pitmap). "
    "Name its executable, or the Python of that environment, in Settings > Options > Processing > Providers > pitmap."
)


class CommandError(Exception):
    """The command cannot be given; the text is for people."""


@dataclass(frozen=True)
class Source:
    """A layer as pitmap takes it.

    Attributes:
        path: Of the file.
        layer: Its name in the file; empty where it is not said.
    """

    path: str
    layer: str = ""


def source_of(address: str) -> Source:
    """The file and layer of an address of GDAL's providers: ``mines.gpkg|layername=mines``.

    Raises:
        CommandError: The layer is filtered: pitmap would read all of it.
    """
    path, *parts = address.split("|")
    named = dict(part.partition("=")[::2] for part in parts)
    if "subset" in named:
        raise CommandError(f"{path} is filtered in QGIS ({named['subset']}). Save what is shown as a file of its own.")
    return Source(path, named.get("layername", ""))


def arguments(description: d.Description, values: Mapping[str, Any]) -> list[str]:
    """What stands after ``pitmap``.

    Args:
        description: Of the algorithm.
        values: By name of the parameters: text, numbers, ``Source``, lists of them, bool. None and empty ones are left
            out.
    """
    options: list[str] = []
    places: list[str] = []
    for p in description.parameters:
        value = values.get(p.name)
        if value is None or value is False or value in ("", []):
            continue
        if p.kind == d.FLAG:
            options += [p.option] if p.option else []
            continue
        if p.written_suffix:
            value = str(Path(value).with_suffix("." + p.written_suffix))
        for text in [_text(v) for v in value] if isinstance(value, (list, tuple)) else [_text(value)]:
            if p.option:
                options += [p.option, text]
            else:
                places.append(text)
        if p.layer_option and isinstance(value, Source) and value.layer:
            options += [p.layer_option, value.layer]
    return ["--events", description.command, *options, "--json", "--", *places]


def _text(value: Any) -> str:
    if isinstance(value, Source):
        return value.path
    return str(value)


def find_pitmap(
    setting: str,
    which: Callable[[str], str | None] = shutil.which,
    imports: Callable[[str], bool] | None = None,
) -> list[str]:
    """How pitmap is called.

    Args:
        setting: Path of its executable, or of a Python that has it; empty: ``pitmap`` on the PATH, else a ``python3``
            or ``python`` on the PATH that imports it.
        which: Finds executables.
        imports: Whether a Python has pitmap; by default it is asked.

    Raises:
        CommandError: There is none.
    """
    if setting:
        found = which(setting)
        if found is None:
            raise CommandError(f"{setting} is not there or cannot be executed. {ABSENT}")
        return [found, "-m", "pitmap"] if Path(found).name.lower().startswith("python") else [found]
    if (found := which("pitmap")) is not None:
        return [found]
    for name in ("python3", "python"):
        if (found := which(name)) is not None and (imports or _imports_pitmap)(found):
            return [found, "-m", "pitmap"]
    raise CommandError(ABSENT)


def _imports_pitmap(python: str) -> bool:
    ended = subprocess.run(
        [python, "-c", "import pitmap"], env=environment(os.environ), capture_output=True, check=False, **no_window()
    )
    return ended.returncode == 0


def environment(of_qgis: Mapping[str, str]) -> dict[str, str]:
    """The variables of QGIS without those that belong to its own Python and libraries; text is UTF-8."""
    return {k: v for k, v in of_qgis.items() if k not in OF_QGIS} | {"PYTHONUTF8": "1"}


def no_window() -> dict[str, Any]:
    """Keeps Windows from opening a console."""
    return {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}


def shown(command: list[str]) -> str:
    """A command line that can be pasted into a terminal."""
    return subprocess.list2cmdline(command) if sys.platform == "win32" else _quoted(command)


def _quoted(command: list[str]) -> str:
    import shlex

    return " ".join(shlex.quote(part) for part in command)
