"""A study: a validated project file, with the images that it names."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import Field, PrivateAttr, ValidationError

from pitmap.errors import ProjectError
from pitmap.legend import DEFAULT_LEGEND, LandCoverClass, Legend
from pitmap.paths import resolve
from pitmap.stored import shortened
from pitmap.study.problems import check_names, explain, problem_list
from pitmap.study.results import Results
from pitmap.study.scenes import Scene, scenes_of
from pitmap.study.schema import (
    AccuracySection,
    ChangeSection,
    ClassSection,
    CompareSection,
    MappingSection,
    ProjectSection,
    ReportSection,
    SamplesSection,
    Section,
    SiteSection,
    TrainingSection,
)


class Study(Section):
    """A validated project file and the images that it names."""

    project: ProjectSection = ProjectSection()
    classes: list[ClassSection] = Field([])
    sites: Annotated[list[SiteSection], Field(min_length=1)]
    samples: SamplesSection = SamplesSection()
    training: TrainingSection = TrainingSection()
    mapping: MappingSection = MappingSection()
    accuracy: AccuracySection = AccuracySection()
    report: ReportSection = ReportSection()
    change: ChangeSection = ChangeSection()
    compare: CompareSection = CompareSection()
    _path: Path = PrivateAttr(Path("pitmap.toml"))
    _scenes: list[Scene] = PrivateAttr([])
    _samples_folder: Path | None = PrivateAttr(None)

    @property
    def path(self) -> Path:
        """The project file."""
        return self._path

    @property
    def folder(self) -> Path:
        """The folder that relative paths start at."""
        return self._path.parent

    def place(self, text: str) -> Path:
        """A file that the project file names: relative to its folder, in an archive, or at an address."""
        return resolve(self.folder, text)

    @property
    def results(self) -> Results:
        """Where the results lie."""
        return Results(self.folder / self.project.results)

    @property
    def samples_folder(self) -> Path:
        """The folder of the sample set: in the results folder, or where the runs of a comparison share it."""
        return self._samples_folder or self.results.samples

    @property
    def legend(self) -> Legend:
        """The land-cover classes."""
        if not self.classes:
            return DEFAULT_LEGEND
        return Legend(LandCoverClass(c.code, c.key, c.name, c.colour) for c in self.classes)

    @property
    def scenes(self) -> list[Scene]:
        """All images of all sites, in the order of the file, globs sorted by name."""
        return self._scenes

    @property
    def series(self) -> dict[str, list[Scene]]:
        """The images of each place of ``[change] series``, by its name: that of their site, else of the first image."""
        found: dict[str, list[Scene]] = {}
        for names in self.change.series:
            scenes = [s for name in names for s in self._scenes if s.name == name]
            scenes += [s for name in names for s in self._scenes if s.site.name == name and s not in scenes]
            sites = {s.site.name for s in scenes}
            found[sites.pop() if len(sites) == 1 else scenes[0].name] = scenes
        return found

    @property
    def samples_settings(self) -> SamplesSection:
        """``[samples]``; with ``recipe = "paper"`` the paper's random 70/30 split where the file does not say else."""
        if self.training.recipe != "paper":
            return self.samples
        paper = {"split": "random", "validation": 0.3, "test": 0.0, "patch": 512}
        written = {k: getattr(self.samples, k) for k in self.samples.model_fields_set}
        return SamplesSection.model_validate(paper | written)

    @property
    def mine_classes(self) -> list[str]:
        """Keys of the classes that become mine polygons."""
        if self.mapping.mines is not None:
            return self.mapping.mines
        return self.legend.mine_keys

    def relative(self, path: Path) -> str:
        """A path as it is stored in results: relative to the project folder where it lies below it."""
        try:
            return path.resolve().relative_to(self.folder.resolve()).as_posix()
        except ValueError:
            return str(path)


def load_study(path: str | Path) -> Study:
    """Read and validate a project file and the headers of the files it names.

    Args:
        path: The file, or the folder with its ``pitmap.toml``.

    Raises:
        ProjectError: Any problem; all of them are listed in one error.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "pitmap.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ProjectError(
            f"The project file {path} cannot be read ({reason}).", remedy="`pitmap init` writes a commented one."
        ) from error
    except (ValueError, RecursionError) as error:  # of tomllib; a number may have too many digits for Python
        raise ProjectError(f"{path} is not valid TOML: {shortened(str(error))}.", remedy="Mend that line.") from error
    try:
        project = Study.model_validate(content)
    except ValidationError as error:
        raise problem_list(path, [explain(e) for e in error.errors()]) from error
    project._path = path.resolve()
    try:
        legend = project.legend
    except ProjectError as error:
        raise problem_list(path, [str(error)]) from error
    problems: list[str] = []
    scenes = scenes_of(project.folder, project.sites, legend, problems)
    problems += check_names(project, scenes)
    if problems:
        raise problem_list(path, problems)
    project._scenes = scenes
    return project
