"""Models and images as the tests of mapping make them."""

from mapping.conftest import image_file, model_file  # noqa: F401
