"""The order of labelling: which feature comes next, what is done, and which key means which class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Choice:
    """An answer that can be given.

    Attributes:
        value: What is written into the field ``reference``.
        name: What a person reads.
        key: ``1`` to ``9``; empty for further ones.
    """

    value: Any
    name: str
    key: str


def choices_of(value_map: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> list[Choice]:
    """The answers that a layer's own form offers, in its order: QGIS keeps them as names with values."""
    pairs = value_map.items() if isinstance(value_map, Mapping) else [p for one in value_map for p in one.items()]
    return [Choice(value, name, str(n) if n <= 9 else "") for n, (name, value) in enumerate(pairs, start=1)]


class Stepping:
    """Steps through features.

    Args:
        ids: Of the features, in their order.
        done: Those that are labelled already.
    """

    def __init__(self, ids: Sequence[int], done: Iterable[int]) -> None:
        self._ids, self._done = list(ids), set(done)
        self._at = 0
        if ids and self.current in self._done:
            self.next_open()

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def current(self) -> int:
        """Id of the feature that is shown."""
        return self._ids[self._at]

    @property
    def place(self) -> int:
        """Its place, 1 for the first."""
        return self._at + 1

    @property
    def done(self) -> int:
        """Number of features that are labelled."""
        return len(self._done)

    def next(self) -> None:
        """Go to the next feature; after the last stay there."""
        self._at = min(self._at + 1, len(self._ids) - 1)

    def previous(self) -> None:
        """Go to the one before; at the first stay there."""
        self._at = max(self._at - 1, 0)

    def next_open(self) -> bool:
        """Go to the next feature without a label, beginning anew at the end; where there is none stay, False."""
        number = len(self._ids)
        for step in range(1, number + 1):
            place = (self._at + step) % number
            if self._ids[place] not in self._done:
                self._at = place
                return True
        return False

    def go_to(self, place: int) -> None:
        """Go to a place, 1 for the first."""
        self._at = min(max(place - 1, 0), len(self._ids) - 1)

    def mark(self, labelled: bool) -> None:
        """Say whether the current feature is labelled now."""
        (self._done.add if labelled else self._done.discard)(self.current)
