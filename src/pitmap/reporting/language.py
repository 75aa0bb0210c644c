"""Languages of the report: what stands in the templates is English, and the key of its translation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Literal

Code = Literal["en", "zh"]


class Language:
    """Turns the English texts of a page into those of a language.

    Args:
        code: ``en`` gives the texts as they are; ``zh`` is simplified Chinese.
    """

    def __init__(self, code: Code = "en") -> None:
        self.code = code
        self.catalogue: Mapping[str, str] = {} if code == "en" else read_catalogue(code)

    @property
    def tag(self) -> str:
        """Of the page's language (BCP 47)."""
        return {"en": "en", "zh": "zh-Hans"}[self.code]

    def __call__(self, text: str, **values: object) -> str:
        """A text with its ``{names}`` filled in; English where the catalogue lacks it, as for names that users give."""
        return self.catalogue.get(text, text).format(**values) if values else self.catalogue.get(text, text)


def read_catalogue(code: str) -> dict[str, str]:
    """English text to its translation."""
    text = resources.files("pitmap.reporting").joinpath(f"{code}.json").read_text(encoding="utf-8")
    return {str(k): str(v) for k, v in json.loads(text).items()}
