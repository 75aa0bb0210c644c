"""One process at a time works on a result: the second one says who does, and ends or waits.

The lock is the operating system's, so that one of a process that died does not hold. Its file lies beside the result
while somebody works on it, says who that is, and is removed afterwards.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pitmap.errors import BusyError, ProjectError
from pitmap.files import make_folder
from pitmap.observer import SILENT, Observer
from pitmap.stored import read_json

SECONDS_BETWEEN_TRIES = 0.2

_held: set[tuple[Path, int]] = set()


@dataclass(frozen=True)
class _Holder:
    """What the file of a lock says of who works."""

    pid: int
    host: str
    since: str


@contextlib.contextmanager
def exclusive(result: Path, *, wait: bool = False, observer: Observer = SILENT) -> Iterator[None]:
    """Keep other processes from working on a result at the same time.

    Within a thread it may be asked for again: a run holds what its steps hold.

    Args:
        result: The file or folder that is being made.
        wait: Whether to wait until another process is done, instead of raising.
        observer: Told for whom it waits.

    Raises:
        BusyError: Another process works on it.
        OutputError: The folder cannot be written to.
    """
    import filelock

    result = result.absolute()
    mine = result, threading.get_ident()
    if mine in _held:
        yield
        return
    make_folder(result.parent)
    path = result.with_name(f".{result.name}.lock")
    lock = filelock.FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        if not wait:
            raise BusyError(
                f"{_holder(path)} is working on {result}.",
                "One process at a time.",
                "Wait until it is done, or end it; then run the same command again.",
                ["wait"],
            ) from error
        observer.say(f"{_holder(path)} is working on {result}: waiting.")
        lock.acquire(poll_interval=SECONDS_BETWEEN_TRIES)
    _held.add(mine)
    try:
        who = asdict(_Holder(os.getpid(), socket.gethostname(), time.strftime("%Y-%m-%d %H:%M:%S")))
        with contextlib.suppress(OSError):
            path.write_text(json.dumps(who), encoding="utf-8")
        yield
    finally:
        _held.discard(mine)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)  # while it is held: whoever waits looks for the new file
        lock.release()


def _holder(path: Path) -> str:
    try:
        who = read_json(path, _Holder)
        return f"Process {who.pid} on {who.host} (since {who.since})"
    except ProjectError:
        return "Another process"
