"""A small results folder made by the real steps (only the map is drawn by hand), and the page about it."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from pitmap.accuracy.census.assess import assess_arrays
from pitmap.accuracy.census.confidence import Reliability
from pitmap.accuracy.mines.audit import AuditOptions, audit
from pitmap.accuracy.sampling.estimation import estimate_confusion
from pitmap.changes.study import compare_places
from pitmap.errors import ProjectError
from pitmap.files import write_json
from pitmap.grid import Grid
from pitmap.legend import DEFAULT_LEGEND
from pitmap.mapping.mines import extract_mines
from pitmap.networks import build as build_network
from pitmap.networks.model_card import ModelCard, TrainingRecord, read_card
from pitmap.networks.model_file import save_model
from pitmap.raster.codes import WARNINGS_TAG, codes_layout, read_codes
from pitmap.raster.writing import Layout, write_cog
from pitmap.reporting import write_report
from pitmap.reporting.content import MINES_LISTED
from pitmap.reporting.formats import DASH, count, percent
from pitmap.samples.build import build
from pitmap.samples.dataset import SampleSet
from pitmap.samples.split import Split
from pitmap.study.study import Study, load_study
from pitmap.training.curves import write_curves

SIDE = 96
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
PIT, VEGETATION, WATER, ROAD = (DEFAULT_LEGEND[key].code for key in ("OPM", "VEG", "WAT", "ROA"))


class Checker(HTMLParser):
    """Collects elements and text, and complains about tags that are not closed in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute of <{tag}> occurs twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> at line {self.getpos()[0]} closes another element"

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)


def parsed(path: Path) -> Checker:
    checker = Checker()
    checker.feed(path.read_text(encoding="utf-8"))
    checker.close()
    assert checker.open == []
    return checker


def words(page: Checker) -> str:
    return re.sub(r"\s*\n\s*", " ", "".join(page.text))


def first_page(path: Path) -> str:
    """Its words, one space between them."""
    page = re.search(r'<section class="statement".*?</section>', path.read_text(encoding="utf-8"), re.DOTALL)
    assert page is not None
    return " ".join(re.sub(r"<[^>]+>", " ", page[0]).replace("\u202f", " ").split())


def reference_codes(rng: np.random.Generator) -> np.ndarray:
    """Vegetation with two pits and a pond in each quarter, so that any split of the ground has all three."""
    codes = np.full((SIDE, SIDE), VEGETATION, np.uint8)
    for row in range(0, SIDE, 24):
        for col in range(0, SIDE, 24):
            codes[row + 2 : row + 12, col + 3 : col + 13] = PIT
            codes[row + 15 : row + 20, col + 15 : col + 20] = WATER
    codes[rng.random(codes.shape) < 0.1] = 0
    return codes


def make(
    folder: Path,
    *,
    crs: bool = True,
    split: str = "blocks",
    scenes: int = 1,
    apart: int = 2000,
    bands: tuple[str, ...] = ("blue", "green", "red", "nir"),
    name: str = "Valley <north> & hills",
) -> tuple[Study, Path]:
    """A project with samples, an untrained model, maps, mines and accuracy.json."""
    rng = np.random.default_rng(5)
    texts = [
        f'[project]\nname = "{name}"\n[samples]\npatch = 32\nstride = 32\nsplit = "{split}"\nminimum_per_class = 5'
    ]
    if split == "blocks":
        texts[0] += "\nblock_m = 96.0"
    for i in range(scenes):
        # Neighbouring places, or dates of one.
        grid = (
            Grid(CRS.from_epsg(32633), Affine(4, 0, 500_000 + apart * i, 0, -4, 5_600_000), SIDE, SIDE)
            if crs
            else Grid(None, Affine.identity(), SIDE, SIDE)
        )
        codes = reference_codes(rng)
        pixels = np.stack([codes.astype(np.uint16) * 300 + 500 * (k + 1) for k in range(len(bands))]).astype(np.uint16)
        pixels = pixels + rng.integers(0, 200, pixels.shape).astype(np.uint16)
        pixels[:, :4, :4] = 0
        layout = Layout(len(bands), "uint16", 0, bands, scale=1e-4)
        write_cog(folder / f"image{i}_20240{i % 9 + 1}15.tif", pixels, grid, layout)
        write_cog(folder / f"labels{i}.tif", codes, grid, codes_layout(DEFAULT_LEGEND))
        texts.append(
            f'[[sites]]\nname = "place{i}"\nimage = "image{i}_20240{i % 9 + 1}15.tif"\nlabels = "labels{i}.tif"'
        )
    (folder / "pitmap.toml").write_text("\n".join(texts))
    project = load_study(folder / "pitmap.toml")
    samples = build(project)
    network = build_network("unet", len(bands), len(DEFAULT_LEGEND), 2)
    model = project.results.folder / "models" / "unet-seed0.safetensors"
    card = ModelCard(
        network="unet", options={"width": 2}, legend=DEFAULT_LEGEND, bands=bands, unit="reflectance", dtype="uint16",
        mean=samples.mean.tolist(), std=samples.std.tolist(), pixel_size_m=4.0, project=project.project.name, seed=0,
        versions={"pitmap": "0.1.0"}, bf16_agreement=0.9995,
        training=TrainingRecord(
            key="", recipe={"name": "robust", "batch": 4}, precision="bf16", device="cpu", split={}, epochs=3,
            best_epoch=2, validation_miou=0.2, validation_loss=1.1, validation_accuracy=0.4,
        ),
    )  # fmt: skip
    card = save_model(model, network, card)
    rows = [
        dict.fromkeys(("epoch",), e)
        | {"loss": 2 / e, "validation_loss": 2.2 / e, "validation_miou": 0.1 * e, "validation_accuracy": 0.2 * e}
        | {"learning_rate": 1e-3}
        for e in (1.0, 2.0, 3.0)
    ]
    write_curves(model.with_suffix(".csv"), rows)
    map_scenes(project, samples, rng)
    write_accuracy(project, samples, card)
    return project, model


def map_scenes(project: Study, samples: SampleSet, rng: np.random.Generator) -> None:
    for i, scene in enumerate(project.scenes):
        codes = np.where(samples.codes[i] == 0, VEGETATION, samples.codes[i]).astype(np.uint8)
        wrong = rng.random(codes.shape) < 0.08
        codes[wrong] = rng.choice([PIT, VEGETATION, ROAD], int(wrong.sum()))
        codes[:4, :4] = 0
        path = project.results.folder / "maps" / f"{scene.name}.tif"
        write_cog(path, codes, scene.info.grid, codes_layout(DEFAULT_LEGEND))
        extract_mines(path, path.with_suffix(".gpkg"), minimum_mapping_unit_m2=100.0)


def write_accuracy(project: Study, samples: SampleSet, card: ModelCard) -> None:
    totals: dict = {}
    scenes: dict = {}
    for i, scene in enumerate(project.scenes):
        mapped, codes = read_codes(project.results.folder / "maps" / f"{scene.name}.tif"), samples.codes[i]
        areas = None if scene.info.grid.crs is None else scene.info.grid.pixel_areas_m2()
        grounds = {"test": (samples.splits[i] == Split.TEST) & (codes > 0), "labelled_area": codes > 0}
        scenes[scene.name] = {}
        for ground, region in grounds.items():
            label = {"test": "test ground", "labelled_area": "the whole labelled area, training ground included"}
            part = assess_arrays(mapped, codes, DEFAULT_LEGEND, region, areas, label[ground])
            scenes[scene.name][ground] = part.to_json() if part.matrix.counts.any() else None
            totals[ground] = totals[ground] + part if ground in totals else part
    content = {
        "project": project.project.name,
        "model": {"file": "unet-seed0.safetensors", "network": "unet", "seed": 0, "sha256": card.sha256},
        **{ground: total.to_json() for ground, total in totals.items()},
        "scenes": scenes,
    }
    write_json(project.results.folder / "accuracy.json", content)


def accuracy_of(project: Study) -> dict:
    return json.loads((project.results.folder / "accuracy.json").read_text())


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path, Path]:
    project, model = make(tmp_path_factory.mktemp("study"))
    return project, model, write_report(project, model)


@pytest.fixture
def copied(study: tuple[Study, Path, Path], tmp_path: Path) -> tuple[Study, Path]:
    """The same study, to be changed."""
    project, model, _ = study
    shutil.copytree(project.folder, tmp_path, dirs_exist_ok=True)
    return load_study(tmp_path / "pitmap.toml"), tmp_path / model.relative_to(project.folder)


def test_the_page_is_well_formed_and_needs_no_network(study):
    *_, report = study
    page = parsed(report)
    assert report.name == "report.html"
    for tag, attributes in page.elements:
        for name in ("src", "href", "data", "poster", "srcset", "action"):
            if name not in attributes:
                continue
            value = attributes[name] or ""
            assert not re.match(r"(https?:)?//", value), f"<{tag} {name}> reaches out"
            if name == "src":
                assert value.startswith("data:image/")
            if name == "href":
                assert value.startswith(("#", "maps/", "data:image/"))
        assert tag != "link"
    text = report.read_text()
    assert "@import" not in text
    assert "url(" not in text
    anchors = {a["href"][1:] for _, a in page.elements if (a.get("href") or "").startswith("#")}
    assert anchors <= {a["id"] for _, a in page.elements if "id" in a}


def test_every_picture_has_an_alternative_text_and_a_size(study):
    page = parsed(study[2])
    pictures = [a for tag, a in page.elements if tag == "img"]
    assert len(pictures) == 9  # image, map of the first page; split, two curves, image, map, reference, disagreement
    assert all(a["alt"] for a in pictures)


def test_the_links_lead_to_files(study):
    project, _, report = study
    links = {a["href"] for tag, a in parsed(report).elements if tag == "a" and a["href"].startswith("maps/")}
    assert links == {"maps/place0.gpkg"}
    assert all((project.results.folder / link).exists() for link in links)


def test_it_says_the_figures_of_accuracy_json(study):
    project, _, report = study
    text, content = words(parsed(report)), accuracy_of(project)
    for ground in ("test", "labelled_area"):
        figures = content[ground]["figures"]
        for name in (
            "overall_accuracy",
            "mean_iou",
            "majority_accuracy",
            "majority_mean_iou",
            "quantity",
            "allocation",
        ):
            assert percent(figures[name]) in text, (ground, name)
        assert f"{figures['kappa']:.3f}" in text
        for row in figures["classes"]:
            for name in ("producers_accuracy", "users_accuracy", "iou", "f1"):
                assert percent(row[name]) in text, (ground, row["key"], name)
    for line in content["test"]["confusion"]["counts"]:
        for n in line:
            assert f">{count(n)}</td>" in report.read_text()
    assert count(content["test"]["pixels"]["compared"]) in text


def test_undefined_figures_are_dashes(study):
    project, _, report = study
    text = report.read_text()
    row = next(r for r in accuracy_of(project)["test"]["figures"]["classes"] if r["key"] == "BUI")
    assert row["users_accuracy"] is None
    line = re.search(r"<tr><th>[^\n]*building.*?</tr>", text[text.index("By class, test ground") :], re.DOTALL)
    assert line is not None
    assert re.findall(r"<td>([^<]*)</td>", line[0])[2:] == [DASH] * 4


def test_it_says_how_it_was_made(study):
    _, model, report = study
    text = words(parsed(report))
    assert read_card(model).sha256 in text
    assert "Valley <north> & hills" in text  # and escaped in the source
    assert "<north>" not in report.read_text()
    for part in ("2024-01-15", "minimum_per_class = 5", "precision bf16", "batch 4; name robust", "4.00\u202fm"):
        assert part in text.replace("Precisionbf16", "precision bf16"), part
    assert "pitmap train pitmap.toml --network unet --seed 0" in text


def test_the_same_files_give_the_same_bytes(study):
    project, model, report = study
    before = report.read_bytes()
    assert write_report(project, model).read_bytes() == before


def test_hectares_are_those_of_the_mines_layer(study):
    project, _, report = study
    mines = gpd.read_file(project.results.folder / "maps" / "place0.gpkg", layer="mines")
    text = words(parsed(report))
    assert f"{mines['area_ha'].sum():.1f} ha" in text
    assert f"mines: {len(mines)}," in text
    assert f"{mines['area_ha'].iloc[0]:.2f}" in text
    shown = re.findall(r'<path class="line"', report.read_text())
    assert len(shown) == 2 * len(mines)  # first page and scene
    if len(mines) > MINES_LISTED:
        rest = mines["area_ha"].iloc[MINES_LISTED:].sum()
        assert f"{len(mines) - MINES_LISTED} smaller{rest:.2f}" in text


def test_without_crs_areas_are_pixels(tmp_path: Path):
    project, model = make(tmp_path, crs=False, split="groups", scenes=8, bands=("red", "green", "blue"))
    page = parsed(write_report(project, model))
    text = words(page)
    assert "measured in pixels, not hectares" in text
    signed = first_page(project.results.report)
    assert "Latitude" not in signed
    assert "Area of open-pit mine on the map, not corrected for its errors" in signed
    assert re.search(r"\d pixels Not to be signed", signed)
    assert not re.search(r"\d\s?ha\b", text)
    assert "natural colours" in text.lower()
    assert len([t for t, a in page.elements if t == "img" and "Land-cover map" in (a["alt"] or "")]) == 8
    assert f"Mapped ground{count(8 * (SIDE * SIDE - 16))}" in text


def test_without_mine_classes(copied, tmp_path: Path):
    project, model = copied
    with (tmp_path / "pitmap.toml").open("a") as file:
        file.write("\n[mapping]\nmines = []\n")
    project = load_study(tmp_path / "pitmap.toml")
    (project.results.folder / "maps" / "place0.gpkg").unlink()
    page = parsed(write_report(project, model))
    assert "line" not in {a.get("class") for _, a in page.elements}  # no outline
    signed = first_page(project.results.report)
    assert "Area of open-pit mine" not in signed
    assert "vegetation" in signed
    assert "Signature" not in signed
    assert "IoU of open-pit mine" not in words(page)
    assert "mines" not in {a.get("id") for _, a in page.elements}


def test_a_map_without_a_mine(copied):
    project, model = copied
    samples = SampleSet(project.results.folder / "samples")
    path = project.results.folder / "maps" / "place0.tif"
    codes = np.full((SIDE, SIDE), VEGETATION, np.uint8)
    write_cog(path, codes, project.scenes[0].info.grid, codes_layout(DEFAULT_LEGEND))
    extract_mines(path, path.with_suffix(".gpkg"))
    write_accuracy(project, samples, read_card(model))
    text = words(parsed(write_report(project, model)))
    assert "No mine was mapped" in text
    assert "mines: 0," in text


def test_a_leaking_split_is_announced(copied, study):
    assert "The split leaks" not in study[2].read_text()
    project, model = copied
    samples_file = project.results.folder / "samples" / "samples.json"
    content = json.loads(samples_file.read_text())
    content["split"] = {"kind": "random"}
    content["audit"]["remark"] = "Random patches put the same ground on both sides."
    content["audit"]["shared_labelled_pixels"]["training-test"] = 4321
    content["audit"]["leaks"] = True
    samples_file.write_text(json.dumps(content))
    text = words(parsed(write_report(project, model)))
    assert "The split leaks." in text
    assert content["audit"]["remark"] in text
    assert count(4321) in text


@pytest.mark.verify
def test_images_of_the_same_ground_are_not_added_up(tmp_path: Path):
    project, model = make(tmp_path, scenes=2)
    apart = words(parsed(write_report(project, model)))
    assert "not added up" not in apart
    assert "All images" in apart
    # The second place, moved onto the first.
    toml = (
        (tmp_path / "pitmap.toml")
        .read_text()
        .replace("image1_20240215", "again_20240216")
        .replace("labels1", "labels0")
    )
    (tmp_path / "again_20240216.tif").write_bytes((tmp_path / "image0_20240115.tif").read_bytes())
    (tmp_path / "pitmap.toml").write_text(toml)
    project = load_study(tmp_path / "pitmap.toml")
    samples = build(project)
    map_scenes(project, samples, np.random.default_rng(1))
    write_accuracy(project, samples, read_card(model))
    together = words(parsed(write_report(project, model)))
    assert "This page speaks of place0 alone; other images of the report, which are in the annex: 1." in first_page(
        project.results.report
    )
    assert "share ground and are not added up" in together
    assert "All images" not in together


@pytest.mark.verify
def test_optional_parts_are_shown_where_they_are(copied):
    project, model = copied
    before = words(parsed(write_report(project, model)))
    for title in ("Estimate from a sample", "Audit of single mines", "95 % interval", "Confidence"):
        assert title not in before
    content = accuracy_of(project)
    content["test"]["intervals"] = {
        "overall_accuracy": [0.5123, 0.6123],
        "iou": {"OPM": [0.1111, 0.2222]},
        "kappa": None,
    }
    content["reliability"] = Reliability.of(np.repeat([0.45, 0.95], [10, 90]), np.arange(100) < 85).to_json()
    write_json(project.results.folder / "accuracy.json", content)
    mines = project.results.folder / "maps" / "place0.gpkg"
    audited = audit(mines, mines, AuditOptions(draws=50))
    audited.write(project.results.folder / "audit.json")
    estimate = estimate_confusion(np.eye(7) * 40 + 1, np.arange(1, 8) * 30.0, DEFAULT_LEGEND)
    write_json(project.results.folder / "estimate.json", estimate.to_json())
    page = parsed(write_report(project, model))
    text = words(page)
    area = estimate.classes[0].area
    assert f"{area.value:.1f} ha" in text
    assert f"95 % interval: {area.lower:.1f} to {area.upper:.1f} ha" in text
    assert "51.2\u202f% to 61.2\u202f%" in text
    assert "11.1\u202f% to 22.2\u202f%" in text
    assert f"Of {count(len(audited.reference))} reference mines" in text
    assert f"the map finds {count(len(audited.reference))} and misses 0" in text
    assert f"Panoptic quality{percent(1.0)}" in text
    assert any("Reliability diagram" in (a.get("alt") or "") for _, a in page.elements)
    assert "Estimate from a sample" in text


def test_without_curves_and_maps(copied):
    project, model = copied
    model.with_suffix(".csv").unlink()
    for path in (project.results.folder / "maps").iterdir():
        path.unlink()
    text = words(parsed(write_report(project, model)))
    assert "no learning curves" in text
    assert "There are no maps" in text


def test_results_that_do_not_belong_together_are_refused_or_named(copied, tmp_path: Path):
    project, model = copied
    path = project.results.folder / "accuracy.json"
    good = path.read_text()
    path.write_text(good.replace(accuracy_of(project)["model"]["sha256"], "0" * 64))
    assert "Figures of another model" in words(parsed(write_report(project, model)))
    path.write_text(good[:100])
    with pytest.raises(ProjectError, match=r"accuracy\.json is damaged"):
        write_report(project, model)
    path.unlink()
    with pytest.raises(ProjectError, match=r"no accuracy\.json"):
        write_report(project, model)
    path.write_text(good)
    toml = tmp_path / "pitmap.toml"
    toml.write_text(toml.read_text().replace('"place0"', '"elsewhere"'))
    with pytest.raises(ProjectError, match="other scenes"):
        write_report(load_study(toml), model)


def test_a_scene_without_labels_has_its_map_and_no_figures(tmp_path):
    project, model = make(tmp_path, scenes=2)
    (tmp_path / "labels1.tif").unlink()
    toml = (tmp_path / "pitmap.toml").read_text().replace('\nlabels = "labels1.tif"', "")
    (tmp_path / "pitmap.toml").write_text(toml)
    project = load_study(tmp_path / "pitmap.toml")
    samples = build(project)
    map_scenes(project, samples, np.random.default_rng(1))
    write_accuracy(project, samples, read_card(model))
    assert accuracy_of(project)["scenes"]["place1"] == {"test": None, "labelled_area": None}
    page = parsed(write_report(project, model))
    text = words(page)
    assert "images: 2." in text
    assert "This image has no labels: no accuracy is known here." in text
    pictures = [a["alt"] for tag, a in page.elements if tag == "img"]
    assert [a for a in pictures if a.startswith("Where map and reference of")] == [
        "Where map and reference of place0 disagree, white where there is no label"
    ]
    assert not [a for a in pictures if a.startswith("Reference labels of place1")]
    signed = first_page(project.results.report)
    assert "Place place0" in signed
    assert "Not to be signed as an area on the ground." in signed


def test_a_map_of_an_image_unlike_the_training_ground_says_so(copied):
    project, model = copied
    scene = project.scenes[0]
    path = project.results.map(scene.name).map
    tags = {WARNINGS_TAG: "The numbers of this image are unlike those that the model was trained on: nir 3."}
    write_cog(path, read_codes(path), scene.info.grid, codes_layout(DEFAULT_LEGEND, tags))
    report = write_report(project, model)
    assert "The image is unlike the ground that the network was trained on" in first_page(report)
    assert tags[WARNINGS_TAG] not in first_page(report)
    assert f"place0: {tags[WARNINGS_TAG]}" in words(parsed(report))


def test_every_mine_of_every_image_has_its_picture_and_place(tmp_path):
    project, model = make(tmp_path, scenes=2)
    text = write_report(project, model).read_text(encoding="utf-8")
    for scene in project.scenes:
        mines = len(gpd.read_file(project.results.map(scene.name).mines, layer="mines"))
        gallery = text[text.index(f"<h2>Mines of {scene.name}</h2>") :]
        gallery = gallery[: gallery.index("</section>")]
        assert gallery.count('<div class="thumb"><svg') == mines
        assert gallery.count("° N, ") == mines


def test_what_changed_between_dates_is_in_the_report_of_the_study(tmp_path):
    """A pit of 10 x 20 pixels grows to 10 x 30, another of 10 x 10 becomes vegetation; a pixel has 16 m2."""
    project, model = make(tmp_path, scenes=2, apart=0)
    text = (tmp_path / "pitmap.toml").read_text()
    (tmp_path / "pitmap.toml").write_text(text + '\n[change]\nseries = [["place0", "place1"]]\nshift = "accept"\n')
    project = load_study(tmp_path / "pitmap.toml")
    missing = words(parsed(write_report(project, model)))
    assert "The dates of these places are not compared, although the project asks for it: place0." in missing
    codes = np.full((2, SIDE, SIDE), VEGETATION, np.uint8)
    codes[0, 10:20, 10:30] = codes[1, 10:20, 10:40] = codes[0, 50:60, 50:60] = PIT
    for scene, own in zip(project.scenes, codes, strict=True):
        write_cog(project.results.map(scene.name).map, own, scene.info.grid, codes_layout(DEFAULT_LEGEND))
    compare_places(project)
    report = write_report(project, model)
    page, said = parsed(report), words(parsed(report)).replace("\u202f", " ")
    assert "2024-01-15 to 2024-02-15" in said
    assert "0.16 ha became mine; 0.16 ha ceased to be mine or waste dump, 0.16 ha of them are vegetation now" in said
    assert re.search(r"1grown\s*0.320.480.160.000.00VEG 0.16", said)
    assert re.search(r"2restored\s*0.160.000.000.160.16VEG 0.16", said)
    assert "10.320.48" in said  # the time line
    assert "20.160.00" in said
    assert "not compared, although" not in said
    assert "change" in {a.get("id") for _, a in page.elements}
    (tmp_path / "pitmap.toml").write_text((tmp_path / "pitmap.toml").read_text() + '\n[report]\nlanguage = "zh"\n')
    chinese = words(parsed(write_report(load_study(tmp_path / "pitmap.toml"), model)))
    assert "0.16 公顷变为矿区" in chinese
    assert "1扩大" in chinese


def test_a_chinese_report_says_no_sentence_in_english(copied, tmp_path):
    _, model = copied
    with (tmp_path / "pitmap.toml").open("a") as file:
        file.write('\n[report]\nlanguage = "zh"\n')
    report = write_report(load_study(tmp_path / "pitmap.toml"), model)
    text = report.read_text(encoding="utf-8")
    assert '<html lang="zh-Hans">' in text
    body = text[text.index("<body") :]
    body = re.sub(r"<(pre|code|script)>.*?</\1>|<h1>.*?</h1>|<footer>.*?</footer>", " ", body, flags=re.DOTALL)
    said = re.sub(r"<[^>]+>", "|", body) + "|".join(re.findall(r'(?:alt|aria-label)="([^"]*)"', body))
    assert re.findall(r"[A-Za-z]+(?: [a-z]+){2,}", said) == []
