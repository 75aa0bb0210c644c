"""The two dates of ``two_dates`` as a study whose maps are made, and whose change is asked for."""

from pathlib import Path

from changes.two_dates import after, before, write_image, write_map
from pitmap.study.study import Study, load_study

NAMES = ("pit-2021", "pit-2023")

PROJECT = """
[project]
name = "Two dates"
[change]
series = [["pit-2023", "pit-2021"]]
[[sites]]
name = "pit-2021"
image = "scene-20210619.tif"
scale = 0.0001
[[sites]]
name = "pit-2023"
image = "scene-20230530.tif"
scale = 0.0001
"""


def dated_study(folder: Path, shift: tuple[float, float] = (0, 0), more: str = "") -> Study:
    folder.mkdir(exist_ok=True)
    write_image(folder / "scene-20210619.tif", before())
    write_image(folder / "scene-20230530.tif", after(), shift, seed=1)
    (folder / "pitmap.toml").write_text(PROJECT.lstrip() + more)
    study = load_study(folder)
    study.results.maps.mkdir(parents=True)
    for name, codes in zip(NAMES, (before(), after()), strict=True):
        write_map(study.results.map(name).map, codes)
    return study
