"""Mapping of open-pit mines from high-resolution satellite images.

The packages follow the way of the data: ``imagery`` (product to reflectance), ``samples`` (patches with a split),
``networks``, ``training`` (the best epoch's model), ``mapping`` (land-cover map and mine polygons), ``accuracy`` and
``report``. Importing ``pitmap`` itself loads nothing heavy.
"""

__version__ = "0.1.0"
