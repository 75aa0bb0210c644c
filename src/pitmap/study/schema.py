"""The project file: one ``pitmap.toml`` describes a study and every command reads it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pitmap.study.asked import Asked


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
    """Land-use layer (vector) or label raster; ``{stem}`` stands for the image's name without ending, ``{folder}`` for
    the folder that it lies in. Default: none, the images are mapped only."""
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
    """Queue of `pitmap review`, filled in: labels of training ground that win over ``labels``; ``{stem}`` and
    ``{folder}`` as there. Default: none."""

    @property
    def asked(self) -> Asked:
        """How the images are to be read; each resolves it against its own header."""
        return Asked(None if self.bands is None else tuple(self.bands), self.scale, self.offset, self.nodata)

    @model_validator(mode="after")
    def _consistent(self) -> SiteSection:
        if self.label_layers and (self.label_field or self.label_layer):
            raise ValueError("label_layers gives each layer one class: leave label_field and label_layer out")
        if self.group is not None and self.groups is not None:
            raise ValueError("give group or groups, not both")
        return self


SPLITS = ("blocks", "sites", "groups", "random")
"""The kinds of split that have a name; ``samples.division`` holds what they do."""


def _split(name: str) -> str:
    if name not in SPLITS and ":" not in name:
        raise ValueError(f"{name!r} is none of {', '.join(SPLITS)} and no package.module:name")
    return name


class SamplesSection(Section):
    """``[samples]``."""

    patch: int | None = Field(None, ge=32)
    """Side of a patch in pixels, a multiple of 32. Default: 512, or less (64 at least) where the sites are small."""
    stride: int | None = Field(None, ge=1)
    """Distance of neighbouring patches in pixels. Default: half a patch."""
    split: Annotated[str, AfterValidator(_split)] = "blocks"
    """What is divided between training, validation and test: squares of ground ("blocks"), "sites", "groups" of images,
    patches ("random"), or a function of one's own as "package.module:name"."""
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
    """``auto`` takes bf16 where the device computes in it and the model gives the same map in it."""
    engine: str = "torch"
    """What runs the network: ``torch``, or one's own as ``package.module:name``."""
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
    splits: Annotated[list[Annotated[str, AfterValidator(_split)]], Field(min_length=1)] = ["blocks", "random"]
    equal_training: bool = True
    """Whether the splits of a seed are brought to the same number of labelled training pixels, so that the difference
    between random and ground split is optimism and not a matter of more labels."""

    @model_validator(mode="after")
    def _consistent(self) -> CompareSection:
        for name, entries in (("networks", self.networks), ("splits", self.splits)):
            if len(set(entries)) < len(entries):
                raise ValueError(f"{name} names an entry twice")
        if unknown := [entry for entry in self.options if entry not in self.networks]:
            raise ValueError(f"options are given for {unknown[0]!r}, which is not among the networks")
        return self
