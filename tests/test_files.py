import os
import pickle
import subprocess
import sys

import pytest

from pitmap import files
from pitmap.errors import ImageError, OutputError, PitmapError
from pitmap.files import csv_text, make_folder, replacing, together, write_json, write_text


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


def test_files_that_belong_together_appear_together_or_not_at_all(tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "a.csv"
    first.write_text("old")
    with pytest.raises(RuntimeError), together():
        write_text(first, "new")
        write_text(second, "new")
        raise RuntimeError
    assert first.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    with together():
        write_text(first, "new")
        assert first.read_text() == "old"
        write_text(second, "new")
    assert (first.read_text(), second.read_text()) == ("new", "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "a.json"]


def test_a_file_that_cannot_take_its_name_leaves_nothing_unfinished(tmp_path):
    (tmp_path / "a.json").mkdir()
    (tmp_path / "a.json" / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"), together():
        write_text(tmp_path / "a.json", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.skipif(os.name != "posix", reason="asks the kernel for a process")
def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    with replacing(tmp_path / "a.json") as temporary:
        name = temporary.name
        temporary.write_text("new")
    ended = subprocess.Popen(["true"])
    ended.wait()
    dead = tmp_path / name.replace(str(os.getpid()), str(ended.pid))
    alive = tmp_path / name.replace(str(os.getpid()), str(os.getppid()))
    for path in (dead, alive):
        path.touch()
    files._tidied.clear()
    write_text(tmp_path / "b.json", "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([alive.name, "a.json", "b.json"])


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_a_limit_of_file_size_leaves_no_half_file(tmp_path):
    code = (
        "import resource, signal, sys; from pathlib import Path; from pitmap.errors import OutputError\n"
        "from pitmap.files import write_text\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_text(Path(sys.argv[1]), 'x' * 5000)\n"
        "except OutputError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.txt")], capture_output=True, text=True, check=True
    )
    assert "File too large" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_too_long_is_told(tmp_path):
    with pytest.raises(OutputError, match="too long"):
        write_text(tmp_path / ("x" * 300 + ".txt"), "a")


def test_a_spreadsheet_computes_nothing_that_stands_in_a_table():
    rows = [["name", "ha"], ['=HYPERLINK("http://x","y")', -1.5], ["-2.5", "+1+1"], ["@SUM(1)", None], ["a,b", "-x"]]
    assert csv_text(rows).splitlines() == [
        "name,ha", '"\'=HYPERLINK(""http://x"",""y"")",-1.5', "-2.5,'+1+1", "'@SUM(1),", "\"a,b\",'-x",
    ]  # fmt: skip
