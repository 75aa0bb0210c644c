"""What ``estimate.json`` holds, as far as it is read back; ``SampleEstimate.to_json`` writes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pitmap.accuracy.sampling.estimation import ClassEstimates, Estimate
from pitmap.stored import Amount


@dataclass(frozen=True)
class EstimateRecord:
    """What of a written estimate is read back: ``SampleEstimate.to_json``, or ``AreaEstimates.to_json``."""

    kind: str
    conventions: dict[str, str]
    unit: str
    total_area: Amount
    overall_accuracy: Estimate
    classes: tuple[ClassEstimates, ...]
    warnings: tuple[str, ...]
    sources: dict[str, Any] = field(default_factory=dict)
    sample_warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if "estimators" not in self.conventions:
            raise ValueError("conventions say nothing of the estimators")
        if "map_sha256" in self.sources and not isinstance(self.sources.get("map"), str):
            raise ValueError("sources name no map")
