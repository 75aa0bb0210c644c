import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from observers import Heard
from pitmap.errors import BusyError
from pitmap.exclusive import exclusive

HOLDER = """
import sys, time
from pathlib import Path
from pitmap.exclusive import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(result: Path, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(result), str(seconds)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_told_who_works_on_a_result(tmp_path: Path):
    with holder(tmp_path / "results", 60) as process:
        try:
            told = rf"Process {process.pid} on \S+ \(since 20\d\d-.*\) is working on .*results\. One process"
            with pytest.raises(BusyError, match=told) as caught, exclusive(tmp_path / "results"):
                pass
            assert caught.value.exit_code == 75
            with exclusive(tmp_path / "others"):
                pass
        finally:
            process.kill()
    # A process that died holds nothing.
    with exclusive(tmp_path / "results"):
        assert json.loads((tmp_path / ".results.lock").read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_it_waits_where_it_shall(tmp_path: Path):
    heard = Heard()
    with holder(tmp_path / "results", 0.5) as process, exclusive(tmp_path / "results", wait=True, observer=heard):
        assert process.wait() == 0
        assert (tmp_path / ".results.lock").exists()
    assert heard.said[0].startswith(f"Process {process.pid} on ")
    assert heard.said[0].endswith(": waiting.")
    assert list(tmp_path.iterdir()) == []


def test_a_run_holds_what_its_steps_hold(tmp_path: Path):
    with exclusive(tmp_path / "results"):
        with exclusive(tmp_path / "results"):
            pass
        assert (tmp_path / ".results.lock").exists()
        with exclusive(tmp_path / "results" / "maps" / "a.tif"):
            pass
    assert not (tmp_path / ".results.lock").exists()


def test_the_lock_is_free_after_an_error(tmp_path: Path):
    with pytest.raises(KeyError), exclusive(tmp_path / "results"):
        raise KeyError
    start = time.monotonic()
    with exclusive(tmp_path / "results"):
        assert start
