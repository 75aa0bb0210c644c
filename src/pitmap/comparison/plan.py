"""What a comparison consists of: networks x seeds x splits as a list of runs, each a small study of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pitmap.errors import ProjectError
from pitmap.networks.registry import check_options, factory_of, is_known
from pitmap.processor import has_bf16
from pitmap.study.results import file_name
from pitmap.study.schema import CompareSection, SamplesSection
from pitmap.study.study import Study
from pitmap.training.choices import Training
from pitmap.training.recipes import resolve


@dataclass(frozen=True)
class Entry:
    """A network of the comparison.

    Attributes:
        label: As the project file names it: ``unetplus``, ``unetplus:B1``, ``package.module:factory``.
        network: Its name in the registry.
        options: For ``registry.build``, without width.
    """

    label: str
    network: str
    options: dict[str, Any] = field(hash=False)

    @classmethod
    def of(cls, label: str, options: dict[str, Any] | None = None) -> Entry:
        """The network that an entry of ``[compare] networks`` names.

        Args:
            label: A name of the registry, with ``:VARIANT`` after it or not, or ``package.module:factory``, likewise.
            options: Beside those of the variant.

        Raises:
            ProjectError: There is no such network, variant or option.
        """
        name, *rest = label.split(":")
        if not is_known(name) and rest:
            name, rest = f"{name}:{rest[0]}", rest[1:]
        factory_of(name)
        chosen = {**({"variant": ":".join(rest)} if rest else {}), **(options or {})}
        check_options(name, chosen)
        return cls(label, name, chosen)

    @property
    def file_name(self) -> str:
        """The label as part of a file name."""
        return file_name(self.label)


@dataclass(frozen=True)
class Run:
    """One network trained, mapped and assessed with one seed under one split.

    Attributes:
        entry: The network.
        split: How the ground is divided.
        seed: Of the split, the order of the patches, the weights and the augmentation.
    """

    entry: Entry
    split: str
    seed: int

    @property
    def name(self) -> str:
        """``<split>/<network>-seed<S>``."""
        return f"{self.split}/{self.entry.file_name}-seed{self.seed}"


@dataclass(frozen=True)
class Plan:
    """All runs of a comparison, seed by seed, so that the first complete comparison is there early.

    Attributes:
        project: The study.
        entries: The networks in their order.
        splits: The splits in their order.
        seeds: The seeds.
    """

    project: Study
    entries: tuple[Entry, ...]
    splits: tuple[str, ...]
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, project: Study) -> Plan:
        """The plan of a project file.

        Raises:
            ProjectError: A network, variant or option that does not exist, or two that would share a folder.
        """
        section: CompareSection = project.compare
        entries = tuple(Entry.of(label, section.options.get(label)) for label in section.networks)
        names = [e.file_name for e in entries]
        if clash := [n for n in names if names.count(n) > 1]:
            raise ProjectError(
                f"Two networks of the comparison would share the folder {clash[0]!r}.", remedy="Rename one of them."
            )
        first = project.project.seed
        return cls(project, entries, tuple(section.splits), tuple(range(first, first + section.seeds)))

    @property
    def runs(self) -> list[Run]:
        """Every run, the seeds outermost, then the splits, then the networks."""
        return [Run(e, split, seed) for seed in self.seeds for split in self.splits for e in self.entries]

    def part(self, text: str | None) -> list[Run]:
        """Every n-th run from the k-th on for ``k/n``; all of them for None.

        Raises:
            ProjectError: It is not a part.
        """
        if text is None:
            return self.runs
        found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise ProjectError(f"There is no part {text!r}.", "A part such as 2/8: the second of eight.")
        return self.runs[int(found[1]) - 1 :: int(found[2])]

    @property
    def folder(self) -> Path:
        """Where the runs lie."""
        return self.project.results.runs

    def samples_study(self, split: str, seed: int) -> Study:
        """The project of the sample set that all networks of a split and a seed share.

        The seed is the project's own, so that each seed tests on other ground and `pitmap run` with that seed and split
        makes the same samples.
        """
        study = self._derived(split, seed, f"runs/{split}/samples-seed{seed}")
        study._samples_folder = study.results.folder
        return study

    def study(self, run: Run) -> Study:
        """The project of a run: its own results folder and network, the shared samples, one precision for all runs.

        ``auto`` is bf16 where the device has it, else float32, in training, and float32 in mapping.
        """
        study = self._derived(run.split, run.seed, f"runs/{run.name}")
        training: dict[str, Any] = {"network": run.entry.network, "options": run.entry.options}
        if resolve(study.training, on_gpu=False).precision == "auto":
            training["precision"] = precision_for(Training.of(study.training, run.seed).device)
        mapping = {"precision": "float32"} if study.mapping.precision == "auto" else {}
        study = study.model_copy(
            update={
                "training": study.training.model_copy(update=training),
                "mapping": study.mapping.model_copy(update=mapping),
            }
        )
        study._samples_folder = self.samples_study(run.split, run.seed).results.folder
        return study

    def _derived(self, split: str, seed: int, folder: str) -> Study:
        project = self.project
        section = project.project.model_copy(
            update={"seed": seed, "results": f"{project.project.results.rstrip('/')}/{folder}"}
        )
        return project.model_copy(update={"project": section, "samples": samples_section(project, split)})


def precision_for(device: str) -> Literal["float32", "bf16"]:
    """bf16 on a device that computes in it, else float32."""
    return "bf16" if has_bf16(device) else "float32"


def samples_section(project: Study, split: str) -> SamplesSection:
    """The study's ``[samples]`` with another split; a ground split gets test ground where the recipe leaves none."""
    settings = {**project.samples_settings.model_dump(), "split": split}
    if split != "random" and settings["test"] == 0:
        default = SamplesSection()
        settings |= {"validation": default.validation, "test": default.test}
    return SamplesSection.model_validate(settings)
