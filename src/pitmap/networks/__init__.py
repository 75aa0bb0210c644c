"""The networks of the paper, and model files.

    build, names, register            networks by name                              registry
    gain_and_bias, normalise          pixels to what a network sees                 normalise
    ModelCard, read_card              what a model file says of its model           model_card
    save_model, load_model            model files that cannot run code              model_file
    tile_geometry, measure_reach      stride, reach and halo of any network         reach
    fuse                              batch normalisation folded into convolutions  fusion
    table, depth                      what the networks cost                        count

One file a network: ``fcn8s``, ``segnet``, ``unet``, ``resunet``, ``unetplusplus``, ``unetplus``; their shared layers
are in ``blocks``. A name is loaded when it is used: whoever reads a card needs no PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_MODULES = {
    "ModelCard": "model_card",
    "TileGeometry": "facts",
    "build": "registry",
    "fuse": "fusion",
    "load_model": "model_file",
    "measure_reach": "reach",
    "names": "registry",
    "read_card": "model_card",
    "register": "registry",
    "save_model": "model_file",
    "tile_geometry": "reach",
    "variants": "registry",
}

if TYPE_CHECKING:
    from pitmap.networks.facts import TileGeometry as TileGeometry
    from pitmap.networks.fusion import fuse as fuse
    from pitmap.networks.model_card import ModelCard as ModelCard
    from pitmap.networks.model_card import read_card as read_card
    from pitmap.networks.model_file import load_model as load_model
    from pitmap.networks.model_file import save_model as save_model
    from pitmap.networks.reach import measure_reach as measure_reach
    from pitmap.networks.reach import tile_geometry as tile_geometry
    from pitmap.networks.registry import build as build
    from pitmap.networks.registry import names as names
    from pitmap.networks.registry import register as register
    from pitmap.networks.registry import variants as variants
else:

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"pitmap.networks.{_MODULES[name]}"), name)


__all__ = [*_MODULES]  # pyright: ignore[reportUnsupportedDunderAll]
