"""Labels with the panel in QGIS, as JSON: run by QGIS's Python, which is not that of pitmap.

python3 panel_in_qgis.py FOLDER_OF_PLUGIN PROJECT_FILE PICTURE.png
"""

import json
import os
import sys
from pathlib import Path

from qgis.core import QgsApplication, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QCoreApplication, Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QLabel, QMainWindow, QPushButton

folder, project_file, picture = sys.argv[1:4]
application = QgsApplication([], True)
application.initQgis()
sys.path[:0] = [folder, str(Path(QgsApplication.pkgDataPath()) / "python" / "plugins")]
import pitmap_qgis  # noqa: E402


class Interface:
    """What the plugin uses of QGIS's window."""

    def __init__(self):
        self.window, self.actions = QMainWindow(), []

    def mainWindow(self):  # noqa: N802
        return self.window

    def addDockWidget(self, area, dock):  # noqa: N802
        self.window.addDockWidget(area, dock)

    def removeDockWidget(self, dock):  # noqa: N802
        self.window.removeDockWidget(dock)

    def addPluginToMenu(self, menu, action):  # noqa: N802
        self.actions.append(action)

    def addToolBarIcon(self, action):  # noqa: N802
        self.actions.append(action)

    def removePluginMenu(self, menu, action):  # noqa: N802
        self.actions.remove(action)

    def removeToolBarIcon(self, action):  # noqa: N802
        self.actions.remove(action)


interface, pages = Interface(), []
window = interface.window
window.resize(1100, 760)
window.show()
plugin = pitmap_qgis.classFactory(interface)
plugin.initGui()
panel = plugin._panel
panel._open_page = pages.append
interface.actions[0].trigger()
map_layer = QgsRasterLayer(str(Path(project_file).parent / "results" / "maps" / "north.tif"), "land cover")
QgsProject.instance().addMapLayer(map_layer)


def settle():
    """Let Qt and the canvases finish."""
    for view in panel.views:
        view.canvas.waitWhileRendering()
    for _ in range(20):
        QCoreApplication.processEvents()


def words():
    """All that a person can read in the panel."""
    texts = [w.text() for kind in (QLabel, QPushButton) for w in panel.findChildren(kind) if w.isVisible()]
    return [text for text in texts if text]


def state():
    settle()
    labelled = panel._labelled
    return {
        "title": panel._title.text(),
        "place": labelled.stepping.place,
        "done": labelled.stepping.done,
        "images": [None if v.image is None or not v.isVisible() else v.image.name() for v in panel.views],
        "bands": [v.image.renderer().usesBands() for v in panel.views if v.image is not None],
        "extents": [v.canvas.extent().toString(1) for v in panel.views if v.isVisible()],
        "centre": [
            v.canvas.extent().center().distance(labelled.geometry().boundingBox().center()) for v in panel.views
        ],
        "words": words(),
    }


told = {}
panel.open_study(project_file)
told["note"] = panel._note.text()
told["files"] = [panel._files.itemText(i) for i in range(panel._files.count())]
assert panel._labelled is not None, told
told["opened"] = state()
told["hidden"] = not QgsProject.instance().layerTreeRoot().findLayer(map_layer.id()).itemVisibilityChecked()
QgsProject.instance().layerTreeRoot().findLayer(map_layer.id()).setItemVisibilityChecked(True)
settle()
told["hidden again"] = not QgsProject.instance().layerTreeRoot().findLayer(map_layer.id()).itemVisibilityChecked()
QTest.keyClick(panel, Qt.Key_3)
told["after 3"] = state()
QTest.keyClick(panel, Qt.Key_1)
QTest.keyClick(panel, Qt.Key_Right)
told["after 1 and right"] = state()
QTest.keyClick(panel, Qt.Key_D)
panel._comment.setFocus()
QTest.keyClicks(panel._comment, "sure 7")
QTest.keyClick(panel._comment, Qt.Key_Return)
QTest.keyClick(panel, Qt.Key_Left)
QTest.keyClick(panel, Qt.Key_Left)
told["back"] = state()
QTest.keyClick(panel, Qt.Key_Delete)
told["deleted"] = state()
buttons = [b for b in panel.findChildren(QPushButton) if b.text().startswith("7  ")]
buttons[0].click()
told["after button"] = state()
panel.views[0].canvas.zoomByFactor(0.5)
told["zoomed"] = state()
panel.grab().save(picture)
panel._file_chosen(1)
told["review"] = state()
QTest.keyClick(panel, Qt.Key_8)
told["review after 8"] = state()
panel.add_image(str(Path(project_file).parent / "own_20190701.tif"))
told["with own"] = [panel.views[0]._choice.itemText(i) for i in range(panel.views[0]._choice.count())]
panel.add_image(str(Path(project_file).parent / "none.tif"))
told["wrong image"] = panel._note.text()
panel._report.click()
told["pages"] = [str(p) for p in pages]
plugin.unload()
told["left"] = [len(interface.actions), QgsApplication.processingRegistry().providerById("pitmap") is None]
print("SHOWN " + json.dumps(told))
sys.stdout.flush()
os._exit(0)  # Qt's own ending may crash without a display; everything has been said
