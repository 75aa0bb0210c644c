from dataclasses import replace

import torch
from torch import nn

from pitmap.training.checkpoint import Standing, rank
from pitmap.training.recipes import RECIPES

ROWS = [
    {"epoch": 1.0, "validation_loss": 0.5, "validation_accuracy": 0.7, "validation_miou": 0.9},
    {"epoch": 2.0, "validation_loss": 0.4, "validation_accuracy": 0.6, "validation_miou": 0.1},
    {"epoch": 3.0, "validation_loss": 0.4, "validation_accuracy": 0.8, "validation_miou": 0.1},
    {"epoch": 4.0, "validation_loss": 0.6, "validation_accuracy": 0.9, "validation_miou": 0.2},
]


def test_the_best_epoch_is_by_loss_or_miou_and_ties_go_to_the_other():
    by_loss, by_miou = (replace(RECIPES["paper"], monitor=monitor) for monitor in ("loss", "miou"))
    assert max(ROWS, key=lambda row: rank(row, by_loss)) is ROWS[2]
    assert max(ROWS, key=lambda row: rank(row, by_miou)) is ROWS[0]
    lower = {**ROWS[1], "validation_loss": 0.3}
    assert max([*ROWS[1:3], lower], key=lambda row: rank(row, by_miou)) is lower


def test_a_checkpoint_gives_back_where_a_training_stands(tmp_path):
    recipe, network, standing = RECIPES["paper"], nn.Linear(1, 1), Standing(precision="bf16")
    for row in ROWS:
        with torch.no_grad():
            network.weight.fill_(row["epoch"])
        standing.note(row, 10 * row["epoch"], network, recipe)
    standing.state = {"network": network.state_dict(), "steps": 4}
    standing.write(tmp_path / "last.ckpt")
    again = Standing.read(tmp_path / "last.ckpt")
    assert (again.epoch, again.best_epoch, again.precision) == (4, 3, "bf16")
    assert (again.history, again.seconds) == (ROWS, [10.0, 20.0, 30.0, 40.0])
    assert again.best["weight"] == 3
    assert again.state["network"]["weight"] == 4
    assert Standing.read(tmp_path / "none.ckpt") == Standing()


def test_early_stopping_counts_epochs_since_the_best():
    for patience, complete in ((0, False), (1, True), (2, False)):
        assert (
            Standing(epoch=4, best_epoch=3).is_complete(replace(RECIPES["paper"], early_stopping=patience)) is complete
        )
