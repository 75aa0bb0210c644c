"""Learning curves as a table and a picture."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pitmap.errors import ProjectError
from pitmap.files import csv_text, replacing, write_text
from pitmap.stored import AGAIN, Share, conform, shortened

COLUMNS = ("epoch", "loss", "validation_loss", "validation_miou", "validation_accuracy", "learning_rate")


def write_curves(path: Path, history: list[dict[str, float]]) -> None:
    """Write the history of a training as CSV, a line a validated epoch."""
    write_text(path, csv_text([COLUMNS, *([f"{row[k]:.6g}" for k in COLUMNS] for row in history)]))


def read_curves(path: Path) -> list[dict[str, float]]:
    """Read what ``write_curves`` wrote.

    Raises:
        ProjectError: The file is damaged.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ProjectError(f"{path} cannot be read ({shortened(str(error))}).", remedy=AGAIN) from error
    return [asdict(row) for row in conform(rows, list[_Row], str(path))]


_Finite = Annotated[float, Field(ge=-1e9, le=1e9)]


@dataclass(frozen=True)
class _Row:
    epoch: Annotated[float, Field(ge=1, le=1e9)]
    loss: _Finite
    validation_loss: _Finite
    validation_miou: Share
    validation_accuracy: Share
    learning_rate: _Finite


def draw_curves(path: Path, history: list[dict[str, float]], best_epoch: int) -> None:
    """Draw losses and validation figures over the epochs as PNG; a line marks the epoch that was kept."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    for axes, columns in ((left, ("loss", "validation_loss")), (right, ("validation_miou", "validation_accuracy"))):
        for column in columns:
            axes.plot(epochs, [row[column] for row in history], label=column.replace("_", " ").replace("miou", "mIoU"))
        axes.axvline(best_epoch, color="0.5", linewidth=1, linestyle=":")
        axes.set_xlabel("epoch")
        axes.legend(frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, metadata={"Software": None})
