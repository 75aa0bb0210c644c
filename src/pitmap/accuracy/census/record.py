"""What ``accuracy.json`` of a study holds, as far as it is read back; ``StudyAccuracy.to_json`` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from pitmap.accuracy.census.confusion import Figures
from pitmap.stored import Amount, Count, Share

Bounds = tuple[Annotated[float, Field(ge=-1, le=1)], Annotated[float, Field(ge=-1, le=1)]] | None


@dataclass(frozen=True)
class ConfusionRecord:
    """A confusion matrix: keys of the classes and counts, rows = map."""

    classes: list[str]
    counts: list[list[Count]]

    def __post_init__(self) -> None:
        if {len(self.counts), *map(len, self.counts)} != {len(self.classes)}:
            raise ValueError(f"no square of counts of {len(self.classes)} classes")


@dataclass(frozen=True)
class AreaRecord:
    """Areas of a class in hectares, None without a CRS."""

    key: str
    mapped_compared_ha: Amount | None
    reference_compared_ha: Amount | None


@dataclass(frozen=True)
class PixelsRecord:
    """How many pixels were compared, and why others were not."""

    ground: Count
    compared: Count
    map_without_reference: Count
    reference_without_map: Count


@dataclass(frozen=True)
class IntervalsMade:
    """How intervals were made."""

    method: str
    level: Share
    warnings: list[str]


@dataclass(frozen=True)
class AssessmentRecord:
    """The assessment of one ground."""

    ground: str
    kind: str
    conventions: dict[str, str]
    pixels: PixelsRecord
    confusion: ConfusionRecord
    confusion_m2: list[list[Amount]] | None
    figures: Figures
    intervals: dict[str, Bounds | dict[str, Bounds]] | None
    intervals_made: IntervalsMade | None
    areas: list[AreaRecord]

    def __post_init__(self) -> None:
        keys = self.confusion.classes
        if [c.key for c in self.figures.classes] != keys or [a.key for a in self.areas] != keys:
            raise ValueError("figures or areas of other classes than the confusion matrix")
        if self.figures.majority_class not in (None, *keys):
            raise ValueError("the commonest class is none of the classes")


@dataclass(frozen=True)
class BinRecord:
    """Pixels of one range of confidence."""

    lower: Share
    upper: Share
    pixels: Count
    confidence: Share | None
    accuracy: Share | None


@dataclass(frozen=True)
class ReliabilityRecord:
    """How far the confidence can be believed."""

    pixels: Count
    expected_calibration_error: Share | None
    bins: Annotated[list[BinRecord], Field(min_length=1)]


@dataclass(frozen=True)
class ModelRecord:
    """The model that made the maps."""

    sha256: str


@dataclass(frozen=True)
class SceneRecord:
    """The assessments of one scene; None where no pixel was compared."""

    test: AssessmentRecord | None
    labelled_area: AssessmentRecord | None


@dataclass(frozen=True)
class StudyRecord:
    """The whole file."""

    model: ModelRecord
    test: AssessmentRecord
    labelled_area: AssessmentRecord
    scenes: dict[str, SceneRecord]
    maps: dict[str, str] = field(default_factory=dict)
    reliability: ReliabilityRecord | None = None

    def __post_init__(self) -> None:
        classes = self.test.confusion.classes
        if any(assessment.confusion.classes != classes for assessment in self._assessments()):
            raise ValueError("assessments of different classes")

    def _assessments(self) -> Iterator[AssessmentRecord]:
        yield self.labelled_area
        for scene in self.scenes.values():
            yield from (a for a in (scene.test, scene.labelled_area) if a is not None)
