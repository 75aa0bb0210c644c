"""What ``docs/scale.md`` gives to be copied is whole, and its costs follow from its figures."""

import re
import subprocess
from pathlib import Path

import pytest
import typer
import yaml

from pitmap.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return found


def test_the_manifests_fit_together():
    parts = {(part["kind"], part["metadata"]["name"]): part for part in yaml.safe_load_all(block("yaml"))}
    (port,) = parts["Service", "pitmap-scheduler"]["spec"]["ports"]
    selected = parts["Service", "pitmap-scheduler"]["spec"]["selector"]
    scheduler = parts["Deployment", "pitmap-scheduler"]["spec"]["template"]
    assert scheduler["metadata"]["labels"] == selected
    assert str(port["targetPort"]) in scheduler["spec"]["containers"][0]["command"]
    for key in (("Deployment", "pitmap-worker"), ("Job", "pitmap-map")):
        pod = parts[key]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert f"tcp://pitmap-scheduler:{port['port']}" in container["command"]
        (volume,) = pod["volumes"]
        assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in parts
        assert container["volumeMounts"][0]["name"] == volume["name"]
        assert all(isinstance(word, str) for word in container["command"])


def test_the_slurm_script_can_be_read_by_bash(tmp_path):
    (tmp_path / "map.sh").write_text(block("bash"))
    subprocess.run(["bash", "-n", tmp_path / "map.sh"], check=True)


def test_options_of_the_page_exist():
    command = typer.main.get_command(app).commands["map"]
    known = {flag for parameter in command.params for flag in parameter.opts}
    lines = [line for line in PAGE.splitlines() if re.search(r"\bpitmap map\b", line)]
    used = {flag for line in lines for flag in re.findall(r"--[a-z-]+", line)}
    assert {"--cluster", "--also"} <= used <= known


@pytest.mark.parametrize("row", [r for r in PAGE.splitlines() if r.startswith("| width")])
def test_costs_follow_from_the_measured_time(row):
    micros, *rest = [float(cell.strip()) for cell in row.strip("| ").split("|")[1:]]
    for pixels, hours, dollars in zip((6.25e9, 1e11), rest[::2], rest[1::2], strict=True):
        core_hours = pixels * micros * 1e-6 * 2 / 3600
        assert hours == pytest.approx(core_hours, rel=0.05)
        assert dollars == pytest.approx(core_hours * 0.05, rel=0.06)
