"""What QGIS shows of the layer of points, as JSON: run by QGIS's Python, which is not that of pitmap.

python3 qgis_form.py POINTS.gpkg|POINTS.qgz PROJECT.qgz    (where the project is saved)
"""

import json
import sys

from qgis.core import QgsApplication, QgsProject, QgsVectorLayer
from qgis.gui import QgsAttributeForm, QgsExternalResourceWidget, QgsGui
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtWidgets import QComboBox, QLabel

points, project = sys.argv[1:3]
application = QgsApplication([], True)
application.initQgis()
QgsGui.editorWidgetRegistry().initEditors()
if points.endswith(".qgz"):
    assert QgsProject.instance().read(points)
    (layer,) = QgsProject.instance().mapLayersByName("points")
else:
    layer = QgsVectorLayer(f"{points}|layername=points", "points", "ogr")
    QgsProject.instance().addMapLayer(layer)
tree = QgsProject.instance().layerTreeRoot().findLayers()
QgsProject.instance().write(project)
features = list(layer.getFeatures())
form = QgsAttributeForm(layer, features[0])
form.show()
for _ in range(50):
    QCoreApplication.processEvents()


def pictures(widget):
    """Widths of the pictures that a widget shows; icons are smaller."""
    found = (label.pixmap() for label in widget.findChildren(QLabel))
    return [p.width() for p in found if p is not None and p.width() > 32]


labels = form.findChildren(QLabel)
lists = [[box.itemText(i) for i in range(box.count())] for box in form.findChildren(QComboBox)]
shown = {
    "layers": [
        [node.name(), node.layer().isValid(), node.isVisible(), node.layer().renderer().type()] for node in tree
    ],
    "fields": [field.name() for field in layer.fields()],
    "display": layer.displayExpression(),
    "map_tip": layer.mapTipTemplate(),
    "columns": [column.name for column in layer.attributeTableConfig().columns() if not column.hidden],
    "symbols": [item.label() for item in layer.renderer().legendSymbolItems()],
    "labels": [label.text() for label in labels],
    "lists": lists,
    "pictures": [pictures(widget) for widget in form.findChildren(QgsExternalResourceWidget)],
    "order": [feature["point_id"] for feature in features],
    "values": [[str(value) for value in feature.attributes()] for feature in features],
}
print("SHOWN " + json.dumps(shown))
sys.stdout.flush()
# Qt's own ending may crash without a display; everything has been said.
import os  # noqa: E402

os._exit(0)
