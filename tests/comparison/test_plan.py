import pytest

from pitmap.comparison.plan import Entry, Plan, samples_section
from pitmap.errors import ProjectError
from pitmap.study.study import load_study
from studies import grid, quilt, write_project, write_site


@pytest.fixture
def folder(tmp_path):
    write_site(tmp_path, "a", quilt(64, 64), grid(64, 64))
    return tmp_path


def test_entries_name_networks_variants_and_networks_of_ones_own(monkeypatch):
    monkeypatch.syspath_prepend(str(__file__).rsplit("/", 1)[0])
    assert Entry.of("unet") == Entry("unet", "unet", {})
    assert Entry.of("unetplus:B1") == Entry("unetplus:B1", "unetplus", {"variant": "B1"})
    assert Entry.of("unetplus:B1").file_name == "unetplus-B1"
    own = Entry.of("outside:dilated", {"dilation": 4})
    assert (own.network, own.options) == ("outside:dilated", {"dilation": 4})


@pytest.mark.parametrize(
    ("label", "text"),
    [("unetpls", "unetplus"), ("unetplus:B9", "no variant 'B9'"), ("nowhere:network", "cannot be imported")],
)
def test_an_entry_that_does_not_exist_is_refused_before_any_work(label, text):
    with pytest.raises(ProjectError, match=text):
        Entry.of(label)


def test_an_option_that_a_network_lacks_is_refused():
    with pytest.raises(ProjectError, match="no option 'fuse'"):
        Entry.of("unetplus", {"fuse": "add"})


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ('networks = ["unet", "unet"]', "names an entry twice"),
        ('networks = ["unet"]\noptions = { segnet = { unpool = "nearest" } }', "not among the networks"),
        ("networks = []", "at least 1 item"),
        ('splits = ["block"]', "blocks"),
    ],
)
def test_a_section_that_makes_no_sense_is_refused(folder, more, text):
    with pytest.raises(ProjectError, match=text):
        load_study(write_project(folder, ["a"], f"[compare]\n{more}"))


def test_runs_are_ordered_by_seed_and_each_has_its_folder_and_settings(folder):
    more = '[project]\nseed = 5\n[compare]\nnetworks = ["unet", "unetplus:B1"]\nseeds = 2'
    project = load_study(write_project(folder, ["a"], more))
    plan = Plan.of(project)
    assert [r.name for r in plan.runs[:4]] == [
        "blocks/unet-seed5", "blocks/unetplus-B1-seed5", "random/unet-seed5", "random/unetplus-B1-seed5",
    ]  # fmt: skip
    assert {r.seed for r in plan.runs[4:]} == {6}
    study = plan.study(plan.runs[3])
    assert study.results.folder == project.results.folder / "runs" / "random" / "unetplus-B1-seed5"
    assert study.samples_folder == project.results.folder / "runs" / "random" / "samples-seed5"
    assert (study.training.network, study.training.options) == ("unetplus", {"variant": "B1"})
    assert (study.samples_settings.split, study.project.seed) == ("random", 5)
    assert study.scenes == project.scenes
    assert (project.samples_folder, project.samples.split) == (project.results.folder / "samples", "blocks")


def test_all_networks_train_in_the_one_precision_that_the_device_has(folder, monkeypatch):
    monkeypatch.setattr("pitmap.comparison.plan.has_bf16", lambda device: False)
    more = '[training]\ndevice = "cpu"\n'
    plan = Plan.of(load_study(write_project(folder, ["a"], more)))
    assert plan.project.mapping.precision == "auto"
    studies = [plan.study(run) for run in plan.runs]
    assert {(s.training.precision, s.mapping.precision) for s in studies} == {("float32", "float32")}
    plan = Plan.of(load_study(write_project(folder, ["a"], more + 'precision = "bf16"\n[mapping]\nprecision = "bf16"')))
    studies = [plan.study(run) for run in plan.runs]
    assert {(s.training.precision, s.mapping.precision) for s in studies} == {("bf16", "bf16")}


def test_a_ground_split_beside_the_papers_protocol_gets_test_ground(folder):
    project = load_study(write_project(folder, ["a"], '[training]\nrecipe = "paper"'))
    assert (project.samples_settings.split, project.samples_settings.test) == ("random", 0.0)
    assert samples_section(project, "blocks").test == 0.2
    paper = samples_section(project, "random")
    assert (paper.validation, paper.test, paper.patch) == (0.3, 0.0, 64)
