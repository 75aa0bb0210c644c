"""Models and images as in the tests of mapping."""

from mapping.conftest import image_file, model_file

__all__ = ["image_file", "model_file"]
