"""The page of a model says what it learnt from, how good it was found, and where it does not hold."""

import dataclasses
import json
from pathlib import Path

import pytest

from pitmap.information import look_at
from pitmap.legend import DEFAULT_LEGEND
from pitmap.networks.model_card import ModelCard, TrainingGround, TrainingRecord
from pitmap.networks.model_file import save_model
from pitmap.networks.registry import build

RECORD = TrainingRecord(
    key="k", recipe={"name": "robust", "epochs": 3}, precision="bf16", device="cpu", split={"kind": "blocks"}, epochs=3,
    best_epoch=2, validation_miou=0.7123, validation_loss=0.3, validation_accuracy=0.9,
    ground=(
        TrainingGround("a|1", "north", "2023-05-30T10:01:00Z", (16.1, 50.8, 16.4, 51.0), {"OPM": 900, "VEG": 99_000}),
        TrainingGround("b", "north", None, None, {"WAT": 100}),
    ),
)  # fmt: skip


def card(**changes) -> ModelCard:
    return ModelCard(
        network="unet", options={"width": 2}, legend=DEFAULT_LEGEND, bands=("red", "nir"), unit="reflectance",
        dtype="uint16", mean=(0.1, 0.2), std=(0.01, 0.02), pixel_size_m=4.0, project="S", training=RECORD,
        temperature=1.25, **changes,
    )  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "unet-seed0.safetensors"
    save_model(path, build("unet", 2, len(DEFAULT_LEGEND), 2), card())
    return path


def write_accuracy(model: Path, sha256: str) -> None:
    classes = [{"key": c.key, "iou": 0.9 if c.key == "OPM" else 0.3, "users_accuracy": 0.8, "producers_accuracy": None}
               for c in DEFAULT_LEGEND]  # fmt: skip
    figures = {"total": 5000, "overall_accuracy": 0.95, "kappa": 0.84, "mean_iou": 0.614, "classes": classes}
    content = {"model": {"sha256": sha256}, "test": {"ground": "test ground", "kind": "Census.", "figures": figures}}
    (model.parent.parent / "accuracy.json").write_text(json.dumps(content))


def test_ground_dates_classes_and_limits(model: Path):
    text = look_at(model).text
    assert text.startswith("# unet-seed0.safetensors\n")
    assert r"| a\|1 | north | 2023-05-30T10:01:00Z | 16.1000, 50.8000, 16.4000, 51.0000 | 99,900 |" in text
    assert "| b | north | not known | not known | 100 |" in text
    assert "| 1 | OPM | open-pit mine |" in text
    assert "1 site(s) and 1 day(s), 2023-05-30 to 2023-05-30" in text
    assert "Less than 1 % of the training pixels: OPM, WAT, BUI, BAS, ROA, WDA." in text
    assert "none lie beside the model" in text
    assert "mIoU 0.712" in text


def test_figures_of_the_study_that_the_model_lies_in(model: Path):
    sha256 = look_at(model).content["sha256"]
    write_accuracy(model, sha256)
    found = look_at(model)
    assert "overall accuracy 0.950, kappa 0.840, mIoU 0.614" in found.text
    assert "IoU below 0.5 on test ground: WAT, BUI, BAS, ROA, VEG, WDA." in found.text
    assert found.content["tested"]["figures"]["total"] == 5000
    write_accuracy(model, "0" * 64)  # of another model
    assert look_at(model).content["tested"] is None


def test_a_model_of_others(tmp_path: Path):
    path = tmp_path / "m.safetensors"
    save_model(path, build("unet", 2, len(DEFAULT_LEGEND), 2), card().model_copy(update={"training": None}))
    text = look_at(path).text
    assert "not trained by pitmap" in text
    old = dataclasses.replace(RECORD, ground=())
    save_model(path, build("unet", 2, len(DEFAULT_LEGEND), 2), card().model_copy(update={"training": old}))
    assert "The images are not recorded." in look_at(path).text
