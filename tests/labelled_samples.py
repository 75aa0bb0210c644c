"""Samples as an interpreter leaves them: labelled from a raster of the truth, and edited."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio

from pitmap.accuracy.sampling.sample_file import read_sample
from pitmap.geopackage import write_layers


def drawn(path):
    """What was drawn of each point of the layer, in its order."""
    return read_sample(path).drawn.set_index("point_id").loc[gpd.read_file(path, layer="points")["point_id"]]


def label(path, truth):
    """Fill in ``reference`` from an array of codes ``(rows, cols)``."""
    of = drawn(path)
    labels = np.asarray(truth)[of["row"], of["col"]]

    def edit(layer):
        layer["reference"] = pd.array(labels, dtype="Int32")
        return layer

    change(path, edit)


def change(path, edit, crs=None, **tables):
    """Rewrite the layer of points, and tables."""
    layers = {
        "points": edit(gpd.read_file(path, layer="points")),
        **{n: pyogrio.read_dataframe(path, layer=n, read_geometry=False) for n in ("drawn", "strata", "design")},
    } | tables
    if crs is not None:
        layers["points"] = layers["points"].to_crs(crs)
    write_layers(path, {name: layer for name, layer in layers.items() if layer is not None})
