"""Models, products and images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pitmap.grid import Grid, lack_of_place
from pitmap.information import Information, plain
from pitmap.study.results import Results


def model(path: Path) -> Information:
    """The card of a model, for people as a page in Markdown with the figures of its study where they lie beside it.

    Raises:
        ModelError: It is none.
    """
    from pitmap.information.model_page import page
    from pitmap.networks.model_card import read_card

    card = read_card(path)
    tested = _tested(path, card.sha256)
    return Information(page(path, card, tested), {**card.model_dump(mode="json"), "tested": tested})


def _tested(path: Path, sha256: str) -> dict[str, Any] | None:
    """What the results folder in which a model lies says of its maps on test ground, None where it says nothing."""
    results = Results(path.resolve().parent.parent)
    if path.resolve().parent != results.models:
        return None
    try:
        content = json.loads(results.accuracy.read_text(encoding="utf-8"))
        of_this, test = content["model"]["sha256"] == sha256, content["test"]
        test["figures"]["total"], test["figures"]["classes"], test["ground"], test["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return test if of_this else None


def product_or_image(path: Path) -> Information:
    """A delivery of a sensor that is known, else an image.

    Raises:
        PitmapError: It is neither.
    """
    from pitmap.imagery.sensors import recognise

    delivery = recognise(path)
    return plain(_image(path) if delivery is None else delivery.to_json())


def _image(path: Path) -> dict[str, Any]:
    from pitmap.acquisition import date_taken
    from pitmap.raster.codes import read_legend
    from pitmap.raster.reading import describe

    header = describe(path)
    grid, legend = header.grid, read_legend(path)
    return {
        "image": str(path),
        "rows": grid.height,
        "cols": grid.width,
        "bands": [
            {
                "band": i + 1,
                "name": name,
                "scale": header.scales[i],
                "offset": header.offsets[i],
                "dtype": header.dtypes[i],
                "nodata": header.nodatas[i],
                "unit": header.units[i],
                "alpha": i + 1 in header.alpha,
            }
            for i, name in enumerate(header.descriptions)
        ],
        "crs": _crs(grid),
        "pixel_size_m": grid.pixel_size_m,
        "date": date_taken(path, header.tags),
        "reflectance": "DN x scale + offset, from the file's tags" if header.has_scale else "scale not stated",
        "classes": None if legend is None else {c.code: f"{c.key} {c.name}" for c in legend},
        "tags": dict(header.tags),
    }


def _crs(grid: Grid) -> str | None:
    if grid.crs is not None:
        return grid.crs.to_string()
    return None if grid.local_crs is None else f"The image {lack_of_place(grid.local_crs)}."
