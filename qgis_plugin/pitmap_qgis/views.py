"""Views of images side by side, one a date, that show the same ground."""

from __future__ import annotations

from pathlib import Path

from qgis.core import (
    QgsContrastEnhancement,
    QgsCoordinateTransform,
    QgsGeometry,
    QgsMapLayer,
    QgsMultiBandColorRenderer,
    QgsProject,
    QgsRasterLayer,
    QgsRasterMinMaxOrigin,
    QgsRectangle,
)
from qgis.gui import QgsMapCanvas, QgsMapToolPan, QgsRubberBand
from qgis.PyQt.QtCore import Qt, pyqtSignal
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtWidgets import QComboBox, QVBoxLayout, QWidget

ACROSS_PIXELS = 128
"""Side of the view of a point, in pixels of the image."""

MARK = QColor("#ffff00")


class ImageView(QWidget):
    """One image, chosen from a list, with the mark of a feature; nothing but images is ever drawn."""

    moved = pyqtSignal(object)
    """Its extent has changed: told with the view itself."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._images: list[QgsRasterLayer] = []
        self._choice, self._canvas = QComboBox(), QgsMapCanvas()
        self._choice.setFocusPolicy(Qt.NoFocus)
        self._canvas.setFocusPolicy(Qt.NoFocus)
        self._canvas.setMinimumHeight(160)
        self._pan = QgsMapToolPan(self._canvas)
        self._canvas.setMapTool(self._pan)
        self._marks: list[QgsRubberBand] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._choice)
        layout.addWidget(self._canvas, 1)
        self._choice.currentIndexChanged.connect(self._show_image)
        self._canvas.extentsChanged.connect(lambda: self.moved.emit(self))

    @property
    def canvas(self) -> QgsMapCanvas:
        """What draws."""
        return self._canvas

    @property
    def image(self) -> QgsRasterLayer | None:
        """The image that is shown."""
        place = self._choice.currentIndex()
        return self._images[place] if 0 <= place < len(self._images) else None

    def set_images(self, images: list[QgsRasterLayer], first: int) -> None:
        """Offer images, and show the one with that place."""
        self._choice.blockSignals(True)
        self._choice.clear()
        self._images = images
        self._choice.addItems([layer.name() for layer in images])
        self._choice.setCurrentIndex(min(first, len(images) - 1))
        self._choice.blockSignals(False)
        self._show_image()

    def _show_image(self) -> None:
        self._canvas.setLayers([] if self.image is None else [self.image])
        self._canvas.refresh()

    def show_feature(self, geometry: QgsGeometry, crs) -> None:
        """Go to a feature and mark it: a point by a cross that leaves its pixel free, a polygon by its outline."""
        for mark in self._marks:
            self._canvas.scene().removeItem(mark)
        self._marks = []
        image = self.image
        if image is None:
            return
        shown = QgsGeometry(geometry)
        if crs.isValid() and image.crs().isValid():
            shown.transform(QgsCoordinateTransform(crs, image.crs(), QgsProject.instance().transformContext()))
        self._canvas.setDestinationCrs(image.crs())
        pixel = image.rasterUnitsPerPixelX()
        box = shown.boundingBox()
        side = max(ACROSS_PIXELS * pixel, 1.6 * box.width(), 1.6 * box.height())
        centre = box.center()
        self._canvas.setExtent(
            QgsRectangle(centre.x() - side / 2, centre.y() - side / 2, centre.x() + side / 2, centre.y() + side / 2)
        )
        lines = _cross(centre.x(), centre.y(), pixel) if shown.type() == 0 else [shown]
        for line in lines:
            mark = QgsRubberBand(self._canvas, line.type())
            mark.setToGeometry(line, None)
            mark.setStrokeColor(MARK)
            mark.setFillColor(QColor(0, 0, 0, 0))
            mark.setWidth(2)
            self._marks.append(mark)
        self._canvas.refresh()

    def follow(self, other: ImageView) -> None:
        """Show the ground that another view shows."""
        here, there = self._canvas.mapSettings().destinationCrs(), other.canvas.mapSettings().destinationCrs()
        extent = other.canvas.extent()
        if here != there and here.isValid() and there.isValid():
            extent = QgsCoordinateTransform(there, here, QgsProject.instance()).transformBoundingBox(extent)
        self._canvas.blockSignals(True)
        self._canvas.setExtent(extent)
        self._canvas.blockSignals(False)
        self._canvas.refresh()


def _cross(x: float, y: float, pixel: float) -> list[QgsGeometry]:
    """Four arms round a pixel."""
    near, far = 1.5 * pixel, 6 * pixel
    return [
        QgsGeometry.fromWkt(f"LINESTRING({x + a * near} {y + b * near}, {x + a * far} {y + b * far})")
        for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ]


def open_image(path: Path, name: str, bands: list[int] | None = None) -> QgsRasterLayer | None:
    """An image with the style that lies beside it, else with its bands stretched; None where it cannot be opened.

    Args:
        path: Of the image.
        name: What it is called.
        bands: For red, green and blue, counted from 1, where it is known.
    """
    layer = QgsRasterLayer(str(path), name)
    if not layer.isValid():
        return None
    if bands and not path.with_suffix(".qml").exists():
        red, green, blue = (bands * 3)[:3]
        layer.setRenderer(QgsMultiBandColorRenderer(layer.dataProvider(), red, green, blue))
        layer.setContrastEnhancement(
            QgsContrastEnhancement.StretchToMinimumMaximum, QgsRasterMinMaxOrigin.CumulativeCut
        )
    return layer


def covering(images: list[QgsRasterLayer], geometry: QgsGeometry, crs) -> list[QgsRasterLayer]:
    """Those images in whose extent a feature lies."""
    found = []
    for image in images:
        shown = QgsGeometry(geometry)
        if crs.isValid() and image.crs().isValid():
            shown.transform(QgsCoordinateTransform(crs, image.crs(), QgsProject.instance().transformContext()))
        if image.extent().contains(shown.boundingBox().center()):
            found.append(image)
    return found


def source_path(layer: QgsMapLayer) -> Path:
    """The file of a layer."""
    return Path(layer.source().split("|")[0])
