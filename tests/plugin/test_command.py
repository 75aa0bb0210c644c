import os
import signal
import sys
import threading

import pytest
from pitmap_qgis.command import CommandError, Source, environment, find_pitmap, source_of
from pitmap_qgis.messages import Event, Heard, read_event, value_at, values_at
from pitmap_qgis.process import run


def test_addresses_of_layers_become_files():
    assert source_of("/a/mines.gpkg|layername=mines") == Source("/a/mines.gpkg", "mines")
    assert source_of("/a/map.tif") == Source("/a/map.tif")
    assert source_of("/a/x.gpkg|layerid=0|geometrytype=Point|layername=p") == Source("/a/x.gpkg", "p")
    with pytest.raises(CommandError, match="filtered"):
        source_of('/a/x.gpkg|layername=p|subset="a" = 1')


def test_pitmap_is_named_or_found():
    def which(*there):
        return lambda name: f"/bin/{name}" if name in there else name if name.startswith("/there/") else None

    assert find_pitmap("/there/pitmap", which()) == ["/there/pitmap"]
    assert find_pitmap("/there/python3.12", which()) == ["/there/python3.12", "-m", "pitmap"]
    assert find_pitmap("", which("pitmap", "python3")) == ["/bin/pitmap"]
    assert find_pitmap("", which("python3", "python"), lambda p: p == "/bin/python") == ["/bin/python", "-m", "pitmap"]
    with pytest.raises(CommandError, match="pip install pitmap"):
        find_pitmap("", which("python3"), lambda p: False)
    with pytest.raises(CommandError, match="/absent/pitmap is not there"):
        find_pitmap("/absent/pitmap", which("pitmap"))


def test_the_python_of_qgis_does_not_leak():
    of_qgis = {"PATH": "/bin", "PYTHONHOME": "/q", "PYTHONPATH": "/q", "GDAL_DATA": "/q", "PROJ_LIB": "/q", "LANG": "C"}
    assert environment(of_qgis) == {"PATH": "/bin", "LANG": "C", "PYTHONUTF8": "1"}


def test_events_are_read_and_other_lines_kept():
    event = read_event('{"event": "progress", "step": "mapping", "share": 0.25, "seconds_left": 120.0}\n')
    assert (event.kind, event.share, event.progress_text()) == ("progress", 0.25, "mapping, about 2 min left")
    assert read_event('{"event": "say", "text": "\\u00e9"}') == Event("say", "é")
    assert read_event('{"other": 1}').kind == "line"
    assert read_event("{broken") == Event("line", "{broken")
    assert value_at({"a": {"b": 3}}, ("a", "b")) == 3
    assert value_at({"a": None}, ("a", "b")) is None
    assert values_at({"a": [{"b": 1}, {"b": 2}, {}]}, ("a", "*", "b")) == [1, 2]


def test_the_reason_is_pitmaps_own():
    heard = Heard()
    for line in ("Usage: pitmap map", "Error: Missing argument 'OUT'."):
        heard.add(read_event(line))
    assert heard.reason(2) == "Missing argument 'OUT'."
    heard.add(read_event('{"event": "error", "text": "The map is not there."}'))
    assert heard.reason(1) == "The map is not there."
    heard = Heard()
    heard.add(read_event("Killed"))
    assert heard.reason(-9) == "pitmap ended with code -9.\nKilled"


def script(tmp_path, text):
    path = tmp_path / "script.py"
    path.write_text(text)
    return [sys.executable, str(path)]


def test_a_process_is_heard_in_the_callers_thread(tmp_path):
    command = script(
        tmp_path, "import sys\nprint('{}' * 100000)\nfor i in range(3): print('é', i, file=sys.stderr)\nsys.exit(3)"
    )
    heard = []
    ended = run(
        command,
        os.environ | {"PYTHONUTF8": "1"},
        lambda t: heard.append((t, threading.current_thread())),
        lambda: False,
    )
    assert (ended.code, ended.out.strip(), ended.cancelled) == (3, "{}" * 100000, False)
    assert heard == [(f"é {i}\n", threading.main_thread()) for i in range(3)]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_cancelling_lets_the_process_tidy_up(tmp_path):
    text = (
        "import signal, sys, time\n"
        "def stop(*_):\n    print('tidied', file=sys.stderr); sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, stop)\nprint('ready', file=sys.stderr, flush=True)\ntime.sleep(60)\n"
    )
    heard = []
    ended = run(script(tmp_path, text), os.environ, heard.append, lambda: bool(heard))
    assert (ended.code, ended.cancelled, heard) == (143, True, ["ready\n", "tidied\n"])


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_process_that_does_not_stop_is_ended(tmp_path):
    text = (
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', file=sys.stderr, flush=True)\ntime.sleep(60)\n"
    )
    heard = []
    ended = run(script(tmp_path, text), os.environ, heard.append, lambda: bool(heard), seconds_to_stop=0.2)
    assert (ended.code, ended.cancelled) == (-signal.SIGKILL, True)
