"""Languages: everything that a template says has its translation, with the same names to fill in."""

import re
from importlib import resources

import pytest

from pitmap.legend import DEFAULT_LEGEND
from pitmap.reporting.language import Language, read_catalogue

TEMPLATES = ("statement.html", "annex.html", "map_report.html")
SAID = re.compile(r'\bt\("((?:[^"\\\\]|\\\\.)*)"')


def texts() -> set[str]:
    folder = resources.files("pitmap.reporting")
    return {m[1] for name in TEMPLATES for m in SAID.finditer(folder.joinpath(name).read_text(encoding="utf-8"))}


def test_the_catalogue_has_every_text_of_the_templates():
    assert len(texts()) > 40
    assert texts() | {c.name for c in DEFAULT_LEGEND} <= set(read_catalogue("zh"))


@pytest.mark.parametrize("text", sorted(read_catalogue("zh")))
def test_a_translation_fills_in_the_same_names(text):
    names = re.compile(r"\{(\w+)\}")
    assert sorted(names.findall(text)) == sorted(names.findall(read_catalogue("zh")[text]))


def test_a_language_speaks():
    assert Language("en")("No. {number}", number=3) == "No. 3"
    assert Language("zh")("No. {number}", number=3) == "3 号"
    assert Language("zh")("Grube {x}") == "Grube {x}"  # a class that a user named
