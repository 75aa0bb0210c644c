"""The whole comparison on a tiny study: what it writes, that it skips, resumes and can be shared out."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from observers import Heard
from pitmap import workflow
from pitmap.accuracy.census.confusion import figures
from pitmap.cluster import cluster_at
from pitmap.comparison import compare
from pitmap.comparison.comparison import collect
from pitmap.comparison.costs import counted, trial_of
from pitmap.comparison.identities import deviations
from pitmap.comparison.plan import Plan
from pitmap.comparison.runs import Keys, Samples, read_result
from pitmap.comparison.tables import top_two
from pitmap.errors import ClusterError, ProjectError
from pitmap.samples.batches import PatchDataset
from pitmap.samples.split import Split
from pitmap.study.study import Study, load_study
from studies import grid, quilt, write_project, write_site

SETTINGS = """
[training]
width = 2
epochs = 1
batch = 8
precision = "float32"
device = "cpu"
[mapping]
precision = "float32"
minimum_mapping_unit_m2 = 0
[compare]
networks = ["unetplus", "outside:dilated"]
options = { "outside:dilated" = { dilation = 3 } }
seeds = 2
"""


def study(folder: Path) -> Study:
    folder.mkdir(exist_ok=True)
    write_site(folder, "a", quilt(128, 128, 3, cell=8), grid(128, 128))
    return load_study(write_project(folder, ["a"], SETTINGS, samples="block_m = 64.0"))


@pytest.fixture(scope="module")
def outside(request):
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(Path(__file__).parent))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def finished(tmp_path_factory, outside):
    folder = tmp_path_factory.mktemp("whole") / "study"
    project = study(folder)
    heard = Heard()
    page = compare(project, observer=heard).page
    return project, page, heard.said


def tables(project: Study) -> dict[str, str]:
    """The CSV files; of Table I what does not depend on the clock."""
    found = {p.name: p.read_text() for p in sorted((project.results.folder / "comparison").glob("*.csv"))}
    rows = list(csv.DictReader(found["table1.csv"].splitlines()))
    found["table1.csv"] = json.dumps([{k: v for k, v in r.items() if "per_megapixel" not in k} for r in rows])
    return found


def rows(project: Study, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((project.results.folder / "comparison" / f"{name}.csv").read_text().splitlines()))


def test_the_plan_is_shown_with_its_hours_before_anything_is_trained(finished):
    _, _, said = finished
    assert said[0].startswith("2 networks x 2 seeds (0, 1) x 2 splits (blocks, random): 8 runs.")
    assert "outside:dilated: training" in said[0]
    assert "8 runs to do take about 0.0 hours" in said[0]
    assert sum(line.startswith("Run ") for line in said) == 8


def test_each_run_has_the_files_of_a_study_and_a_network_from_outside_stands_beside_the_six(finished):
    project, page, _ = finished
    for name in ("unetplus-seed0", "outside-dilated-seed1"):
        folder = project.results.folder / "runs" / "blocks" / name
        files = [f"models/{name}.safetensors", "maps/a.tif", "maps/a.gpkg", "accuracy.json", "confusion.csv"]
        for file in [*files, "run.json", "ground.npz"]:
            assert (folder / file).exists(), file
    assert page == project.results.folder / "comparison.html"
    text = page.read_text()
    assert "outside:dilated" in text
    assert "http://" not in text
    assert "https://" not in text
    assert "<link" not in text
    by_network = {r["network"]: r for r in rows(project, "table1")}
    # 3 x 3, then 3 x 3 with dilation 3: one and three pixels to each side.
    assert (by_network["outside:dilated"]["reach"], by_network["outside:dilated"]["stride"]) == ("4", "1")
    assert by_network["unetplus"]["depth"] == "27"
    assert float(by_network["unetplus"]["mapping_megabytes_per_megapixel"]) > 0
    for name in ("fig11-blocks", "fig11-random", "maps-a"):
        for kind, begins in {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}.items():
            assert (project.results.folder / "comparison" / f"{name}.{kind}").read_bytes().startswith(begins)
    for name in ("table1", "table2-blocks", "table2-random", "table3", "differences"):
        assert "outside:dilated" in (project.results.folder / "comparison" / f"{name}.tex").read_text()


def test_tables_keep_every_seed_and_their_identities_hold(finished):
    project, _, _ = finished
    plan = Plan.of(project)
    results = [read_result(plan, run) for run in plan.runs]
    for result in results:
        assert max(deviations(result.scores)) < 1e-12
        assert result.figures == figures(result.matrix, project.legend).to_json()
        assert sum(m.sum() for m in result.scenes.values()) == result.matrix.sum()
        assert (result.agreement.blocks().matrices.sum(axis=0) == result.matrix).all()
    table = rows(project, "table2")
    assert len(table) == 2 * 2 * (3 + 3 * 7)
    for row in table:
        scores = [
            r.scores[f"{row['figure']} {row['class']}".strip()]
            for r in results
            if (r.run.split, r.run.entry.label) == (row["split"], row["network"])
        ]
        kept = [row["seed 0"], row["seed 1"]]
        assert kept == ["" if s is None else str(s) for s in scores]
        defined = [s for s in scores if s is not None]
        assert row["mean"] == (str(sum(defined) / len(defined)) if defined else "")
    for split in plan.splits:
        means = {
            label: {
                f"{r['figure']} {r['class']}".strip(): float(r["mean"]) if r["mean"] else None
                for r in table
                if (r["split"], r["network"]) == (split, label)
            }
            for label in ("unetplus", "outside:dilated")
        }
        counts = {r["network"]: int(r["count"]) for r in rows(project, "table3") if r["split"] == split}
        assert counts == {label: len(names) for label, names in top_two(means).items()}
    assert {r["site"] for r in rows(project, "sites")} == {"a"}
    pairs = rows(project, "differences")
    assert {(r["split"], r["figure"]) for r in pairs} == {
        ("blocks", f) for f in ("mine_iou", "mean_iou", "overall_accuracy", "kappa")
    }


def test_splits_of_a_seed_are_trained_on_the_same_number_of_labelled_pixels(finished):
    project, _, _ = finished
    for row in rows(project, "optimism"):
        for seed in (0, 1):
            counts = [int(row[f"{split}_pixels {seed}"]) for split in ("random", "ground")]
            assert max(counts) / min(counts) < 1.5  # 64-pixel patches cannot be dropped in part
            both = json.loads((project.results.folder / f"runs/random/unetplus-seed{seed}/run.json").read_text())
            assert both["training_pixels"] == counts[0]


def test_splits_of_a_seed_are_trained_for_the_same_number_of_steps(finished, tmp_path):
    project, _, _ = finished
    by_steps = project.model_copy(update={"training": project.training.model_copy(update={"epochs": None, "batch": 1})})
    samples = Samples(Plan.of(by_steps))
    for seed in samples.plan.seeds:
        runs = [r for r in samples.plan.runs if r.seed == seed and r.entry.label == "unetplus"]
        patches = [sum(p.split == Split.TRAINING for p in samples.training(r.split, seed).patches) for r in runs]
        assert len({samples.steps(r) for r in runs}) == 1
        done = [samples.epochs(r) * n for r, n in zip(runs, patches, strict=True)]
        # Whole epochs: at most half a one off.
        assert max(abs(d - samples.steps(runs[0])) for d in done) <= max(patches) / 2
    # Where the file says epochs, these hold.
    assert {Samples(Plan.of(project)).epochs(r) for r in Plan.of(project).runs} == {1}


def test_networks_of_one_seed_see_the_same_patches_in_the_same_order(tmp_path, outside, monkeypatch):
    project = study(tmp_path / "study")
    plan = Plan.of(project)
    samples = Samples(plan)
    seen: dict[str, list[tuple]] = {}
    original = PatchDataset.read

    def noted(self, numbers, into=None):
        if self.split == Split.TRAINING:
            seen[label] += [self.patches[number] for number in numbers]
        return original(self, numbers, into)

    monkeypatch.setattr(PatchDataset, "read", noted)
    for run in [r for r in plan.runs if (r.split, r.seed) == ("random", 1)]:
        label = run.entry.label
        seen[label] = []
        workflow.train(plan.study(run), samples=samples.training(run.split, run.seed))
    assert seen["unetplus"] == seen["outside:dilated"]
    assert len(seen["unetplus"]) >= 2


def test_what_is_done_is_skipped_and_what_was_changed_is_done_again(finished, monkeypatch):
    project, _, _ = finished
    before = tables(project)
    monkeypatch.setattr(workflow, "train", None)  # any training would fail
    page = compare(project).page
    assert page.exists()
    assert tables(project) == before
    plan = Plan.of(project)
    other = project.model_copy(update={"training": project.training.model_copy(update={"epochs": 2})})
    assert Keys(plan).is_done(plan.runs[0])
    assert not Keys(Plan.of(other)).is_done(plan.runs[0])
    # A trial on this device lies there, and so does everything the tables need: nothing is measured again.
    monkeypatch.setattr("pitmap.comparison.costs.measure", None)
    samples = Samples(plan)
    trials = {e.label: trial_of(plan, e, samples) for e in plan.entries}
    costs = {e.label: counted(plan, e, 4, trials[e.label].width) for e in plan.entries}
    assert collect(plan, trials, costs)[1]["table3"]


COMPARE = """
import sys
from pitmap.cluster import cluster_at
from pitmap.comparison import compare
from pitmap.study.study import load_study
compare(load_study(sys.argv[1]))
"""


def killed_at(project: Study, pattern: str) -> None:
    """Compare in a process of its own and kill it, without a chance to tidy up, as soon as a file is there."""
    folder = str(Path(__file__).parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([folder, *sys.path])}
    with subprocess.Popen(
        [sys.executable, "-c", COMPARE, str(project.path)], env=environment, stderr=subprocess.PIPE
    ) as process:
        while not any((project.results.folder / "runs").glob(pattern)):
            assert process.poll() is None, process.stderr.read().decode()
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.verify
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
def test_killed_in_the_middle_it_goes_on_to_the_same_tables(finished, tmp_path):
    whole, _, _ = finished
    project = study(tmp_path / "study")
    killed_at(project, "blocks/unetplus-seed0/models/*")  # in training or just after
    assert not list((project.results.folder / "runs").glob("*/*/run.json"))
    killed_at(project, "blocks/outside-dilated-seed0/maps/*")  # among the files of a map
    killed_at(project, "random/outside-dilated-seed1/run.json")  # the last but the tables
    assert not (project.results.folder / "comparison.html").exists()
    heard = Heard()
    compare(project, observer=heard)
    assert not [line for line in heard.said if line.startswith("Run ")]
    first, second = tables(whole), tables(project)
    assert first.keys() == second.keys()
    for name in first:
        assert first[name] == second[name], name


@pytest.mark.verify
def test_parts_on_two_machines_make_the_same_tables(finished, tmp_path):
    whole, _, _ = finished
    plan = Plan.of(whole)
    parts = [plan.part(f"{k}/3") for k in (1, 2, 3)]
    assert sorted(r.name for part in parts for r in part) == sorted(r.name for r in plan.runs)
    assert parts[1] == plan.runs[1::3]
    for wrong in ("0/3", "4/3", "2", "two/3"):
        with pytest.raises(ProjectError, match="There is no part"):
            plan.part(wrong)
    # The other machine has its own copy of the files, with times of its own, and gets the folders of the runs.
    project = study(tmp_path / "study")
    left_out = plan.runs[3]
    shutil.copytree(
        whole.results.folder / "runs", project.results.folder / "runs", ignore=shutil.ignore_patterns("samples-*")
    )
    shutil.rmtree(Plan.of(project).study(left_out).results.folder)
    assert [r for r in plan.runs if not Keys(Plan.of(project)).is_done(r)] == [left_out]
    heard = Heard()
    assert compare(project, "1/4", heard).folder == project.results.folder / "runs"
    assert "1 of 8 runs are still to be done" in heard.said[-1]
    assert compare(project, "4/4", heard).page == project.results.folder / "comparison.html"
    assert sum(line.startswith("Run ") for line in heard.said) == 1
    assert tables(project) == tables(whole)


@pytest.mark.verify
def test_runs_on_workers_come_to_the_same(tmp_path):
    settings = SETTINGS.replace('"outside:dilated"]', '"unet"]\nsplits = ["blocks"]').replace("seeds = 2", "seeds = 1")
    settings = "\n".join(line for line in settings.splitlines() if not line.startswith("options"))
    studies = []
    for name in ("here", "there"):
        (folder := tmp_path / name).mkdir()
        write_site(folder, "a", quilt(128, 128, 3, cell=8), grid(128, 128))
        studies.append(load_study(write_project(folder, ["a"], settings, samples="block_m = 64.0")))
    here, there = studies
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // 2))  # sums of a training depend on it in their last bit
    compare(here)
    torch.set_num_threads(before)
    heard = Heard()
    with cluster_at("local:2") as cluster:
        made = compare(there, observer=heard, cluster=cluster)
    assert (made.runs, made.done) == (2, 2)
    assert sum("is done: blocks/" in sentence for sentence in heard.said) == 2
    costs = {"table1.csv"}
    assert {k: v for k, v in tables(here).items() if k not in costs} == {
        k: v for k, v in tables(there).items() if k not in costs
    }
    broken = there.model_copy(update={"mapping": there.mapping.model_copy(update={"halo": 16})})
    with cluster_at("local:1") as cluster, pytest.raises(ClusterError, match="is not the one of the comparison"):
        compare(broken, cluster=cluster)
