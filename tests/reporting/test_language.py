"""Languages: everything that a page says has its translation, with the same names to fill in."""

import re
from importlib import resources

import pytest

from pitmap.accuracy.census.assess import CENSUS
from pitmap.accuracy.census.confusion import KAPPA_NOTE
from pitmap.accuracy.census.resampling import METHOD
from pitmap.accuracy.census.study import LABELLED_GROUND, LEAKING_GROUND, TEST_GROUND
from pitmap.accuracy.mines.audit import DEFINITIONS
from pitmap.accuracy.mines.place import SIZE_EDGES_M2, size_name
from pitmap.accuracy.sampling.estimation import METHODS, estimate_confusion
from pitmap.changes.classes import KINDS
from pitmap.changes.result import RULES
from pitmap.changes.verdicts import VERDICTS
from pitmap.legend import DEFAULT_LEGEND
from pitmap.raster.bands import CAPTIONS
from pitmap.reporting.content import BY_BAND, NOT_STATED
from pitmap.reporting.formats import sentence, words
from pitmap.reporting.language import Language, read_catalogue
from pitmap.samples.leakage import _remark as remark
from pitmap.samples.split import SPLIT_LEGEND

SAID = re.compile(r'\bt\("((?:[^"\\]|\\.)*)"')
CHINESE = re.compile(r"[\u4e00-\u9fff]")

ESTIMATE = estimate_confusion([[40, 1], [2, 50]], [10.0, 20.0], type(DEFAULT_LEGEND)(DEFAULT_LEGEND.classes[:2]))
"""For its fixed texts."""

FIXED = (
    *(c.name for c in (*DEFAULT_LEGEND, *SPLIT_LEGEND)),
    *(CENSUS, KAPPA_NOTE, METHOD, *METHODS.values(), LABELLED_GROUND, LEAKING_GROUND, TEST_GROUND),
    *(NOT_STATED, BY_BAND, *CAPTIONS),
    *(remark(leaks, patches, tested) for leaks in (True, False) for patches in (True, False) for tested in (0, 1)),
    *(size_name(k) for k in range(len(SIZE_EDGES_M2) + 1)),
    *("found", "missed", "split", "merged", "split and merged", "User's accuracy", "Producer's accuracy"),
    *(words(DEFINITIONS[k]) for k in ("recall", "precision", "panoptic_quality")),
    *(
        sentence(words(k))
        for k in ("recall", "precision", "f1", "panoptic_quality", "segmentation_quality", "recognition_quality")
    ),
    *(sentence(words(k)) for k in ("area_recall", "area_precision", "area_iou")),
    *(*VERDICTS, *RULES.values(), *(f"rule: {name}" for name in RULES), *(k.name for k in KINDS)),
    *("Map, {label}", "What changed"),
    *(ESTIMATE.to_json()["kind"], ESTIMATE.to_json()["conventions"]["estimators"]),
)
"""Texts of other modules that the page says in its own language."""


def templates() -> list[str]:
    folder = resources.files("pitmap.reporting")
    return [f.read_text(encoding="utf-8") for f in folder.iterdir() if f.name.endswith(".html")]


def test_the_catalogue_has_every_text_of_the_templates_and_of_other_modules():
    said = {m[1] for template in templates() for m in SAID.finditer(template)}
    assert len(said) > 280
    assert said | set(FIXED) <= set(read_catalogue("zh"))


def test_templates_say_nothing_in_english_alone():
    for template in templates():
        bare = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", " ", template, flags=re.DOTALL)
        bare = re.sub(r"<(style|script)>.*?</\1>|<[^>]*>", " ", bare, flags=re.DOTALL)
        assert set(re.findall(r"[A-Za-z]{2,}", bare)) <= {"UA", "PA", "SHA", "pitmap", "maps", "tif", "gpkg"}


@pytest.mark.parametrize("text", sorted(read_catalogue("zh")))
def test_a_translation_fills_in_the_same_names_with_full_width_punctuation(text):
    names, chinese = re.compile(r"\{(\w+)\}"), read_catalogue("zh")[text]
    assert sorted(names.findall(text)) == sorted(names.findall(chinese))
    assert not (CHINESE.search(chinese) and re.search(r"[,;:()?!]", chinese))


def test_a_language_speaks():
    assert Language("en")("No. {number}", number=3) == "No. 3"
    assert Language("zh")("No. {number}", number=3) == "3 号"
    assert Language("zh")("Grube {x}") == "Grube {x}"  # a class that a user named
    assert (Language("en").tag, Language("zh").tag) == ("en", "zh-Hans")
