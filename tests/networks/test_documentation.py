"""What docs/networks.md says is so."""

import importlib
import re
import sys
from pathlib import Path

import pytest
import torch

from pitmap.networks import build, measure_reach, registry
from pitmap.networks.count import table
from pitmap.networks.unetplus import UNetPlus

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")


def rows(columns):
    """The cells of the page's tables with a number of columns."""
    lines = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in PAGE.splitlines() if line[:1] == "|"]
    return [cells for cells in lines if len(cells) == columns and set(cells[0]) != {"-"}]


def test_table_is_what_is_counted():
    expected = [
        [r.network, r.variant or "–", str(r.depth), f"{r.parameters:,}", f"{r.gmac:.2f}", str(r.stride), str(r.reach),
         str(r.halo)] for r in table()
    ]  # fmt: skip
    assert rows(8)[1:] == expected


def test_variants_are_those_of_the_code():
    listed = {}
    for cells in rows(11)[1:]:
        for name, *options, bottleneck in (cells[:5], cells[6:]):
            listed[name] = [*options, bottleneck == "yes"]
    assert listed == {name: list(options.values()) for name, options in UNetPlus.variants.items()}


@pytest.fixture
def example(tmp_path, monkeypatch):
    """The name of the page's own network."""
    (code,) = re.findall(r"```python\n# my_networks.py\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "my_networks.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_registered", {})
    importlib.invalidate_caches()
    yield "my_networks:dilated"
    sys.modules.pop("my_networks", None)


def test_example_can_be_built_and_measured(example):
    network = build(example, 4, 7, 8, layers=4)
    assert network(torch.zeros(2, 4, 20, 30)).shape == (2, 7, 20, 30)
    assert measure_reach(network, 4) == (1, 1 + 2 + 4 + 8, 15)
