"""What is read back is checked where it is read; the error names file and place."""

import json
from dataclasses import dataclass

import pytest

from pitmap.errors import LabelError, ProjectError
from pitmap.stored import MOST_SHOWN, Count, Share, conform, parse_json, read_json, read_plain, shortened


@dataclass(frozen=True)
class Row:
    key: str
    share: Share


@dataclass(frozen=True)
class Whole:
    rows: tuple[Row, ...]
    pixels: Count = 0


def written(folder, text):
    path = folder / "a.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_was_written_is_read(tmp_path):
    path = written(tmp_path, '{"rows": [{"key": "OPM", "share": 1}], "pixels": 3, "more": null}')
    assert read_json(path, Whole) == Whole((Row("OPM", 1.0),), 3)
    assert read_plain(path, Whole)["more"] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"rows": [{"key": "OPM", "share": 1.5}]}', "rows.0.share"),
        ('{"rows": [{"key": "OPM"}]}', "rows.0.share"),
        ('{"rows": null}', "rows"),
        ('{"rows": [], "pixels": -1}', "pixels"),
        ('{"rows": [], "pixels": 9999999999999999999999}', "pixels"),
        ("[1]", "damaged"),
        ("{", "damaged"),
        ("", "damaged"),
        ('{"rows": [{"key": "OPM", "share": NaN}]}', "not finite"),
        ('{"rows": [{"key": "OPM", "share": 1e999}]}', "not finite"),
        ("[" * 100_000, "too deep"),
        ('{"rows": 1' + "0" * 6000 + "}", "damaged"),
    ],
)
def test_damage_is_named_in_a_few_words(tmp_path, text, said):
    path = written(tmp_path, text)
    with pytest.raises(ProjectError, match=said) as caught:
        read_json(path, Whole)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 4 * MOST_SHOWN


def test_another_encoding_and_a_missing_file_are_errors(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'{"rows": "\xff"}')
    with pytest.raises(ProjectError, match="damaged"):
        read_json(path, Whole)
    with pytest.raises(LabelError, match="cannot be read"):
        read_json(tmp_path / "none.json", Whole, error=LabelError)


def test_values_that_are_no_json_are_checked_too():
    assert conform({"key": "A", "share": 0}, Row, "a table") == Row("A", 0.0)
    with pytest.raises(LabelError, match=r"a table is damaged: key"):
        conform({"key": 3, "share": 0}, Row, "a table", error=LabelError)


def test_long_and_unprintable_text_is_shortened():
    assert shortened("one\n two.") == "one two"
    assert shortened("a\x00b") == "a?b"
    assert len(shortened("x" * 1000)) == MOST_SHOWN
    assert parse_json(json.dumps({"a": [1, 2.5]}), "a text") == {"a": [1, 2.5]}
