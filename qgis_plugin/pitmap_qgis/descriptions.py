"""What each algorithm asks for, and how that is said on pitmap's command line: one description per command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

RASTER, RASTERS, VECTOR, VECTORS, FILE, FOLDER = "raster", "rasters", "vector", "vectors", "file", "folder"
TEXT, WORDS, NUMBER, INTEGER, CHOICE, FLAG, CRS = "text", "words", "number", "integer", "choice", "flag", "crs"
RASTER_OUT, VECTOR_OUT, FILE_OUT, FOLDER_OUT = "raster_out", "vector_out", "file_out", "folder_out"

OUTPUTS = (RASTER_OUT, VECTOR_OUT, FILE_OUT, FOLDER_OUT)


@dataclass(frozen=True)
class Parameter:
    """One thing that an algorithm asks for.

    Attributes:
        name: In Processing, such as ``MAP``.
        kind: One of the kinds above. ``words`` are separated by commas, each given with the option of its own.
        label: What the dialog says.
        option: Of the command line; empty for arguments, which are given in the order of the parameters.
        default: Value where none is given.
        optional: Whether it may be left out; outputs that may are not made by default.
        advanced: Whether the dialog hides it at first.
        choices: Of a ``choice``, as the command line writes them.
        suffix: Of a file.
        layer_option: Option that names the layer of a vector file.
        layers: Layers of a vector file that is written, topmost last; all are loaded.
        written_suffix: What the command is given in place of the suffix of a file that it writes beside.
    """

    name: str
    kind: str
    label: str
    option: str = ""
    default: Any = None
    optional: bool = False
    advanced: bool = False
    choices: tuple[str, ...] = ()
    suffix: str = ""
    layer_option: str = ""
    layers: tuple[str, ...] = ()
    written_suffix: str = ""

    @property
    def is_output(self) -> bool:
        """Whether it says where a result goes."""
        return self.kind in OUTPUTS


@dataclass(frozen=True)
class Figure:
    """A value of the command's JSON that the algorithm gives back.

    Attributes:
        name: In Processing.
        label: For people.
        path: Keys from the outside in; a value that is absent is not given back.
        kind: ``number``, ``text``, ``page`` (a file of HTML).
    """

    name: str
    label: str
    path: tuple[str, ...]
    kind: str = "number"


@dataclass(frozen=True)
class Loaded:
    """Layers of files that the command decides on, loaded where the parameter ``LOAD`` is set.

    Attributes:
        label: Name of the layer.
        path: Keys to the file in the command's JSON; ``*`` stands for every item of a list.
        layer: Its name in the file; empty for rasters.
    """

    label: str
    path: tuple[str, ...]
    layer: str = ""


@dataclass(frozen=True)
class Description:
    """One algorithm.

    Attributes:
        command: Of pitmap.
        title: In the toolbox.
        help: A few sentences.
        parameters: In the order of the dialog.
        figures: Values that it gives back beside its outputs.
        group: In the toolbox.
        loaded: Layers beside those of the outputs, topmost last.
    """

    command: str
    title: str
    help: str
    parameters: tuple[Parameter, ...]
    figures: tuple[Figure, ...] = ()
    group: str = "Mapping"
    loaded: tuple[Loaded, ...] = ()


def _project(label: str) -> Parameter:
    return Parameter("PROJECT", FILE, label, "--project", optional=True, advanced=True, suffix="toml")


_MINE_CLASSES = Parameter(
    "MINE_CLASSES", WORDS, "Keys of the mine classes, separated by commas", "--mine-class", optional=True, advanced=True
)
_SMALLEST = Parameter("MINIMUM_M2", NUMBER, "Leave out smaller polygons (m²)", "--minimum-m2", 1000.0)
_SIMPLIFY = Parameter(
    "SIMPLIFY_M",
    NUMBER,
    "Simpler outlines, tolerance in metres: twice a pixel ends stairs",
    "--simplify",
    optional=True,
)

PREPARE = Description(
    "prepare",
    "Prepare image",
    "Calibrates and orthorectifies a raw product: reflectance x 10000 on a map grid.",
    (
        Parameter("PRODUCT", FILE, "Product: archive, a file in its folder, or an image"),
        Parameter("DEM", RASTER, "Elevation model", "--dem", optional=True),
        Parameter(
            "DEM_DATUM", TEXT, "What its heights count from: egm96, ellipsoid, or a geoid raster", "--dem-datum",
            optional=True,
        ),
        Parameter("HEIGHT", NUMBER, "Instead of a DEM: metres above the ellipsoid", "--height", optional=True),
        Parameter("PAN", FLAG, "Sharpen with the panchromatic image", "--pan", False),
        Parameter("SCALE", NUMBER, "Of an image: reflectance = DN x scale + offset", "--scale", optional=True),
        Parameter("OFFSET", NUMBER, "Offset", "--offset", optional=True),
        Parameter("CRS", CRS, "Coordinate system of the result; default: UTM", "--crs", optional=True, advanced=True),
        Parameter("RESOLUTION", NUMBER, "Pixel size", "--resolution", optional=True, advanced=True),
        Parameter(
            "EXTENT", TEXT, "Extent in that system: x_min,y_min,x_max,y_max", "--extent", optional=True, advanced=True
        ),
        Parameter("LIKE", RASTER, "Take the grid of this raster", "--like", optional=True, advanced=True),
        Parameter(
            "KERNEL", CHOICE, "Values between pixels", "--kernel", "bilinear", choices=("bilinear", "cubic"),
            advanced=True,
        ),
        Parameter(
            "VOIDS", CHOICE, "Voids of the elevation model", "--voids", "fill", choices=("fill", "refuse", "leave"),
            advanced=True,
        ),
        Parameter(
            "COEFFICIENTS", CHOICE, "Calibration", "--coefficients", "by_year", choices=("by_year", "envi_2014"),
            advanced=True,
        ),
        Parameter(
            "GCPS", FILE, "Ground control points, CSV or QGIS .points", "--gcps", optional=True, advanced=True
        ),
        Parameter(
            "GCP_MODEL", CHOICE, "What is fitted to them", "--gcp-model", "auto", choices=("auto", "shift", "affine"),
            advanced=True,
        ),
        Parameter("SENSOR", TEXT, "Sensor; default: found out", "--sensor", optional=True, advanced=True),
        Parameter("NODATA", NUMBER, "Nodata of an image", "--nodata", optional=True, advanced=True),
        Parameter("KEEP_DN", FLAG, "Keep the digital numbers, uncalibrated", "--keep-dn", False, advanced=True),
        Parameter("OUTPUT", RASTER_OUT, "Reflectance", suffix="tif"),
    ),
)  # fmt: skip

MAP = Description(
    "map",
    "Map image",
    "Maps a whole image with a trained model, in exact tiles; with mine polygons and confidence where asked for. "
    "Several images: run it as a batch.",
    (
        Parameter("MODEL", FILE, "Model", suffix="safetensors"),
        Parameter("IMAGE", RASTER, "Image"),
        Parameter("PROJECT", FILE, "Project that says bands and scale", "--project", optional=True, suffix="toml"),
        Parameter("SITE", TEXT, "Its site", "--site", optional=True),
        Parameter("BANDS", TEXT, "Bands in the model's order: 2,3,4,8 or names", "--bands", optional=True),
        Parameter("SCALE", NUMBER, "Reflectance = DN x scale + offset", "--scale", optional=True),
        Parameter("OFFSET", NUMBER, "Offset", "--offset", optional=True),
        Parameter("NODATA", NUMBER, "Nodata of the image", "--nodata", optional=True, advanced=True),
        Parameter(
            "PIXEL_SIZE", NUMBER, "Pixel size in metres, without a coordinate system", "--pixel-size", optional=True,
            advanced=True,
        ),
        Parameter("MASKS", VECTORS, "Ground to leave out", "--mask", optional=True, advanced=True),
        Parameter("TTA", FLAG, "Mean of the eight flips and rotations", "--tta", False),
        _SMALLEST,
        _SIMPLIFY,
        _MINE_CLASSES,
        Parameter(
            "PRECISION", CHOICE, "Precision", "--precision", "auto", choices=("auto", "float32", "bf16", "int8"),
            advanced=True,
        ),
        Parameter("DEVICE", TEXT, "Device: auto, cpu, cuda or mps", "--device", "auto", advanced=True),
        Parameter("TILE", INTEGER, "Longest side of a tile in pixels", "--tile", optional=True, advanced=True),
        Parameter("QGIS", FLAG, "Leave a QGIS project of it all beside the map", "--qgis", False, advanced=True),
        Parameter("REPLACE", FLAG, "Replace maps on which labelled work rests", "--replace", False, advanced=True),
        Parameter("OUTPUT", RASTER_OUT, "Land cover", suffix="tif"),
        Parameter("MINES", VECTOR_OUT, "Mines", "--mines", optional=True, suffix="gpkg", layers=("mines",)),
        Parameter("CONFIDENCE", RASTER_OUT, "Confidence", "--confidence", optional=True, suffix="tif"),
        Parameter("PROBABILITIES", RASTER_OUT, "Probabilities", "--probabilities", optional=True, suffix="tif"),
    ),
    (
        Figure("COUNT", "Number of mines", ("mines", "count")),
        Figure("AREA_HA", "Hectares of mines", ("mines", "area_ha")),
    ),
)  # fmt: skip

MINES = Description(
    "mines",
    "Extract mines",
    "Writes the mine polygons of a map: hectares, perimeter and mean confidence of each.",
    (
        Parameter("MAP", RASTER, "Map"),
        Parameter(
            "CONFIDENCE", RASTER, "Its confidence; default: the file beside it", "--confidence", optional=True
        ),
        Parameter(
            "MINIMUM_M2", NUMBER, "Leave out smaller polygons (m²); default: 1000", "--minimum-m2", optional=True
        ),
        _SIMPLIFY,
        _MINE_CLASSES,
        _project("Project that says which classes are mines"),
        Parameter("OUTPUT", VECTOR_OUT, "Mines", suffix="gpkg", layers=("mines",)),
    ),
    (Figure("COUNT", "Number of mines", ("count",)), Figure("AREA_HA", "Hectares of mines", ("area_ha",))),
)  # fmt: skip

REVIEW = Description(
    "review",
    "Write review queue",
    "Lists mines and doubtful ground, least sure and largest first, to be corrected in the panel or the form. What is "
    "filled in becomes labels of the next training.",
    (
        Parameter("MAP", RASTER, "Map"),
        Parameter(
            "CONFIDENCE", RASTER, "Its confidence; default: the file beside it", "--confidence", optional=True
        ),
        Parameter("BELOW", NUMBER, "Ground is doubtful where the confidence is below", "--below", 0.7),
        _SMALLEST,
        Parameter("MOST", INTEGER, "Number of polygons at most", "--most", 500),
        _MINE_CLASSES,
        _project("Project that the map is of: says what validation and test ground is"),
        Parameter("OUTPUT", VECTOR_OUT, "Review", suffix="gpkg", layers=("review",)),
    ),
)  # fmt: skip

DESIGN = Description(
    "design",
    "Draw sample of points",
    "Draws a stratified random sample of a map, to be labelled without seeing the map's class. With a class it is the "
    "smallest sample for the hectares of that class. Labelling: panel pitmap.",
    (
        Parameter("MAP", RASTER, "Map"),
        Parameter("CLASS", TEXT, "Key of the class whose hectares are wanted: OPM", "--class", optional=True),
        Parameter(
            "RELATIVE", NUMBER, "Half-width of its 95 % interval: 0.1 is 10 %", "--relative", optional=True
        ),
        Parameter("HECTARES", NUMBER, "The same in hectares instead", "--hectares", optional=True),
        Parameter("POINTS", INTEGER, "For all classes: number of points", "--points", optional=True),
        Parameter("IMAGES", RASTERS, "Images for the pictures of each point, one a date", "--image", optional=True),
        Parameter("BANDS", TEXT, "Their bands for red, green and blue: 4,3,2", "--bands", optional=True),
        Parameter("EXTENT", VECTOR, "Sample only inside this layer", "--extent", optional=True),
        Parameter("MORE", VECTOR, "Add to this sample, labels kept", "--more", optional=True),
        Parameter("SEED", INTEGER, "Seed of the draw", "--seed", 0, advanced=True),
        Parameter(
            "CONFIDENCE", RASTER, "Confidence; default: the file beside the map", "--confidence", optional=True,
            advanced=True,
        ),
        Parameter(
            "PROBABILITIES", RASTER, "Probabilities; default: the file beside the map", "--probabilities",
            optional=True, advanced=True,
        ),
        Parameter(
            "STANDARD_ERROR", NUMBER, "Target of the overall accuracy, such as 0.01", "--standard-error",
            optional=True, advanced=True,
        ),
        Parameter(
            "INTERVAL_WIDTH", NUMBER, "Target width of its 95 % interval", "--interval-width", optional=True,
            advanced=True,
        ),
        Parameter("EXPECTED", NUMBER, "User's accuracy to expect", "--expected", 0.85, advanced=True),
        Parameter(
            "ALLOCATION", CHOICE, "How points are shared out", "--allocation", "proportional",
            choices=("proportional", "equal", "neyman"), advanced=True,
        ),
        Parameter("FLOOR", INTEGER, "Least points of a stratum", "--floor", optional=True, advanced=True),
        Parameter(
            "BUFFER_CLASS", TEXT, "Class with a belt round it as a stratum", "--buffer-class", optional=True,
            advanced=True,
        ),
        Parameter("BUFFER_M", NUMBER, "Width of the belt (m)", "--buffer-m", 0.0, advanced=True),
        Parameter("SPACING_M", NUMBER, "Least distance of two points (m)", "--spacing-m", 0.0, advanced=True),
        Parameter("SECONDS", NUMBER, "Seconds that labelling a point takes", "--seconds", 15.0, advanced=True),
        _project("Project whose legend is used"),
        Parameter("OUTPUT", VECTOR_OUT, "Points", suffix="gpkg", layers=("points",)),
    ),
    (Figure("COUNT", "Number of points", ("points",)),),
    "Accuracy",
)  # fmt: skip

ESTIMATE = Description(
    "estimate",
    "Estimate accuracy and hectares",
    "Accuracy and hectares per class from a labelled sample, with 95 % intervals (Olofsson et al. 2014).",
    (
        Parameter("POINTS", VECTOR, "Labelled sample"),
        Parameter("MAP", RASTER, "Map that it was drawn from"),
        Parameter("THRESHOLDS", WORDS, "How likely areas exceed this: OPM=60", "--threshold", optional=True),
        Parameter("NO_DOUBTFUL", FLAG, "Leave doubtful points out", "--no-doubtful", False),
        Parameter(
            "SECOND", VECTOR, "The same sample, labelled by a second interpreter", "--second", optional=True
        ),
        Parameter(
            "LABELS", FILE, "Labels made elsewhere, by point number", "--labels", optional=True, advanced=True
        ),
        Parameter("FIELD", TEXT, "Field with the labels", "--field", optional=True, advanced=True),
        Parameter("VALUES", TEXT, "Label=class key: quarry=OPM,lake=WAT", "--values", optional=True, advanced=True),
        Parameter(
            "METHOD", CHOICE, "Intervals", "--method", "posterior", choices=("posterior", "mover", "wald"),
            advanced=True,
        ),
        Parameter(
            "BY_MAP", FLAG, "Points of another tool: strata were the classes of the map", "--stratified-by-map", False,
            advanced=True,
        ),
        Parameter(
            "STRATA", RASTER, "Points of another tool: strata were this raster's", "--strata", optional=True,
            advanced=True,
        ),
        Parameter(
            "SIMPLE", FLAG, "Points of another tool: drawn at random from all of the map", "--simple-random", False,
            advanced=True,
        ),
        Parameter(
            "STRATUM_FIELD", TEXT, "Field in which such points say their stratum", "--stratum-field", optional=True,
            advanced=True,
        ),
        _project("Project whose legend is used"),
        Parameter("OUTPUT", FILE_OUT, "Estimates", "--out", suffix="json"),
    ),
    (
        Figure("OVERALL_ACCURACY", "Overall accuracy", ("overall_accuracy", "value")),
        Figure("USED", "Points used", ("points", "used")),
    ),
    "Accuracy",
)  # fmt: skip

AUDIT = Description(
    "audit",
    "Audit mines",
    "Says of each mine whether it was found, missed, split or merged, and how its area and outline agree. Beside the "
    "layers of the verdicts lies a .json with all figures.",
    (
        Parameter("MINES", VECTOR, "Mapped mines", layer_option="--layer"),
        Parameter("REFERENCE", VECTOR, "Reference mines", layer_option="--reference-layer"),
        Parameter(
            "REFERENCE_FIELD", TEXT, "Field that says which polygons are mines", "--reference-field", optional=True
        ),
        Parameter(
            "REFERENCE_VALUES", TEXT, "Its values that mean mine: quarry,pit", "--reference-values", optional=True
        ),
        Parameter("EXTENT", VECTOR, "Ground whose use is known", "--extent", optional=True),
        Parameter("MINIMUM_M2", NUMBER, "Leave out smaller polygons (m²)", "--minimum-m2", 0.0),
        Parameter("OVERLAP", NUMBER, "Share of a polygon that decides", "--overlap", 0.5, advanced=True),
        Parameter("DISSOLVE", FLAG, "Polygons that touch are one mine", "--dissolve", False, advanced=True),
        Parameter("GROUP_FIELD", TEXT, "Field of both layers, such as a tile's id", "--group-field", optional=True,
                  advanced=True),
        Parameter("ENCODING", TEXT, "Encoding of the reference's text, such as GBK", "--encoding", optional=True,
                  advanced=True),
        Parameter(
            "OUTPUT", VECTOR_OUT, "Verdicts", "--out", suffix="gpkg",
            layers=("mapped", "reference"), written_suffix="json",
        ),
    ),
    (
        Figure("FOUND", "Reference mines found", ("totals", "found")),
        Figure("MISSED", "Reference mines missed", ("totals", "missed")),
    ),
    "Accuracy",
)  # fmt: skip

CHANGE = Description(
    "change",
    "Compare dates",
    "What changed between maps of one place: hectares from class to class, and what became of each mine. First it is "
    "checked that the images are in register.",
    (
        Parameter("MAPS", RASTERS, "Maps, earliest first"),
        Parameter("IMAGES", RASTERS, "Image of each map; default: what the map names", "--image", optional=True),
        Parameter("DATES", WORDS, "Date of each map: 2021-06-19,2023-06-30", "--date", optional=True),
        Parameter(
            "SHIFT", CHOICE, "Where images are not in register", "--shift", "stop", choices=("stop", "accept", "align")
        ),
        Parameter(
            "WITHOUT_IMAGES", FLAG, "Compare maps whose register cannot be checked", "--without-images", False,
            advanced=True,
        ),
        Parameter("POINTS", VECTOR, "Labelled points of a sample of the change", "--points", optional=True),
        _SMALLEST,
        Parameter("TOLERANCE", INTEGER, "Pixels by which a border may move", "--tolerance", 1, advanced=True),
        _MINE_CLASSES,
        Parameter("WASTE", TEXT, "Keys of waste dumps: WDA", "--waste", optional=True, advanced=True),
        Parameter("VEGETATION", TEXT, "Keys of vegetation: VEG,FOR", "--vegetation", optional=True, advanced=True),
        Parameter("TITLE", TEXT, "Heading of the page", "--title", optional=True, advanced=True),
        _project("Project whose legend is used"),
        Parameter("LOAD", FLAG, "Load the layers", default=True),
        Parameter("OUTPUT", FOLDER_OUT, "Folder for the files"),
    ),
    (Figure("REPORT", "Page", ("page",), "page"),),
    "Change",
    (
        Loaded("Kinds of change", ("steps", "*", "files", "kinds")),
        Loaded("Changed ground", ("steps", "*", "files", "layers"), "transitions"),
        Loaded("Mines, changed", ("steps", "*", "files", "layers"), "mines_change"),
    ),
)  # fmt: skip

REPORT = Description(
    "report",
    "Write report",
    "Writes the report as one HTML file that opens offline: of a study (project file), or of a map alone.",
    (
        Parameter("STUDY", FILE, "Project file of a study", optional=True, suffix="toml"),
        Parameter("MAP", RASTER, "Or a map alone", "--map", optional=True),
        Parameter("MODEL", FILE, "Of a map: its model", "--model", optional=True, suffix="safetensors"),
        Parameter("POINTS", VECTOR, "Of a map: its labelled sample", "--points", optional=True),
        Parameter("IMAGE", RASTER, "Of a map: its image", "--image", optional=True),
        Parameter("BANDS", TEXT, "Of a map: bands of the image that are mapped", "--bands", optional=True),
        Parameter("MINES", VECTOR, "Of a map: its mines, if not those beside it", "--mines", optional=True),
        Parameter(
            "THRESHOLD", NUMBER, "Of a map: hectares; say how likely the area exceeds this", "--threshold",
            optional=True,
        ),
        Parameter("CLASSES", TEXT, "Of a map: classes that are signed: OPM,WDA", "--classes", optional=True),
        Parameter("TITLE", TEXT, "Of a map: heading", "--title", optional=True),
        Parameter(
            "LANGUAGE", CHOICE, "Of a map: language", "--language", choices=("en", "zh"), optional=True, advanced=True
        ),
        Parameter("NETWORK", TEXT, "Of a study: network", "--network", optional=True, advanced=True),
        Parameter("OUTPUT", FILE_OUT, "Of a map: the page", "--out", optional=True, suffix="html"),
    ),
    (Figure("REPORT", "Report", ("path",), "page"),),
    "Report",
)  # fmt: skip

ALGORITHMS = (PREPARE, MAP, MINES, REVIEW, DESIGN, ESTIMATE, AUDIT, CHANGE, REPORT)
