"""What ``samples.json`` says of a sample set."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pitmap.errors import ProjectError
from pitmap.files import write_json
from pitmap.legend import LandCoverClass
from pitmap.samples.corrections import Corrections
from pitmap.samples.division import SplitFacts
from pitmap.samples.leakage import SplitAudit
from pitmap.samples.patches import Patch
from pitmap.stored import read_json

FORMAT = 4


@dataclass(frozen=True)
class SampleScene:
    """A scene of a sample set.

    Attributes:
        name: Unique; names the files.
        site: Its site.
        image: Path of the image, relative to the project folder where it lies below it.
        shape: Rows and columns.
        scales: One a band; the quantity is ``DN x scale + offset``.
        offsets: One a band.
        pixel_size_m: Ground size of a pixel, None without CRS.
        group: For ``split = "groups"``.
        acquired: When the image was taken, ISO 8601: a date, or a time in UTC; None where nothing says it.
        bounds: West, south, east and north edge in degrees (WGS 84); None without CRS.
        mean: Of each band over the image itself, see ``raster.statistics``; None where it holds next to nothing.
        std: Likewise.
    """

    name: str
    site: str
    image: str
    shape: tuple[int, int]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    pixel_size_m: float | None
    group: str
    acquired: str | None
    bounds: tuple[float, float, float, float] | None
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None


@dataclass(frozen=True)
class SampleRecord:
    """What a sample set is made of.

    Attributes:
        format: Of the sample set.
        fingerprint: Key of what it was made from.
        project: Name of the study.
        seed: Of its random choices.
        legend: The classes.
        bands: Names of the bands.
        unit: Of the quantity ``DN x scale + offset``.
        mean: Of each band over the valid training pixels.
        std: Likewise.
        patch: Side of a patch in pixels.
        stride: Distance of neighbouring training patches in pixels.
        split: How the ground is divided.
        scenes: The images.
        patches: All patches.
        corrections: What an analyst's corrections came to, None without any.
        audit: What the splits share and hold.
    """

    format: int
    fingerprint: str
    project: str
    seed: int
    legend: tuple[LandCoverClass, ...]
    bands: tuple[str, ...]
    unit: Literal["reflectance", "DN"]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    patch: int
    stride: int
    split: SplitFacts
    scenes: tuple[SampleScene, ...]
    patches: tuple[Patch, ...]
    corrections: Corrections | None
    audit: SplitAudit

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries and lists."""
        return asdict(self)

    def write(self, path: Path) -> None:
        """Write it as JSON.

        Raises:
            OutputError: The file cannot be written.
        """
        write_json(path, self.to_json())


def read_record(path: Path) -> SampleRecord:
    """What ``SampleRecord.write`` wrote.

    Raises:
        ProjectError: There is no such file, it is of another version, or it is damaged.
    """
    remedy = "Sample the study (again)."
    if not path.exists():
        raise ProjectError(f"There is no sample set in {path.parent}.", remedy=remedy)
    found = read_json(path, _Version, remedy).format
    if found != FORMAT:
        raise ProjectError(
            f"The sample set in {path.parent} is of another version of pitmap (format {found}).",
            f"Format {FORMAT}.",
            remedy,
        )
    return read_json(path, SampleRecord, remedy)


@dataclass(frozen=True)
class _Version:
    format: int
