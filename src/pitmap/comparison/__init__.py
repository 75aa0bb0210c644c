"""Networks side by side on one's own data: the paper's tables and figures, with seeds, intervals, cost and verdicts.

plan          networks x seeds x splits as runs, each a small study
runs          doing a run, knowing that it is done, reading what it left
costs         what networks cost, counted and measured; the hours of a plan
tables        Table I, II, III and accuracy by site
identities    what must hold between the figures of any such table
verdicts      paired differences, intervals, verdicts; optimism of the random split
paper         the published numbers, with corrections
figures       maps and bars, as PNG, SVG and PDF
cartography   what makes a picture a map: legend, scale bar, north arrow
latex         the tables for a paper
page          comparison.html
comparison    compare(): all of it
"""

from pitmap.comparison.comparison import compare

__all__ = ["compare"]
