"""Running pitmap: its lines are heard as they come, and it is told to stop when the user cancels."""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Callable

from .command import no_window

SECONDS_TO_STOP = 120.0
"""How long pitmap may tidy up before it is ended by force: it stops between two tiles or batches."""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: Its exit code.
        out: What it wrote to stdout.
        cancelled: Whether it was told to stop.
    """

    code: int
    out: str
    cancelled: bool


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    hear: Callable[[str], None],
    cancelled: Callable[[], bool],
    seconds_to_stop: float = SECONDS_TO_STOP,
) -> Ended:
    """Run a command to its end.

    Args:
        command: With its arguments.
        environment: All of its variables.
        hear: Told each line of stderr, in the thread of the caller.
        cancelled: Asked ten times a second; True ends the command: SIGTERM, and after a while by force.
        seconds_to_stop: That while.

    Raises:
        OSError: It cannot be started.
    """
    process = subprocess.Popen(
        list(command), env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, encoding="utf-8", errors="replace", **no_window(),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    lines: queue.Queue[str | None] = queue.Queue()
    out: list[str] = []
    readers = [
        threading.Thread(target=_hand_on, args=(process.stderr, lines), daemon=True),
        threading.Thread(target=lambda stream: out.append(stream.read()), args=(process.stdout,), daemon=True),
    ]
    for reader in readers:
        reader.start()
    stopped = False
    killer = threading.Timer(seconds_to_stop, process.kill)
    killer.daemon = True
    try:
        while True:
            if not stopped and cancelled():
                stopped = True
                process.terminate()
                killer.start()
            try:
                line = lines.get(timeout=0.1)
            except queue.Empty:
                continue
            if line is None:
                break
            hear(line)
        code = process.wait()
    finally:
        killer.cancel()
        if process.poll() is None:
            process.terminate()
            process.wait()
    for reader in readers:
        reader.join()
    process.stdout.close()
    process.stderr.close()
    return Ended(code, "".join(out), stopped)


def _hand_on(stream: IO[str], lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)
