"""What ``change.json`` holds, as far as it is read back; ``Change.content`` writes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitmap.accuracy.sampling.record import EstimateRecord
from pitmap.legend import LandCoverClass
from pitmap.stored import Amount, Count, read_plain


@dataclass(frozen=True)
class RegistrationRecord:
    """How an image lies on the earliest one: ``Registration.to_json``."""

    known: bool
    pixels: float
    metres: float
    towards_deg: float
    spread_pixels: float
    standard_error_pixels: float
    tiles: Count
    agreeing: Count
    without_texture: Count


@dataclass(frozen=True)
class MapRecord:
    """A map of the series."""

    map: str
    label: str
    date: str | None
    image: str | None
    registration: RegistrationRecord | None


@dataclass(frozen=True)
class MineRecord:
    """What became of a mine: ``MineChange.to_json``."""

    mine: Count
    verdict: str
    before_ha: Amount
    after_ha: Amount
    gained_ha: Amount
    lost_ha: Amount
    restored_ha: Amount
    parts_before: Count
    parts_after: Count
    relation: str
    gained_from: dict[str, Amount]
    lost_to: dict[str, Amount]


@dataclass(frozen=True)
class FilesRecord:
    """Names of the files of a step, which lie beside ``change.json``."""

    kinds: str
    transitions: str
    layers: str
    matrix: str

    def __post_init__(self) -> None:
        for name in (self.kinds, self.transitions, self.layers, self.matrix):
            if Path(name).name != name:
                raise ValueError("a file that does not lie beside it")


@dataclass(frozen=True)
class StepRecord:
    """From one date to the next: ``Step.to_json``."""

    before: str
    after: str
    files: FilesRecord
    matrix_ha: list[list[Amount]]
    common_ha: Amount
    only_before_ha: Amount
    only_after_ha: Amount
    kinds_ha: dict[str, Amount]
    mines: list[MineRecord]


@dataclass(frozen=True)
class LineRecord:
    """Hectares of a mine on a date."""

    mine: Count
    date: str
    area_ha: Amount


@dataclass(frozen=True)
class RolesRecord:
    """Keys of classes: ``Roles``."""

    mines: list[str]
    waste: list[str]
    vegetation: list[str]


@dataclass(frozen=True)
class ChangeRecord:
    """What of a written comparison is read back."""

    maps: list[MapRecord]
    classes: list[LandCoverClass]
    kinds: list[LandCoverClass]
    minimum_mapping_unit_m2: Amount
    tolerance_pixels: Count
    roles: RolesRecord
    steps: list[StepRecord]
    timeline: list[LineRecord]
    estimate: EstimateRecord | None
    rules: dict[str, str]
    warnings: list[str]

    def __post_init__(self) -> None:
        if len(self.steps) != len(self.maps) - 1 or not self.steps:
            raise ValueError("the number of steps is not that of the maps")
        size = len(self.classes)
        if any(len(s.matrix_ha) != size or any(len(row) != size for row in s.matrix_ha) for s in self.steps):
            raise ValueError("a matrix is not of the classes")


def read_change(path: Path) -> dict[str, Any] | None:
    """The content of a ``change.json`` as plain values, None where there is no such file.

    Raises:
        ProjectError: It is damaged.
    """
    return read_plain(path, ChangeRecord) if path.exists() else None
