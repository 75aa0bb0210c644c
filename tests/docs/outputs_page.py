"""``docs/outputs.md``: every file that the commands leave, found by running them and reading what they left.

PYTHONPATH=tests python tests/docs/outputs_page.py      writes the page anew; takes a minute or two
"""

from __future__ import annotations

import csv
import fnmatch
import json
import re
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyogrio
import rasterio

from docs.docstrings import markdown
from docs.every_command import ELSEWHERE, steps
from pitmap.legend import DEFAULT_LEGEND
from pitmap.study import document
from pitmap.study.results import MapFiles, Results

PAGE = Path(__file__).parents[2] / "docs" / "outputs.md"

HEAD = """\
# Every output file

<!-- Written by tests/docs/outputs_page.py, which runs every command and reads what it left. -->

Found by running each command on a small study of two sites, and reading what it left. Names in `<…>` are your own: a
scene, a network, a study. `run` is `sample`, `train`, maps, accuracy and report in one; what an earlier command left
is listed there. Where a file of a study lies is decided in `pitmap.study.results` alone.

Every file is complete or absent: it is written beside its final name and renamed. Rasters are cloud-optimised GeoTIFFs
with overviews; tables are UTF-8; JSON has no NaN, undefined figures are `null`.
"""

BESIDE = {
    ".*.key.json": "What the file beside it was made from (checksums), so that a command knows whether it is up to "
    "date. May be deleted; then the step is done again.",
    "*.qml": "Style for QGIS of the raster beside it.",
    "*.tif.aux.xml": "Names of the classes for GDAL and QGIS, of the raster beside it.",
}
"""Files that lie beside others, by pattern; they are said once."""

MEANING = {
    "pitmap.toml": "The project file, commented: [project-file.md](project-file.md).",
    "pitmap.schema.json": "JSON schema of the project file, for editors.",
    "prepared/<image>.tif": "Reflectance x 10000 on a map grid.",
    "prepared/<image>.json": "Report of the preparation: everything that was used, and every warning.",
    "prepared/<image>.gcps.csv": "Residuals of the control points, and the misses of points left out of the fit.",
    "prepared/<image>.saturated.tif": "Where the sensor was at its ceiling: bit k - 1 is band k. Only where it was.",
    "results/samples/labels/<scene>.tif": "The labels on the grid of the image.",
    "results/samples/labels/<scene>.npy": "The same for the training, which maps it into memory.",
    "results/samples/splits/<scene>.tif": "1 training, 2 validation, 3 test, 0 none.",
    "results/samples/splits/<scene>.npy": "The same for the training.",
    "results/samples/pixels/<scene>.npy": "The image for the training.",
    "results/samples/valid/<scene>.npy": "Which of its pixels are valid.",
    "results/samples/patches.gpkg": "Footprints of the patches.",
    "results/samples/samples.json": "Record of the sample set: band statistics, legend, split and its audit.",
    "results/models/<network>-seed<S>.csv": "Learning curves, a row an epoch.",
    "results/models/<network>-seed<S>.png": "The same as a picture.",
    "results/models/<network>-seed<S>.times.json": "How long the training took, on what.",
    "results/models/<network>-seed<S>.int8.safetensors": "The int8 form of the model and its agreement with float32.",
    "new/map.tif": "The land-cover map: codes of the classes, 0 where there is no data.",
    "new/map-confidence.tif": "Calibrated probability of the mapped class, in steps of 1/255.",
    "new/map-probabilities.tif": "Probability of each class, a band a class.",
    "new/mines.onnx": "The model for other programs: [models.md](models.md#onnx).",
    "new/map.qgz": "Image, map and what is beside it in QGIS.",
    "new/mines.gpkg": "Mine polygons.",
    "new/review.gpkg": "Queue of mines and doubtful ground; `reference` is filled in.",
    "new/accuracy.json": "Figures of accuracy against a reference.",
    "new/confusion.csv": "Confusion matrix: rows map, columns reference.",
    "new/estimate.json": "Accuracy and areas estimated from the points.",
    "new/audit.json": "Verdicts on single mines, totals, figures by size.",
    "new/audit.gpkg": "The mines of both layers with their verdicts.",
    "new/map-report.html": "The page that is signed, of a map alone: [report.md](report.md).",
    "many/<scene>.tif": "A map for each image.",
    "many/<scene>-confidence.tif": "Its confidence.",
    "many/<scene>-probabilities.tif": "Its probabilities.",
    "many/<scene>.gpkg": "Its mines.",
    "many/*.qgz": "All of them in QGIS.",
    "many/manifest.jsonl": "A line for each image: what was made of it, or why not.",
    "points.gpkg": "The sample: points without the map's class, and apart from them the design.",
    "points.qgz": "QGIS project for labelling: points and images, without the map.",
    "points.csv": "The points for Collect Earth Online.",
    "points_chips/*": "Pictures of each point, a near and a wide view.",
    "change/change.html": "The page: maps, change, mines, matrix, register: [change.md](change.md).",
    "change/change.json": "Everything that the page says.",
    "change/change.tif": "Kind of change of each pixel.",
    "change/change-transitions.tif": "Class before x 10 + class after.",
    "change/change.gpkg": "Mines by what became of them, and ground that changed.",
    "change/change.csv": "Hectares from class to class, rows before, columns after.",
    "change/timeline.csv": "Hectares of every mine on every date.",
    "results/runs/<split>/<network>-seed<S>/*": "A run of the comparison, with the names of a study; besides "
    "`run.json` (its facts, written last) and `ground.npz` (counts by cells of its test ground).",
    "results/runs/<split>/samples-seed<S>/*": "The sample set that the runs of a seed share, as `samples/`.",
    "results/runs/trials/*": "Time and memory of a network, measured once.",
    "results/comparison/table1.*": "What the networks are and cost: [comparison.md](comparison.md).",
    "results/comparison/table2*": "Accuracy of every network, mean and seeds.",
    "results/comparison/table3.*": "In how many figures a network is among the best two.",
    "results/comparison/sites.csv": "Accuracy of each site.",
    "results/comparison/differences.*": "Every pair of networks, with interval and verdict.",
    "results/comparison/intervals.csv": "Intervals of the networks' own figures.",
    "results/comparison/optimism.csv": "Random minus ground split.",
    "results/comparison/fig11-<split>.*": "OA, Kappa and mIoU as bars.",
    "results/comparison/maps-<scene>.*": "The maps of every network, with legend, scale bar and north.",
    "results/stac/*": "The STAC catalogue: [stac.md](stac.md).",
}
"""What a file is, by pattern of its name on the page; paths of a study are described in ``pitmap.study.results``."""

SUMMED_UP = ("results/runs/", "results/stac/", "points_chips/")
"""Folders whose files are listed by one line for each pattern of ``MEANING``."""

DATA_KEYS = {
    "class": {c.key for c in DEFAULT_LEGEND}, "scene": {"site1", "site2"},
    "band": {"blue", "green", "red", "nir"}, "split": {"training", "validation", "test", "blocks", "random"},
}  # fmt: skip
"""Keys of JSON that are data: what they are instead of what they say."""


@dataclass(frozen=True)
class Left:
    """A file that a command left.

    Attributes:
        name: On the page, below the folder in which everything was run.
        content: What is in it, Markdown; empty where the kind of file says it all.
    """

    name: str
    content: str


def page() -> str:
    """Run everything and describe what it left, Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        return described(inventory(Path(folder), left_by_commands(Path(folder))))


def left_by_commands(folder: Path) -> list[tuple[str, list[Path]]]:
    """Run everything in a folder: commands in their order, each with the files that it was first to leave."""
    known: set[Path] = set()
    found = []
    for command, remark in steps(folder):
        files = sorted(p for p in folder.rglob("*") if p.is_file() and p not in known)
        known |= set(files)
        if command:
            found.append((f"`{command}`{' ' if remark else ''}{remark}", files))
    return found


def inventory(folder: Path, found: list[tuple[str, list[Path]]]) -> list[tuple[str, list[Left]]]:
    """The files of each command under their names on the page, each name once, with what is in them."""
    names: set[str] = set()
    made = []
    for command, files in found:
        left: dict[str, Left] = {}
        for path in files:
            name = public_name(path.relative_to(folder).as_posix())
            if name not in names and not is_beside(path.name):
                left.setdefault(name, Left(name, content(path)))
        names |= set(left)
        made.append((command, list(left.values())))
    return made


def is_beside(name: str) -> bool:
    """Whether a file lies beside another that it belongs to."""
    return any(fnmatch.fnmatch(name, pattern) for pattern in BESIDE)


def public_name(name: str) -> str:
    """A path with names of this run replaced by what they stand for."""
    for pattern, text in (
        (r"runs/(blocks|random)/", "runs/<split>/"), (r"(fig11|table2)-(blocks|random)", r"\1-<split>"),
        (r"\w+(?<!samples)-seed\d", "<network>-seed<S>"), (r"samples-seed\d", "samples-seed<S>"),
        (r"(?<=/)site[12]-image|(?<=[/-])site[12](?=[.-]|$)", "<scene>"), (r"prepared/image", "prepared/<image>"),
        (r"many/\w+-image|many/site[12]\w*|many/image", "many/<scene>"), (r"Simulated mining landscape", "<study>"),
    ):  # fmt: skip
        name = re.sub(pattern, text, name)
    return name


def described(found: list[tuple[str, list[Left]]]) -> str:
    """The page."""
    own = result_paths()
    lines = [HEAD, "## Beside many files", "", "| file | what it is |", "|---|---|"]
    lines += [f"| `{name}` | {text} |" for name, text in BESIDE.items()]
    for command, files in found:
        lines += ["", f"## {command}", ""]
        rows: dict[str, list[str]] = {}
        for file in files:
            pattern, meaning = meaning_of(file.name, own)
            short = pattern if file.name.startswith(SUMMED_UP) else file.name
            rows.setdefault(f"| `{short}` | {meaning} |", []).append(
                "" if short == pattern != file.name else file.content
            )
        lines += ["| file | what it is | in it |", "|---|---|---|"] if rows else ["Nothing new."]
        lines += [f"{row} {contents[0]} |" for row, contents in rows.items()]
    lines += ["", "## Other commands", "", "| command | |", "|---|---|"]
    lines += [f"| `{command}` | {text} |" for command, text in ELSEWHERE.items()]
    return "\n".join(lines) + "\n"


def meaning_of(name: str, own: dict[str, str]) -> tuple[str, str]:
    """Pattern and meaning of a file.

    Raises:
        KeyError: Nothing is said of it: ``MEANING`` lacks it.
    """
    if name in own:
        return name, own[name]
    for pattern, text in MEANING.items():
        if fnmatch.fnmatchcase(name, re.sub(r"\[", "[[]", pattern)):
            return pattern, text
    raise KeyError(f"MEANING says nothing of {name}")


def result_paths() -> dict[str, str]:
    """Files of a study by name, with the docstring of what says where they lie."""
    results = Results(Path("results"))
    paths = {results.model("<network>", "<S>"): Results.model, results.qgis_project("X"): Results.qgis_project}
    for cls, thing in ((Results, results), (MapFiles, results.map("<scene>"))):
        for name, member in vars(cls).items():
            if isinstance(member, property):
                paths[getattr(thing, name)] = member
    paths[results.map("<scene>").map] = MapFiles
    said = {path.as_posix(): markdown((member.__doc__ or "").split("\n\n")[0]) for path, member in paths.items()}
    said[results.map("<scene>").map.as_posix()] = "The land-cover map: codes of the classes, 0 where there is no data."
    return {name.replace("results/X.qgz", "results/<study>.qgz"): text for name, text in said.items()}


def content(path: Path) -> str:
    """What is in a file, by its kind."""
    reader = READERS.get(path.suffix)
    return "" if reader is None or path.name == document.SCHEMA_FILE else reader(path).replace("|", "&#124;")


def _raster(path: Path) -> str:
    with rasterio.open(path) as source:
        names = [d for d in source.descriptions if d]
        bands = f"{source.count} band{'s' if source.count > 1 else ''}, {source.dtypes[0]}"
        bands += "" if source.nodata is None else f", nodata {source.nodata:g}"
        tags = sorted(tag for tag in source.tags() if tag.startswith("PITMAP_"))
    shown = f": {', '.join(names)}" if names and len(names) < 9 else ""
    return bands + shown + (f"; tags {', '.join(f'`{t}`' for t in tags)}" if tags else "")


def _layers(path: Path) -> str:
    parts = []
    for layer, kind in pyogrio.list_layers(path):
        if layer == "layer_styles":
            continue
        info = pyogrio.read_info(path, layer=layer)
        aliases = _aliases(path, layer)
        known = [(f, f" ({aliases[f]})" if f in aliases else "") for f in info["fields"]]
        fields = unique(f"`{by_kind(f)}`{alias if by_kind(f) == f else ''}" for f, alias in known)
        parts.append(f"layer `{layer}`{'' if kind is None else f' ({kind})'}: {', '.join(fields)}")
    return "; ".join(parts)


def _aliases(path: Path, layer: str) -> dict[str, str]:
    """Names of fields as QGIS shows them, of the style that is stored with a layer."""
    with closing(sqlite3.connect(path)) as base, base:
        if not base.execute("SELECT 1 FROM sqlite_master WHERE name = 'layer_styles'").fetchone():
            return {}
        rows = base.execute("SELECT styleQML FROM layer_styles WHERE f_table_name = ?", (layer,)).fetchall()
    found = {}
    for (qml,) in rows:
        for alias in ElementTree.fromstring(qml).iter("alias"):
            if alias.get("name"):
                found[str(alias.get("field"))] = str(alias.get("name"))
    return found


def _json(path: Path) -> str:
    data = json.loads(path.read_text(encoding="utf-8"))
    return "keys " + ", ".join(f"`{key}`" for key in keys(data))


def _json_lines(path: Path) -> str:
    return "in each line " + ", ".join(f"`{key}`" for key in json.loads(path.read_text("utf-8").splitlines()[0]))


def keys(value: Any, depth: int = 2) -> Iterator[str]:
    """Keys of JSON with those below them, to a depth; what is data is named by what it is."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        yield from (f"[].{key}" for key in keys(value[0], depth))
        return
    if not isinstance(value, dict):
        return
    said: set[str] = set()
    for key, below in value.items():
        shown = next((f"<{kind}>" for kind, known in DATA_KEYS.items() if key in known and kind != "split"), key)
        if shown in said:
            continue
        said.add(shown)
        inner = list(keys(below, depth - 1)) if depth > 1 else []
        yield from [f"{shown}{'' if k.startswith('[') else '.'}{k}" for k in inner] or [shown]


def by_kind(name: str) -> str:
    """A name of a field or column, with `<class>` in the place of the key of one."""
    head, _, key = name.rpartition("_")
    return f"{head}{'_' if head else ''}<class>" if key in DATA_KEYS["class"] else name


def unique(names: Iterable[str]) -> list[str]:
    """Each once, in their order."""
    return list(dict.fromkeys(names))


def _table(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        head = next(csv.reader(file), [])
    if not head:
        return ""
    return "columns " + ", ".join(unique(f"`{by_kind(name)}`" for name in head if name))


def _model(path: Path) -> str:
    with path.open("rb") as file:
        head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    items = []
    for item, text in sorted(head["__metadata__"].items()):
        inside = list(keys(json.loads(text), 1)) if text.startswith("{") else []
        items.append(f"`{item}`" + (f" ({', '.join(f'`{key}`' for key in inside)})" if inside else ""))
    return f"tensors; in the header {', '.join(items)}"


def _arrays(path: Path) -> str:
    with np.load(path) as arrays:
        return "arrays " + ", ".join(f"`{name}`" for name in arrays.files)


def _array(path: Path) -> str:
    array = np.load(path, mmap_mode="r")
    return f"{array.ndim} axes, {array.dtype}"


def _project(path: Path) -> str:
    with zipfile.ZipFile(path) as file:
        return "zip of " + ", ".join(f"`{public_name(name)}`" for name in file.namelist() if name.endswith(".qgs"))


READERS = {
    ".tif": _raster, ".gpkg": _layers, ".json": _json, ".jsonl": _json_lines, ".csv": _table, ".safetensors": _model,
    ".npz": _arrays, ".npy": _array, ".qgz": _project,
}  # fmt: skip

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
