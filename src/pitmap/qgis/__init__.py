"""The language of QGIS: styles of layers (QML) and projects, as QGIS 3.22 and later read them.

``vector`` has symbols, renderers and labels, ``forms`` has fields, forms and tables, ``raster`` has renderers of
rasters, and ``project`` writes a project. Which layer looks how is said beside what writes the layer.
"""
