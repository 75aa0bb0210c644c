"""A sample of points: what may be known while it is being labelled, and nothing of map classes or strata."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from pitmap.information import Information, plain


def is_sample(path: Path) -> bool:
    """Whether a file is a sample of `pitmap design`, whatever else was done to it."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database,
    ):
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return {"points", "drawn"} <= tables
    return False


def sample(path: Path) -> Information:
    """How far the labelling of a sample is.

    Raises:
        LabelError: It is no sample that can be estimated from.
    """
    from pitmap.accuracy.sampling.sample_file import read_sample

    found = read_sample(path)
    points = found.points
    labelled = int((points["reference"].notna() & (points["reference"].astype(str).str.strip() != "")).sum())
    doubtful = int(points["doubtful"].fillna(value=False).astype(bool).sum()) if "doubtful" in points else 0
    content = {
        "sample": str(path),
        "design": found.about["design"],
        "map": found.about["map"],
        "points": len(found.drawn),
        "labelled": labelled,
        "to_label": len(found.drawn) - labelled,
        "doubtful": doubtful,
        "pictures": sorted(c for c in points.columns if c.startswith("chip")),
        "crs": None if points.crs is None else points.crs.to_string(),
    }
    return plain(content)
