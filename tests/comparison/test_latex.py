"""Tables for papers: what LaTeX needs is there, and nothing that it would stumble over."""

import re
from types import SimpleNamespace

import pytest

from pitmap.comparison.latex import accuracy_table, costs_table, escaped, latex_tables, points
from pitmap.comparison.tables import Summary, figure_table, mean_scores
from pitmap.comparison.verdicts import Difference
from pitmap.legend import DEFAULT_LEGEND, Legend

LEGEND = Legend(list(DEFAULT_LEGEND)[:2])
FIGURES = ["overall_accuracy", "kappa", "mean_iou"]
COST = {
    "network": "my_nets:dilated", "depth": 9, "width": 16, "parameters": 1_234_567, "multiply_accumulates": 2.5e9,
    "stride": 1, "reach": 4, "training_seconds_per_megapixel": 1.2345, "mapping_seconds_per_megapixel": 0.4567,
}  # fmt: skip


def scores(value):
    names = [*FIGURES, *(f"{f} {k}" for f in ("producers_accuracy", "users_accuracy", "iou") for k in LEGEND.keys)]
    return dict.fromkeys(names, value)


def summary(network, *values):
    seeds = {seed: scores(value) for seed, value in enumerate(values)}
    return Summary(network, seeds, mean_scores(list(seeds.values())))


@pytest.fixture
def tables():
    unet, own = summary("unet", 0.8, 0.9), summary("my_nets:dilated", 0.7, 0.7)
    own.mean["kappa"] = None
    own.by_seed[0]["kappa"] = own.by_seed[1]["kappa"] = None
    difference = Difference(
        "blocks", "mine_iou", "unet", "my_nets:dilated", 0.1503, {0: 0.1, 1: 0.2}, 0.01, 0.0, 0.1, 0.2, 0.001, 0.002,
        40, "better",
    )  # fmt: skip
    plan = SimpleNamespace(splits=["blocks"], seeds=(0, 1), project=SimpleNamespace(legend=LEGEND))
    found = SimpleNamespace(
        plan=plan, costs=[COST], summaries={"blocks": {s.network: s for s in (unet, own)}}, differences=[difference]
    )
    return latex_tables(found)


def test_every_row_has_the_columns_that_the_table_declares(tables):
    assert set(tables) == {"table1", "table2", "table3", "differences"}
    for name, text in tables.items():
        (alignment,) = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", text)
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert len(rows) >= 2, name
        for row in rows:
            assert len(re.split(r"(?<!\\)&", row)) == len(alignment), row
        assert text.count(r"\toprule") == text.count(r"\bottomrule") == text.count(r"\end{tabular}") == 1
        for line in text.splitlines():
            if not line.startswith("%"):
                assert not re.search(r"(?<!\\)[%#]", line), line
                assert not re.search(r"(?<!\\)_", line), line


def test_means_have_their_spread_and_the_best_is_bold(tables):
    line = next(row for row in tables["table2"].splitlines() if row.startswith("unet "))
    assert line.split(" & ")[1].rstrip("\\ ") == r"\textbf{85.00} {\scriptsize $\pm$ 7.07}"
    overall = tables["table2"].splitlines()[-4:]
    assert next(row for row in overall if row.startswith(r"my\_nets")).split(" & ")[2] == "--"  # Kappa, undefined


def test_one_seed_has_no_spread():
    own = summary("unet", 0.8)
    text = accuracy_table(figure_table({"unet": own.mean}, {"unet": own.by_seed}, LEGEND.keys), 1)
    assert r"\pm" not in text
    assert r"\textbf{80.00}" in text


def test_costs_and_differences_are_in_the_units_that_their_heads_say(tables):
    assert r"my\_nets:dilated & 9 & 16 & 1.23 & 2.50 & 1 & 4 & 1.23 & 0.457 \\" in costs_table([COST])
    row = r"blocks & mine IoU & unet & my\_nets:dilated & $+15.03$ & $+10.00$ to $+20.00$ & 0.002 & better \\"
    assert row in tables["differences"]
    assert r"95\% interval" in tables["differences"]


def test_text_of_users_is_printed_as_it_is():
    assert escaped(r"50 % of a_b & {c} #1 $ ~ ^ \x") == (
        r"50 \% of a\_b \& \{c\} \#1 \$ \textasciitilde{} \textasciicircum{} \textbackslash{}x"
    )
    assert points(None) == "--"
    assert points(-0.001) == "$-0.10$"
