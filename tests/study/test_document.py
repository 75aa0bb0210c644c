import json
import re
import tomllib
from pathlib import Path

import pytest

from pitmap.study.document import SCHEMA_FILE, json_schema, page, sections, template, write_project_file
from pitmap.study.schema import model_in
from pitmap.study.study import Study, load_study
from studies import grid, quilt, write_site

FIELDS = [(key, name, field) for key, model, _ in sections() for name, field in model.model_fields.items()]


@pytest.mark.parametrize("everything", [False, True])
def test_the_written_file_is_a_study_once_its_files_exist(tmp_path, everything):
    write_site(tmp_path, "north", quilt(64, 64), grid(64, 64))
    path = write_project_file(tmp_path, everything=everything)
    text = path.read_text().replace("site1.tif", "north.tif").replace("landuse.gpkg", "north-labels.tif")
    path.write_text(text)
    study = load_study(path)
    assert study.project.name == "my study"
    # Only a study, its site and what has no default are said; the paper's recipe still brings the paper's split.
    assert study.samples.model_fields_set == set()
    assert json.loads((tmp_path / SCHEMA_FILE).read_text())["title"] == "pitmap.toml"
    assert text.startswith(f"#:schema {SCHEMA_FILE}\n")


def test_every_line_that_is_commented_out_is_valid():
    uncommented = [
        line.removeprefix("# ") if re.match(r"# (\w+ = |\[\[)", line) else line
        for line in template(everything=True).splitlines()
    ]
    content = tomllib.loads("\n".join(uncommented))
    site = content["sites"][0]
    for one, other in (("group", "groups"), ("label_layers", "label_field"), ("label_layers", "label_layer")):
        assert one in site
        assert site.pop(other)  # one of each pair may be given
    assert content["training"].pop("steps")  # or epochs
    study = Study.model_validate(content)
    assert {key for key, *_ in FIELDS} == set(content)
    assert study.sites[0].label_layers == {"pits": "OPM", "lakes": "WAT"}


def test_every_field_is_in_the_whole_file_and_on_the_page():
    whole, text = template(everything=True), page()
    for key, name, _ in FIELDS:
        assert re.search(rf"^(# )?{name} = ", whole, re.MULTILINE), (key, name)
        assert f"| `{name}` | " in text
    assert "`groups.table`" in text


def test_what_a_new_file_shows_are_fields():
    for key, model, _ in sections():
        assert set(model.starts) | set(model.often) <= set(model.model_fields), key
        for name, value in model.starts.items():
            assert f"\n{name} = {json.dumps(value)}\n" in template()


def test_every_field_says_what_it_is_and_what_holds_without_it():
    for key, name, field in FIELDS:
        models = [field] if (inner := model_in(field.annotation)) is None else [field, *inner.model_fields.values()]
        for one in models:
            assert one.description, (key, name)
        if not field.is_required() and field.default is None:
            assert "Default: " in field.description, (key, name)


def test_the_schema_completes_keys_and_values():
    schema = json.loads(json_schema())
    assert list(schema["properties"]) == list(Study.model_fields)
    training = schema["$defs"]["TrainingSection"]
    assert training["additionalProperties"] is False
    assert training["properties"]["recipe"]["enum"] == ["robust", "transfer", "paper"]
    assert training["properties"]["network"]["description"].startswith("A name of")
    assert schema["$defs"]["SiteSection"]["required"] == ["name", "image"]


def test_the_page_and_the_schema_of_the_documentation_are_current():
    docs = Path(__file__).resolve().parents[2] / "docs"
    message = "run `make docs`: a field of the project file has changed"
    assert (docs / "project-file.md").read_text(encoding="utf-8") == page(), message
    assert (docs / SCHEMA_FILE).read_text(encoding="utf-8") == json_schema(), message
