"""What the commands share: loading a project, what is shown while a step works, values out of options."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

import typer

from pitmap.cli.events import events_are_shown, tell
from pitmap.observer import Epoch, Observer, clock, logger

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.progress import Progress, TaskID

    from pitmap.cluster import Cluster

ProjectArgument = Annotated[Path, typer.Argument(metavar="PROJECT", help="A pitmap.toml, or the folder it lies in.")]

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]

WaitOption = Annotated[
    bool, typer.Option("--wait", help="Wait for another process that works on the same results, instead of ending.")
]

ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="Replace maps on which labelled points or reviewed polygons rest.")
]

ClusterOption = Annotated[
    str | None, typer.Option("--cluster", help="Work on Dask: tcp://HOST:PORT, or local:N for N processes here.")
]

SECONDS_BETWEEN_LINES = 60.0
"""Where there is no terminal, a line of progress is written at most this often."""

SECONDS_BETWEEN_EVENTS = 0.5
"""The same for programs that read events."""


class Result(Protocol):
    """What a step returns."""

    def summary(self) -> str:
        """One line for people."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for machines."""


class Console(Observer):
    """Shows on stderr what a step says, so that stdout holds the result alone.

    On a terminal progress is a bar with an estimate of the time left; elsewhere it is a line at most once a minute, or
    an event at most twice a second where a program reads events.

    Args:
        now: A clock in seconds.
    """

    _where: ClassVar[str] = ""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._step, self._share, self._started, self._written = "", 0.0, now(), now()
        self._epoch = ""

    @classmethod
    def where(cls) -> str:
        """What the command's last console was told of its work: ``epoch 23``, or a step with its share."""
        return cls._where

    def __enter__(self) -> Self:
        Console._where = ""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None

    def say(self, sentence: str) -> None:
        """A line on stderr."""
        super().say(sentence)
        self._write(sentence, "say", sentence)

    def warn(self, sentence: str) -> None:
        """A line that begins with ``Warning:``."""
        super().warn(sentence)
        self._write(f"Warning: {sentence}", "warning", sentence)

    def _write(self, line: str, event: str, sentence: str) -> None:
        if events_are_shown():
            tell(event, text=sentence)
            return
        if _log_is_shown():
            return  # there it is, with its time
        if self._bar is None:
            print(line, file=sys.stderr, flush=True)
        else:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def progress(self, step: str, share: float) -> None:
        """Move the bar, or write a line if the last one is old enough."""
        anew = step != self._step or share < self._share
        if anew:
            self._started = self._now()
            self._epoch = self._epoch if step == self._step else ""
        self._step, self._share = step, share
        if not self._epoch:
            Console._where = f"{step}, {share:.0%}"
        if events_are_shown():
            if anew or share >= 1 or self._now() - self._written >= SECONDS_BETWEEN_EVENTS:
                self._written = self._now()
                tell("progress", step=self._text(), share=round(share, 4), seconds_left=self._seconds_left())
        elif sys.stderr.isatty() or self._bar is not None:
            self._move(anew)
        elif self._now() - self._written >= SECONDS_BETWEEN_LINES:
            self._written = self._now()
            seconds = self._seconds_left()
            left = "" if seconds is None else f", about {clock(seconds)} left"
            line = f"{self._text()}: {share:.0%}{left}"
            logger.info(line) if _log_is_shown() else print(line, file=sys.stderr, flush=True)

    def _seconds_left(self) -> float | None:
        """Of the step, as far as it went evenly; None at its ends."""
        passed = self._now() - self._started
        return passed / self._share - passed if 0 < self._share < 1 and passed > 0 else None

    def epoch(self, epoch: Epoch) -> None:
        """Show it beside the progress."""
        super().epoch(epoch)
        Console._where = f"epoch {epoch.number}"
        self._epoch = f"epoch {epoch.number}/{epoch.of}, loss {epoch.loss:.3f}"
        if epoch.validation_miou is not None:
            self._epoch += f", validation mIoU {epoch.validation_miou:.3f}"

    def _text(self) -> str:
        return f"{self._step}, {self._epoch}" if self._epoch else self._step

    def _move(self, anew: bool) -> None:
        from rich.console import Console as Terminal
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
                TimeElapsedColumn(), TimeRemainingColumn(), console=Terminal(stderr=True), transient=True,
            )  # fmt: skip
            self._bar.start()
        if self._task is None:
            self._task = self._bar.add_task(self._text(), total=1.0)
        elif anew:
            self._bar.reset(self._task)
        self._bar.update(self._task, description=self._text(), completed=self._share)


@contextmanager
def workers_of(address: str | None) -> Iterator[Cluster | None]:
    """The cluster that an option names; None where it names none."""
    if address is None:
        yield None
        return
    from pitmap.cluster import cluster_at

    with cluster_at(address) as cluster:
        yield cluster


def say(text: str) -> None:
    """Print to stderr, so that stdout holds the result alone."""
    Console().say(text)


def show(result: Result, as_json: bool, text: str | None = None) -> None:
    """Print a result on stdout, which nothing else writes to: one JSON object, or text, by default its own summary."""
    if as_json:
        json.dump(result.to_json(), sys.stdout, indent=1, ensure_ascii=False)
        print()
    else:
        print(result.summary() if text is None else text)
    if events_are_shown():
        tell("summary", text=result.summary() if text is None else text)


class _LogLines(logging.Handler):
    """Shows what is logged, so that the console need not say it again."""

    def emit(self, record: logging.LogRecord) -> None:
        # Looked up anew each time: a progress bar puts its own stream in the place of stderr.
        print(self.format(record), file=sys.stderr, flush=True)


def show_log() -> Callable[[], None]:
    """Write what pitmap logs to stderr, a line each with its time; what is returned ends that."""
    handler, level = _LogLines(), logger.level
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)

    def end() -> None:
        logger.removeHandler(handler)
        logger.setLevel(level)

    return end


def _log_is_shown() -> bool:
    return any(isinstance(handler, _LogLines) for handler in logger.handlers)


def key_pairs(text: str) -> dict[str, str | None]:
    """``1=OPM,2=WAT`` as a dictionary; an empty key becomes None."""
    parts = [part.split("=", 1) for part in text.split(",")]
    if any(len(p) != 2 for p in parts):
        raise typer.BadParameter(f"{text!r} is not of the form 1=OPM,2=WAT")
    return {value.strip(): key.strip() or None for value, key in parts}


def band_list(text: str) -> tuple[int | str, ...]:
    """``2,3,4,8`` or ``B02,B03`` as band numbers and names."""
    bands = [band.strip() for band in text.split(",")]
    if not all(bands):
        raise typer.BadParameter(f"{text!r} is not of the form 2,3,4,8 or B02,B03")
    return tuple(int(band) if band.isdigit() else band for band in bands)


def hectares(pairs: Iterable[str]) -> dict[str, float]:
    """``OPM=60`` and the like as areas by class key."""
    areas: dict[str, float] = {}
    for text in pairs:
        key, _, number = text.partition("=")
        try:
            areas[key.strip()] = float(number)
        except ValueError as error:
            raise typer.BadParameter(f"{text!r} is not of the form OPM=60") from error
    return areas


def word_list(text: str) -> tuple[str, ...]:
    """``quarry,pit`` as its words."""
    return tuple(text.split(","))


def exact_or_pixels(text: str) -> str | int:
    """``exact``, or a number of pixels."""
    if text == "exact":
        return text
    if not text.isdigit():
        raise typer.BadParameter(f"{text!r} is neither 'exact' nor a number of pixels")
    return int(text)
