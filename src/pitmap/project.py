"""The project file: one ``pitmap.toml`` describes a study and every command reads it.

``load`` validates the whole file, and the headers of the files it names, before any work starts, and lists all problems
at once.
"""

from __future__ import annotations

import csv
import glob
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from pitmap.errors import ImageError, PitmapError, ProjectError, nearest
from pitmap.files import journals
from pitmap.legend import DEFAULT_LEGEND, LandCoverClass, Legend
from pitmap.raster import RasterInfo, describe

RASTER_SUFFIXES = {".tif", ".tiff", ".img", ".jp2", ".vrt", ".png", ".asc", ".bil", ".hdf", ".nc"}
"""Endings by which a label file is taken for a raster; everything else is taken for a vector layer."""


class Section(BaseModel):
    """A table of the project file: unknown keys are refused, values are not converted silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ProjectSection(Section):
    """``[project]``."""

    name: str = "study"
    """Shown in the report and stored in models and maps."""
    results: str = "results"
    """Folder for all results, relative to the project file."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Every random choice comes from it."""


class ClassSection(Section):
    """``[[classes]]``: one land-cover class. Default: the seven classes of Chen et al. (2022)."""

    code: int = Field(ge=1, le=254)
    key: str
    name: str
    colour: str = Field(pattern=r"^#[0-9a-fA-F]{6}$")


class GroupTable(Section):
    """Groups of images from a CSV file, for ``split = "groups"``."""

    table: str
    """CSV file with a header."""
    file: str = "file"
    """Column with the file name of the image."""
    group: str = "group"
    """Column with the group."""


class SiteSection(Section):
    """``[[sites]]``: an image, or several of one kind, with labels."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Letters, digits, dot, hyphen, underscore: it names result files."""
    image: str
    """Path or glob of the image(s), relative to the project file."""
    bands: Annotated[list[int | str], Field(min_length=1)] | None = None
    """Bands by number (from 1) or name, in the order in which the network sees them. Default: all."""
    scale: float | None = Field(None, gt=0)
    """Reflectance is ``DN x scale + offset``. Default: the file's own tags."""
    offset: float | None = None
    """See ``scale``."""
    nodata: float | None = None
    """A pixel is invalid where any band has this value. Default: the file's own; without one, 0 in all bands."""
    group: str | None = None
    """Group for ``split = "groups"``: all images of a group stay on one side."""
    groups: GroupTable | None = None
    """Groups of the images of a glob."""
    labels: str | None = None
    """Land-use layer (vector) or label raster; ``{stem}`` stands for the image's name without ending."""
    label_layer: str | None = None
    """Layer of a vector file. Default: the only one."""
    label_layers: dict[str, str] | None = None
    """Layer name -> class key, for files with one layer a class."""
    label_field: str | None = None
    """Field that holds the class, in a vector layer."""
    label_values: dict[str, str] | None = None
    """Value of the field or the raster -> class key; "" leaves it unlabelled. Default: class keys, names or codes."""
    all_touched: bool = False
    """Whether polygons take every pixel they touch; default: those whose centre they cover."""
    extent: str | None = None
    """Vector layer that bounds the study area."""
    exclude: list[str] = []
    """Layers (vector, or rasters that are not 0 there) of clouds, shadows or other ground to leave out."""
    corrections: str | None = None
    """Queue of `pitmap review`, filled in: labels of training ground that win over ``labels``; ``{stem}`` as there."""

    @model_validator(mode="after")
    def _consistent(self) -> SiteSection:
        if self.label_layers and (self.label_field or self.label_layer):
            raise ValueError("label_layers gives each layer one class: leave label_field and label_layer out")
        if self.group is not None and self.groups is not None:
            raise ValueError("give group or groups, not both")
        return self


class SamplesSection(Section):
    """``[samples]``."""

    patch: int | None = Field(None, ge=32)
    """Side of a patch in pixels, a multiple of 32. Default: 512, or less (64 at least) where the sites are small."""
    stride: int | None = Field(None, ge=1)
    """Distance of neighbouring patches in pixels. Default: half a patch."""
    split: Literal["blocks", "sites", "groups", "random"] = "blocks"
    """What is divided between training, validation and test: squares of ground, sites, groups of images, patches."""
    block_m: float | None = Field(None, gt=0)
    """Side of the ground blocks in metres. Default: chosen so that the labelled ground has about 60 blocks."""
    buffer_m: float | None = Field(None, ge=0)
    """Distance kept between splits in metres. Default: one pixel, which is also the least."""
    validation: float = Field(0.2, gt=0, lt=1)
    """Share of the labelled ground that chooses the epoch."""
    test: float = Field(0.2, ge=0, lt=1)
    """Share of the labelled ground that every reported figure comes from."""
    test_sites: list[str] = []
    """For ``split = "sites"``: the sites left out for the test. Default: one, by seed."""
    minimum_per_class: int = Field(20, ge=0)
    """Labelled pixels that each class should have in each split; the audit names classes that stay below."""

    @model_validator(mode="after")
    def _consistent(self) -> SamplesSection:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together must leave ground for training")
        if self.patch and self.stride and self.stride > self.patch:
            raise ValueError("a stride above the patch size would leave ground out")
        return self


class TrainingSection(Section):
    """``[training]``: a recipe, and single fields that win over it. See ``pitmap.training.recipes``."""

    recipe: Literal["robust", "paper"] = "robust"
    network: str = "unetplus"
    options: dict[str, Any] = {}
    """Options of the network, such as ``fusion = "concat"``."""
    width: int | None = Field(None, ge=2)
    """Channels of the first stage."""
    epochs: int | None = Field(None, ge=1)
    batch: int | None = Field(None, ge=1)
    """Patches a step."""
    accumulate: int | None = Field(None, ge=1)
    """Steps whose gradients are added before the weights change."""
    learning_rate: float | None = Field(None, gt=0)
    weight_decay: float | None = Field(None, ge=0)
    schedule: Literal["constant", "cosine"] | None = None
    """Learning rate over the epochs; ``cosine`` warms up over the first 5 %."""
    loss: Literal["cross_entropy", "dice_cross_entropy", "focal"] | None = None
    class_weights: Literal["none", "root", "inverse", "median"] | None = None
    """Weights of the classes from their frequency in the training ground."""
    label_smoothing: float | None = Field(None, ge=0, lt=1)
    augmentation: bool | None = None
    """The eight flips and rotations."""
    jitter: float | None = Field(None, ge=0, lt=1)
    """Brightness and contrast jitter a band, as a share of its standard deviation."""
    mixing: float | None = Field(None, ge=0, le=1)
    """Probability that a rectangle of a patch is replaced by that of another patch."""
    early_stopping: int | None = Field(None, ge=0)
    """Epochs without a better validation score after which training ends; 0 never ends early."""
    monitor: Literal["loss", "miou"] | None = None
    """Validation figure that chooses the epoch."""
    precision: Literal["auto", "float32", "bf16"] | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = Field(1, ge=1)
    """Number of GPUs, used with Lightning's own strategies."""
    workers: int = Field(0, ge=0)
    """Processes that read patches; reading is a memory copy, so 0 is right but for very many bands."""


class MappingSection(Section):
    """``[mapping]``."""

    halo: Literal["exact"] | Annotated[int, Field(ge=0)] = "exact"
    """Overlap of tiles that is thrown away; ``exact`` makes the tiled map equal the map of the whole scene."""
    tile: int | None = Field(None, ge=64)
    """Side of a tile in pixels. Default: by device."""
    test_time_augmentation: bool = False
    """Mean of the eight flips and rotations: eight times the time."""
    probabilities: bool = False
    """Write the class probabilities too."""
    precision: Literal["auto", "float32", "bf16"] = "auto"
    mines: list[str] | None = None
    """Keys of the classes that become mine polygons. Default: OPM, or the class whose name says pit or mine."""
    minimum_mapping_unit_m2: float = Field(1000.0, ge=0)
    """Smaller mine polygons are left out."""


class AccuracySection(Section):
    """``[accuracy]``."""

    reference: str | None = None
    """Points of `pitmap design`, labelled: `pitmap run` estimates accuracy and areas from them."""


class CompareSection(Section):
    """``[compare]``."""

    networks: Annotated[list[str], Field(min_length=1)] = [
        "fcn8s", "segnet", "unet", "resunet", "unetplusplus", "unetplus",
    ]  # fmt: skip
    """Names such as ``unetplus``, variants such as ``unetplus:B1``, one's own as ``package.module:factory``."""
    options: dict[str, dict[str, Any]] = {}
    """Options of a network by its entry in ``networks``, beside those of its variant."""
    seeds: int = Field(3, ge=1)
    """Number of seeds, from the project's on. A seed decides the split, the order and the weights."""
    splits: Annotated[list[Literal["blocks", "sites", "groups", "random"]], Field(min_length=1)] = ["blocks", "random"]
    equal_training: bool = True
    """Whether the splits of a seed are thinned to the same number of labelled training pixels, so that the difference
    between random and ground split is optimism and not a matter of more labels."""

    @model_validator(mode="after")
    def _consistent(self) -> CompareSection:
        for name, entries in (("networks", self.networks), ("splits", self.splits)):
            if len(set(entries)) < len(entries):
                raise ValueError(f"{name} names an entry twice")
        if unknown := [entry for entry in self.options if entry not in self.networks]:
            raise ValueError(f"options are given for {unknown[0]!r}, which is not among the networks")
        return self


@dataclass(frozen=True)
class Scene:
    """One image of a site, with everything that is needed to read it and its labels.

    Attributes:
        name: Unique in the project; names result files.
        site: The site it belongs to.
        image: Path of the image.
        info: Its header.
        band_indices: Selected bands, counted from 1.
        scales: One a selected band; the quantity is ``DN x scale + offset``.
        offsets: One a selected band.
        calibrated: Whether scale and offset are known, from the project or from the file.
        group: Group, for ``split = "groups"``.
        labels: Path of the labels, or None.
        corrections: Path of the reviewed polygons, or None.
    """

    name: str
    site: SiteSection
    image: Path
    info: RasterInfo
    band_indices: tuple[int, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    calibrated: bool
    group: str
    labels: Path | None
    corrections: Path | None

    @property
    def nodata(self) -> float | None:
        """The nodata value: the project's, or the file's."""
        return self.info.nodata if self.site.nodata is None else self.site.nodata

    @property
    def band_names(self) -> list[str]:
        """Names of the selected bands, ``band 3`` where the file has none."""
        return [self.info.descriptions[i - 1] or f"band {i}" for i in self.band_indices]

    @property
    def labels_are_raster(self) -> bool:
        """Whether the labels are a raster and not a vector layer."""
        return self.labels is not None and self.labels.suffix.lower() in RASTER_SUFFIXES


class Project(Section):
    """A validated project file."""

    project: ProjectSection = ProjectSection()
    classes: list[ClassSection] = []
    sites: Annotated[list[SiteSection], Field(min_length=1)]
    samples: SamplesSection = SamplesSection()
    training: TrainingSection = TrainingSection()
    mapping: MappingSection = MappingSection()
    accuracy: AccuracySection = AccuracySection()
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

    @property
    def results(self) -> Path:
        """The results folder."""
        return self.folder / self.project.results

    @property
    def samples_folder(self) -> Path:
        """The folder of the sample set: in the results folder, or where the runs of a comparison share it."""
        return self._samples_folder or self.results / "samples"

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
    def source_files(self) -> set[Path]:
        """All files that samples and maps are made from: images, labels, corrections, extents, excluded layers.

        Changes to corrections that an editor keeps beside its open file are among them.
        """
        files = {s.image for s in self.scenes} | {s.labels for s in self.scenes if s.labels}
        for corrections in {s.corrections for s in self.scenes if s.corrections}:
            files |= {corrections, *journals(corrections)}
        return files | {self.folder / p for site in self.sites for p in [site.extent, *site.exclude] if p}

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


def load(path: Path) -> Project:
    """Read and validate a project file and the headers of the files it names.

    Raises:
        ProjectError: Any problem; all of them are listed in one error.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ProjectError(
            f"The project file {path} cannot be read ({reason}).", remedy="`pitmap init` writes a commented one."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(f"{path} is not valid TOML: {error}.", remedy="Mend that line.") from error
    try:
        project = Project.model_validate(content)
    except ValidationError as error:
        raise _problems(path, [_explain(e) for e in error.errors()]) from error
    project._path = path.resolve()
    problems: list[str] = []
    scenes = [scene for site in project.sites for scene in _scenes(project, site, problems)]
    problems += _check_names(project, scenes)
    if problems:
        raise _problems(path, problems)
    project._scenes = scenes
    return project


def suggestion(name: str, names: Iterable[str]) -> str:
    """`` Did you mean ...?`` with the nearest name, or a list of them, or nothing."""
    names = list(names)
    if close := nearest(name, names):
        return f" Did you mean {close!r}?"
    return f" There is: {', '.join(names)}." if 0 < len(names) <= 20 else ""


def _problems(path: Path, problems: list[str]) -> ProjectError:
    count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
    return ProjectError(f"{path} has {count}:\n" + "\n".join(f"  - {p}" for p in dict.fromkeys(problems)))


def _explain(error: Any) -> str:
    """One pydantic error as a line, with the nearest valid key."""
    where, place = _locate(error["loc"])
    if error["type"] == "extra_forbidden":
        model = _model_at(error["loc"][:-1])
        return (
            f"{place} has the unknown key {error['loc'][-1]!r}.{suggestion(str(error['loc'][-1]), model.model_fields)}"
        )
    if error["type"] == "missing":
        return f"{place} lacks the key {error['loc'][-1]!r}."
    message = error["msg"].removeprefix("Value error, ")
    found = "" if isinstance(error["input"], dict) else f" = {error['input']!r}"
    return f"{where}{found}: {message}."


def _locate(loc: tuple[int | str, ...]) -> tuple[str, str]:
    """``[samples] patch`` and ``[samples]`` for an error's location; sites and classes are counted from 1."""
    head, *rest = loc
    table = f"[[{head}]] number {int(rest.pop(0)) + 1}" if rest and isinstance(rest[0], int) else f"[{head}]"
    names = [str(r) for r in rest if not (isinstance(r, str) and re.match(r"^(int|str|list|literal|constrained)", r))]
    return f"{table} {'.'.join(names)}".strip(), table


def _model_at(loc: tuple[int | str, ...]) -> type[BaseModel]:
    sections: dict[str, type[BaseModel]] = {
        "project": ProjectSection, "classes": ClassSection, "sites": SiteSection, "samples": SamplesSection,
        "training": TrainingSection, "mapping": MappingSection, "accuracy": AccuracySection, "compare": CompareSection,
    }  # fmt: skip
    if not loc:
        return Project
    return GroupTable if "groups" in loc else sections[str(loc[0])]


def _scenes(project: Project, site: SiteSection, problems: list[str]) -> list[Scene]:
    """The images of a site with their headers; problems are added to the list."""
    folder, where = project.folder, f"Site {site.name!r}"
    pattern = str(folder / site.image)
    images = sorted(Path(p) for p in glob.glob(pattern)) if glob.has_magic(site.image) else [Path(pattern)]
    if not images:
        problems.append(f"{where}: no file matches image = {site.image!r} (looked in {folder}).")
    groups = _groups(folder, site, problems)
    for name, layer in (("extent", site.extent), *(("exclude", layer) for layer in site.exclude)):
        if layer is not None and not (folder / layer).exists():
            problems.append(f"{where}: {name} = {layer!r} does not exist.{_nearest_file(folder / layer)}")
    scenes = []
    for image in images:
        try:
            info = describe(image)
            indices = info.band_indices(site.bands)
        except ImageError as error:
            problems.append(f"{where}: {error}{'' if image.exists() else _nearest_file(image)}")
            continue
        scene = Scene(
            name=site.name if len(images) == 1 else f"{site.name}-{image.stem}",
            site=site,
            image=image,
            info=info,
            band_indices=tuple(indices),
            scales=tuple(info.scales[i - 1] if site.scale is None else site.scale for i in indices),
            offsets=tuple(
                site.offset if site.offset is not None else (info.offsets[i - 1] if site.scale is None else 0.0)
                for i in indices
            ),
            calibrated=site.scale is not None or info.has_scale,
            group=site.group or _group_of(image, groups) or image.stem,
            labels=_own_file(folder, site.labels, image),
            corrections=_own_file(folder, site.corrections, image),
        )
        _check_labels(project, scene, problems)
        scenes.append(scene)
    if site.corrections is not None:
        _check_corrections(site, scenes, problems)
        # Of several images some may not have been reviewed yet.
        scenes = [s if s.corrections and s.corrections.exists() else replace(s, corrections=None) for s in scenes]
    return scenes


def _own_file(folder: Path, pattern: str | None, image: Path) -> Path | None:
    """The file that a path with ``{stem}`` names for an image."""
    return None if pattern is None else folder / pattern.replace("{stem}", image.stem)


def _groups(folder: Path, site: SiteSection, problems: list[str]) -> dict[str, str]:
    if site.groups is None:
        return {}
    where, path = f"Site {site.name!r}: groups", folder / site.groups.table
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{where}.table = {site.groups.table!r} cannot be read ({error}).{_nearest_file(path)}")
        return {}
    columns = list(rows[0]) if rows else []
    for key, column in (("file", site.groups.file), ("group", site.groups.group)):
        if column not in columns:
            problems.append(f"{where}.{key} = {column!r} is not a column of {path.name}.{suggestion(column, columns)}")
            return {}
    return {row[site.groups.file].strip(): row[site.groups.group] for row in rows}


def _group_of(image: Path, groups: dict[str, str]) -> str | None:
    """The group of an image: by the end of its path, with as many folders as the table gives, or by its stem."""
    for count in range(len(image.parts), 0, -1):
        if group := groups.get("/".join(image.parts[-count:])):
            return group
    return groups.get(image.stem)


def _nearest_file(path: Path) -> str:
    return suggestion(path.name, sorted(p.name for p in path.parent.iterdir())) if path.parent.is_dir() else ""


def _check_labels(project: Project, scene: Scene, problems: list[str]) -> None:
    """Check a scene's label file: it exists, has the layers and fields named, and the classes are in the legend."""
    site, where, keys = scene.site, f"Site {scene.site.name!r}", project.legend.keys
    for option, mapping in (("label_values", site.label_values), ("label_layers", site.label_layers)):
        for value, key in (mapping or {}).items():
            if key and key not in keys:
                problems.append(f"{where}: {option} gives {value!r} the class {key!r}, which the legend lacks."
                                f"{suggestion(key, keys)}")  # fmt: skip
    if scene.labels is None:
        return
    if not scene.labels.exists():
        problems.append(f"{where}: labels {scene.labels} does not exist.{_nearest_file(scene.labels)}")
        return
    if scene.labels_are_raster:
        try:
            describe(scene.labels)
        except ImageError as error:
            problems.append(f"{where}: labels: {error}")
        return
    if scene.info.grid.crs is None:
        problems.append(
            f"{where}: the image {scene.image.name} has no coordinate reference system, so the vector labels "
            f"{scene.labels.name} cannot be laid over it. Give a label raster of the image's size, or a georeferenced "
            "image."
        )
        return
    from pitmap import landuse

    layers: list[str | None] = list(site.label_layers) if site.label_layers else [site.label_layer]
    for layer in layers:
        try:
            landuse.check_layer(scene.labels, layer, site.label_field)
        except PitmapError as error:
            problems.append(f"{where}: {error}")


def _check_corrections(site: SiteSection, scenes: list[Scene], problems: list[str]) -> None:
    """Check that a site's reviewed polygons exist, have the field to fill in, and can be laid over the images."""
    from pitmap import landuse, review_queue

    where = f"Site {site.name!r}: corrections"
    found = [s for s in scenes if s.corrections is not None and s.corrections.exists()]
    if scenes and not found:
        path = scenes[0].corrections
        assert path is not None
        problems.append(f"{where} {path} does not exist.{_nearest_file(path)}")
    if len(scenes) > 1 and "{stem}" not in (site.corrections or ""):
        problems.append(
            f"{where} = {site.corrections!r} is one file for {len(scenes)} images. A review is of one map: give a file "
            "for each image, with {stem} in place of the image's name without ending."
        )
    for scene in found:
        assert scene.corrections is not None
        if scene.info.grid.crs is None:
            problems.append(f"{where}: the image {scene.image.name} has no coordinate reference system.")
            continue
        try:
            landuse.check_layer(scene.corrections, review_queue.layer_of(scene.corrections), review_queue.FIELD)
            problems += [f"{where}: {p}" for p in review_queue.problems(scene.corrections, scene.image)]
        except PitmapError as error:
            problems.append(f"{where}: {error}")


def _check_names(project: Project, scenes: list[Scene]) -> list[str]:
    """Problems that show only when all parts are seen together."""
    problems: list[str] = []
    names = [site.name for site in project.sites]
    problems += [f"Two sites are named {name!r}." for name in sorted({n for n in names if names.count(n) > 1})]
    problems += [
        f"[samples] test_sites: there is no site {name!r}.{suggestion(name, names)}"
        for name in project.samples.test_sites
        if name not in names
    ]
    if project.accuracy.reference is not None and not (path := project.folder / project.accuracy.reference).exists():
        problems.append(f"[accuracy] reference = {project.accuracy.reference!r} does not exist.{_nearest_file(path)}")
    try:
        keys = project.legend.keys
    except ProjectError as error:
        return [*problems, str(error)]
    problems += [
        f"[mapping] mines: the legend has no class {key!r}.{suggestion(key, keys)}"
        for key in project.mapping.mines or []
        if key not in keys
    ]
    counts = {len(s.band_indices) for s in scenes}
    if len(counts) > 1:
        problems.append(
            "The images have different numbers of bands: "
            + ", ".join(f"{s.name} {len(s.band_indices)}" for s in scenes[:10])
            + ". Select the same bands in the same order at every site with bands = [...]."
        )
    if len({s.calibrated for s in scenes}) > 1:
        without = [s.name for s in scenes if not s.calibrated]
        problems.append(
            f"No scale is known for {', '.join(without[:5])}, while other images have one. Give scale (and offset) "
            "there, so that all images are in the same quantity (reflectance = DN x scale + offset)."
        )
    if project.samples_settings.split == "blocks" and any(s.info.grid.crs is None for s in scenes):
        bare = next(s for s in scenes if s.info.grid.crs is None)
        problems.append(f"split = \"blocks\" needs georeferenced images, and {bare.image.name} has no CRS. "
                        'Use split = "groups".')  # fmt: skip
    return problems
