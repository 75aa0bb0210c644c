import pickle

import pytest

from pitmap.errors import ImageError, OutputError, PitmapError
from pitmap.files import make_folder, replacing, write_json


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_an_operating_system_error_becomes_a_clear_one(tmp_path):
    with pytest.raises(OutputError, match="No space left"), replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        make_folder(tmp_path / "file" / "folder")


def test_json_refuses_undefined_numbers(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_errors_say_found_expected_and_remedy_and_survive_processes():
    error = ImageError("Found.", "Expected.", "Do.")
    assert str(error) == "Found. Expected. Do."
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, ImageError)
    assert isinstance(copy, PitmapError)
    assert copy.remedy == "Do."
