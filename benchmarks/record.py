"""Figures that are measured again and again, and the dated files that keep them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.machine import processor, versions

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Measure:
    """One figure.

    Attributes:
        name: The same every time: by it the last result is found.
        value: The figure.
        unit: ``s``, ``MB``, ``/s`` and the like.
        more_is_better: Whether a larger figure is a better one, as for a speed.
    """

    name: str
    value: float
    unit: str
    more_is_better: bool = False


def keep(measures: list[Measure], command: str, folder: Path = RESULTS) -> Path:
    """Write a dated file of figures, over one of the same day."""
    path = folder / f"{date.today().isoformat()}-quick.json"
    content = {
        "date": date.today().isoformat(), "processor": processor(), "versions": versions(), "command": command,
        "measures": [asdict(m) for m in measures],
    }  # fmt: skip
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def last(folder: Path = RESULTS) -> dict[str, Any] | None:
    """The newest dated file of figures, None where there is none."""
    files = sorted(folder.glob("*-quick.json"))
    return json.loads(files[-1].read_text(encoding="utf-8")) if files else None


def table(now: list[Measure], before: dict[str, Any] | None) -> list[str]:
    """Markdown: each figure now, that of the last dated result, and by how much it is better or worse."""
    known = {m["name"]: m for m in before["measures"]} if before else {}
    since = f"{before['date']}, {before['processor']}" if before else "no dated result"
    lines = [f"Now: {processor()}; {versions()}.", f"Last: {since}.", "", "| | now | last | |", "|---|---|---|---|"]
    for measure in now:
        old = known.get(measure.name)
        if old is None or not old["value"] or not measure.value:
            lines.append(f"| {measure.name} | {measure.value:.3g} {measure.unit} | — | |")
            continue
        gain = measure.value / old["value"] if measure.more_is_better else old["value"] / measure.value
        verdict = f"{gain:.2f} times as good" if abs(gain - 1) > 0.1 else "the same within 10 %"
        lines.append(
            f"| {measure.name} | {measure.value:.3g} {measure.unit} | {old['value']:.3g} {old['unit']} | {verdict} |"
        )
    return lines
