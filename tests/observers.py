"""Observers for tests: one that remembers, and one that breaks off."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pitmap.observer import Epoch, Observer


@dataclass
class Heard(Observer):
    """Remembers everything it is told; ``each`` is called with every share."""

    said: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    each: Callable[[float], object] = lambda share: None

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def warn(self, sentence: str) -> None:
        self.warned.append(sentence)

    def progress(self, step: str, share: float) -> None:
        self.steps.append(step)
        self.shares.append(share)
        self.each(share)

    def epoch(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)
