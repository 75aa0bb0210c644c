"""The project file: one ``pitmap.toml`` describes a study and every command reads it.

The docstring of a field is its only description: the template of ``pitmap init``, the page of the documentation and the
JSON schema are made from it, see ``document``. It says the unit, and the default where that is no plain value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_after_validator_function

from pitmap.errors import nearest
from pitmap.study.asked import Asked


@dataclass(frozen=True)
class Extensible:
    """Marks a field that takes a name of a table of functions (see ``extension``), or ``package.module:name``.

    The table lies with the step that uses it, and is not imported to read a project file; a test holds the names here
    against it.

    Attributes:
        kind: What the table holds, in the singular.
        names: Its names; empty where others can be registered.
    """

    kind: str
    names: tuple[str, ...] = ()

    def check(self, name: str) -> str:
        """The name, if it can be one of the table or one's own."""
        if self.names and name not in self.names and not self.is_own(name):
            close = nearest(name, self.names)
            raise ValueError(
                f"there is no {self.kind} {name!r}: one of {', '.join(self.names)}, or package.module:name"
                + (f". Did you mean {close!r}?" if close else "")
            )
        return name

    def is_own(self, name: str) -> bool:
        """Whether a name is that of one's own function."""
        return re.fullmatch(OWN, name) is not None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Checked after it was found to be text."""
        return no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The names, for editors that complete them."""
        if not self.names:
            return handler(schema)
        return {"anyOf": [{"enum": list(self.names)}, {"type": "string", "pattern": f"^{OWN}$"}]}


OWN = r"[\w.]+:\w+"
"""``package.module:name``."""

SPLIT = Extensible("split", ("blocks", "sites", "groups", "random"))
ENGINE = Extensible("mapping engine", ("auto", "torch", "compiled", "openvino", "onnxruntime"))
NETWORK = Extensible("network")
SCHEDULE = Extensible("schedule", ("constant", "cosine"))
LOSS = Extensible("loss", ("cross_entropy", "dice_cross_entropy", "focal"))
WEIGHTING = Extensible("weighting of classes", ("none", "root", "inverse", "median"))


def _day(value: Any) -> str:
    """A day, as text or as a date of TOML."""
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise ValueError(f"{value} is not a day such as 2022-10-12") from None


Day = Annotated[str, BeforeValidator(_day)]


class Section(BaseModel):
    """A table of the project file: unknown keys are refused, values are not converted silently.

    Attributes:
        starts: Values that the file of ``pitmap init`` has to begin with.
        often: Further fields that it shows, commented out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    starts: ClassVar[dict[str, Any]] = {}
    often: ClassVar[tuple[str, ...]] = ()


class ProjectSection(Section):
    """``[project]``: what the study is called and where its results go."""

    starts = {"name": "my study", "results": "results", "seed": 0}

    name: str = "study"
    """Shown in the report and stored in models and maps."""
    results: str = "results"
    """Folder for all results, relative to the project file."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Every random choice comes from it, so that the same study gives the same files."""


class ClassSection(Section):
    """``[[classes]]``: one land-cover class.

    Default: the seven classes of Chen et al. (2022), OPM open-pit mine, WAT water, BUI building, BAS bare soil, ROA
    road, VEG vegetation, WDA waste-dump area.
    """

    often = ("code", "key", "name", "colour")

    code: int = Field(ge=1, le=254)
    """Value in maps: 1, 2, 3, ... without gaps. 0 is always "no data / unlabelled"."""
    key: str = Field(examples=["OPM"])
    """Short name, which labels and options use."""
    name: str = Field(examples=["open-pit mine"])
    """Name in legends and reports."""
    colour: str = Field(pattern=r"^#[0-9a-fA-F]{6}$", examples=["#d7191c"])
    """Colour in maps and pictures, ``#rrggbb``."""


class GroupTable(Section):
    """Groups of images from a CSV file, for ``split = "groups"``."""

    table: str = Field(examples=["groups.csv"])
    """CSV file with a header."""
    file: str = "file"
    """Column with the file name of the image, with as many of its folders as are needed to tell images apart."""
    group: str = "group"
    """Column with the group."""


class SiteSection(Section):
    """``[[sites]]``: an image, or several of one kind, with labels.

    At least one site of a study has labels; images of the others are mapped.
    """

    starts = {"name": "site1", "image": "site1.tif", "labels": "landuse.gpkg", "label_field": "class"}
    often = ("bands", "scale", "offset", "label_values", "extent", "exclude", "corrections")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Letters, digits, dot, hyphen, underscore: it names result files."""
    image: str
    """Path of the image, or a pattern such as ``scenes/**/*.tif`` for several. A path that exists is no pattern."""
    bands: Annotated[list[int | str], Field(min_length=1)] | None = Field(None, examples=[[1, 2, 3, 4]])
    """Bands by number (from 1) or name, in the order in which the network sees them. Default: all but alpha."""
    scale: float | None = Field(None, gt=0, examples=[0.0001])
    """Reflectance is ``DN x scale + offset``. Default: the file's own tags."""
    offset: float | None = Field(None, examples=[0.0])
    """See ``scale``. Default: the file's own where that has the scale, too; else 0."""
    nodata: float | None = Field(None, examples=[0])
    """A pixel is invalid where any band has this value. Default: the file's own; without one, 0 in all bands."""
    group: str | None = Field(None, examples=["north"])
    """Group for ``split = "groups"``: all images of a group stay on one side. Default: each image by itself."""
    groups: GroupTable | None = None
    """Groups of the images of a pattern, in place of ``group``. Default: none."""
    labels: str | None = None
    """Land-use layer (vector) or label raster; ``{stem}`` stands for the image's name without ending, ``{folder}`` for
    the folder that it lies in. Default: none, the images are mapped only."""
    label_layer: str | None = Field(None, examples=["landuse"])
    """Layer of a vector file. Default: the only one."""
    label_layers: dict[str, str] | None = Field(None, examples=[{"pits": "OPM", "lakes": "WAT"}])
    """Layer name -> class key, for files with one layer a class. Default: none."""
    label_field: str | None = Field(None, examples=["class"])
    """Field that holds the class, as text or number, in a vector layer. Default: none, for rasters."""
    label_values: dict[str, str] | None = Field(
        None, examples=[{"quarry": "OPM", "lake": "WAT", "meadow": "VEG", "unknown": ""}]
    )
    """Value of the field or the raster -> class key; "" leaves it unlabelled. Default: class keys, names or codes."""
    label_encoding: str | None = Field(None, examples=["GBK"])
    """Encoding of the text in a vector layer, such as "GBK". Default: what the file states."""
    all_touched: bool = False
    """Whether polygons take every pixel they touch; default: those whose centre they cover."""
    extent: str | None = Field(None, examples=["study_area.gpkg"])
    """Vector layer that bounds the study area. Default: the whole image."""
    exclude: list[str] = Field([], examples=[["clouds.gpkg"]])
    """Layers (vector, or rasters that are not 0 there) of clouds, shadows or other ground to leave out."""
    corrections: str | None = Field(None, examples=["review.gpkg"])
    """Queue of ``pitmap review``, filled in: labels of training ground that win over ``labels``; ``{stem}`` and
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


class SamplesSection(Section):
    """``[samples]``: how images and labels are cut into patches, and how the ground is divided."""

    patch: int | None = Field(None, ge=32, examples=[512])
    """Side of a patch in pixels, a multiple of 32. Default: 512, or less (64 at least) where the sites are small."""
    stride: int | None = Field(None, ge=1, examples=[256])
    """Distance of neighbouring patches in pixels. Default: half a patch."""
    split: Annotated[str, SPLIT] = "blocks"
    """What is divided between training, validation and test: squares of ground ("blocks"), "sites", "groups" of images,
    patches ("random"), or a function of one's own as "package.module:name"."""
    block_m: float | None = Field(None, gt=0, examples=[1000.0])
    """Side of the ground blocks in metres. Default: chosen so that the labelled ground has about 60 blocks."""
    buffer_m: float | None = Field(None, ge=0, examples=[10.0])
    """Distance kept between splits in metres. Default: one pixel, which is also the least."""
    validation: float = Field(0.2, gt=0, lt=1)
    """Share of the labelled ground that chooses the epoch."""
    test: float = Field(0.2, ge=0, lt=1)
    """Share of the labelled ground that every reported figure comes from."""
    test_sites: list[str] = []
    """For ``split = "sites"``: the sites left out for the test. Default: one, by seed."""
    test_dates: list[Day] = Field([], examples=[["2022-10-12"]])
    """Days whose images are for the test alone, on its own ground: figures then speak of ground and dates that the
    network never saw. Default: none, all dates are learnt from."""
    validation_dates: list[Day] = []
    """Days whose images are for validation alone, so that the epoch and the temperature of the confidence are chosen
    for dates that were not learnt from. Default: none."""
    leave_out: Literal["date"] | None = None
    """``date`` holds one date out for the test, by seed, where ``test_dates`` names none. Default: none."""
    minimum_per_class: int = Field(20, ge=0)
    """Labelled pixels that each class should have in each split; the audit names classes that stay below."""

    @model_validator(mode="after")
    def _consistent(self) -> SamplesSection:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together must leave ground for training")
        if both := set(self.test_dates) & set(self.validation_dates):
            raise ValueError(f"{min(both)} is held out for the test and for validation")
        if self.patch and self.stride and self.stride > self.patch:
            raise ValueError("a stride above the patch size would leave ground out")
        return self


class TrainingSection(Section):
    """``[training]``: a recipe, and single fields that win over it."""

    starts = {"recipe": "robust", "network": "unetplus"}

    recipe: Literal["robust", "transfer", "paper"] = "robust"
    """Set of settings: what measures best with few labels on the dates that are learnt from ("robust"), on images of
    other dates and seasons ("transfer"), or what Chen et al. (2022) state ("paper")."""
    network: Annotated[str, NETWORK] = "unetplus"
    """A name of ``pitmap networks``, or one's own as ``package.module:factory``."""
    options: dict[str, Any] = {}
    """Options of the network, such as ``fusion = "concat"``."""
    width: int | None = Field(None, ge=2, examples=[16])
    """Channels of the first stage. Default: the recipe's; but for "paper" 16 on a processor and 64 on a GPU."""
    epochs: int | None = Field(None, ge=1, examples=[40])
    """Passes over the training patches at most. Default: the recipe's."""
    steps: int | None = Field(None, ge=1, examples=[400])
    """Steps of the training in place of epochs, as nearly as whole epochs allow. Default: the recipe's."""
    batch: int | None = Field(None, ge=1, examples=[4])
    """Patches a step, over all devices together. Default: the recipe's; but for "paper" as many as make 2^17 pixels."""
    accumulate: int | None = Field(None, ge=1)
    """Steps whose gradients are added before the weights change. Default: the recipe's."""
    learning_rate: float | None = Field(None, gt=0, examples=[0.005])
    """Learning rate of Adam at its highest. Default: the recipe's."""
    weight_decay: float | None = Field(None, ge=0, examples=[0.1])
    """Decoupled weight decay (AdamW) a step, times the learning rate; 0 is plain Adam. Default: the recipe's."""
    schedule: Annotated[str, SCHEDULE] | None = Field(None, examples=["cosine"])
    """Learning rate over the steps: ``constant``; ``cosine``, with a warm-up over the first 5 %; or one's own as
    ``package.module:name``. Default: the recipe's."""
    loss: Annotated[str, LOSS] | None = Field(None, examples=["dice_cross_entropy"])
    """What training makes small; one's own as ``package.module:name``. Default: the recipe's."""
    class_weights: Annotated[str, WEIGHTING] | None = Field(None, examples=["root"])
    """Weights of the classes from their frequency in the training ground: ``none``, ``inverse``, its square ``root``,
    ``median``, or one's own as ``package.module:name``. Default: the recipe's."""
    label_smoothing: float | None = Field(None, ge=0, lt=1)
    """Share of the target that is spread over all classes. Default: the recipe's."""
    augmentation: bool | None = None
    """The eight flips and rotations, and shifts of the patches. Default: the recipe's."""
    jitter: float | None = Field(None, ge=0, lt=1)
    """Brightness and contrast jitter a band, as a share of its standard deviation. Default: the recipe's."""
    mixing: float | None = Field(None, ge=0, le=1, examples=[1.0])
    """Probability that a rectangle of a patch is replaced by that of another patch. Default: the recipe's."""
    own_statistics: float | None = Field(None, ge=0, le=1, examples=[0.7])
    """Share of each image's own mean and standard deviation in those that its bands are normalised by, in training and
    in mapping; 0 normalises all images alike. Default: the recipe's."""
    vary_statistics: bool | None = None
    """Draw that share anew between 0 and 1 for each patch of training, as a part of the augmentation. Default: the
    recipe's."""
    averaging: float | None = Field(None, ge=0, lt=1, examples=[0.98])
    """Decay of the moving average of the weights that is validated and kept; 0 keeps the last weights. Default: the
    recipe's."""
    early_stopping: int | None = Field(None, ge=0)
    """Epochs without a better validation score after which training ends; 0 never ends early. Default: the recipe's."""
    monitor: Literal["loss", "miou"] | None = None
    """Validation figure that chooses the epoch. Default: the recipe's."""
    precision: Literal["auto", "float32", "bf16"] | None = None
    """``auto``: bf16 where the device has it, else float32. Default: the recipe's."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where networks are trained and maps made; ``auto`` takes a GPU where there is one."""
    devices: int = Field(1, ge=1)
    """Number of GPUs, or of processes on the processor; a batch is divided between them."""
    seeds: int = Field(1, ge=1, le=16)
    """Number of networks to train, from the project's seed on. The model is the mean of their logits where validation
    finds that better than the best of them, and else that one. A mean takes as many times longer to map."""
    workers: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """Threads that read patches ahead of the network, ``auto`` as many as there are cores and four at most; with 0 a
    batch is read when the network is ready for it."""

    @model_validator(mode="after")
    def _consistent(self) -> TrainingSection:
        if self.epochs is not None and self.steps is not None:
            raise ValueError("give epochs or steps, not both")
        return self


class MappingSection(Section):
    """``[mapping]``: how maps and mine polygons are made."""

    starts = {"minimum_mapping_unit_m2": 1000.0}
    often = ("mines", "test_time_augmentation", "probabilities")

    halo: Literal["exact"] | Annotated[int, Field(ge=0)] = "exact"
    """Overlap of tiles that is thrown away, in pixels; ``exact`` makes the tiled map equal that of the whole scene."""
    tile: int | None = Field(None, ge=64, examples=[1024])
    """Side of a tile in pixels. Default: what the device's memory holds."""
    test_time_augmentation: bool = False
    """Mean of the eight flips and rotations: eight times the time."""
    probabilities: bool = False
    """Write the class probabilities too."""
    precision: Literal["auto", "float32", "bf16", "int8"] = "auto"
    """``auto`` takes bf16 where the device computes in it and the model gives the same map in it.
    ``int8`` needs the int8 form that ``pitmap export`` writes beside the model."""
    engine: Annotated[str, ENGINE] = "auto"
    """What runs the network: ``auto`` (OpenVINO on a processor where the scene is large, else PyTorch), ``torch``,
    ``compiled``, ``openvino``, ``onnxruntime``, or one's own as ``package.module:name``."""
    mines: list[str] | None = Field(None, examples=[["OPM"]])
    """Keys of the classes that become mine polygons. Default: OPM, or the class whose name says pit or mine."""
    minimum_mapping_unit_m2: float = Field(1000.0, ge=0)
    """Smaller mine polygons are left out, in square metres."""
    simplify_m: float | None = Field(None, gt=0, examples=[8.0])
    """Metres by which outlines of mines are simplified; about twice a pixel ends the stairs. Default: not at all."""


class AccuracySection(Section):
    """``[accuracy]``: what is known beside the labels."""

    often = ("reference",)

    reference: str | None = Field(None, examples=["points.gpkg"])
    """Points of ``pitmap design``, labelled: ``pitmap run`` estimates accuracy and areas from them. Default: none."""


class ReportSection(Section):
    """``[report]``: the page that is signed."""

    often = ("language",)

    language: Literal["en", "zh"] = "en"
    """``en`` English or ``zh`` simplified Chinese. Default: ``en``."""
    threshold_ha: float | None = Field(None, gt=0, examples=[60.0])
    """Hectares, such as those of a licence: the page says how likely the mines cover more. Default: none."""


class ChangeSection(Section):
    """``[change]``: what changed between images of one place, which ``pitmap run`` compares after mapping them.

    What is compared, and how, is that of ``pitmap change``. Mines below ``[mapping] minimum_mapping_unit_m2`` are none.
    """

    often = ("series",)

    series: list[Annotated[list[str], Field(min_length=1)]] = Field([], examples=[[["west2021", "west2023"]]])
    """Places, each as a list of its images on two dates or more: names of images as in the results; the name of a site
    stands for all its images. They are put in the order of their dates; where one has none, as they are listed."""
    shift: Literal["stop", "accept", "align"] = "stop"
    """Where images are not in register to half a pixel: the place is not compared, it is all the same, or later maps
    are moved by the shift."""
    tolerance: int = Field(1, ge=0)
    """Pixels by which a border may move without being a change."""
    waste: list[str] | None = Field(None, examples=[["WDA"]])
    """Keys of waste dumps. Default: the classes whose name says so."""
    vegetation: list[str] | None = Field(None, examples=[["VEG"]])
    """Keys of vegetation. Default: the classes whose name says so."""
    points: str | None = Field(None, examples=["change-points.gpkg"])
    """Labelled points of ``pitmap design results/change/PLACE/change.tif``, of one place on two dates: areas of change
    with intervals come from them. Default: none."""

    @model_validator(mode="after")
    def _consistent(self) -> ChangeSection:
        if self.points is not None and len(self.series) != 1:
            raise ValueError("points are of one place: name one in series")
        if any(len(set(names)) < len(names) for names in self.series):
            raise ValueError("series names an image twice")
        return self


class CompareSection(Section):
    """``[compare]``: what ``pitmap compare`` compares."""

    networks: Annotated[list[str], Field(min_length=1)] = [
        "fcn8s", "segnet", "unet", "resunet", "unetplusplus", "unetplus",
    ]  # fmt: skip
    """Names of ``pitmap networks``, variants such as ``unetplus:B1``, one's own as ``package.module:factory``."""
    options: dict[str, dict[str, Any]] = {}
    """Options of a network by its entry in ``networks``, beside those of its variant."""
    seeds: int = Field(3, ge=1)
    """Number of seeds, from the project's on. A seed decides the split, the order and the weights."""
    splits: Annotated[list[Annotated[str, SPLIT]], Field(min_length=1)] = ["blocks", "random"]
    """Splits to train under, as in ``[samples]``: the difference between "random" and a split of the ground is what the
    figures of random patches claim too much."""
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


def model_in(annotation: Any) -> type[Section] | None:
    """The model of a table that a field holds: itself, optional, or in a list."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((model for part in get_args(annotation) if (model := model_in(part)) is not None), None)
