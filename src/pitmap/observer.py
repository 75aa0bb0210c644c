"""What a step says while it works.

Every long step takes an ``Observer``. The one here writes sentences to the logger ``pitmap`` and shows nothing else;
the command line and a notebook have observers of their own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

logger = logging.getLogger("pitmap")
logger.addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Epoch:
    """An epoch of a training that has ended.

    Attributes:
        number: From 1 on.
        of: How many there will be at most.
        loss: Mean training loss.
        validation_loss: None where this epoch was not validated.
        validation_miou: Likewise.
    """

    number: int
    of: int
    loss: float
    validation_loss: float | None = None
    validation_miou: float | None = None


class Observer:
    """Receives what a step says; override what is to be shown."""

    def say(self, sentence: str) -> None:
        """A choice that was made, or what was found: a whole sentence."""
        logger.info(sentence)

    def warn(self, sentence: str) -> None:
        """Something that the user should look at although the result is right: a whole sentence."""
        logger.warning(sentence)

    def progress(self, step: str, share: float) -> None:
        """Share of a step that is done, 0 to 1; called often."""

    def epoch(self, epoch: Epoch) -> None:
        """An epoch has ended."""
        logger.debug("%s", epoch)


class Part(Observer):
    """Tells another observer of a part of its work as a share of the whole.

    Args:
        whole: Hears everything.
        start: Share of the whole that is done when the part begins.
        end: Share of the whole that is done when the part has ended.
        step: Name under which progress is told; by default the part's own.
    """

    def __init__(self, whole: Observer, start: float, end: float, step: str | None = None) -> None:
        self._whole, self._start, self._end, self._step = whole, start, end, step

    def say(self, sentence: str) -> None:
        """Hand on."""
        self._whole.say(sentence)

    def warn(self, sentence: str) -> None:
        """Hand on."""
        self._whole.warn(sentence)

    def progress(self, step: str, share: float) -> None:
        """Hand on as a share of the whole."""
        self._whole.progress(self._step or step, self._start + (self._end - self._start) * share)

    def epoch(self, epoch: Epoch) -> None:
        """Hand on."""
        self._whole.epoch(epoch)


SILENT = Observer()
"""Sentences go to the log, progress nowhere."""


def clock(seconds: float) -> str:
    """A time for people: ``45 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
