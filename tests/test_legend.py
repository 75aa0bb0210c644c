import pytest

from pitmap.errors import ProjectError
from pitmap.legend import DEFAULT_LEGEND, LandCoverClass, Legend


def test_the_default_legend_is_the_papers():
    assert DEFAULT_LEGEND.keys == ["OPM", "WAT", "BUI", "BAS", "ROA", "VEG", "WDA"]
    assert [c.code for c in DEFAULT_LEGEND] == [1, 2, 3, 4, 5, 6, 7]


def test_json_round_trip():
    assert Legend.from_json(DEFAULT_LEGEND.to_json()) == DEFAULT_LEGEND


def test_colour_table_has_transparent_nodata():
    table = DEFAULT_LEGEND.colour_table()
    assert table[0] == (0, 0, 0, 0)
    assert table[1] == (0xD7, 0x19, 0x1C, 255)


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        ([], r"codes \[\]"),
        ([LandCoverClass(0, "A", "a", "#000000")], r"\[0\]"),
        ([LandCoverClass(1, "A", "a", "#000000"), LandCoverClass(3, "B", "b", "#000000")], r"\[1, 3\]"),
        ([LandCoverClass(1, "A", "a", "#000000"), LandCoverClass(2, "A", "b", "#000000")], "more than once"),
        ([LandCoverClass(1, "A", "a", "red")], "rrggbb"),
    ],
)
def test_wrong_legends_are_refused(classes, text):
    with pytest.raises(ProjectError, match=text):
        Legend(classes)


def test_lookup_by_key_and_by_code():
    assert DEFAULT_LEGEND["WAT"] is DEFAULT_LEGEND[2]
    with pytest.raises(KeyError):
        DEFAULT_LEGEND["XXX"]
