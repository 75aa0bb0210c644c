import logging

import pytest

from observers import Heard
from pitmap.observer import SILENT, Epoch, Part, clock


def test_the_silent_observer_writes_to_the_log(caplog):
    with caplog.at_level(logging.DEBUG, "pitmap"):
        SILENT.say("50% found.")
        SILENT.warn("Look.")
        SILENT.progress("mapping", 0.5)
        SILENT.epoch(Epoch(1, 3, 0.5))
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("INFO", "50% found."),
        ("WARNING", "Look."),
        ("DEBUG", "Epoch(number=1, of=3, loss=0.5, validation_loss=None, validation_miou=None)"),
    ]


def test_a_library_prints_nothing_by_itself(capfd):
    logging.getLogger("pitmap").propagate, before = False, logging.getLogger("pitmap").propagate
    try:
        SILENT.warn("Look.")
    finally:
        logging.getLogger("pitmap").propagate = before
    assert capfd.readouterr() == ("", "")


def test_a_part_tells_its_share_of_the_whole():
    whole = Heard()
    half = Part(whole, 0.5, 1.0)
    quarter = Part(half, 0.0, 0.5, "writing")
    half.progress("reading", 0.0)
    quarter.progress("tiles", 0.5)
    quarter.progress("tiles", 1.0)
    half.progress("reading", 1.0)
    quarter.say("a")
    quarter.warn("b")
    quarter.epoch(Epoch(1, 2, 0.5))
    assert whole.steps == ["reading", "writing", "writing", "reading"]
    assert whole.shares == pytest.approx([0.5, 0.625, 0.75, 1.0])
    assert (whole.said, whole.warned, whole.epochs) == (["a"], ["b"], [Epoch(1, 2, 0.5)])


@pytest.mark.parametrize(("seconds", "text"), [(45, "45 s"), (600, "10 min"), (12_000, "3 h 20 min")])
def test_clock(seconds, text):
    assert clock(seconds) == text
