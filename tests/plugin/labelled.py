"""Samples whose points are labelled without looking."""

from pathlib import Path

from pitmap.accuracy.sampling.sample_file import read_sample, write_sample


def label_as_mapped(points: Path) -> None:
    """Give each point the class of the map, so that the map is right everywhere."""
    sample = read_sample(points)
    codes = sample.drawn.set_index("point_id")["map_code"]
    sample.points["reference"] = codes.loc[sample.points["point_id"]].to_numpy()
    write_sample(points, sample, "")
