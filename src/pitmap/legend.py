"""Land-cover classes: code, key, name, colour.

Code 0 is "no data / unlabelled" everywhere. Classes are the codes 1..K without gaps, because channel ``k`` of a network
is code ``k + 1``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any
from unicodedata import normalize

from pitmap.errors import ProjectError

UNLABELLED = 0
"""The code of pixels without data or without a label."""

MAX_CLASSES = 254


@dataclass(frozen=True)
class LandCoverClass:
    """One land-cover class.

    Attributes:
        code: Value in label rasters and maps, 1..254.
        key: Short identifier used in project files and tables, such as ``OPM``.
        name: Name in full.
        colour: ``#rrggbb``.
    """

    code: int
    key: str
    name: str
    colour: str

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour as three values 0..255."""
        return int(self.colour[1:3], 16), int(self.colour[3:5], 16), int(self.colour[5:7], 16)


class Legend:
    """An ordered set of land-cover classes with the codes 1..K.

    Raises:
        ProjectError: No class, codes other than 1..K, a key that occurs twice, or a colour that is not ``#rrggbb``.
    """

    def __init__(self, classes: Iterable[LandCoverClass]) -> None:
        # Text that looks the same is the same, however its letters are composed.
        composed = (replace(c, key=normalize("NFC", c.key), name=normalize("NFC", c.name)) for c in classes)
        self.classes = tuple(sorted(composed, key=lambda c: c.code))
        codes = [c.code for c in self.classes]
        if not codes or codes != list(range(1, len(codes) + 1)) or len(codes) > MAX_CLASSES:
            raise ProjectError(
                f"The legend has the codes {codes}.",
                f"Codes run from 1 to the number of classes ({MAX_CLASSES} at most) without gaps; 0 means unlabelled.",
                "Renumber the [[classes]]; map a file's own values to them with label_values.",
            )
        keys = [c.key for c in self.classes]
        if repeated := sorted({key for key in keys if keys.count(key) > 1}):
            raise ProjectError(f"The class keys {repeated} occur more than once.", "Each class has its own key.")
        for c in self.classes:
            if not re.fullmatch(r"#[0-9a-fA-F]{6}", c.colour):
                raise ProjectError(f"Class {c.key} has the colour {c.colour!r}.", "A colour is written as '#rrggbb'.")

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[LandCoverClass]:
        return iter(self.classes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Legend) and self.classes == other.classes

    def __hash__(self) -> int:
        return hash(self.classes)

    def __repr__(self) -> str:
        return f"Legend({', '.join(f'{c.code}={c.key}' for c in self.classes)})"

    @property
    def keys(self) -> list[str]:
        """Class keys in the order of their codes."""
        return [c.key for c in self.classes]

    @property
    def mine_keys(self) -> list[str]:
        """Keys of the classes that are mines: ``OPM``, else those whose name says pit, mine or quarry."""
        if "OPM" in self.keys:
            return ["OPM"]
        return [c.key for c in self.classes if re.search(r"\b(pit|mine|quarry)\b", c.name, re.IGNORECASE)]

    def __getitem__(self, key_or_code: str | int) -> LandCoverClass:
        """The class with a key or a code.

        Raises:
            KeyError: The legend has no such class.
        """
        wanted = normalize("NFC", key_or_code) if isinstance(key_or_code, str) else key_or_code
        for c in self.classes:
            if wanted in (c.key, c.code):
                return c
        raise KeyError(key_or_code)

    def colour_table(self) -> dict[int, tuple[int, int, int, int]]:
        """Colour table for a raster band: code to red, green, blue, alpha; code 0 is transparent."""
        return {UNLABELLED: (0, 0, 0, 0)} | {c.code: (*c.rgb, 255) for c in self.classes}

    def to_json(self) -> list[dict[str, Any]]:
        """A list of plain dictionaries, one a class, that ``from_json`` takes."""
        return [asdict(c) for c in self.classes]

    @classmethod
    def from_json(cls, rows: Iterable[dict[str, Any]]) -> Legend:
        """Read what ``to_json`` wrote."""
        return cls(LandCoverClass(**row) for row in rows)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, handler: Any) -> Any:
        """A legend as a field of what pydantic checks: the rows of ``to_json``, or a legend."""
        from pydantic_core import core_schema

        def legend(rows: list[LandCoverClass]) -> Legend:
            try:
                return cls(rows)
            except ProjectError as error:
                raise ValueError(error.found) from error

        rows = core_schema.no_info_after_validator_function(legend, handler.generate_schema(list[LandCoverClass]))
        return core_schema.union_schema(
            [core_schema.is_instance_schema(cls), rows],
            mode="left_to_right",
            serialization=core_schema.plain_serializer_function_ser_schema(Legend.to_json),
        )


DEFAULT_LEGEND = Legend(
    [
        LandCoverClass(1, "OPM", "open-pit mine", "#d7191c"),
        LandCoverClass(2, "WAT", "water", "#2b6cb0"),
        LandCoverClass(3, "BUI", "building", "#8a4fa3"),
        LandCoverClass(4, "BAS", "bare soil", "#c9a26b"),
        LandCoverClass(5, "ROA", "road", "#4d4d4d"),
        LandCoverClass(6, "VEG", "vegetation", "#4c9f50"),
        LandCoverClass(7, "WDA", "waste-dump area", "#f2a541"),
    ]
)
"""The seven land-use classes of Chen et al. (2022)."""
