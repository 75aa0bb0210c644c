from pathlib import Path

from pitmap_qgis.stepping import Choice, Stepping, choices_of
from pitmap_qgis.study import study_files, titled


def test_the_list_of_the_form_becomes_keys():
    names = [f"class {n}" for n in range(1, 12)]
    choices = choices_of([{name: str(n)} for n, name in enumerate(names, start=1)])
    assert choices[0] == Choice("1", "class 1", "1")
    assert [c.key for c in choices] == [*"123456789", "", ""]
    assert choices_of({"pit": "OPM", "cannot be told": "?"}) == [
        Choice("OPM", "pit", "1"),
        Choice("?", "cannot be told", "2"),
    ]


def test_it_begins_at_the_first_without_a_label():
    assert Stepping([7, 5, 9], []).current == 7
    assert Stepping([7, 5, 9], [7]).current == 5
    assert Stepping([7, 5, 9], [7, 5, 9]).current == 7


def test_steps_stay_within_and_skip_what_is_done():
    steps = Stepping([7, 5, 9, 2], [5])
    steps.previous()
    assert (steps.current, steps.place, steps.done, len(steps)) == (7, 1, 1, 4)
    steps.next()
    assert steps.current == 5
    steps.go_to(99)
    steps.next()
    assert steps.current == 2
    steps.mark(True)
    assert steps.next_open()
    assert steps.current == 7
    steps.mark(True)
    assert steps.next_open()
    assert steps.current == 9
    steps.mark(True)
    assert not steps.next_open()
    assert (steps.current, steps.done) == (9, 4)
    steps.mark(False)
    assert steps.done == 3


def test_files_of_a_study_are_found_beside_its_project_file():
    scene = {"scene": "north", "image": "../img/n.tif", "shown_bands": [3, 2, 1], "date": "2017-10-30"}
    labelling = {"points": ["p.gpkg"], "reviews": ["r/q.gpkg"]}
    content = {
        "study": "Käs",
        "project_file": "/a/pitmap.toml",
        "scenes": [scene],
        "files": {"report": None, "qgis": None, "maps": ["results/maps/north.tif"], **labelling},
    }
    files = study_files(content)
    assert files.bands == {"north": [3, 2, 1]}
    assert files.dates == {"north": "2017-10-30"}
    assert [titled("north", files.dates.get(name)) for name in ("north", "far")] == [
        "2017-10-30 · north", "date unknown · north"
    ]  # fmt: skip
    assert files.images == {"north": Path("/a/../img/n.tif")}
    assert files.labelling == {"points: p.gpkg": Path("/a/p.gpkg"), "review: q.gpkg": Path("/a/r/q.gpkg")}
    assert files.maps == (Path("/a/results/maps/north.tif"),)
    assert files.report is None
