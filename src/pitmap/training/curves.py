"""Learning curves as a table and a picture."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from pitmap.files import replacing, write_text

COLUMNS = ("epoch", "loss", "validation_loss", "validation_miou", "validation_accuracy", "learning_rate")


def write_curves(path: Path, history: list[dict[str, float]]) -> None:
    """Write the history of a training as CSV, a line a validated epoch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{row[k]:.6g}" for k in COLUMNS} for row in history)
    write_text(path, text.getvalue())


def read_curves(path: Path) -> list[dict[str, float]]:
    """Read what ``write_curves`` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


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
