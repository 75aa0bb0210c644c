"""The zip that QGIS installs."""

import ast
import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

PLUGIN = Path(__file__).parents[2] / "qgis_plugin"


def build(path: Path, *options: str) -> bytes:
    subprocess.run([sys.executable, PLUGIN / "build_plugin.py", path, *options], check=True, capture_output=True)
    return path.read_bytes()


def metadata(path: Path) -> configparser.SectionProxy:
    with zipfile.ZipFile(path) as archive:
        found = configparser.ConfigParser()
        found.read_string(archive.read("pitmap_qgis/metadata.txt").decode())
    return found["general"]


def test_same_sources_same_bytes(tmp_path):
    assert build(tmp_path / "a" / "one.zip") == build(tmp_path / "two.zip")


def test_it_holds_what_qgis_asks_for(tmp_path):
    build(tmp_path / "plugin.zip")
    with zipfile.ZipFile(tmp_path / "plugin.zip") as archive:
        names = set(archive.namelist())
    assert {f"pitmap_qgis/{n}" for n in ("__init__.py", "metadata.txt", "LICENSE", "README.md", "icon.svg")} <= names
    assert all(n.startswith("pitmap_qgis/") and "__pycache__" not in n for n in names)
    general = metadata(tmp_path / "plugin.zip")
    needed = "name qgisMinimumVersion description about version author license hasProcessingProvider icon"
    assert all(general[key] for key in needed.split())
    assert f"pitmap_qgis/{general['icon']}" in names


def test_addresses_are_those_of_whoever_publishes_it(tmp_path):
    """The catalogue of QGIS asks for them; made-up ones would be worse than none."""
    build(tmp_path / "plugin.zip")
    assert [metadata(tmp_path / "plugin.zip")[key] for key in ("email", "repository", "tracker")] == ["", "", ""]
    given = {"email": "a@b.org", "repository": "https://b.org/\\1", "tracker": "https://b.org/issues"}
    build(tmp_path / "named.zip", *(f"--{key}={value}" for key, value in given.items()))
    assert given.items() <= dict(metadata(tmp_path / "named.zip")).items()


def imported(folder: Path) -> set[str]:
    found = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.split(".")[0])
    return found


def test_neither_imports_the_other():
    assert "pitmap" not in imported(PLUGIN / "pitmap_qgis")
    assert "pitmap_qgis" not in imported(PLUGIN.parent / "src")
