"""What ``audit.json`` holds, as far as it is read back; ``Audit.to_json`` writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from pitmap.accuracy.census.resampling import Interval
from pitmap.accuracy.mines.audit import Totals
from pitmap.stored import Amount, Count, Share


@dataclass(frozen=True)
class OverlapRecord:
    """Of the options of an audit, what its reader must know."""

    overlap: Share


@dataclass(frozen=True)
class SizeRecord:
    """A row of ``by_size``: ``SizeRow.to_json``."""

    size: str
    reference: Count
    missed: Count
    split: Count
    merged: Count
    split_and_merged: Annotated[Count, Field(validation_alias="split and merged")]
    mapped: Count
    true: Count
    recall: Interval
    precision: Interval


@dataclass(frozen=True)
class MineRecord:
    """A row of ``reference_mines``."""

    id: Count
    verdict: str
    area_m2: Amount
    covered: Share | None
    iou: Share | None
    area_error_m2: float | None
    distance_mean_m: Amount | None
    distance_p95_m: Amount | None


@dataclass(frozen=True)
class AuditRecord:
    """What of a written audit is read back; ``Audit.to_json`` writes it."""

    sources: dict[str, str | int]
    totals: Totals
    definitions: dict[str, str]
    options: OverlapRecord
    figures: dict[str, Interval]
    by_size: list[SizeRecord]
    reference_mines: list[MineRecord]

    def __post_init__(self) -> None:
        if not {"reference", "mines"} <= self.sources.keys():
            raise ValueError("sources do not name both files")
