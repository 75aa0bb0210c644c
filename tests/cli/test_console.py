import json
import sys

import pytest

from commands import run
from pitmap.cli.console import Console, band_list, exact_or_pixels, key_pairs, show, show_log, word_list
from pitmap.cli.events import ask_for_events
from pitmap.observer import Epoch


def test_sentences_and_warnings_go_to_stderr(capsys):
    with Console() as console:
        console.say("30% of [red] is 9.")
        console.warn("Look here.")
    assert capsys.readouterr() == ("", "30% of [red] is 9.\nWarning: Look here.\n")


def test_without_a_terminal_progress_is_a_line_a_minute_at_most(capsys):
    now = [0.0]
    with Console(lambda: now[0]) as console:
        for second in range(0, 301, 10):
            now[0] = float(second)
            if second == 100:
                console.epoch(Epoch(2, 6, 0.5, 0.6, 0.25))
            console.progress("training", second / 600)
    assert capsys.readouterr().err.splitlines() == [
        "training: 10%, about 9 min left",
        "training, epoch 2/6, loss 0.500, validation mIoU 0.250: 20%, about 8 min left",
        "training, epoch 2/6, loss 0.500, validation mIoU 0.250: 30%, about 7 min left",
        "training, epoch 2/6, loss 0.500, validation mIoU 0.250: 40%, about 6 min left",
        "training, epoch 2/6, loss 0.500, validation mIoU 0.250: 50%, about 5 min left",
    ]


def test_the_time_left_counts_from_the_beginning_of_a_step(capsys):
    now = [0.0]
    with Console(lambda: now[0]) as console:
        console.progress("labels", 0.5)
        now[0] = 59.0
        console.progress("mapping", 0.0)
        now[0] = 69.0
        console.progress("mapping", 0.5)
    assert capsys.readouterr().err == "mapping: 50%, about 10 s left\n"


def test_on_a_terminal_there_is_a_bar_and_it_is_taken_away(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with pytest.raises(KeyboardInterrupt), Console() as console:
        console.progress("mapping [a].tif", 0.25)
        console.say("A sentence [b].")
        console.progress("mapping [a].tif", 0.5)
        raise KeyboardInterrupt
    out, err = capsys.readouterr()
    assert out == ""
    assert "A sentence [b]." in err
    assert "mapping [a].tif" in err
    assert " 50%" in err


def test_verbose_shows_sentences_as_log_lines_once(capsys):
    end = show_log()
    try:
        with Console() as console:
            console.say("Found 50%.")
            console.warn("Look.")
    finally:
        end()
    lines = capsys.readouterr().err.splitlines()
    assert [line[24:] for line in lines] == ["INFO Found 50%.", "WARNING Look."]
    assert all(line[:2] == "20" for line in lines)
    with Console() as console:
        console.say("Found 50%.")
    assert capsys.readouterr().err == "Found 50%.\n"


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (key_pairs, "1=OPM, 2=WAT,3=", {"1": "OPM", "2": "WAT", "3": None}),
        (band_list, "2,B03, 8", (2, "B03", 8)),
        (word_list, "quarry,pit", ("quarry", "pit")),
        (exact_or_pixels, "exact", "exact"),
        (exact_or_pixels, "64", 64),
    ],
)
def test_options_are_parsed(parse, text, value):
    assert parse(text) == value


def test_results_are_printed_for_people_and_for_machines(capsys):
    class Made:
        def summary(self):
            return "One map."

        def to_json(self):
            return {"path": "é.tif"}

    show(Made(), as_json=False)
    show(Made(), as_json=False, text="Another.")
    show(Made(), as_json=True)
    assert capsys.readouterr().out == 'One map.\nAnother.\n{\n "path": "é.tif"\n}\n'


@pytest.fixture
def events():
    end = ask_for_events()
    yield
    end()


def test_programs_read_events(capsys, events):
    now = [0.0]
    with Console(lambda: now[0]) as console:
        console.say("30% of é is 9.")
        console.warn("Look here.")
        for tenth in range(11):
            now[0] = tenth / 4
            console.progress("mapping", tenth / 10)
    lines = capsys.readouterr().err.splitlines()
    assert all(line.isascii() for line in lines)
    told = [json.loads(line) for line in lines]
    assert told[:2] == [{"event": "say", "text": "30% of é is 9."}, {"event": "warning", "text": "Look here."}]
    assert {(e["event"], e["step"]) for e in told[2:]} == {("progress", "mapping")}
    assert [e["share"] for e in told[2:]] == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert [e["seconds_left"] for e in told[2:]] == [None, 2.0, 1.5, 1.0, 0.5, None]


def test_a_command_ends_with_its_summary_or_its_error_as_an_event(capsys, tmp_path):
    code, out, err = run(capsys, "--events", "networks", "--json")
    last = json.loads(err.splitlines()[-1])
    assert code == 0
    assert json.loads(out)["width"] == 64
    assert last["event"] == "summary"
    assert last["text"].startswith("Width 64")
    code, out, err = run(capsys, "--events", "info", tmp_path / "absent.tif")
    assert (code, out) == (1, "")
    assert json.loads(err)["event"] == "error"
    assert "absent.tif" in json.loads(err)["text"]
    code, _, err = run(capsys, "info", tmp_path / "absent.tif")
    assert err.startswith("Error: ")
