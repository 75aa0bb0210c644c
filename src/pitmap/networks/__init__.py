"""The networks of the paper, and model files.

    build, names, register            networks by name                              registry
    gain_and_bias, normalise          pixels to what a network sees                 normalise
    save_model, load_model            model files that cannot run code              model_file
    tile_geometry, measure_reach      stride, reach and halo of any network         reach
    fuse                              batch normalisation folded into convolutions  fusion
    table, depth                      what the networks cost                        count

One file a network: ``fcn8s``, ``segnet``, ``unet``, ``resunet``, ``unetplusplus``, ``unetplus``; their shared layers
are in ``blocks``.
"""

from pitmap.networks.fusion import fuse
from pitmap.networks.model_file import ModelCard, load_model, read_card, save_model
from pitmap.networks.reach import TileGeometry, measure_reach, tile_geometry
from pitmap.networks.registry import build, names, register, variants

__all__ = [
    "ModelCard", "TileGeometry", "build", "fuse", "load_model", "measure_reach", "names", "read_card", "register",
    "save_model", "tile_geometry", "variants",
]  # fmt: skip
