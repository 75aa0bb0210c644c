"""Project files for the real Sentinel-2 series of a granite-quarry district, `../shared/data/strzegom_west`."""

from __future__ import annotations

import sys
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "strzegom_west"

DATES = ("20210619", "20220619", "20220719", "20221012", "20230301", "20230530")

# Code in the masks, key, name, colour. Code 6 of the authors' legend (permanent grassland) is never used.
CLASSES = (
    (1, "CON", "conifer forest", "#1b7837"),
    (2, "MIX", "mixed forest", "#5aae61"),
    (3, "URB", "urban", "#8a4fa3"),
    (4, "CRB", "crops before harvest", "#e0c068"),
    (5, "BAS", "bare soil", "#b07d48"),
    (7, "ROA", "road", "#4d4d4d"),
    (8, "WAT", "water", "#2b6cb0"),
    (9, "CRV", "crops in vegetation", "#a6d96a"),
    (10, "PIT", "open pit", "#d7191c"),
)


def require_data() -> None:
    """End with a sentence where the data are not there."""
    if not DATA.exists():
        sys.exit(f"This benchmark needs the quarry district of the project's shared data, which is not at {DATA}.")


def write_project(
    folder: Path, seed: int, dates: tuple[str, ...] = DATES, vector: bool = False, more: str = ""
) -> Path:
    """Write a project file for some of the dates.

    Args:
        folder: Where the file and the results go.
        seed: Of the split and of everything else.
        dates: Dates of the series.
        vector: Take the labels from the land-use layer (which is the mask of 20230530) and not from the masks.
        more: Further TOML.
    """
    lines = ["[project]", 'name = "Strzegom west"', f"seed = {seed}", ""]
    for code, (_, key, name, colour) in enumerate(CLASSES, start=1):
        lines += ["[[classes]]", f"code = {code}", f'key = "{key}"', f'name = "{name}"', f'colour = "{colour}"', ""]
    values = ", ".join(f'{value} = "{key}"' for value, key, _, _ in CLASSES)
    for date in dates:
        labels = DATA / "landuse_west.gpkg" if vector else DATA / "masks" / f"strzegom_west_{date}.tif"
        lines += [
            "[[sites]]",
            f'name = "west-{date}"',
            f'image = "{DATA / "images" / f"strzegom_west_{date}.tif"}"',
            'bands = ["B02", "B03", "B04", "B08"]',
            "scale = 0.0001",
            # Processing baseline 04.00 and later adds 1000 to the numbers.
            f"offset = {0.0 if date.startswith('2021') else -0.1}",
            "nodata = 0",
            f'labels = "{labels}"',
            *(['label_field = "code"'] if vector else []),
            f"label_values = {{ {values} }}",
            "",
        ]
    path = folder / "pitmap.toml"
    path.write_text("\n".join(lines) + more, encoding="utf-8")
    return path
