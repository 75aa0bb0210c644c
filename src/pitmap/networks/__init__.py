"""The networks of the paper, and model files.

    build, names, register    networks by name                    registry
    normalise, gain_and_bias  pixels to what a network sees       normalise
    save_model, load_model    model files that cannot run code    model_file

One file a network: ``unet``, ``unetplus``; their shared layers are in ``blocks``.
"""

from pitmap.networks.model_file import ModelCard, load_model, read_card, save_model
from pitmap.networks.registry import build, names, register

__all__ = ["ModelCard", "build", "load_model", "names", "read_card", "register", "save_model"]
