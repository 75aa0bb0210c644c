r"""The tables of a comparison for a paper: ``tabular``s of LaTeX with the rules of ``booktabs``, to be ``\input``."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from pitmap.comparison.page import Comparison
from pitmap.comparison.tables import NAMES, figure_table, top_two
from pitmap.comparison.verdicts import FIGURES, LEVEL

HEAD = "% \\usepackage{booktabs}; \\input this file inside a table with a caption."

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def latex_tables(found: Comparison) -> dict[str, str]:
    """Tables I to III and the differences with their verdicts, by file name without ending."""
    plan = found.plan
    many = len(plan.splits) > 1
    tables = {"table1": costs_table(found.costs)}
    for split in plan.splits:
        means = {n: s.mean for n, s in found.summaries[split].items()}
        seeds = {n: s.by_seed for n, s in found.summaries[split].items()}
        blocks = figure_table(means, seeds, plan.project.legend.keys)
        tables[f"table2-{split}" if many else "table2"] = accuracy_table(blocks, len(plan.seeds))
    counts = {split: top_two({n: s.mean for n, s in found.summaries[split].items()}) for split in plan.splits}
    tables["table3"] = _table(
        "l" + "r" * len(counts[plan.splits[0]]),
        ["Split", *counts[plan.splits[0]]],
        [[split, *(str(len(names)) for names in own.values())] for split, own in counts.items()],
        "Figures in which a network is among the best two, by the means over the seeds.",
    )
    tables["differences"] = _table(
        "llllrrrl",
        ["Split", "Figure", "First", "Second", "Difference", f"{LEVEL:.0%} interval", "$p$ (Holm)", "The first is"],
        [
            [
                d.split, NAMES[d.figure], d.first, d.second, _Raw(points(d.value)),
                _Raw("--" if d.lower is None else f"{points(d.lower)} to {points(d.upper)}"),
                _Raw("--" if d.adjusted_p_value is None else f"{d.adjusted_p_value:.3f}"), d.verdict,
            ]
            for figure in FIGURES for d in found.differences if d.figure == figure
        ],
        "First network minus second, in points, on the same test ground.",
    )  # fmt: skip
    return tables


def costs_table(costs: Sequence[dict[str, Any]]) -> str:
    """Table I: what the networks are and cost."""
    head = ["Network", "Depth", "Width", "Parameters ($10^6$)", "GMAC", "Stride", "Reach", "Training (s/Mpx)"]
    rows = [
        [
            r["network"], str(r["depth"]), str(r["width"]), f"{r['parameters'] / 1e6:.2f}",
            f"{r['multiply_accumulates'] / 1e9:.2f}", str(r["stride"]), str(r["reach"]),
            f"{r['training_seconds_per_megapixel']:.3g}", f"{r['mapping_seconds_per_megapixel']:.3g}",
        ]
        for r in costs
    ]  # fmt: skip
    note = "GMAC at 512 x 512 pixels, stride and reach in pixels; time of a step or pass in float32, for a megapixel."
    return _table("lrrrrrrrr", [*head, "Mapping (s/Mpx)"], rows, note)


def accuracy_table(blocks: Sequence[dict[str, Any]], seeds: int) -> str:
    """Table II as the paper lays it out, a block below the other: means in per cent, the best of a column bold.

    Args:
        blocks: From ``figure_table``.
        seeds: Their number; with several, the standard deviation over them stands behind the mean.
    """
    columns = max(len(block["columns"]) for block in blocks)
    lines = [HEAD, "% Per cent; mean over the seeds" + (r" $\pm$ standard deviation." if seeds > 1 else ".")]
    lines += [rf"\begin{{tabular}}{{l{'r' * columns}}}", r"\toprule"]
    for number, block in enumerate(blocks):
        lines += [r"\midrule"] if number else []
        lines += [_row([block["figure"], *block["columns"]], columns + 1), r"\midrule"]
        for row in block["rows"]:
            cells = [_Raw(_mean_cell(cell["value"], cell["seeds"], cell["best"])) for cell in row["cells"]]
            lines.append(_row([row["network"], *cells], columns + 1))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def points(value: float | None) -> str:
    """A difference of shares as points, with its sign."""
    return "--" if value is None else f"${100 * value:+.2f}$"


class _Raw(str):
    """LaTeX that is not escaped."""


def _mean_cell(value: float | None, seeds: Iterable[float | None], best: bool) -> str:
    if value is None:
        return "--"
    text = rf"\textbf{{{100 * value:.2f}}}" if best else f"{100 * value:.2f}"
    defined = [s for s in seeds if s is not None]
    return rf"{text} {{\scriptsize $\pm$ {100 * statistics.stdev(defined):.2f}}}" if len(defined) > 1 else text


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def _row(cells: Sequence[str], columns: int) -> str:
    shown = [cell if isinstance(cell, _Raw) or "$" in cell else escaped(cell) for cell in cells]
    return " & ".join([*shown, *[""] * (columns - len(cells))]) + r" \\"


def _table(alignment: str, head: Sequence[str], rows: Iterable[Sequence[str]], note: str) -> str:
    columns = len(head)
    lines = [HEAD, f"% {note}", rf"\begin{{tabular}}{{{alignment}}}", r"\toprule", _row(head, columns), r"\midrule"]
    lines += [_row(row, columns) for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])
