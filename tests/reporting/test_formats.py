"""Numbers as text."""

import pytest

from pitmap.reporting.formats import (
    DASH,
    count,
    decimals_for,
    distance,
    number,
    percent,
    plain,
    sentence,
    significant,
    words,
)


@pytest.mark.parametrize("write", [count, number, percent, significant, distance, plain])
def test_what_is_undefined_is_a_dash(write):
    assert write(None) == DASH


def test_units_and_digits():
    assert count(1234567) == "1\u202f234\u202f567"
    assert number(-1234.5, 1) == "−1\u202f234.5"
    assert percent(0.72849) == "72.8\u202f%"
    assert percent(1.0) == "100.0\u202f%"
    assert distance(390) == "390\u202fm"
    assert distance(4011.2) == "4.01\u202fkm"
    assert distance(0.5) == "0.5\u202fm"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.05998875, "0.05999"), (12.3456, "12.35"), (123456.7, "123\u202f457"), (40, "40"), (0, "0"), (2e-5, "2e−05")],
)
def test_significant_digits(value: float, text: str):
    assert significant(value) == text


def test_a_column_has_one_number_of_decimals():
    assert decimals_for([0.3, None, 99.0]) == 2
    assert decimals_for([0.3, 153.2]) == 1
    assert decimals_for([12_000.0]) == 0
    assert decimals_for([None]) == 2


def test_values_of_json_as_text():
    assert plain(True) == "yes"
    assert plain([0.5, None]) == f"0.5, {DASH}"
    assert plain({"learning_rate": 0.001}) == "learning rate 0.001"
    assert plain([]) == DASH
    assert words("validation_miou") == "validation mIoU"
    assert sentence("the CRS") == "The CRS"
