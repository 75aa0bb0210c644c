"""How a command ends when it is told to stop: one sentence, an exit code that says which signal, nothing half-made."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from pitmap.cli.events import events_are_shown, tell

RESUMING = ("demo", "train", "map", "compare", "run")
"""Commands that go on where they were stopped."""

_SECONDS_DEAF = 3.0
"""A signal that comes again so soon is the same one: a terminal and ``timeout`` send it to the whole group as well."""


class Stopped(BaseException):
    """The process was told to stop. No Exception: nothing but tidying up may catch it.

    Args:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


@contextmanager
def stopping() -> Iterator[None]:
    """Make SIGINT, SIGTERM and SIGHUP end the block with ``Stopped``, so that it tidies up."""
    owner, heard = os.getpid(), [-_SECONDS_DEAF]

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:
            os._exit(128 + number)  # a process that reads patches: its parent says what there is to say
        if time.monotonic() - heard[0] >= _SECONDS_DEAF:
            heard[0] = time.monotonic()
            raise Stopped(number)

    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    # What is ignored stays ignored: nohup does so with SIGHUP.
    before = {n: signal.signal(n, stop) for n in numbers if signal.getsignal(n) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def farewell(number: int, command: str, where: str) -> NoReturn:
    """Say what was being done, and end with the exit code of a signal.

    Args:
        number: Of the signal.
        command: Name of the command.
        where: Such as ``epoch 23``; may be empty.
    """
    at = f" at {where}" if where else ""
    goes_on = "the same command goes on" if command in RESUMING else "the same command starts anew"
    sentence = f"Stopped{at}; {goes_on}."
    tell("error", text=sentence) if events_are_shown() else print(sentence, file=sys.stderr, flush=True)
    sys.exit(128 + number)
