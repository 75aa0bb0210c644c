"""What of a study the panel needs, from the JSON of ``pitmap info``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class StudyFiles:
    """Files of a study that are there.

    Attributes:
        name: Of the study.
        images: Its images by the names of their scenes.
        dates: When they were taken, ``2017-10-30``, as far as that is known.
        bands: Their bands for red, green and blue, counted from 1.
        labelling: Samples of points and review queues by what they are.
        maps: Maps and what was made from them: what an interpreter of points must not see.
        report: The page; None where there is none.
    """

    name: str
    images: dict[str, Path]
    dates: dict[str, str]
    bands: dict[str, list[int]]
    labelling: dict[str, Path]
    maps: tuple[Path, ...]
    report: Path | None


def study_files(content: Mapping[str, Any]) -> StudyFiles:
    """The files of a study out of what ``pitmap info STUDY --json`` prints."""
    folder = Path(content["project_file"]).parent
    files = content["files"]
    report = None if files["report"] is None else folder / files["report"]
    labelling = {f"points: {Path(p).name}": folder / p for p in files["points"]}
    labelling |= {f"review: {Path(p).name}": folder / p for p in files["reviews"]}
    return StudyFiles(
        str(content["study"]),
        {s["scene"]: folder / s["image"] for s in content["scenes"]},
        {s["scene"]: s["date"] for s in content["scenes"] if s.get("date")},
        {s["scene"]: list(s["shown_bands"]) for s in content["scenes"]},
        labelling,
        tuple(folder / p for p in files["maps"]),
        report,
    )


def titled(name: str, date: str | None) -> str:
    """What an image is called where two dates lie side by side: its date first."""
    return f"{date or 'date unknown'} · {name}"
