"""What QGIS shows of files or of a project, as JSON, and a picture of it: run by QGIS's Python.

python3 opened.py PICTURE.png PROJECT.qgz
python3 opened.py PICTURE.png RASTER.tif LAYER.gpkg|layername=mines ...     (from the top down)
"""

import json
import os
import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsExpression,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsFieldFormatterContext,
    QgsLayerTreeLayer,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor

picture, *sources = sys.argv[1:]
QgsApplication.setPrefixPath("/usr", True)
application = QgsApplication([], True)
application.initQgis()
project = QgsProject.instance()


def open_file(source):
    path, name = source.split("|")[0], Path(source).name
    if path.endswith(".tif"):
        return QgsRasterLayer(path, name)
    return QgsVectorLayer(source, name, "ogr")


if sources[0].endswith(".qgz"):
    opened = project.read(sources[0])
    layers = project.layerTreeRoot().layerOrder()
else:
    layers = [open_file(source) for source in sources]
    opened = all(layer.isValid() for layer in layers)
    for layer in layers:
        project.addMapLayer(layer, False)
        project.layerTreeRoot().addLayer(layer)
    project.setCrs(layers[-1].crs())


def colour(value):
    return value.name() + (f"{value.alpha():02x}" if value.alpha() < 255 else "")


def of_raster(layer):
    renderer = layer.renderer()
    found = {"renderer": renderer.type(), "bands": renderer.usesBands()}
    if renderer.type() == "paletted":
        found["classes"] = {int(c.value): [c.label, colour(c.color)] for c in renderer.classes()}
    if renderer.type() == "multibandcolor":
        enhancements = (
            renderer.redContrastEnhancement(), renderer.greenContrastEnhancement(), renderer.blueContrastEnhancement(),
        )  # fmt: skip
        found["limits"] = [[e.minimumValue(), e.maximumValue()] for e in enhancements]
    if renderer.type() == "singlebandpseudocolor":
        shader = renderer.shader().rasterShaderFunction()
        found["items"] = [[i.value, i.label, colour(i.color)] for i in shader.colorRampItemList()]
    return found


def shown(layer, feature, field):
    """The text of a value as table and form show it."""
    index = layer.fields().indexOf(field)
    setup = layer.editorWidgetSetup(index)
    formatter = QgsApplication.fieldFormatterRegistry().fieldFormatter(setup.type())
    if hasattr(QgsFieldFormatterContext, "setProject"):
        QgsFieldFormatterContext().setProject(project)
    return formatter.representValue(layer, index, setup.config(), None, feature[field])


def under(feature):
    """What the rasters have in their first band under a feature."""
    at = feature.geometry().pointOnSurface().asPoint()
    rasters = [layer for layer in layers if isinstance(layer, QgsRasterLayer)]
    return {r.name(): r.dataProvider().sample(at, 1)[0] for r in rasters if r.crs().authid() == project.crs().authid()}


def of_vector(layer):
    renderer = layer.renderer()
    features = list(layer.getFeatures())
    found = {
        "renderer": renderer.type(),
        "labels": [item.label() for item in renderer.legendSymbolItems()],
        "symbols": [
            [[part.layerType(), colour(part.color())] for part in item.symbol().symbolLayers()]
            for item in renderer.legendSymbolItems()
            if item.symbol() is not None
        ],
        "aliases": {f.name(): f.alias() for f in layer.fields() if f.alias()},
        "display": layer.displayExpression(),
        "tip": layer.mapTipTemplate(),
        "labelled": layer.labelsEnabled(),
        "expression": layer.labeling().settings().fieldName if layer.labelsEnabled() else "",
        "features": len(features),
    }
    if features:
        found["under_first"] = under(features[0])
        found["first"] = {f.name(): shown(layer, features[0], f.name()) for f in layer.fields()}
    if features:
        context = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
        context.setFeature(features[0])
        if layer.labelsEnabled():
            found["first_label"] = str(QgsExpression(found["expression"]).evaluate(context))
        found["first_name"] = str(QgsExpression(layer.displayExpression()).evaluate(context))
        found["first_tip"] = QgsExpression.replaceExpressionText(layer.mapTipTemplate(), context)
    return found


def sides(box):
    return [round(v, 6) for v in (box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum())]


def about(layer):
    of_kind = of_raster if isinstance(layer, QgsRasterLayer) else of_vector
    node = project.layerTreeRoot().findLayer(layer.id())
    groups, parent = [], node.parent()
    while parent is not None and parent.name():
        groups.insert(0, parent.name())
        parent = parent.parent()
    return {
        "name": layer.name(), "id": layer.id(), "valid": layer.isValid(), "groups": groups, "checked": node.isVisible(),
        "crs": layer.crs().authid(), "extent": sides(layer.extent()), "source": layer.source(),
        **(of_kind(layer) if layer.isValid() else {}),
    }  # fmt: skip


def draw():
    settings = QgsMapSettings()
    visible = [node.layer() for node in project.layerTreeRoot().findLayers() if node.isVisible()]
    settings.setLayers([layer for layer in visible if layer is not None and layer.isValid()])
    settings.setBackgroundColor(QColor(255, 255, 255))
    settings.setOutputSize(QSize(1000, 800))
    settings.setDestinationCrs(project.crs())
    view = project.viewSettings().defaultViewExtent()
    if not view.isEmpty():
        settings.setExtent(view)
    else:
        extent = settings.fullExtent()
        extent.scale(1.05)
        settings.setExtent(extent)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(picture)


told = {
    "opened": opened, "crs": project.crs().authid(), "title": project.title(),
    "tree": [isinstance(c, QgsLayerTreeLayer) or c.name() for c in project.layerTreeRoot().children()],
    "layers": [about(layer) for layer in layers],
}  # fmt: skip
draw()
print("SHOWN " + json.dumps(told))
sys.stdout.flush()
# Qt's own ending may crash without a display; everything has been said.
os._exit(0)
