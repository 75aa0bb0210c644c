import ast
import importlib.util
import json
import subprocess
import sys
from dataclasses import is_dataclass
from pathlib import Path

import numpy as np
import pytest

import pitmap
from studies import grid, quilt, write_project, write_site

SOURCE = Path(pitmap.__file__)


def test_importing_loads_nothing_heavy():
    """Neither the package itself nor a list of its names."""
    code = (
        "import sys, pitmap; dir(pitmap); "
        "heavy = {'numpy', 'torch', 'rasterio', 'pandas', 'scipy', 'rich', 'pydantic', 'shapely', 'pyproj', 'typer'}; "
        "print(sorted({m.split('.')[0] for m in sys.modules} & heavy), "
        "[m for m in sys.modules if m.startswith('pitmap.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"


def test_every_name_is_there_and_says_what_it_is():
    assert len(set(pitmap.__all__)) == len(pitmap.__all__)
    assert set(pitmap.__all__) <= set(dir(pitmap))
    for name in pitmap.__all__:
        assert getattr(pitmap, name).__doc__
        assert getattr(pitmap, name).__module__ == pitmap._MODULES[name] if name != "__version__" else True
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = pitmap.nonsense


def test_no_module_hides_a_name():
    """An imported submodule becomes an attribute of its package, and would take the name's place."""
    for name in pitmap._MODULES:
        assert importlib.util.find_spec(f"pitmap.{name}") is None


def test_type_checkers_see_the_same_names():
    (block,) = [
        node for node in ast.parse(SOURCE.read_text()).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]  # fmt: skip
    seen = {alias.asname: node.module for node in block.body for alias in node.names if node.module}
    assert seen == pitmap._MODULES
    assert (SOURCE.parent / "py.typed").exists()


def test_results_are_frozen_and_give_plain_values():
    results = [
        getattr(pitmap, name)
        for name in (
            "PrepareReport", "StudyRun", "StudyAccuracy", "Report", "ComparisonRun", "MapReport", "MapRun", "Mines",
            "Assessment", "Design", "SampleEstimate", "Audit", "MapPage", "Change",
        )
    ]  # fmt: skip
    for result in results:
        assert is_dataclass(result)
        assert result.__dataclass_params__.frozen
        assert callable(result.to_json)
    assert pitmap.ModelCard.model_config["frozen"]
    for options in (
        "PrepareOptions",
        "MapOptions",
        "ReviewOptions",
        "AssessOptions",
        "DesignOptions",
        "AuditOptions",
        "ChangeOptions",
    ):
        assert getattr(pitmap, options).__dataclass_params__.frozen
        getattr(pitmap, options)()


def test_the_way_from_an_image_to_hectares_with_paths_as_text(tmp_path):
    codes = quilt(160, 128, 3)
    write_site(tmp_path, "a", codes, grid(160, 128))
    path = write_project(
        tmp_path, ["a"], more='[training]\nwidth = 2\nepochs = 1\nprecision = "float32"\ndevice = "cpu"'
    )
    study = pitmap.load_study(str(tmp_path))
    assert study.path == pitmap.load_study(str(path)).path
    samples = pitmap.sample(study)
    card = pitmap.train(study, network="unet", seed=3)
    assert (card.network, card.seed) == ("unet", 3)
    model = pitmap.model_path(study, network="unet", seed=3)

    def name(file: str) -> str:
        return str(tmp_path / file)

    options = pitmap.MapOptions(confidence=name("sure.tif"), probabilities=name("p.tif"), precision="float32")
    made = pitmap.map_image(str(model), name("a.tif"), name("map.tif"), options)
    mines = pitmap.extract_mines(name("map.tif"), name("mines.gpkg"), confidence=name("sure.tif"), classes=["OPM"])
    review = pitmap.review(name("map.tif"), name("sure.tif"), name("queue.gpkg"), pitmap.ReviewOptions(minimum_m2=0))
    accuracy = pitmap.assess(name("map.tif"), name("a-labels.tif"))
    points = pitmap.DesignOptions(points=40, floor=1, images=[name("a.tif")], bands=[3, 2, 1])
    drawn = pitmap.design(name("map.tif"), name("points.gpkg"), points)
    with pytest.raises(pitmap.PitmapError, match=r"reference class|labelled"):
        pitmap.estimate(name("points.gpkg"), name("map.tif"))
    with pytest.raises(pitmap.PitmapError):
        pitmap.audit(name("mines.gpkg"), name("none.gpkg"), pitmap.AuditOptions(extent=name("none.gpkg")))
    for result in (samples, card, made, mines, review, accuracy, drawn):
        assert json.loads(json.dumps(result.to_json()))
        assert result.summary()
    assert sum(made.pixels.values()) == codes.size
    assert mines.area_ha == pytest.approx((made.area_m2 or {})["OPM"] / 1e4)
    _, card = pitmap.load_model(str(model))
    assert card.sha256 == made.card.sha256
    assert np.isfinite(accuracy.matrix.figures().overall_accuracy)
    with pytest.raises(pitmap.PitmapError, match="no accuracy"):
        pitmap.report(study, network="unet", seed=3)
    pitmap.map_scenes(study, model)
    pitmap.assess_study(study, model)
    page = pitmap.report(study, network="unet", seed=3)
    assert page.path == study.results.report
    assert page.path.exists()
