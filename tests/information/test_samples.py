"""What is said of a sample tells nothing of map classes and strata."""

import json

import numpy as np

from commands import run
from pitmap.accuracy.sampling.design import DesignOptions, design
from pitmap.accuracy.sampling.sample_file import read_sample, write_sample
from pitmap.legend import DEFAULT_LEGEND
from pitmap.raster.codes import codes_layout
from pitmap.raster.writing import write_cog
from studies import grid, quilt


def test_it_says_how_many_are_labelled_and_no_stratum(capsys, tmp_path):
    write_cog(tmp_path / "map.tif", quilt(200, 200, 3), grid(200, 200), codes_layout(DEFAULT_LEGEND))
    points = tmp_path / "points.gpkg"
    design(tmp_path / "map.tif", points, DesignOptions(points=60, floor=10))
    sample = read_sample(points)
    sample.points["reference"] = np.where(np.arange(len(sample.points)) < 7, 6, None)
    write_sample(points, sample, "")
    texts = []
    for arguments in ([], ["--json"]):
        code, out, _ = run(capsys, "info", points, *arguments)
        assert code == 0
        texts.append(out)
    content = json.loads(texts[1])
    assert (content["points"], content["labelled"], content["to_label"]) == (60, 7, 53)
    assert content["map"] == "map.tif"
    strata = {str(name) for name in sample.strata["stratum"]}
    hidden = strata | {c.key for c in DEFAULT_LEGEND} | {c.name for c in DEFAULT_LEGEND} | {"strat" + "a", "map_code"}
    for text in texts:
        assert not [word for word in hidden if word in text.replace(content["design"], "")]
    # Counts of strata would tell a sharp reader how many points to expect of a class.
    assert not {int(n) for n in sample.strata["points"]} & {v for v in content.values() if isinstance(v, int)}
